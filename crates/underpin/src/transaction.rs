//! Runs the steps of one transaction: scripts and history together, or not at all.

mod postgres;
mod sqlite;

use std::time::Instant;

use underpin_catalog::{Dialect, statement};
use underpin_db::DbError;

use crate::{Left, Place, Step, StepCause, StepError, StepReport, session::Session};

/// A step that failed, before it is known what of the run stays.
pub(crate) struct Failure {
    index: usize,
    place: Option<Place>,
    cause: StepCause,
    /// Nobody could tell how the transaction ended.
    lost: bool,
    /// Why the steps cannot share a transaction: each has to run in its own.
    pub(crate) apart: Option<String>,
}

impl Failure {
    pub(crate) fn new(index: usize, cause: impl Into<StepCause>) -> Self {
        Self { index, place: None, cause: outside(cause.into()), lost: false, apart: None }
    }

    /// The steps cannot share a transaction, for something stays of the one at `index`.
    pub(crate) fn apart(index: usize, step: &Step<'_>, stays: &str) -> Self {
        let apart =
            format!("{stays} of migration {} would reach the next one", step.migration.version);
        Self { apart: Some(apart.clone()), ..Self::new(index, StepCause::Stays(apart)) }
    }

    /// PostgreSQL: somebody else kept a table locked for longer than `lock_timeout`.
    pub(crate) fn is_lock_timeout(&self) -> bool {
        self.cause.database().is_some_and(|error| error.sqlstate.as_deref() == Some("55P03"))
    }

    /// The error for people, when the transaction of `steps` has been rolled back.
    pub(crate) fn rolled_back(self, steps: &[Step<'_>], blockers: Option<String>) -> StepError {
        let blockers = blockers.filter(|_| self.is_lock_timeout());
        let migration = steps[self.index].migration;
        let left = match self.cause {
            _ if self.lost => Left::Unknown,
            StepCause::TransactionEnded => Left::Committed,
            _ => Left::Nothing,
        };
        let undone = if left == Left::Nothing { &steps[..self.index] } else { &[] };
        StepError {
            version: migration.version.clone(),
            name: migration.name.clone().into_owned(),
            direction: steps[self.index].direction,
            place: self.place,
            left,
            undone: undone.iter().map(|one| one.migration.version.clone()).collect(),
            kept: Vec::new(),
            blockers,
            cause: self.cause,
        }
    }
}

/// PostgreSQL tells by these codes what cannot run in a transaction, where its text alone does not.
fn outside(mut cause: StepCause) -> StepCause {
    if let StepCause::Database(error) = &mut cause
        && matches!(error.sqlstate.as_deref(), Some("25001" | "2D000"))
    {
        let hint = "it cannot run in a transaction: set `run_in_transaction = false` in \
                    `metadata.toml`, and best give it a migration of its own";
        error.hint.get_or_insert_with(|| hint.to_owned());
    }
    cause
}

/// Runs `steps` in one transaction. When this fails, nothing of it is left.
pub(crate) async fn run(
    session: &mut Session<'_>,
    steps: &[Step<'_>],
) -> Result<Vec<StepReport>, Failure> {
    match session.conn.dialect() {
        Dialect::Sqlite => sqlite::run(session, steps).await,
        Dialect::Postgres => postgres::run(session, steps).await,
    }
}

/// Where `statement`, counted from 0, is in its script.
pub(crate) fn place(number: usize, statement: &statement::Statement<'_>) -> Place {
    let line = statement.text.split_whitespace().collect::<Vec<_>>().join(" ");
    let excerpt = match line.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    };
    Place { statement: number + 1, line: statement.line, excerpt }
}

pub(crate) fn report(step: &Step<'_>, elapsed_ms: u64, notes: Vec<String>) -> StepReport {
    StepReport {
        version: step.migration.version.clone(),
        name: step.migration.name.clone().into_owned(),
        direction: step.direction,
        code: step.code.map(|code| code.name),
        elapsed_ms: Some(elapsed_ms),
        notes,
    }
}

pub(crate) fn millis(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX)
}

impl Session<'_> {
    /// Ends whatever transaction is open. That there may be none, or no connection any more, is
    /// the very case this is called for.
    pub(crate) async fn roll_back(&mut self) {
        if let Err(error) = self.conn.batch("ROLLBACK").await {
            tracing::debug!(%error, "nothing to roll back");
        }
    }

    /// SQLite: whether a transaction is open. A second `BEGIN` fails inside one, and changes nothing.
    pub(crate) async fn in_transaction(&mut self) -> bool {
        self.conn.batch("BEGIN").await.is_err()
    }

    /// What the step's own query says that people must know.
    pub(crate) async fn notes(&mut self, step: &Step<'_>) -> Result<Vec<String>, DbError> {
        match step.notes_query() {
            Some(query) => self.conn.texts(query).await,
            None => Ok(Vec::new()),
        }
    }
}
