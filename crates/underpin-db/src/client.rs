//! One PostgreSQL connection, to a server or to a pooler in front of it.
//!
//! A pooler gives each transaction to whichever of its own connections is free, so nothing that is
//! set for a session holds. What must hold is set again in each transaction, by the message that
//! begins it.

use futures_util::StreamExt as _;
use tokio_postgres::{Client, SimpleQueryMessage, SimpleQueryRow};
use underpin_catalog::{
    Dialect,
    statement::{self, Kind},
};

use crate::{
    DbError,
    postgres::{Setting, announced},
};

/// One PostgreSQL connection.
pub struct PgClient {
    client: Client,
    /// The process that the other side announced.
    announced: Option<i32>,
    /// What was to be set when the connection began.
    settings: Vec<Setting>,
    way: Way,
    /// Whether a transaction is open; not looked after on a direct connection.
    open: bool,
}

/// Who is at the other end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Nobody has asked yet.
    Unknown,
    Direct,
    /// A pooler, and it is not known yet where its connections look up names.
    Refused,
    Pooled,
}

/// Statements that stand before a message.
const PREFIX: usize = 2;

impl PgClient {
    /// `refused`: the other side did not take the settings, which a server does.
    pub(crate) fn new(client: Client, settings: Vec<Setting>, refused: bool) -> Self {
        let way = if refused { Way::Refused } else { Way::Unknown };
        Self { announced: announced(&client), client, settings, way, open: false }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    pub(crate) fn is_pooled(&self) -> bool {
        matches!(self.way, Way::Refused | Way::Pooled)
    }

    pub(crate) fn names_path(&self) -> bool {
        self.settings.iter().any(|setting| setting.name == "search_path" && !setting.default)
    }

    /// Finds out who is at the other end, given the process that answers. Says whether it is a
    /// pooler and what was asked so far was asked without the settings.
    pub(crate) async fn settle(&mut self, backend: i32) -> Result<bool, DbError> {
        match self.way {
            Way::Direct | Way::Pooled => return Ok(false),
            Way::Unknown if self.announced.is_none_or(|announced| announced == backend) => {
                self.way = Way::Direct;
                return Ok(false);
            }
            Way::Unknown | Way::Refused => {}
        }
        if !self.settings.iter().any(|setting| setting.name == "search_path") {
            // What the session has now, another client may have left there.
            let query = "SELECT reset_val FROM pg_settings WHERE name = 'search_path'";
            let paths = simple_query(&self.client, query, |_, row| row.get(0).map(str::to_owned));
            let path = paths.await?.pop().unwrap_or_default();
            self.settings.push(Setting {
                name: "search_path".to_owned(),
                value: path,
                default: true,
            });
        }
        self.way = Way::Pooled;
        Ok(true)
    }

    /// The statement that sets again what must hold, as the transaction began.
    pub(crate) fn reset(&self) -> Option<String> {
        self.is_pooled().then(|| set(&self.settings))
    }

    /// Sends `statements` in one message, and keeps what `read` makes of the rows, given the number
    /// of the statement. An error says how many were done.
    pub(crate) async fn send<T>(
        &mut self,
        statements: &str,
        read: impl Fn(usize, &SimpleQueryRow) -> Option<T>,
    ) -> Result<Vec<T>, DbError> {
        if self.way == Way::Direct {
            return simple_query(&self.client, statements, read).await;
        }
        let controls = controls(statements);
        // A transaction that failed takes nothing else, whether we know of it or not.
        let ends = controls.first().is_some_and(|control| control.number == 0 && !control.begins);
        let prefix = if !self.is_pooled() || self.open || ends || self.settings.is_empty() {
            String::new()
        } else {
            // The level of the transaction can be set as long as nothing was read, and what begins it
            // in `statements` may only say the same.
            let level = statements.strip_prefix("BEGIN ISOLATION LEVEL ");
            let level =
                level.map_or("READ COMMITTED", |rest| rest.split(';').next().unwrap_or(rest));
            format!("SET TRANSACTION ISOLATION LEVEL {level};\n{};\n", set(&self.settings))
        };
        let before = if prefix.is_empty() { 0 } else { PREFIX };
        let read = |number: usize, row: &SimpleQueryRow| read(number.checked_sub(before)?, row);
        let text = format!("{prefix}{statements}");
        let result = simple_query(&self.client, &text, read).await.map_err(|error| DbError {
            completed: error.completed.map(|completed| completed.saturating_sub(before)),
            position: error
                .position
                .and_then(|position| position.checked_sub(prefix.chars().count())),
            ..error
        });
        self.follow(&controls, &result);
        result
    }

    /// Notes whether a transaction is open after a message.
    fn follow<T>(&mut self, controls: &[Control], result: &Result<T, DbError>) {
        let done = match result {
            Ok(_) => usize::MAX,
            Err(error) => error.completed.unwrap_or(0),
        };
        if let Some(last) = controls.iter().rfind(|control| control.number < done) {
            self.open = last.begins;
        }
    }

    /// Sends one statement that cannot run in a transaction. Behind a pooler nothing is set for it.
    pub(crate) async fn send_alone(&mut self, statement: &str) -> Result<(), DbError> {
        let result = simple_query(&self.client, statement, |_, _| None::<()>).await.map(drop);
        self.follow(&controls(statement), &result);
        result
    }
}

/// A statement that begins or ends a transaction.
struct Control {
    /// Among the statements of the message, from 0.
    number: usize,
    begins: bool,
}

fn controls(statements: &str) -> Vec<Control> {
    let statements = statement::split(statements, Dialect::Postgres).unwrap_or_default();
    let control = |(number, one): (usize, &statement::Statement<'_>)| {
        let begins = match statement::control(one.text, Dialect::Postgres)? {
            statement::Control::Begin => true,
            statement::Control::Commit | statement::Control::RollBack => false,
            statement::Control::Savepoint | statement::Control::RollBackTo => return None,
        };
        Some(Control { number, begins })
    };
    statements.iter().enumerate().filter_map(control).collect()
}

/// The statement that sets all of them for a transaction.
fn set(settings: &[Setting]) -> String {
    let literal = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let one = |Setting { name, value, .. }: &Setting| {
        format!("set_config({}, {}, true)", literal(name), literal(value))
    };
    format!("SELECT {}", settings.iter().map(one).collect::<Vec<_>>().join(", "))
}

async fn simple_query<T>(
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

#[cfg(test)]
mod tests {
    use super::controls;

    #[test]
    fn what_begins_and_ends_a_transaction_is_found() {
        for (text, found) in [
            (
                "BEGIN; SELECT 'COMMIT'; ROLLBACK TO SAVEPOINT a; COMMIT",
                &[(0, true), (3, false)][..],
            ),
            ("SELECT 1;;\n-- BEGIN\nSTART TRANSACTION", &[(1, true)]),
            ("SAVEPOINT a; RELEASE a; ROLLBACK TRANSACTION TO a", &[]),
            ("ROLLBACK", &[(0, false)]),
            ("DO 'BEGIN PERFORM 1; END'", &[]),
        ] {
            let controls: Vec<_> =
                controls(text).iter().map(|one| (one.number, one.begins)).collect();
            assert_eq!(controls, found, "{text}");
        }
    }
}
