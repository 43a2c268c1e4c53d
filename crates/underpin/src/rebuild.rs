//! Proves that a migration which rebuilds SQLite tables lost nothing.
//!
//! A rebuild drops a table and puts another in its place. With foreign keys enforced, the drop
//! would delete the rows of every cascading child; without, a mistake in the script may drop rows
//! or leave children without a parent, and nothing would tell. So the rows of every table are
//! counted before and after, and so are the rows that point to nothing.

use std::collections::BTreeMap;

use underpin_db::{Conn, DbError};

use crate::{
    StepCause,
    history::DIESEL_TABLE,
    sql::{identifier, literal},
};

/// What there was before the script.
pub(crate) struct Guard {
    rows: BTreeMap<String, u64>,
    orphans: BTreeMap<(String, String), u64>,
}

impl Guard {
    pub(crate) async fn before(conn: &mut Conn) -> Result<Self, StepCause> {
        Ok(Self { rows: rows(conn).await?, orphans: orphans(conn).await? })
    }

    /// Every table that still exists has as many rows as before, or more, and no more rows than
    /// before point to nothing.
    pub(crate) async fn after(self, conn: &mut Conn) -> Result<(), StepCause> {
        let rows = rows(conn).await?;
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

async fn rows(conn: &mut Conn) -> Result<BTreeMap<String, u64>, DbError> {
    let names = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' \
                 AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
    let mut rows = BTreeMap::new();
    for name in conn.texts(names).await? {
        // The engine itself takes a row out of Diesel's table when it goes down.
        if name == DIESEL_TABLE {
            continue;
        }
        let query = format!("SELECT CAST(count(*) AS TEXT) FROM {}", identifier(&name));
        let count = conn.text(&query).await?.and_then(|count| count.parse().ok()).unwrap_or(0);
        rows.insert(name, count);
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
