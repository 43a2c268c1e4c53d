//! One message of the simple protocol, and what the server answers to it.

use futures_util::StreamExt as _;
use tokio_postgres::{Client, SimpleQueryMessage, SimpleQueryRow};
use underpin_catalog::{
    Dialect,
    statement::{self, Kind},
};

use crate::DbError;

/// Sends `statements` in one message, and keeps what `read` makes of the rows, given the number of the
/// statement. An error says how many were done.
pub(crate) async fn simple_query<T>(
    client: &Client,
    statements: &str,
    read: impl Fn(usize, &SimpleQueryRow) -> Option<T>,
) -> Result<Vec<T>, DbError> {
    let stream = client.simple_query_raw(statements).await?;
    let mut stream = std::pin::pin!(stream);
    let mut rows = Vec::new();
    let mut completed = 0;
    let mut passed_over = None;
    while let Some(message) = stream.next().await {
        match message {
            Ok(SimpleQueryMessage::Row(row)) => rows.extend(read(completed, &row)),
            Ok(SimpleQueryMessage::CommandComplete(_)) => completed += 1,
            Ok(_) => {}
            Err(error) if is_unexpected(&error) => {
                // Each row of `COPY … TO STDOUT` is a message of its own.
                if passed_over != Some(completed) && copies_in(statements, completed) {
                    return Err(no_rows(completed));
                }
                passed_over = Some(completed);
            }
            Err(error) => return Err(DbError { completed: Some(completed), ..error.into() }),
        }
    }
    Ok(rows)
}

/// Whether the server said what the driver does not know. That ends nothing: the server goes on with the
/// statements that follow, so what it says next must be heard.
fn is_unexpected(error: &tokio_postgres::Error) -> bool {
    !error.is_closed() && std::error::Error::source(error).is_none()
}

/// Whether the statement of this number takes rows from the client.
fn copies_in(statements: &str, number: usize) -> bool {
    let split = statement::split(statements, Dialect::Postgres).unwrap_or_default();
    split.get(number).is_some_and(|one| one.kind == Kind::CopyIn)
}

/// The server waits for rows and gets another message, so that it ends the connection and with it the
/// transaction.
fn no_rows(completed: usize) -> DbError {
    DbError {
        message: "`COPY … FROM STDIN` waits for rows, and a migration has none to send".to_owned(),
        sqlstate: Some("08P01".to_owned()),
        completed: Some(completed),
        ..DbError::default()
    }
}
