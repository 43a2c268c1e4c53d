//! Runs a script outside a transaction, statement by statement.
//!
//! Nothing can undo a statement here, so the history says after each how far the script came. A
//! run that dies leaves the migration *interrupted*: named by every later run, and resumed after
//! the last statement that is recorded. That one statement may have been half done, or done and
//! not recorded; for an index that PostgreSQL builds concurrently the engine finds out.

mod concurrent;
mod open;
mod resume;

use std::time::Instant;

use underpin_catalog::{
    Dialect, StatementsChecksum,
    statement::{Lasting, Statement, concurrently, lasting},
};
use underpin_db::DbError;

pub(crate) use concurrent::{INVALID, passed_over};
use concurrent::{Todo, invalid_before, leaves_none};
pub(crate) use open::Open;
pub(crate) use resume::again;

use crate::{
    Left, Place, Step, StepCause, StepError, StepReport,
    checkpoint::checkpoint,
    history::Note,
    lock::Lock,
    proof::Before,
    rebuild::{Guard, explained, refuse_cascade},
    session::Session,
    transaction::{millis, place, report},
};

/// Runs one step outside a transaction, or the rest of it.
pub(crate) async fn run(
    session: &mut Session<'_>,
    lock: &mut Lock,
    step: &Step<'_>,
) -> Result<StepReport, StepError> {
    let start = Instant::now();
    match script(session, lock, step, start).await {
        Ok(notes) => {
            session.former.advance(std::slice::from_ref(step));
            Ok(report(step, millis(start), notes))
        }
        Err((place, cause)) => {
            // A transaction that the script opened itself takes the records in it along.
            session.roll_back().await;
            if let Err(error) = session.conn.own().await {
                tracing::debug!(%error, "the connection is lost");
            }
            // Where the history cannot be read, nobody knows how far the script came.
            let left = match session.recorded(step).await {
                Some(done) => Left::Statements(done),
                None if matches!(cause, StepCause::HistoryTaken) => Left::WithoutHistory,
                // The first record of it: nothing had begun.
                None if cause.is_of_trigger() => Left::Nothing,
                None => Left::Unknown,
            };
            Err(StepError {
                version: step.migration.version.clone(),
                name: step.migration.name.clone().into_owned(),
                direction: step.direction,
                place,
                left,
                undone: Vec::new(),
                kept: Vec::new(),
                blockers: None,
                cause,
            })
        }
    }
}

type Failed = (Option<Place>, StepCause);

async fn script(
    session: &mut Session<'_>,
    lock: &mut Lock,
    step: &Step<'_>,
    start: Instant,
) -> Result<Vec<String>, Failed> {
    let wrong = |cause: StepCause| (None, cause);
    let database = |error: DbError| (None, StepCause::from(error));
    session.still_empty().await.map_err(wrong)?;
    session.as_new().await.map_err(database)?;
    session.lend(std::slice::from_ref(step)).await.map_err(database)?;
    let mut guard = match step.dialect {
        Dialect::Sqlite => {
            let known = session.dangling.take();
            Guard::before(&mut session.conn, &step.text(), known).await.map_err(database)?
        }
        Dialect::Postgres => Guard::default(),
    };
    let statements = step.statements();
    let done = step.resumed.unwrap_or(0);
    let mut note = match &step.resumed {
        Some(_) => step.note.clone().unwrap_or_default(),
        None => begin(session, step, guard.dangling()).await.map_err(wrong)?,
    };
    if step.resumed.is_some() && step.dialect == Dialect::Sqlite {
        guard = guard.resuming(&note, &statements[..done.min(statements.len())]);
    }
    // Behind a pooler no session is one's own, and scripts that need one are refused.
    let alone = !session.conn.is_pooled();
    if alone {
        session.as_user().await.map_err(database)?;
    } else {
        session.conn.disown();
    }
    for number in &step.again {
        let failed = |error: DbError| (Some(place(*number, &statements[*number])), error.into());
        session.conn.batch(statements[*number].text).await.map_err(failed)?;
    }
    let mut checksum = StatementsChecksum::of(statements.iter().take(done).map(|one| one.text));
    for (number, statement) in statements.iter().enumerate().skip(done) {
        let failed =
            |cause: StepCause| ((!cause.is_of_trigger()).then(|| place(number, statement)), cause);
        still_held(lock, session).await.map_err(failed)?;
        one(session, step, number, statement, &mut note, &mut guard).await.map_err(failed)?;
        checksum.push(statement.text);
        note = Note {
            done: checksum.checksum().to_string(),
            begun: None,
            rows: guard.rows_before(),
            ..note
        };
        let recorded = record(session, step, number + 1, &note).await;
        recorded.map_err(failed)?;
    }
    still_held(lock, session).await.map_err(wrong)?;
    leaves_none(session, &note).await.map_err(wrong)?;
    // They are the script's own query, and may ask what it left in the session.
    let notes = match step.notes_query() {
        Some(query) => session.conn.texts(query).await.map_err(database)?,
        None => Vec::new(),
    };
    session.as_new().await.map_err(database)?;
    if alone {
        session.as_ours().await.map_err(database)?;
    }
    session.conn.own().await.map_err(database)?;
    if step.dialect == Dialect::Sqlite {
        match guard.after(&mut session.conn).await {
            Ok(dangling) => session.dangling = dangling,
            Err(cause) => {
                // Nothing takes it back, and a run that goes on has nothing left to do that could show it.
                note.fault = Some(cause.to_string());
                let told = record(session, step, statements.len(), &note).await;
                return Err(wrong(match told {
                    Ok(()) => cause,
                    Err(source) => {
                        StepCause::Unrecorded { fault: Box::new(cause), source: Box::new(source) }
                    }
                }));
            }
        }
    }
    let history = session.history_now().await.map_err(database)?;
    let proven = session.prove(std::slice::from_ref(step), &history, &Before::default()).await;
    proven.map_err(wrong)?;
    session.keep_history(&[]).await.map_err(wrong)?;
    finish(session, step, millis(start)).await.map_err(wrong)?;
    Ok(notes)
}

/// Nothing undoes what two runners do at once.
async fn still_held(lock: &mut Lock, session: &mut Session<'_>) -> Result<(), StepCause> {
    match lock.covers(session).await {
        Ok(true) => Ok(()),
        _ => Err(StepCause::LockLost),
    }
}

/// Whether a statement of the script counts on the connection for those after it.
pub(crate) fn sets_the_session(step: &Step<'_>) -> bool {
    let lasts = |one: &Statement<'_>| lasting(one.text, step.dialect) != Lasting::Nothing;
    step.statements().iter().any(lasts)
}

/// Records that the script begins, so that a crash in its first statement is seen.
async fn begin(
    session: &mut Session<'_>,
    step: &Step<'_>,
    dangling: Vec<String>,
) -> Result<Note, StepCause> {
    let done = StatementsChecksum::default().checksum().to_string();
    let invalid = invalid_before(session).await?;
    let note = Note { done, invalid, dangling, ..Note::default() };
    let mut message = session.tables.create();
    message.push(session.progress(step, 0, &note));
    session.whole(&message).await.map_err(StepCause::own)?;
    checkpoint();
    if session.recorded(step).await != Some(0) {
        return Err(StepCause::HistoryKeptOut);
    }
    Ok(note)
}

/// Records how far the script came. It may have begun a transaction of its own, which this must not end.
async fn record(
    session: &mut Session<'_>,
    step: &Step<'_>,
    done: usize,
    note: &Note,
) -> Result<(), StepCause> {
    let progress = session.progress(step, done, note);
    let record = match step.dialect {
        Dialect::Sqlite => progress,
        Dialect::Postgres => session.frame.between(&progress),
    };
    session.conn.batch(&record).await.map_err(history_gone)?;
    checkpoint();
    Ok(())
}

/// Why a row could not be recorded: the statement before it may have taken the tables along.
fn history_gone(error: DbError) -> StepCause {
    match StepCause::own(error) {
        // No such table; no such schema.
        StepCause::Database(error)
            if matches!(error.sqlstate.as_deref(), Some("42P01" | "3F000")) =>
        {
            StepCause::HistoryTaken
        }
        cause => cause,
    }
}

/// Records that the script is done. A trigger or a rule on the tables may keep the rows out.
async fn finish(
    session: &mut Session<'_>,
    step: &Step<'_>,
    elapsed_ms: u64,
) -> Result<(), StepCause> {
    let records = [session.before(step), session.after(step, elapsed_ms.to_string())];
    let steps = std::slice::from_ref(step);
    let recorded = match step.dialect {
        Dialect::Postgres => {
            let [before, after] = records;
            session
                .whole(&[before, after, session.history_is_kept(steps)])
                .await
                .map_err(StepCause::own)
        }
        Dialect::Sqlite => {
            let recorded = async {
                session.conn.batch(&format!("BEGIN IMMEDIATE;\n{}", records.join(";\n"))).await?;
                session.keep_history(steps).await?;
                let history = session.history_now().await?;
                Ok(session.commit(&history).await?)
            };
            let recorded = recorded.await;
            if recorded.is_err() {
                session.roll_back().await;
            }
            recorded
        }
    };
    recorded.map_err(|cause| match cause {
        StepCause::HistoryTaken => StepCause::HistoryKeptOut,
        other => other,
    })?;
    if !session.conn.is_pooled() {
        // It lets go of the lock that covered the script.
        session.as_ours().await?;
    }
    checkpoint();
    Ok(())
}

async fn one(
    session: &mut Session<'_>,
    step: &Step<'_>,
    number: usize,
    statement: &Statement<'_>,
    note: &mut Note,
    guard: &mut Guard,
) -> Result<(), StepCause> {
    session.spares_history(statement.text)?;
    match session.conn.dialect() {
        Dialect::Sqlite => {
            let enforced =
                session.conn.text("SELECT CAST(foreign_keys AS TEXT) FROM pragma_foreign_keys");
            if enforced.await?.as_deref() == Some("1") {
                refuse_cascade(&mut session.conn, statement.text).await?;
            }
            guard.statement(&mut session.conn, statement.text, false).await?;
            let ran = session.conn.batch_alone(statement.text).await;
            ran.map_err(|error| explained(statement.text, error))
        }
        Dialect::Postgres => postgres(session, step, number, statement, note).await,
    }
}

/// Whether the server ends the strings of `text` where the engine does: what a statement before it has called
/// may have changed that.
async fn ends_where_read(session: &mut Session<'_>, text: &str) -> Result<(), StepCause> {
    if session.conn.is_pooled() || !text.contains('\\') {
        return Ok(());
    }
    let conforming = session.conn.text("SHOW standard_conforming_strings").await?;
    if conforming.as_deref() == Some("off") { Err(StepCause::StringsOff) } else { Ok(()) }
}

async fn postgres(
    session: &mut Session<'_>,
    step: &Step<'_>,
    number: usize,
    statement: &Statement<'_>,
    note: &mut Note,
) -> Result<(), StepCause> {
    ends_where_read(session, statement.text).await?;
    let Some(what) = concurrently(statement.text) else {
        return Ok(session.conn.batch_alone(statement.text).await?);
    };
    let (todo, begun) = concurrent::look(session, &what, note.begun.as_ref()).await?;
    // From here on what is half done is this migration's own.
    note.begun = Some(begun);
    record(session, step, number, note).await?;
    match todo {
        Todo::Run => session.conn.batch_alone(statement.text).await?,
        Todo::Nothing => {}
        Todo::Instead(rest) => session.conn.batch_alone(&rest).await?,
    }
    concurrent::check(session, &what).await
}
