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
    Left, Place, Step, StepError, StepReport,
    checkpoint::checkpoint,
    session::Session,
    sql::literal,
    transaction::{millis, place, report, statements},
};

/// Runs one step outside a transaction, or the rest of it.
pub(crate) async fn run(
    session: &mut Session<'_>,
    step: &Step<'_>,
) -> Result<StepReport, StepError> {
    let start = Instant::now();
    let mut done = step.resumed.unwrap_or(0);
    let failed = |place: Option<Place>, done: usize, cause: DbError| StepError {
        version: step.migration.version.clone(),
        name: step.migration.name.clone().into_owned(),
        direction: step.direction,
        place,
        left: Left::Statements(done),
        kept: Vec::new(),
        blockers: None,
        cause: cause.into(),
    };
    if step.resumed.is_none() {
        begin(session, step).await.map_err(|error| failed(None, 0, error))?;
    }
    for (number, statement) in statements(step).iter().enumerate().skip(done) {
        let resumed = step.resumed == Some(number);
        if let Err(error) = one(session, statement, resumed).await {
            // The script may have opened a transaction of its own.
            session.roll_back().await;
            return Err(failed(Some(place(number, statement)), done, error));
        }
        done = number + 1;
        let progress = session.progress(step, done);
        session.conn.batch(&progress).await.map_err(|error| failed(None, done, error))?;
        checkpoint();
    }
    let finished = async {
        let notes = session.notes(step).await?;
        finish(session, step, millis(start)).await?;
        Ok(notes)
    };
    let notes = finished.await.map_err(|error| failed(None, done, error))?;
    Ok(report(step, millis(start), notes))
}

/// Records that the script begins, so that a crash in its first statement is seen.
async fn begin(session: &mut Session<'_>, step: &Step<'_>) -> Result<(), DbError> {
    let mut message = vec!["BEGIN".to_owned()];
    message.extend(session.tables.create());
    message.push(session.progress(step, 0));
    message.push("COMMIT".to_owned());
    session.conn.batch(&message.join(";\n")).await?;
    checkpoint();
    Ok(())
}

async fn finish(
    session: &mut Session<'_>,
    step: &Step<'_>,
    elapsed_ms: u64,
) -> Result<(), DbError> {
    let (before, after) = (session.before(step), session.after(step, elapsed_ms.to_string()));
    let message = ["BEGIN", &before, &after, "COMMIT"].join(";\n");
    session.conn.batch(&message).await?;
    checkpoint();
    Ok(())
}

async fn one(
    session: &mut Session<'_>,
    statement: &Statement<'_>,
    resumed: bool,
) -> Result<(), DbError> {
    let index = match session.conn.dialect() {
        Dialect::Sqlite => None,
        Dialect::Postgres => concurrent_index(statement.text),
    };
    if let Some(index) = index {
        match (is_valid(session, index).await?.as_deref(), resumed) {
            // The interrupted run finished it, and died before it could say so.
            (Some("true"), true) => return Ok(()),
            // A build that failed leaves an index that no query uses and `IF NOT EXISTS` accepts.
            (Some("false"), _) => {
                let drop = format!("DROP INDEX CONCURRENTLY {index}");
                session.conn.batch(&drop).await?;
            }
            _ => {}
        }
    }
    session.conn.batch(statement.text).await
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
