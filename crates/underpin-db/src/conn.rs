//! One connection of one's own, for work that is SQL text.

use diesel::{
    RunQueryDsl as _, SqliteConnection,
    connection::SimpleConnection as _,
    dsl::sql,
    sql_types::{Nullable, Text},
};
use futures_util::StreamExt as _;
use tokio_postgres::SimpleQueryMessage;

use crate::{DbError, Dialect};

/// One connection of one's own.
///
/// On SQLite the work is done where the returned future is polled.
pub enum Conn {
    /// SQLite, through Diesel.
    Sqlite(SqliteConnection),
    /// PostgreSQL, without Diesel, which hides the codes and places of errors.
    Postgres(tokio_postgres::Client),
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

    /// Runs one or many statements; on PostgreSQL they travel together.
    pub async fn batch(&mut self, statements: &str) -> Result<(), DbError> {
        match self {
            Self::Sqlite(conn) => Ok(conn.batch_execute(statements)?),
            Self::Postgres(client) => {
                simple_query(client, statements, |_, _| None::<()>).await.map(drop)
            }
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
                simple_query(client, statements, read).await
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
                simple_query(client, query, |_, row| Some(row.get(0).map(str::to_owned))).await
            }
        }
    }
}

/// Sends `statements` in one message and keeps what `read` makes of the rows, given the number of
/// the statement. An error says how many were done.
async fn simple_query<T>(
    client: &tokio_postgres::Client,
    statements: &str,
    read: impl Fn(usize, &tokio_postgres::SimpleQueryRow) -> Option<T>,
) -> Result<Vec<T>, DbError> {
    let stream = client.simple_query_raw(statements).await?;
    let mut stream = std::pin::pin!(stream);
    let mut rows = Vec::new();
    let mut completed = 0;
    while let Some(message) = stream.next().await {
        match message {
            Ok(SimpleQueryMessage::Row(row)) => rows.extend(read(completed, &row)),
            Ok(SimpleQueryMessage::CommandComplete(_)) => completed += 1,
            Ok(_) => {}
            Err(error) => return Err(DbError { completed: Some(completed), ..error.into() }),
        }
    }
    Ok(rows)
}
