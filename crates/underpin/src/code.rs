//! Runs the Rust part of a migration, inside the transaction of its script.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
};

use underpin_catalog::Dialect;
use underpin_db::{Code, Conn, DbError};

use crate::{
    Schema, StepCause, adopt, checkpoint::checkpoint, frame::CONSTRAINTS, session::Session,
};

/// Runs `code`, and makes sure that the transaction is still the engine's and that the schema is
/// still what the script made: adopting and stamping compare with what scripts alone build.
///
/// On PostgreSQL it finds a new session with the user's settings, as a script does, and `last` looks
/// at deferred constraints while these hold, as the end of the transaction would.
pub(crate) async fn run(
    session: &mut Session<'_>,
    code: Code,
    last: bool,
) -> Result<(), StepCause> {
    let schema = inspect(session).await?;
    // The savepoint goes with the transaction, whoever ends that.
    session.conn.batch("SAVEPOINT underpin_code").await?;
    session.as_user().await?;
    checkpoint();
    caught(&mut session.conn, code).await?;
    checkpoint();
    if last && session.conn.dialect() == Dialect::Postgres {
        session.conn.batch(CONSTRAINTS).await.map_err(|error| unreleased(error, code))?;
    }
    let release = session.conn.batch("RELEASE SAVEPOINT underpin_code").await;
    release.map_err(|error| unreleased(error, code))?;
    session.as_ours().await?;
    let differences = schema.differences(&inspect(session).await?);
    if differences.is_empty() {
        return Ok(());
    }
    Err(StepCause::CodeChangedSchema { name: code.name, differences: adopt::list(&differences) })
}

/// A panic fails the migration, and not the program around it. Nothing sees what it left half done:
/// the transaction is rolled back.
async fn caught(conn: &mut Conn, code: Code) -> Result<(), StepCause> {
    let mut work = pin!(async { (code.run)(conn).await });
    let result = poll_fn(|context| {
        let poll = AssertUnwindSafe(|| work.as_mut().poll(context));
        match catch_unwind(poll) {
            Ok(poll) => poll.map(Some),
            Err(_told_by_the_hook) => Poll::Ready(None),
        }
    });
    match result.await {
        Some(Ok(())) => Ok(()),
        Some(Err(source)) => Err(StepCause::Code { name: code.name, source }),
        None => Err(StepCause::CodePanicked { name: code.name }),
    }
}

/// Why the savepoint cannot be released: it is gone with its transaction, or the function kept an
/// error to itself, after which PostgreSQL refuses everything.
fn unreleased(source: DbError, code: Code) -> StepCause {
    let gone = match source.sqlstate.as_deref() {
        Some(state) => matches!(state, "3B001" | "25P01"),
        None => source.message.contains("no such savepoint"),
    };
    if gone { StepCause::TransactionEnded } else { StepCause::Code { name: code.name, source } }
}

async fn inspect(session: &mut Session<'_>) -> Result<Schema, StepCause> {
    Ok(session.inspect().await?)
}
