//! Proves that a script left the history alone.

use underpin_catalog::{Dialect, ObjectName, statement};
use underpin_db::DbError;

use super::{DIESEL_TABLE, HISTORY_TABLE, History, Tables};
use crate::{Direction, Step, StepCause, session::Session, sql::literal};

/// The code with which our own statement ends a transaction that took rows out of the history.
pub(crate) const TAKEN_AWAY: &str = "UH001";

/// What the history is, as it was read or as the transactions since made it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Former {
    history: History,
    /// Rows of both tables, whatever their set.
    rows: usize,
    /// SQLite: the connection's count of changes by others when the history was read. `None` where it has
    /// to be read again.
    seen: Option<String>,
}

impl Former {
    pub(crate) fn new(history: &History, rows: usize) -> Self {
        Self { history: history.clone(), rows, seen: None }
    }

    pub(crate) fn history(&self) -> &History {
        &self.history
    }

    /// SQLite: notes the count of changes by others when it was read. What is under way is read again.
    pub(crate) fn read_at(&mut self, seen: Option<String>) {
        self.seen = seen.filter(|_| self.history.interrupted.is_none());
    }

    /// Another connection has another count of changes by others.
    pub(crate) fn reconnected(&mut self) {
        self.seen = None;
    }

    /// Makes it what it is when `steps` are done, which nobody has read yet.
    pub(crate) fn advance(&mut self, steps: &[Step<'_>]) {
        self.seen = None;
        let applied = &mut self.history.applied;
        for Step { migration, direction, .. } in steps {
            match direction {
                Direction::Up => {
                    applied.insert(migration.version.clone(), Some(migration.checksum));
                    self.rows += 2;
                }
                // One row less, and one more that says so.
                Direction::Down => {
                    applied.remove(&migration.version);
                }
            }
        }
    }
}

impl Tables {
    /// SQL that says whether both tables have all that was there before `steps`, and what these record.
    fn kept(&self, former: &Former, steps: &[Step<'_>]) -> String {
        let mut expected = former.clone();
        expected.advance(steps);
        let applied = &expected.history.applied;
        let gone = steps.iter().map(|step| &step.migration.version);
        let gone: Vec<_> = gone
            .filter(|version| !applied.contains_key(*version))
            .map(|version| literal(version.as_str()))
            .collect();
        let kept = self.has_all(&expected);
        if gone.is_empty() {
            return kept;
        }
        let diesel = self.qualified(DIESEL_TABLE);
        let gone = gone.join(", ");
        format!("{kept} AND NOT EXISTS (SELECT 1 FROM {diesel} WHERE version IN ({gone}))")
    }

    fn has_all(&self, former: &Former) -> String {
        let (diesel, own) = (self.qualified(DIESEL_TABLE), self.qualified(HISTORY_TABLE));
        let versions: Vec<_> =
            former.history.applied.keys().map(|version| literal(version.as_str())).collect();
        let count = format!(
            "(SELECT count(*) FROM {diesel}) + (SELECT count(*) FROM {own}) >= {}",
            former.rows
        );
        if versions.is_empty() {
            return count;
        }
        format!(
            "{count} AND (SELECT count(*) FROM {diesel} WHERE version IN ({})) = {}",
            versions.join(", "),
            versions.len()
        )
    }
}

impl Session<'_> {
    /// PostgreSQL: the statement that ends the transaction of `steps` when rows of the history are gone.
    pub(crate) fn history_is_kept(&self, steps: &[Step<'_>]) -> String {
        let body = format!(
            "BEGIN IF NOT ({}) THEN RAISE EXCEPTION 'the history is not whole' USING ERRCODE = \
             '{TAKEN_AWAY}'; END IF; END",
            self.tables.made().kept(&self.former, steps)
        );
        format!("DO {}", literal(&body))
    }

    /// SQLite: the history at the end of the open transaction of `steps`. It is read only where something
    /// else than their own records can have changed it.
    pub(crate) async fn history_after(&mut self, steps: &[Step<'_>]) -> Result<Former, StepCause> {
        let seen = self.changes_by_others().await?;
        let known = self.former.seen.is_some() && self.former.seen == seen;
        if known && !steps.iter().any(may_change) {
            let mut former = self.former.clone();
            former.advance(steps);
            former.seen = seen;
            #[cfg(debug_assertions)]
            assert_eq!(former.history, self.history_now().await?);
            return Ok(former);
        }
        self.keep_history(steps).await?;
        let (history, rows) = self.read_now().await?;
        let mut former = Former::new(&history, rows);
        if !self.is_named_elsewhere().await? {
            former.read_at(seen);
        }
        Ok(former)
    }

    /// SQLite: whether a statement that does not name the tables of the history may change them: through a
    /// trigger, a view, a foreign key or the temporary database.
    pub(crate) async fn is_named_elsewhere(&mut self) -> Result<bool, DbError> {
        let named = format!(
            "SELECT '1' FROM main.sqlite_schema WHERE (sql LIKE '%{DIESEL_TABLE}%' OR sql LIKE \
             '%{HISTORY_TABLE}%') AND (type <> 'table' OR sql LIKE '%references%' OR name NOT IN \
             ('{DIESEL_TABLE}', '{HISTORY_TABLE}')) UNION ALL SELECT '1' FROM pragma_database_list \
             WHERE name = 'temp' LIMIT 1"
        );
        Ok(self.conn.text(&named).await?.is_some())
    }

    /// SQLite: another number when another connection has written.
    pub(crate) async fn changes_by_others(&mut self) -> Result<Option<String>, DbError> {
        self.conn.text("PRAGMA data_version").await
    }

    /// Fails when rows of the history are gone that were there before `steps`, or that they made.
    pub(crate) async fn keep_history(&mut self, steps: &[Step<'_>]) -> Result<(), StepCause> {
        let kept = self.tables.made().kept(&self.former, steps);
        let query = format!("SELECT CAST({kept} AS TEXT)");
        match self.conn.text(&query).await?.as_deref() {
            Some("1" | "true") => Ok(()),
            _ => Err(StepCause::HistoryTaken),
        }
    }

    /// Refuses a statement that nothing can undo and that changes the history of this very schema.
    pub(crate) fn spares_history(&self, text: &str) -> Result<(), StepCause> {
        let taken = |schema: &str| statement::takes_schema(text, schema);
        if self.tables.schema().is_some_and(taken) {
            return Err(StepCause::HistoryTaken);
        }
        let Some(object) = changed(text, self.conn.dialect()) else { return Ok(()) };
        if object.schema.is_none() || object.schema.as_deref() == self.tables.schema() {
            return Err(StepCause::HistoryTaken);
        }
        Ok(())
    }
}

/// SQLite: whether a step may change the history otherwise than by a record that it is applied. A step down
/// takes a row away, which another tool may have written in another way.
fn may_change(step: &Step<'_>) -> bool {
    let text = step.text().to_ascii_lowercase();
    step.direction == Direction::Down
        || step.can_rewrite_schema()
        || [DIESEL_TABLE, HISTORY_TABLE].iter().any(|name| text.contains(name))
}

/// The table of the history that a statement changes, as it names it.
pub(crate) fn changed(text: &str, dialect: Dialect) -> Option<ObjectName> {
    statement::changed_table(text, dialect, &[DIESEL_TABLE, HISTORY_TABLE])
}

/// Whether an error says that a table of the history is gone.
pub(crate) fn is_taken(error: &DbError) -> bool {
    error.sqlstate.as_deref() == Some(TAKEN_AWAY)
}
