//! SQLite: a transaction runs its statements one by one.

use std::time::{Duration, Instant};

use underpin_db::DbError;

use super::{Failure, millis, place, report};
use crate::{
    Step, StepCause, StepReport,
    checkpoint::checkpoint,
    code,
    rebuild::{Guard, explained},
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
    let mut result = transaction(session, steps).await;
    if let Err(failure) = &mut result {
        session.dangling = None;
        session.roll_back().await;
        failure.name_file(session);
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
    begin(session).await.map_err(wrong)?;
    checkpoint();
    if session.changed_since_copy().await.map_err(wrong)? {
        return Err(Failure::new(0, StepCause::ChangedSinceCopy));
    }
    session.still_empty().await.map_err(|cause| Failure::new(0, cause))?;
    for statement in session.tables.create() {
        session.conn.batch(&statement).await.map_err(wrong)?;
    }
    let end = |cause: StepCause| Failure::new(steps.len() - 1, cause);
    let before = session.before_proof(steps).await.map_err(wrong)?;
    let mut reports = Vec::with_capacity(steps.len());
    for index in 0..steps.len() {
        reports.push(one(session, index, steps).await?);
    }
    let after = session.history_after(steps).await.map_err(end)?;
    session.prove(steps, after.history(), &before).await.map_err(end)?;
    session.commit(after.history()).await.map_err(wrong)?;
    session.former = after;
    session.copied_at = None;
    checkpoint();
    Ok(reports)
}

/// Takes the file for writing. Another program is waited for as long as the connection waits for anything; who
/// looks on is told when that takes longer than a moment.
async fn begin(session: &mut Session<'_>) -> Result<(), DbError> {
    const MOMENT: Duration = Duration::from_secs(1);
    let Some((url, options)) = session.again.as_ref().filter(|(_, o)| o.busy_timeout > MOMENT)
    else {
        return session.conn.batch("BEGIN IMMEDIATE").await;
    };
    let wait = options.busy_timeout;
    let again = format!("PRAGMA busy_timeout = {}", wait.as_millis());
    let first = format!("PRAGMA busy_timeout = {}; BEGIN IMMEDIATE; {again}", MOMENT.as_millis());
    match session.conn.batch(&first).await {
        Err(error) if error.is_busy() => {
            tracing::info!(
                target: crate::LOCK_LOG_TARGET,
                "waiting up to {} s for another program that writes to `{url}`", wait.as_secs()
            );
            session.conn.batch(&format!("{again}; BEGIN IMMEDIATE")).await
        }
        begun => begun,
    }
}

/// What is looked at around the script of the step at `index`.
async fn guard(
    session: &mut Session<'_>,
    index: usize,
    steps: &[Step<'_>],
) -> Result<Guard, DbError> {
    let step = &steps[index];
    let known = session.dangling.take();
    let guard = Guard::before(&mut session.conn, &step.text(), known).await?;
    match (step.migration.metadata.foreign_keys, steps.len()) {
        (false, _) => guard.rebuilding(&mut session.conn).await,
        // The end of the transaction looks itself.
        (true, 1) => Ok(guard),
        _ => guard.sharing(&mut session.conn, &step.script).await,
    }
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
    let enforced = step.migration.metadata.foreign_keys;
    let mut guard = guard(session, index, steps).await.map_err(database)?;
    let began = if step.can_change_session() {
        Some(Began::of(&mut session.conn).await.map_err(database)?)
    } else {
        None
    };
    let before = session.before(step);
    session.conn.batch(&before).await.map_err(database)?;
    checkpoint();
    for (number, statement) in step.statements().iter().enumerate() {
        let failed = |cause: StepCause| Failure {
            place: Some(place(number, statement)),
            ..Failure::new(index, cause)
        };
        let looked = guard.statement(&mut session.conn, statement.text, enforced).await;
        looked.map_err(|error| failed(error.into()))?;
        let ran = session.conn.batch(statement.text).await;
        ran.map_err(|error| failed(explained(statement.text, error)))?;
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
        let rewritten = step.can_rewrite_schema();
        let left = began.restore(&mut session.conn, rewritten).await.map_err(database)?;
        if !left.is_empty() && index + 1 < steps.len() {
            return Err(Failure::apart(index, step, &left.join(", ")));
        }
    }
    let dangling = guard.after(&mut session.conn).await.map_err(wrong)?;
    // What code makes is not looked at without a script, and a script may set SQLite's number of the schema.
    let is_known = step.code.is_none() && !step.text().contains("schema_version");
    session.dangling = dangling.filter(|_| is_known);
    let elapsed = millis(start);
    let after = session.after(step, elapsed.to_string());
    session.conn.batch(&after).await.map_err(database)?;
    checkpoint();
    Ok(report(step, elapsed, notes))
}
