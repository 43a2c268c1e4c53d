//! Which rows a table had, by their keys.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use underpin_db::{Conn, DbError};

use crate::sql::{identifier, literal};

/// The rows that a table had before a statement that may take them along.
pub(super) struct Kept {
    /// In lower case.
    pub(super) table: String,
    /// The table that is dropped, where these are rows that refer to it.
    pub(super) dropped: Option<String>,
    key: Vec<Column>,
    /// Only rows with a value here count: the column refers to the dropped table.
    refers: Option<String>,
    /// Of each row's key, ascending; of no use where there is no key.
    digests: Vec<u64>,
}

/// A column of a key, and its type.
#[derive(Clone, PartialEq, Eq)]
struct Column {
    name: String,
    kind: String,
    /// Of the primary key, which a rebuild may rename.
    primary: bool,
}

impl Kept {
    pub(super) async fn of(
        conn: &mut Conn,
        table: &str,
        dropped: Option<&str>,
        refers: Option<&str>,
    ) -> Result<Self, DbError> {
        let key = key(conn, table).await?;
        let digests = digests(conn, table, &key, refers).await?;
        Ok(Self {
            table: table.to_owned(),
            dropped: dropped.map(str::to_owned),
            key,
            refers: refers.map(str::to_owned),
            digests,
        })
    }

    pub(super) fn rows(&self) -> u64 {
        self.digests.len() as u64
    }

    /// How many rows there are now, and how many of the former ones are not among them. Rows without a
    /// key, or whose keys were all converted to another type, can only be counted.
    pub(super) async fn compare(&self, conn: &mut Conn) -> Result<(u64, u64), DbError> {
        let key_now = key(conn, &self.table).await?;
        let refers = match &self.refers {
            Some(column) if has_column(conn, &self.table, column).await? => Some(column.as_str()),
            _ => None,
        };
        let same = !self.key.is_empty()
            && key_now.len() == self.key.len()
            && self
                .key
                .iter()
                .zip(&key_now)
                .all(|(one, other)| one.primary && other.primary || one == other);
        let now = digests(conn, &self.table, &key_now, refers).await?;
        let after = now.len() as u64;
        let fewer = self.rows().saturating_sub(after);
        if !same {
            return Ok((after, fewer));
        }
        let lost = missing(&self.digests, &now);
        let kinds = self.key.iter().zip(&key_now).all(|(one, other)| one.kind == other.kind);
        // Another type that writes no key as before has converted all of them.
        let converted = !kinds && lost == self.rows();
        Ok((after, if converted { fewer } else { lost }))
    }
}

/// How many of `before` are not in `now`; both ascending.
fn missing(before: &[u64], now: &[u64]) -> u64 {
    let mut now = now.iter().peekable();
    let mut missing = 0;
    for digest in before {
        while now.next_if(|other| *other < digest).is_some() {}
        if now.next_if_eq(&digest).is_none() {
            missing += 1;
        }
    }
    missing
}

/// The columns of the primary key, in its order. Without one, those of the first unique index by name
/// that has no `NULL`.
async fn key(conn: &mut Conn, table: &str) -> Result<Vec<Column>, DbError> {
    let table = literal(table);
    let primary = format!(
        "SELECT json_array(name, upper(type)) FROM pragma_table_xinfo({table}) WHERE pk > 0 ORDER BY pk"
    );
    let columns = conn.texts(&primary).await?;
    if !columns.is_empty() {
        return Ok(read(&columns, true));
    }
    let unique = format!(
        "SELECT json_array(x.name, upper(x.type)) FROM pragma_index_info((SELECT l.name FROM \
         pragma_index_list({table}) AS l WHERE l.\"unique\" AND NOT l.partial AND NOT EXISTS (SELECT 1 FROM \
         pragma_index_info(l.name) AS i LEFT JOIN pragma_table_xinfo({table}) AS c ON c.name = i.name \
         WHERE c.\"notnull\" IS NOT 1) ORDER BY l.name LIMIT 1)) AS k \
         JOIN pragma_table_xinfo({table}) AS x ON x.name = k.name ORDER BY k.seqno"
    );
    Ok(read(&conn.texts(&unique).await?, false))
}

fn read(columns: &[String], primary: bool) -> Vec<Column> {
    let one = |text: &String| serde_json::from_str::<(String, String)>(text).ok();
    let column = |(name, kind)| Column { name, kind, primary };
    columns.iter().filter_map(one).map(column).collect()
}

async fn has_column(conn: &mut Conn, table: &str, column: &str) -> Result<bool, DbError> {
    let query = format!(
        "SELECT name FROM pragma_table_xinfo({}) WHERE name = {} COLLATE NOCASE",
        literal(table),
        literal(column)
    );
    Ok(conn.text(&query).await?.is_some())
}

async fn digests(
    conn: &mut Conn,
    table: &str,
    key: &[Column],
    refers: Option<&str>,
) -> Result<Vec<u64>, DbError> {
    let mut parts: Vec<_> =
        key.iter().map(|one| format!("coalesce(hex({}), '-')", identifier(&one.name))).collect();
    if parts.is_empty() {
        parts.push("''".to_owned());
    }
    let filter = refers.map(|column| format!(" WHERE {} IS NOT NULL", identifier(column)));
    let query = format!(
        "SELECT {} FROM main.{}{}",
        parts.join(" || ',' || "),
        identifier(table),
        filter.unwrap_or_default()
    );
    let mut digests = Vec::new();
    conn.each_text(&query, |text| {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        digests.push(hasher.finish());
    })
    .await?;
    digests.sort_unstable();
    Ok(digests)
}

#[cfg(test)]
mod tests {
    use super::missing;

    #[test]
    fn what_is_missing_is_counted_with_its_repetitions() {
        for (before, now, lost) in [
            (&[1, 2, 3][..], &[1, 2, 3][..], 0),
            (&[1, 2, 3], &[0, 1, 3, 4], 1),
            (&[1, 1, 2], &[1, 2, 2], 1),
            (&[], &[1], 0),
            (&[5], &[], 1),
        ] {
            assert_eq!(missing(before, now), lost, "{before:?} {now:?}");
        }
    }
}
