//! Proves that a script lost no rows of an SQLite database and left nothing dangling.
//!
//! A rebuild drops a table and puts another in its place. With foreign keys enforced, the drop
//! would delete the rows of every cascading child; without, a mistake in the script may drop rows
//! or leave children without a parent, and nothing would tell. So the rows of a table that goes are
//! remembered by their keys, and those that came back are looked for among them. Where foreign keys are off
//! the rows of every table are counted as well, and so are the rows that point to nothing. What a script
//! says with `DELETE` is meant.

use std::collections::{BTreeMap, BTreeSet};

use underpin_catalog::{
    Dialect,
    statement::{Statement, TableChange, dropped_tables},
};
use underpin_db::{Conn, DbError};

mod kept;

use kept::Kept;

use crate::{
    StepCause,
    dangling::Dangling,
    history::{DIESEL_TABLE, HISTORY_TABLE, Note},
    sql::{identifier, literal},
};

/// Tables that one query counts: SQLite takes at most 500 parts.
const AT_ONCE: usize = 100;

/// Looks at an SQLite database before, while and after a script runs.
#[derive(Default)]
pub(crate) struct Guard {
    /// Of a rebuild: the rows of each table.
    rows: BTreeMap<String, u64>,
    /// Where rows may come to point to nothing.
    orphans: Option<BTreeMap<(String, String), u64>>,
    /// What dangled before the script, where it is known.
    dangling: Option<Dangling>,
    /// Whether the script can make anything dangle.
    changes: bool,
    /// Tables that the script dropped or renamed.
    anew: BTreeSet<String>,
    /// Tables that the script took rows from on purpose.
    deletes: BTreeSet<String>,
    kept: Vec<Kept>,
    /// Of a script that goes on: what its first run saw.
    first: Option<First>,
}

/// What the first run of an interrupted script saw before it changed anything.
struct First {
    dangling: Vec<String>,
    /// Of each table that it dropped or renamed.
    rows: BTreeMap<String, u64>,
}

impl Guard {
    /// Before `text` runs, given what dangles where that is known.
    pub(crate) async fn before(
        conn: &mut Conn,
        text: &str,
        known: Option<Dangling>,
    ) -> Result<Self, DbError> {
        if !Dangling::can_come_of(text) {
            return Ok(Self { dangling: known, ..Self::default() });
        }
        let dangling = Some(Dangling::look(conn, known).await?);
        Ok(Self { dangling, changes: true, ..Self::default() })
    }

    /// Before a script that runs without foreign keys: it keeps all rows and all references.
    pub(crate) async fn rebuilding(mut self, conn: &mut Conn) -> Result<Self, DbError> {
        self.rows = rows(conn, None).await?;
        self.orphans = Some(orphans(conn).await?);
        Ok(self)
    }

    /// Before a script that shares its transaction: it may leave it to the end of the transaction that
    /// references lead somewhere, and the end of the script stands for that.
    pub(crate) async fn sharing(mut self, conn: &mut Conn, script: &str) -> Result<Self, DbError> {
        let deferred = "SELECT '1' FROM main.sqlite_schema WHERE sql LIKE '%defer%' LIMIT 1";
        let defers = match &self.dangling {
            // The schema has not changed since it was read.
            Some(known) => known.defers(),
            None => conn.text(deferred).await?.is_some(),
        };
        if defers || script.to_ascii_lowercase().contains("defer") {
            self.orphans = Some(orphans(conn).await?);
        }
        Ok(self)
    }

    /// Before the rest of a script whose first `done` statements an interrupted run did.
    pub(crate) fn resuming(mut self, note: &Note, done: &[Statement<'_>]) -> Self {
        let mut rows = note.rows.clone();
        for statement in done {
            match TableChange::of(statement.text) {
                Some(TableChange::Deletes(table)) => {
                    rows.remove(&table);
                    self.deletes.insert(table);
                }
                Some(TableChange::Renames { from, to }) if self.deletes.contains(&from) => {
                    rows.remove(&to);
                    self.deletes.insert(to);
                }
                _ => {}
            }
        }
        let dangling = note.dangling.clone();
        // What the statements that are done broke is looked for even when the rest can break nothing.
        self.changes = true;
        Self { first: Some(First { dangling, rows }), ..self }
    }

    /// What is broken before the script, for a run that goes on with it.
    pub(crate) fn dangling(&self) -> Vec<String> {
        self.dangling.iter().flat_map(Dangling::faults).collect()
    }

    /// The rows of tables that the script dropped or renamed until now, and did not empty.
    pub(crate) fn rows_before(&self) -> BTreeMap<String, u64> {
        let first = self.first.iter().flat_map(|first| first.rows.clone());
        let gone = self.kept.iter().filter(|kept| kept.dropped.is_none());
        gone.map(|kept| (kept.table.clone(), kept.rows())).chain(first).collect()
    }

    /// Before each statement of the script. `enforced`: a dropped table would take along what refers to it.
    pub(crate) async fn statement(
        &mut self,
        conn: &mut Conn,
        statement: &str,
        enforced: bool,
    ) -> Result<(), DbError> {
        // Most statements change no whole table, and reading them through takes longer.
        let first = statement.get(..4).unwrap_or_default().to_ascii_lowercase();
        if !["drop", "alte", "dele", "with"].contains(&first.as_str()) {
            return Ok(());
        }
        match TableChange::of(statement) {
            None => {}
            Some(TableChange::Deletes(table)) => self.meant(table),
            Some(TableChange::Drops(table)) => {
                self.keep(conn, &table).await?;
                if enforced {
                    self.kept.extend(referring(conn, &table).await?);
                }
            }
            Some(TableChange::Renames { from, to }) => {
                self.keep(conn, &from).await?;
                if self.deletes.contains(&from) {
                    self.meant(to);
                }
            }
        }
        Ok(())
    }

    /// Rows of this table may go: the script says so.
    fn meant(&mut self, table: String) {
        self.kept.retain(|kept| kept.table != table);
        if let Some(first) = &mut self.first {
            first.rows.remove(&table);
        }
        self.deletes.insert(table);
    }

    /// Remembers the rows of a table that goes, should another take its name.
    async fn keep(&mut self, conn: &mut Conn, table: &str) -> Result<(), DbError> {
        let was_there = self.dangling.as_ref().is_some_and(|known| known.has_table(table));
        if was_there && self.anew.insert(table.to_owned()) {
            self.kept.push(Kept::of(conn, table, None, None).await?);
        }
        Ok(())
    }

    /// After the script: nothing that it did not say is gone, and nothing dangles that did not before. Gives
    /// what dangles now.
    pub(crate) async fn after(mut self, conn: &mut Conn) -> Result<Option<Dangling>, StepCause> {
        let rows = if self.rows.is_empty() { BTreeMap::new() } else { rows(conn, None).await? };
        for (table, before) in &self.rows {
            let meant = self.deletes.contains(&table.to_ascii_lowercase());
            if let Some(&after) = rows.get(table).filter(|after| *after < before && !meant) {
                let (table, before) = (table.clone(), *before);
                return Err(StepCause::RowsLost { table, before, after, lost: before - after });
            }
        }
        // What a dropped table took along says more than that it is gone itself.
        self.kept.sort_by_key(|kept| kept.dropped.is_none());
        for kept in self.kept {
            if !exists(conn, &kept.table).await? {
                continue;
            }
            let before = kept.rows();
            let (after, lost) = kept.compare(conn).await?;
            match kept.dropped {
                _ if lost == 0 => {}
                Some(table) => {
                    return Err(StepCause::Cascade { table, child: kept.table, count: lost });
                }
                None => {
                    return Err(StepCause::RowsLost { table: kept.table, before, after, lost });
                }
            }
        }
        if let Some(before) = self.orphans {
            for ((table, parent), after) in orphans(conn).await? {
                let before = before.get(&(table.clone(), parent.clone())).copied().unwrap_or(0);
                if after > before {
                    return Err(StepCause::Orphans { table, parent, count: after - before });
                }
            }
        }
        if let Some(dangling) = self.dangling.as_mut().filter(|_| self.changes) {
            dangling.look_again(conn, &self.anew).await?;
        }
        if let Some(first) = self.first {
            first.compare(conn, self.dangling.as_ref()).await?;
        }
        Ok(self.dangling)
    }
}

impl First {
    /// Whether what the first run began with is still there after the last one.
    async fn compare(self, conn: &mut Conn, now: Option<&Dangling>) -> Result<(), StepCause> {
        for (table, before) in self.rows {
            if !exists(conn, &table).await? {
                continue;
            }
            let count = format!("SELECT CAST(count(*) AS TEXT) FROM main.{}", identifier(&table));
            let count = conn.text(&count).await?.unwrap_or_default();
            let after = count.parse().unwrap_or(0);
            if after < before {
                return Err(StepCause::RowsLost { table, before, after, lost: before - after });
            }
        }
        now.map_or(Ok(()), |now| now.no_more_than(&self.dangling))
    }
}

async fn exists(conn: &mut Conn, table: &str) -> Result<bool, DbError> {
    let query = format!(
        "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND lower(name) = {}",
        literal(table)
    );
    Ok(conn.text(&query).await?.is_some())
}

/// Before a statement that nothing can undo: fails when it drops a table and would take rows of others along.
pub(crate) async fn refuse_cascade(conn: &mut Conn, statement: &str) -> Result<(), StepCause> {
    let Some(TableChange::Drops(table)) = TableChange::of(statement) else { return Ok(()) };
    if is_temporary(conn, statement).await? {
        return Ok(());
    }
    match referring(conn, &table).await?.into_iter().find(|kept| kept.rows() > 0) {
        Some(kept) => {
            let count = kept.rows();
            Err(StepCause::Cascade { table, child: kept.table, count })
        }
        None => Ok(()),
    }
}

/// Why the statement failed: SQLite does not say of which table a foreign key is.
pub(crate) fn explained(statement: &str, error: DbError) -> StepCause {
    match TableChange::of(statement) {
        Some(TableChange::Drops(table)) if error.message.contains("FOREIGN KEY constraint") => {
            StepCause::Referred { table }
        }
        _ => error.into(),
    }
}

/// Whether the table that a statement drops is the temporary one of that name, which comes first.
async fn is_temporary(conn: &mut Conn, statement: &str) -> Result<bool, DbError> {
    let dropped = dropped_tables(statement, Dialect::Sqlite);
    let Some(table) = dropped.into_iter().find(|table| table.schema.is_none()) else {
        return Ok(false);
    };
    let query = format!(
        "SELECT name FROM temp.sqlite_schema WHERE type = 'table' AND name = {} COLLATE NOCASE",
        literal(&table.name)
    );
    Ok(conn.text(&query).await?.is_some())
}

/// The rows that go, or lose a value, when `dropped` goes: with foreign keys enforced SQLite first deletes
/// every row of a table that it drops, and with them what refers to it, and what refers to that. Scripts
/// written for tools that run them without foreign keys count on the opposite.
async fn referring(conn: &mut Conn, dropped: &str) -> Result<Vec<Kept>, DbError> {
    let mut kept = Vec::new();
    let mut seen = BTreeSet::from([dropped.to_owned()]);
    let mut parents = vec![dropped.to_owned()];
    while let Some(parent) = parents.pop() {
        let query = format!(
            "SELECT json_array(lower(m.name), f.\"from\", f.on_delete = 'CASCADE') FROM main.sqlite_schema AS m, \
             pragma_foreign_key_list(m.name) AS f WHERE m.type = 'table' \
             AND lower(f.\"table\") = {} AND f.on_delete IN ('CASCADE', 'SET NULL', 'SET DEFAULT')",
            literal(&parent)
        );
        for row in conn.texts(&query).await? {
            let Ok((child, column, goes)) = serde_json::from_str::<(String, String, u8)>(&row)
            else {
                continue;
            };
            if child == dropped {
                continue;
            }
            kept.push(Kept::of(conn, &child, Some(dropped), Some(&column)).await?);
            if goes == 1 && seen.insert(child.clone()) {
                parents.push(child);
            }
        }
    }
    Ok(kept)
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
    let children =
        "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND sql LIKE '%references%'";
    let mut orphans = BTreeMap::new();
    for table in conn.texts(children).await? {
        let query = format!(
            "SELECT json_array(parent, count(*)) FROM pragma_foreign_key_check({}) GROUP BY parent",
            literal(&table)
        );
        let parents = match conn.texts(&query).await {
            // Where a foreign key itself is broken, no row of its table can be judged.
            Err(error) if error.message.contains("foreign key mismatch") => continue,
            found => found?,
        };
        for row in parents {
            if let Ok((parent, count)) = serde_json::from_str::<(String, u64)>(&row) {
                orphans.insert((table.clone(), parent), count);
            }
        }
    }
    Ok(orphans)
}
