//! Runs the steps of one transaction: scripts and history together, or not at all.

mod postgres;

use std::time::Instant;

use underpin_catalog::{Dialect, statement};
use underpin_db::DbError;

use crate::{
    Left, Place, Step, StepCause, StepError, StepReport,
    checkpoint::checkpoint,
    code,
    rebuild::{Guard, References},
    session::Session,
};

/// A step that failed, before it is known what of the run stays.
pub(crate) struct Failure {
    index: usize,
    place: Option<Place>,
    cause: StepCause,
    /// Nobody could tell how the transaction ended.
    lost: bool,
}

impl Failure {
    pub(crate) fn new(index: usize, cause: impl Into<StepCause>) -> Self {
        Self { index, place: None, cause: cause.into(), lost: false }
    }

    /// PostgreSQL: somebody else kept a table locked for longer than `lock_timeout`.
    pub(crate) fn is_lock_timeout(&self) -> bool {
        self.cause.database().is_some_and(|error| error.sqlstate.as_deref() == Some("55P03"))
    }

    /// The error for people, when the transaction of `steps` has been rolled back.
    pub(crate) fn rolled_back(self, steps: &[Step<'_>], blockers: Option<String>) -> StepError {
        let blockers = blockers.filter(|_| self.is_lock_timeout());
        let migration = steps[self.index].migration;
        StepError {
            version: migration.version.clone(),
            name: migration.name.clone().into_owned(),
            direction: steps[self.index].direction,
            place: self.place,
            left: match self.cause {
                _ if self.lost => Left::Unknown,
                StepCause::TransactionEnded => Left::Committed,
                _ => Left::Nothing,
            },
            kept: Vec::new(),
            blockers,
            cause: self.cause,
        }
    }
}

/// Runs `steps` in one transaction. When this fails, nothing of it is left.
pub(crate) async fn run(
    session: &mut Session<'_>,
    steps: &[Step<'_>],
) -> Result<Vec<StepReport>, Failure> {
    match session.conn.dialect() {
        Dialect::Sqlite => sqlite(session, steps).await,
        Dialect::Postgres => postgres::run(session, steps).await,
    }
}

async fn sqlite(session: &mut Session<'_>, steps: &[Step<'_>]) -> Result<Vec<StepReport>, Failure> {
    // The pragma does nothing inside a transaction, so it has to come before.
    let rebuilds = steps.iter().any(|step| !step.migration.metadata.foreign_keys);
    let wrong = |error: DbError| Failure::new(0, error);
    if rebuilds {
        session.conn.batch("PRAGMA foreign_keys = OFF").await.map_err(wrong)?;
    }
    checkpoint();
    let result = sqlite_transaction(session, steps).await;
    if result.is_err() {
        session.roll_back().await;
    }
    if rebuilds {
        session.conn.batch("PRAGMA foreign_keys = ON").await.map_err(wrong)?;
    }
    result
}

async fn sqlite_transaction(
    session: &mut Session<'_>,
    steps: &[Step<'_>],
) -> Result<Vec<StepReport>, Failure> {
    let wrong = |error: DbError| Failure::new(0, error);
    session.conn.batch("BEGIN IMMEDIATE").await.map_err(wrong)?;
    checkpoint();
    for statement in session.tables.create() {
        session.conn.batch(&statement).await.map_err(wrong)?;
    }
    // A rebuild among them switches enforcement off for all.
    let unguarded =
        steps.len() > 1 && steps.iter().any(|step| !step.migration.metadata.foreign_keys);
    let end = |cause: StepCause| Failure::new(steps.len() - 1, cause);
    let guard = if unguarded {
        Some(Guard::of_references(&mut session.conn).await.map_err(end)?)
    } else {
        None
    };
    let before = session.before_proof(steps).await.map_err(wrong)?;
    let mut reports = Vec::with_capacity(steps.len());
    for (index, step) in steps.iter().enumerate() {
        reports.push(sqlite_step(session, index, step).await?);
    }
    let history = session.history_now().await.map_err(wrong)?;
    session.prove(steps, &history, &before).await.map_err(end)?;
    if let Some(guard) = guard {
        guard.after(&mut session.conn).await.map_err(end)?;
    }
    session.commit(&history).await.map_err(wrong)?;
    checkpoint();
    Ok(reports)
}

async fn sqlite_step(
    session: &mut Session<'_>,
    index: usize,
    step: &Step<'_>,
) -> Result<StepReport, Failure> {
    let wrong = |cause: StepCause| Failure::new(index, cause);
    let database = |error: DbError| Failure::new(index, error);
    let start = Instant::now();
    let rebuilds = !step.migration.metadata.foreign_keys;
    let guard =
        if rebuilds { Some(Guard::before(&mut session.conn).await.map_err(wrong)?) } else { None };
    let before = session.before(step);
    session.conn.batch(&before).await.map_err(database)?;
    checkpoint();
    let mut references = Vec::new();
    for (number, statement) in step.statements().iter().enumerate() {
        let failed = |error: DbError| Failure {
            place: Some(place(number, statement)),
            ..Failure::new(index, error)
        };
        if !rebuilds {
            let found = References::to_dropped(&mut session.conn, statement.text).await;
            references.extend(found.map_err(failed)?);
        }
        session.conn.batch(statement.text).await.map_err(failed)?;
        checkpoint();
    }
    if !session.in_transaction().await {
        return Err(wrong(StepCause::TransactionEnded));
    }
    if let Some(code) = step.code {
        code::run(&mut session.conn, code).await.map_err(wrong)?;
    }
    if let Some(guard) = guard {
        guard.after(&mut session.conn).await.map_err(wrong)?;
    }
    for reference in references {
        reference.check(&mut session.conn).await.map_err(wrong)?;
    }
    let notes = session.notes(step).await.map_err(database)?;
    let elapsed = millis(start);
    let after = session.after(step, elapsed.to_string());
    session.conn.batch(&after).await.map_err(database)?;
    checkpoint();
    Ok(report(step, elapsed, notes))
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
