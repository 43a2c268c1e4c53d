//! One connection of one's own, for work that is SQL text.

use diesel::{
    RunQueryDsl as _, SqliteConnection,
    connection::SimpleConnection as _,
    dsl::sql,
    sql_types::{Nullable, Text},
};

use crate::{DbError, Dialect, PgClient};

/// One connection of one's own.
///
/// On SQLite the work is done where the returned future is polled.
pub enum Conn {
    /// SQLite, through Diesel.
    Sqlite(SqliteConnection),
    /// PostgreSQL, without Diesel, which hides the codes and places of errors.
    Postgres(PgClient),
}

impl Conn {
    /// The kind of database.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Whether the connection is known to be lost.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        match self {
            Self::Sqlite(_) => false,
            Self::Postgres(client) => client.is_closed(),
        }
    }

    /// PostgreSQL: whether a pooler is known to be in between, so that nothing holds longer than a
    /// transaction.
    #[must_use]
    pub fn is_pooled(&self) -> bool {
        match self {
            Self::Sqlite(_) => false,
            Self::Postgres(client) => client.is_pooled(),
        }
    }

    /// PostgreSQL: whether the URL says where unqualified names are looked up.
    #[must_use]
    pub fn names_path(&self) -> bool {
        match self {
            Self::Sqlite(_) => false,
            Self::Postgres(client) => client.names_path(),
        }
    }

    /// PostgreSQL: finds out whether a pooler is in between, given what `pg_backend_pid()` says.
    /// `true` when there is one, and what was asked so far may have been asked with the settings of
    /// somebody else: ask it again.
    ///
    /// Behind a pooler every message that comes outside a transaction sets for its own what the
    /// connection was opened with; see [`Conn::batch_alone`] for the exception.
    pub async fn settle(&mut self, backend: i32) -> Result<bool, DbError> {
        match self {
            Self::Sqlite(_) => Ok(false),
            Self::Postgres(client) => client.settle(backend).await,
        }
    }

    /// PostgreSQL behind a pooler: the statement that sets all that again, for the rest of a
    /// transaction in which a script may have set it otherwise.
    #[must_use]
    pub fn settings_again(&self) -> Option<String> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres(client) => client.reset(),
        }
    }

    /// Runs one statement that cannot run in a transaction. Behind a pooler nothing is set for it.
    pub async fn batch_alone(&mut self, statement: &str) -> Result<(), DbError> {
        match self {
            Self::Sqlite(conn) => Ok(conn.batch_execute(statement)?),
            Self::Postgres(client) => client.send_alone(statement).await,
        }
    }

    /// Runs one or many statements; on PostgreSQL they travel together.
    pub async fn batch(&mut self, statements: &str) -> Result<(), DbError> {
        match self {
            Self::Sqlite(conn) => Ok(conn.batch_execute(statements)?),
            Self::Postgres(client) => client.send(statements, |_, _| None::<()>).await.map(drop),
        }
    }

    /// Runs statements as [`Conn::batch`] does, and gives what those of them that `wanted` names
    /// (counted from 0) answer: the statement and the first column, as text, of each of its rows.
    ///
    /// PostgreSQL alone tells rows apart by their statement; SQLite takes one statement.
    pub async fn answers(
        &mut self,
        statements: &str,
        wanted: &[usize],
    ) -> Result<Vec<(usize, Option<String>)>, DbError> {
        match self {
            Self::Sqlite(_) => {
                let rows = self.column(statements).await?.into_iter().map(|text| (0, text));
                Ok(rows.filter(|(statement, _)| wanted.contains(statement)).collect())
            }
            Self::Postgres(client) => {
                let read = |statement, row: &tokio_postgres::SimpleQueryRow| {
                    wanted.contains(&statement).then(|| (statement, row.get(0).map(str::to_owned)))
                };
                client.send(statements, read).await
            }
        }
    }

    /// The first column of the first row, as text. `None` without a row, and for NULL.
    pub async fn text(&mut self, query: &str) -> Result<Option<String>, DbError> {
        Ok(self.column(query).await?.into_iter().next().flatten())
    }

    /// The first column of every row, as text, without NULLs.
    pub async fn texts(&mut self, query: &str) -> Result<Vec<String>, DbError> {
        Ok(self.column(query).await?.into_iter().flatten().collect())
    }

    async fn column(&mut self, query: &str) -> Result<Vec<Option<String>>, DbError> {
        match self {
            Self::Sqlite(conn) => Ok(sql::<Nullable<Text>>(query).load(conn)?),
            Self::Postgres(client) => {
                client.send(query, |_, row| Some(row.get(0).map(str::to_owned))).await
            }
        }
    }
}
