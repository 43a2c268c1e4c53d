//! Proves that a script left the history alone.

use std::collections::BTreeSet;

use underpin_catalog::{Dialect, ObjectName, Version, statement};
use underpin_db::DbError;

use super::{DIESEL_TABLE, HISTORY_TABLE, History, Tables};
use crate::{Direction, Step, StepCause, session::Session, sql::literal};

/// The code with which our own statement ends a transaction that took rows out of the history.
pub(crate) const TAKEN_AWAY: &str = "UH001";

/// What the history was when it was read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Former {
    /// The versions of the set that were applied.
    applied: BTreeSet<Version>,
    /// Rows of both tables, whatever their set.
    rows: usize,
}

impl Former {
    pub(crate) fn new(history: &History, rows: usize) -> Self {
        Self { applied: history.applied.keys().cloned().collect(), rows }
    }

    /// What is known of it when `steps` are done.
    pub(crate) fn advance(&mut self, steps: &[Step<'_>]) {
        for Step { migration, direction, .. } in steps {
            match direction {
                Direction::Up => {
                    self.applied.insert(migration.version.clone());
                    self.rows += 2;
                }
                // One row less, and one more that says so.
                Direction::Down => {
                    self.applied.remove(&migration.version);
                }
            }
        }
    }
}

impl Tables {
    /// SQL that says whether both tables still have all that was there.
    fn kept(&self, former: &Former) -> String {
        let (diesel, own) = (self.qualified(DIESEL_TABLE), self.qualified(HISTORY_TABLE));
        let versions: Vec<_> =
            former.applied.iter().map(|version| literal(version.as_str())).collect();
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
        let mut expected = self.former.clone();
        expected.advance(steps);
        let body = format!(
            "BEGIN IF NOT ({}) THEN RAISE EXCEPTION 'the history is not whole' USING ERRCODE = \
             '{TAKEN_AWAY}'; END IF; END",
            self.tables.made().kept(&expected)
        );
        format!("DO {}", literal(&body))
    }

    /// Fails when rows of the history are gone that were there before `steps`, or that they made.
    pub(crate) async fn keep_history(&mut self, steps: &[Step<'_>]) -> Result<(), StepCause> {
        let mut expected = self.former.clone();
        expected.advance(steps);
        let query = format!("SELECT CAST({} AS TEXT)", self.tables.made().kept(&expected));
        match self.conn.text(&query).await?.as_deref() {
            Some("1" | "true") => Ok(()),
            _ => Err(StepCause::HistoryTaken),
        }
    }

    /// Refuses a statement that nothing can undo and that changes the history of this very schema.
    pub(crate) fn spares_history(&self, text: &str) -> Result<(), StepCause> {
        let Some(object) = changed(text, self.conn.dialect()) else { return Ok(()) };
        if object.schema.is_none() || object.schema.as_deref() == self.tables.schema() {
            return Err(StepCause::HistoryTaken);
        }
        Ok(())
    }
}

/// The table of the history that a statement changes, as it names it.
pub(crate) fn changed(text: &str, dialect: Dialect) -> Option<ObjectName> {
    statement::changed_table(text, dialect, &[DIESEL_TABLE, HISTORY_TABLE])
}

/// Whether an error says that a table of the history is gone.
pub(crate) fn is_taken(error: &DbError) -> bool {
    error.sqlstate.as_deref() == Some(TAKEN_AWAY)
}
