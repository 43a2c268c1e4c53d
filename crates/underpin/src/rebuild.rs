//! Proves that a migration which rebuilds SQLite tables lost nothing.
//!
//! A rebuild drops a table and puts another in its place. With foreign keys enforced, the drop
//! would delete the rows of every cascading child; without, a mistake in the script may drop rows
//! or leave children without a parent, and nothing would tell. So the rows of every table are
//! counted before and after, and so are the rows that point to nothing.

use std::collections::BTreeMap;

use underpin_catalog::{Dialect, statement::dropped_tables};
use underpin_db::{Conn, DbError};

use crate::{
    StepCause,
    history::{DIESEL_TABLE, HISTORY_TABLE},
    sql::{identifier, literal},
};

/// Tables that one query counts: SQLite takes at most 500 parts.
const AT_ONCE: usize = 100;

/// What there was before the script.
pub(crate) struct Guard {
    rows: BTreeMap<String, u64>,
    orphans: BTreeMap<(String, String), u64>,
}

impl Guard {
    pub(crate) async fn before(conn: &mut Conn) -> Result<Self, StepCause> {
        Ok(Self { rows: rows(conn, None).await?, orphans: orphans(conn).await? })
    }

    /// Of the references alone, where a script may leave it to the end of its transaction that they lead
    /// somewhere. In a transaction with others that end is the script's own.
    pub(crate) async fn of_deferred(
        conn: &mut Conn,
        script: &str,
    ) -> Result<Option<Self>, StepCause> {
        let deferred = "SELECT '1' FROM sqlite_schema WHERE sql LIKE '%defer%' LIMIT 1";
        if !script.to_ascii_lowercase().contains("defer") && conn.text(deferred).await?.is_none() {
            return Ok(None);
        }
        Ok(Some(Self { rows: BTreeMap::new(), orphans: orphans(conn).await? }))
    }

    /// Every table that still exists has as many rows as before, or more, and no more rows than
    /// before point to nothing.
    pub(crate) async fn after(self, conn: &mut Conn) -> Result<(), StepCause> {
        let rows = rows(conn, None).await?;
        for (table, before) in self.rows {
            if let Some(&after) = rows.get(&table).filter(|after| **after < before) {
                return Err(StepCause::RowsLost { table, before, after });
            }
        }
        for ((table, parent), after) in orphans(conn).await? {
            let before = self.orphans.get(&(table.clone(), parent.clone())).copied().unwrap_or(0);
            if after > before {
                return Err(StepCause::Orphans { table, parent, count: after - before });
            }
        }
        Ok(())
    }
}

/// Rows of another table that refer to a table which is about to be dropped.
///
/// With foreign keys enforced SQLite first deletes every row of a table that it drops, and with
/// them, or in them, what refers to it. Scripts written for tools that run them without foreign
/// keys count on the opposite.
pub(crate) struct References {
    dropped: String,
    child: String,
    column: String,
    rows: u64,
}

impl References {
    /// The references that `statement` would take along, none when it drops no table.
    pub(crate) async fn to_dropped(conn: &mut Conn, statement: &str) -> Result<Vec<Self>, DbError> {
        let mut references = Vec::new();
        for dropped in dropped_tables(statement, Dialect::Sqlite) {
            references.extend(Self::to_table(conn, dropped.name).await?);
        }
        Ok(references)
    }

    async fn to_table(conn: &mut Conn, dropped: String) -> Result<Vec<Self>, DbError> {
        let name = literal(&dropped);
        let query = format!(
            "SELECT json_array(m.name, f.\"from\") FROM sqlite_schema AS m, \
             pragma_foreign_key_list(m.name) AS f WHERE m.type = 'table' \
             AND f.\"table\" = {name} COLLATE NOCASE AND m.name <> {name} COLLATE NOCASE \
             AND f.on_delete IN ('CASCADE', 'SET NULL', 'SET DEFAULT')"
        );
        let mut references = Vec::new();
        for pair in conn.texts(&query).await? {
            let Ok((child, column)) = serde_json::from_str::<(String, String)>(&pair) else {
                continue;
            };
            let rows = count(conn, &child, &column).await?;
            references.push(Self { dropped: dropped.clone(), child, column, rows });
        }
        Ok(references)
    }

    /// After the script: the rows still refer to the table, or their own table is gone as well.
    pub(crate) async fn check(self, conn: &mut Conn) -> Result<(), StepCause> {
        let exists = format!("SELECT 1 FROM pragma_table_info({}) LIMIT 1", literal(&self.child));
        if conn.text(&exists).await?.is_none() {
            return Ok(());
        }
        let left = count(conn, &self.child, &self.column).await?;
        if left < self.rows { Err(self.lost(self.rows - left)) } else { Ok(()) }
    }

    /// Before a statement that nothing can undo.
    pub(crate) fn refuse(self) -> Result<(), StepCause> {
        if self.rows > 0 { Err(self.lost(self.rows)) } else { Ok(()) }
    }

    fn lost(&self, count: u64) -> StepCause {
        StepCause::Cascade { table: self.dropped.clone(), child: self.child.clone(), count }
    }
}

async fn count(conn: &mut Conn, table: &str, column: &str) -> Result<u64, DbError> {
    let (table, column) = (identifier(table), identifier(column));
    let query = format!("SELECT CAST(count({column}) AS TEXT) FROM {table}");
    Ok(conn.text(&query).await?.and_then(|count| count.parse().ok()).unwrap_or(0))
}

/// The rows of each table, on PostgreSQL of those in `schema`.
pub(crate) async fn rows(
    conn: &mut Conn,
    schema: Option<&str>,
) -> Result<BTreeMap<String, u64>, DbError> {
    let names = match conn.dialect() {
        Dialect::Sqlite => {
            "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' \
             AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
                .to_owned()
        }
        Dialect::Postgres => format!(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = \
             (SELECT oid FROM pg_namespace WHERE nspname = {})",
            literal(schema.unwrap_or_default())
        ),
    };
    let mut names = conn.texts(&names).await?;
    // The engine itself takes a row out of Diesel's table when it goes down, and adds to its own.
    names.retain(|name| name != DIESEL_TABLE && name != HISTORY_TABLE);
    let place = schema.map(|schema| format!("{}.", identifier(schema))).unwrap_or_default();
    let mut rows = BTreeMap::new();
    for some in names.chunks(AT_ONCE) {
        let count = |(index, name): (usize, &String)| {
            format!("SELECT '{index} ' || CAST(count(*) AS TEXT) FROM {place}{}", identifier(name))
        };
        let query = some.iter().enumerate().map(count).collect::<Vec<_>>().join(" UNION ALL ");
        for text in conn.texts(&query).await? {
            let (index, count) = text.split_once(' ').unwrap_or_default();
            let name = index.parse::<usize>().ok().and_then(|index| some.get(index));
            rows.extend(name.map(|name| (name.clone(), count.parse().unwrap_or(0))));
        }
    }
    Ok(rows)
}

async fn orphans(conn: &mut Conn) -> Result<BTreeMap<(String, String), u64>, DbError> {
    let pairs = "SELECT DISTINCT json_array(\"table\", parent) FROM pragma_foreign_key_check";
    let mut orphans = BTreeMap::new();
    for pair in conn.texts(pairs).await? {
        let Ok((table, parent)) = serde_json::from_str::<(String, String)>(&pair) else { continue };
        let query = format!(
            "SELECT CAST(count(*) AS TEXT) FROM pragma_foreign_key_check WHERE \"table\" = {} AND parent = {}",
            literal(&table),
            literal(&parent)
        );
        let count = conn.text(&query).await?.and_then(|count| count.parse().ok()).unwrap_or(0);
        orphans.insert((table, parent), count);
    }
    Ok(orphans)
}
