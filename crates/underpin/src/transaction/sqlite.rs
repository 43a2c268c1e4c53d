//! SQLite: a transaction runs its statements one by one.

use std::time::Instant;

use underpin_db::DbError;

use super::{Failure, millis, place, report};
use crate::{
    Step, StepCause, StepReport,
    checkpoint::checkpoint,
    code,
    rebuild::{Guard, References},
    session::{Session, sqlite::Began},
};

pub(super) async fn run(
    session: &mut Session<'_>,
    steps: &[Step<'_>],
) -> Result<Vec<StepReport>, Failure> {
    let wrong = |error: DbError| Failure::new(0, error);
    session.as_new().await.map_err(wrong)?;
    session.lend(steps).await.map_err(wrong)?;
    // The pragma does nothing inside a transaction, so it has to come before.
    let rebuilds = steps.iter().any(|step| !step.migration.metadata.foreign_keys);
    if rebuilds {
        session.conn.batch("PRAGMA foreign_keys = OFF").await.map_err(wrong)?;
    }
    checkpoint();
    let result = transaction(session, steps).await;
    if result.is_err() {
        session.roll_back().await;
    }
    if rebuilds {
        session.conn.batch("PRAGMA foreign_keys = ON").await.map_err(wrong)?;
    }
    result
}

async fn transaction(
    session: &mut Session<'_>,
    steps: &[Step<'_>],
) -> Result<Vec<StepReport>, Failure> {
    let wrong = |error: DbError| Failure::new(0, error);
    session.conn.batch("BEGIN IMMEDIATE").await.map_err(wrong)?;
    checkpoint();
    if session.changed_since_copy().await.map_err(wrong)? {
        return Err(Failure::new(0, StepCause::ChangedSinceCopy));
    }
    for statement in session.tables.create() {
        session.conn.batch(&statement).await.map_err(wrong)?;
    }
    let end = |cause: StepCause| Failure::new(steps.len() - 1, cause);
    let before = session.before_proof(steps).await.map_err(wrong)?;
    let mut reports = Vec::with_capacity(steps.len());
    for index in 0..steps.len() {
        reports.push(one(session, index, steps).await?);
    }
    let history = session.history_now().await.map_err(wrong)?;
    session.keep_history(steps).await.map_err(end)?;
    session.prove(steps, &history, &before).await.map_err(end)?;
    session.commit(&history).await.map_err(wrong)?;
    session.copied_at = None;
    checkpoint();
    Ok(reports)
}

async fn one(
    session: &mut Session<'_>,
    index: usize,
    steps: &[Step<'_>],
) -> Result<StepReport, Failure> {
    let wrong = |cause: StepCause| Failure::new(index, cause);
    let database = |error: DbError| Failure::new(index, error);
    let start = Instant::now();
    let step = &steps[index];
    let rebuilds = !step.migration.metadata.foreign_keys;
    let guard = match (rebuilds, steps.len()) {
        (true, _) => Some(Guard::before(&mut session.conn).await.map_err(wrong)?),
        // The end of the transaction looks itself.
        (false, 1) => None,
        _ => Guard::of_deferred(&mut session.conn, &step.script).await.map_err(wrong)?,
    };
    let began = if step.can_change_session() {
        Some(Began::of(&mut session.conn).await.map_err(database)?)
    } else {
        None
    };
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
        code::run(session, code, true).await.map_err(wrong)?;
    }
    // They are the script's own query, and may ask what it left in the session.
    let notes = session.notes(step).await.map_err(database)?;
    if let Some(began) = began {
        let left = began.restore(&mut session.conn).await.map_err(database)?;
        if !left.is_empty() && index + 1 < steps.len() {
            return Err(Failure::apart(index, step, &left.join(", ")));
        }
    }
    if let Some(guard) = guard {
        guard.after(&mut session.conn).await.map_err(wrong)?;
    }
    for reference in references {
        reference.check(&mut session.conn).await.map_err(wrong)?;
    }
    let elapsed = millis(start);
    let after = session.after(step, elapsed.to_string());
    session.conn.batch(&after).await.map_err(database)?;
    checkpoint();
    Ok(report(step, elapsed, notes))
}
