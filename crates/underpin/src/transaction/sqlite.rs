//! SQLite: a transaction runs its statements one by one.

use std::time::Instant;

use underpin_db::DbError;

use super::{Failure, millis, place, report};
use crate::{
    Step, StepCause, StepReport,
    checkpoint::checkpoint,
    code,
    rebuild::{Guard, References},
    session::Session,
};

pub(super) async fn run(
    session: &mut Session<'_>,
    steps: &[Step<'_>],
) -> Result<Vec<StepReport>, Failure> {
    // The pragma does nothing inside a transaction, so it has to come before.
    let rebuilds = steps.iter().any(|step| !step.migration.metadata.foreign_keys);
    let wrong = |error: DbError| Failure::new(0, error);
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
        reports.push(one(session, index, step).await?);
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

async fn one(
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
