//! Runs a script outside a transaction, statement by statement.
//!
//! Nothing can undo a statement here, so the history says after each how far the script came. A
//! run that dies leaves the migration *interrupted*: named by every later run, and resumed after
//! the last statement that is recorded. That one statement may have been half done, or done and
//! not recorded; for an index that PostgreSQL builds concurrently the engine finds out.

use std::time::Instant;

use underpin_catalog::{Dialect, statement::Statement};
use underpin_db::DbError;

use crate::{
    Left, Place, Step, StepCause, StepError, StepReport,
    checkpoint::checkpoint,
    lock::Lock,
    proof::Before,
    rebuild::References,
    session::Session,
    sql::literal,
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
        Ok(notes) => Ok(report(step, millis(start), notes)),
        Err((place, cause)) => {
            // A transaction that the script opened itself takes the records in it along.
            session.roll_back().await;
            let done = session.recorded(step).await.unwrap_or(step.resumed.unwrap_or(0));
            Err(StepError {
                version: step.migration.version.clone(),
                name: step.migration.name.clone().into_owned(),
                direction: step.direction,
                place,
                left: Left::Statements(done),
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
    let wrong = |error: DbError| (None, StepCause::from(error));
    session.as_new().await.map_err(wrong)?;
    session.lend(std::slice::from_ref(step)).await.map_err(wrong)?;
    if step.resumed.is_none() {
        begin(session, step).await.map_err(wrong)?;
    }
    let done = step.resumed.unwrap_or(0);
    for (number, statement) in step.statements().iter().enumerate() {
        let failed = |cause| (Some(place(number, statement)), cause);
        if number < done {
            // The session is a new one, and the rest may count on what they set.
            if sets(statement.text) {
                let again = session.conn.batch(statement.text).await;
                again.map_err(|error| failed(error.into()))?;
            }
            continue;
        }
        still_held(lock).await.map_err(failed)?;
        one(session, step, number, statement).await.map_err(failed)?;
        let progress = session.progress(step, number + 1);
        // The script may have begun a transaction of its own, which this one must not end.
        let first = session.frame.first.iter().map(String::as_str);
        let record = first.chain([progress.as_str()]).collect::<Vec<_>>().join(";\n");
        session.conn.batch(&record).await.map_err(wrong)?;
        checkpoint();
    }
    still_held(lock).await.map_err(|cause| (None, cause))?;
    // They are the script's own query, and may ask what it left in the session.
    let notes = session.notes(step).await.map_err(wrong)?;
    session.as_new().await.map_err(wrong)?;
    let history = session.history_now().await.map_err(wrong)?;
    let proven = session.prove(std::slice::from_ref(step), &history, &Before::default()).await;
    proven.map_err(|cause| (None, cause))?;
    finish(session, step, millis(start)).await.map_err(wrong)?;
    Ok(notes)
}

/// Nothing undoes what two runners do at once.
async fn still_held(lock: &mut Lock) -> Result<(), StepCause> {
    match lock.is_held().await {
        Ok(true) => Ok(()),
        _ => Err(StepCause::LockLost),
    }
}

/// Whether a statement of the script counts on the connection for those after it.
pub(crate) fn sets_the_session(step: &Step<'_>) -> bool {
    step.statements().iter().any(|statement| sets(statement.text))
}

/// `SET`, `PRAGMA` and `ATTACH` hold as long as the connection.
fn sets(text: &str) -> bool {
    let mut words = text.split_whitespace().map(str::to_ascii_uppercase);
    let first = words.next().unwrap_or_default();
    match first.as_str() {
        "PRAGMA" => text.contains(['=', '(']),
        "ATTACH" => true,
        "SET" => words.next().is_some_and(|second| second != "LOCAL" && second != "TRANSACTION"),
        _ => false,
    }
}

/// Records that the script begins, so that a crash in its first statement is seen.
async fn begin(session: &mut Session<'_>, step: &Step<'_>) -> Result<(), DbError> {
    let mut message = session.tables.create();
    message.push(session.progress(step, 0));
    session.whole(&message).await?;
    checkpoint();
    Ok(())
}

async fn finish(
    session: &mut Session<'_>,
    step: &Step<'_>,
    elapsed_ms: u64,
) -> Result<(), DbError> {
    let message = [session.before(step), session.after(step, elapsed_ms.to_string())];
    session.whole(&message).await?;
    if step.dialect == Dialect::Postgres {
        // The script may have set another path for the rest of the session.
        session.conn.batch("RESET search_path").await?;
    }
    checkpoint();
    Ok(())
}

async fn one(
    session: &mut Session<'_>,
    step: &Step<'_>,
    number: usize,
    statement: &Statement<'_>,
) -> Result<(), StepCause> {
    match session.conn.dialect() {
        Dialect::Sqlite => {
            let enforced =
                session.conn.text("SELECT CAST(foreign_keys AS TEXT) FROM pragma_foreign_keys");
            if enforced.await?.as_deref() == Some("1") {
                for reference in References::to_dropped(&mut session.conn, statement.text).await? {
                    reference.refuse()?;
                }
            }
        }
        Dialect::Postgres => {
            if let Some(index) = concurrent_index(statement.text) {
                let resumed = step.resumed == Some(number);
                match (is_valid(session, index).await?.as_deref(), resumed) {
                    // The interrupted run finished it, and died before it could say so.
                    (Some("true"), true) => return Ok(()),
                    // A build that failed leaves an index that no query uses and `IF NOT EXISTS`
                    // accepts.
                    (Some("false"), _) => {
                        let drop = format!("DROP INDEX CONCURRENTLY {index}");
                        session.conn.batch_alone(&drop).await?;
                    }
                    _ => {}
                }
            }
        }
    }
    Ok(session.conn.batch_alone(statement.text).await?)
}

/// The name in `CREATE [UNIQUE] INDEX CONCURRENTLY [IF NOT EXISTS] name ON …`, as written.
fn concurrent_index(text: &str) -> Option<&str> {
    let mut words = text.split_whitespace();
    let mut next = || words.next();
    let is = |word: Option<&str>, wanted: &str| {
        word.is_some_and(|word| word.eq_ignore_ascii_case(wanted))
    };
    if !is(next(), "create") {
        return None;
    }
    let mut word = next();
    if is(word, "unique") {
        word = next();
    }
    if !is(word, "index") || !is(next(), "concurrently") {
        return None;
    }
    word = next();
    if is(word, "if") {
        next();
        next();
        word = next();
    }
    word.filter(|name| !name.eq_ignore_ascii_case("on"))
}

/// `true` or `false` for an index that exists.
async fn is_valid(session: &mut Session<'_>, index: &str) -> Result<Option<String>, DbError> {
    let query = format!(
        "SELECT (indisvalid AND indisready)::text FROM pg_index WHERE indexrelid = to_regclass({})",
        literal(index)
    );
    session.conn.text(&query).await
}

#[cfg(test)]
mod tests {
    use super::concurrent_index;

    #[test]
    fn the_index_is_found_in_every_form_of_the_statement() {
        for (text, name) in [
            ("CREATE INDEX CONCURRENTLY i ON t (a)", Some("i")),
            ("create unique index concurrently if not exists s.i on t (a)", Some("s.i")),
            ("CREATE INDEX i ON t (a)", None),
            ("CREATE INDEX CONCURRENTLY ON t (a)", None),
            ("DROP INDEX CONCURRENTLY i", None),
            ("", None),
        ] {
            assert_eq!(concurrent_index(text), name, "{text}");
        }
    }
}
