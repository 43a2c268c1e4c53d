//! Units of work: what runs on one connection, from taking it to giving it back.

use std::sync::Arc;

use bb8::PooledConnection;
use diesel::{connection::AnsiTransactionManager, result::Error as DieselError};
use diesel_async::{
    AsyncConnection, RunQueryDsl as _, TransactionManager as _,
    pooled_connection::AsyncDieselConnectionManager,
};
use futures_util::future::BoxFuture;

use crate::{Db, DbError, PgManager, SqliteConn, result_code};

/// A connection taken from a pool for one unit of work.
#[expect(clippy::large_enum_variant, reason = "there is one per unit of work, on its stack")]
pub enum DbConn {
    /// PostgreSQL.
    Postgres(PooledConnection<'static, PgManager>),
    /// SQLite; it works where it is polled, so only [`Db`] hands it out, on a thread that may
    /// block.
    Sqlite(PooledConnection<'static, AsyncDieselConnectionManager<SqliteConn>>),
}

/// What is to be done with a connection: `move |conn| async move { … }.boxed()`.
pub trait Work<T>:
    for<'c> FnOnce(&'c mut DbConn) -> BoxFuture<'c, Result<T, DbError>> + Send + 'static
{
}

impl<T, F> Work<T> for F where
    F: for<'c> FnOnce(&'c mut DbConn) -> BoxFuture<'c, Result<T, DbError>> + Send + 'static
{
}

/// How much a query reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// A page of rows at most, found by a key or an index.
    Few,
    /// Any number.
    Many,
}

impl Rows {
    /// For a query that finds its rows by an index and ends after `limit` of them.
    #[must_use]
    pub fn at_most(limit: i64) -> Self {
        if limit <= 100 { Self::Few } else { Self::Many }
    }
}

/// Which connection a unit of work takes, and whether it is a transaction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Read(Rows),
    Write,
    Transaction,
}

impl Db {
    /// Runs one query; on SQLite on a connection that cannot write.
    ///
    /// There a query for few rows is done where the caller is polled: it takes less than the way to
    /// a thread that may block. It waits for nobody, for in WAL mode no writer stops a reader.
    pub async fn read<T: Send + 'static>(
        &self,
        rows: Rows,
        work: impl Work<T>,
    ) -> Result<T, DbError> {
        self.run(Mode::Read(rows), work).await
    }

    /// Runs one statement that writes, which needs no transaction around it.
    pub async fn write<T: Send + 'static>(&self, work: impl Work<T>) -> Result<T, DbError> {
        self.run(Mode::Write, work).await
    }

    /// Runs several statements together or not at all: an error or a panic takes back all of them.
    ///
    /// The work uses the connection that it is given. It passes over no error: PostgreSQL takes
    /// back a transaction in which a statement failed, and then this is an error even if the work
    /// went on.
    pub async fn transaction<T: Send + 'static>(&self, work: impl Work<T>) -> Result<T, DbError> {
        self.run(Mode::Transaction, work).await
    }

    /// Takes a connection and works on it. Once begun, the work comes to its end also when the caller
    /// stops waiting: on SQLite nothing could stop it, and a PostgreSQL connection that went back to
    /// its pool in the middle of a statement would keep whoever gets it next waiting for that one.
    async fn run<T: Send + 'static>(&self, mode: Mode, work: impl Work<T>) -> Result<T, DbError> {
        match self {
            Self::Postgres { pool, schema } => {
                let conn = pool.get_owned().await.map_err(|error| no_connection(&error))?;
                tokio::spawn(DbConn::Postgres(conn).run(mode, schema.clone(), work)).await
            }
            Self::Sqlite { writer, readers } => {
                let pool = if matches!(mode, Mode::Read(_)) { readers } else { writer };
                let conn = pool.get_owned().await.map_err(|error| no_connection(&error))?;
                if mode == Mode::Read(Rows::Few) {
                    // A connection is large, and would be moved along with whatever awaits this.
                    return Box::pin(DbConn::Sqlite(conn).run(mode, None, work)).await;
                }
                let runtime = tokio::runtime::Handle::current();
                let task = move || runtime.block_on(DbConn::Sqlite(conn).run(mode, None, work));
                tokio::task::spawn_blocking(task).await
            }
        }
        .map_err(|error| match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => DbError { message: error.to_string(), ..DbError::default() },
        })?
    }
}

impl DbConn {
    async fn run<T>(
        mut self,
        mode: Mode,
        schema: Option<Arc<str>>,
        work: impl Work<T>,
    ) -> Result<T, DbError> {
        if let Self::Postgres(conn) = &self {
            drop(conn.take_sqlstate());
        }
        if mode != Mode::Transaction && schema.is_none() {
            return match work(&mut self).await {
                Err(error) => Err(self.with_code(error).await),
                done => done,
            };
        }
        match self.transact(schema.as_deref(), work).await {
            Ok(value) => Ok(value),
            Err(error) => {
                let error = self.with_code(error).await;
                // The error that led here says more than a second one about the same connection,
                // and the pool drops a connection whose transaction is still open.
                if let Err(second) = self.roll_back().await {
                    tracing::debug!(%second, "cannot roll back");
                }
                Err(error)
            }
        }
    }

    /// The search path is set for a transaction, and gone with it: whoever gets the connection next
    /// finds no trace of it, also behind a pooler that hands out servers per transaction.
    async fn transact<T>(
        &mut self,
        schema: Option<&str>,
        work: impl Work<T>,
    ) -> Result<T, DbError> {
        self.begin(schema).await?;
        let value = work(self).await?;
        self.commit().await?;
        Ok(value)
    }

    /// The error with the code that its database gave it.
    async fn with_code(&mut self, mut error: DbError) -> DbError {
        match self {
            Self::Postgres(conn) => error.sqlstate = error.sqlstate.or(conn.take_sqlstate()),
            Self::Sqlite(conn) if error.result_code.is_none() => {
                error.result_code = result_code::of_text(&error.message);
                if error.result_code.is_none() && is_raised(conn, &error.message).await {
                    error.result_code = Some(result_code::CONSTRAINT_TRIGGER);
                }
            }
            Self::Sqlite(_) => {}
        }
        error
    }

    /// SQLite takes the lock for writing at once: a transaction that read first and had to wait
    /// for it later would fail.
    async fn begin(&mut self, schema: Option<&str>) -> Result<(), DieselError> {
        match self {
            Self::Postgres(conn) => conn.begin(schema).await,
            Self::Sqlite(conn) => {
                let begin = |conn: &mut diesel::SqliteConnection| {
                    AnsiTransactionManager::begin_transaction_sql(conn, "BEGIN IMMEDIATE")
                };
                conn.spawn_blocking(begin).await
            }
        }
    }

    async fn commit(&mut self) -> Result<(), DieselError> {
        match self {
            Self::Postgres(conn) => conn.commit().await,
            Self::Sqlite(conn) => SqliteTransactions::commit_transaction(&mut **conn).await,
        }
    }

    async fn roll_back(&mut self) -> Result<(), DieselError> {
        match self {
            Self::Postgres(conn) => conn.roll_back().await,
            Self::Sqlite(conn) => SqliteTransactions::rollback_transaction(&mut **conn).await,
        }
    }
}

type SqliteTransactions = <SqliteConn as AsyncConnection>::TransactionManager;

/// Whether a trigger raises an error with this text. It is the trigger's own, so only the schema tells.
async fn is_raised(conn: &mut SqliteConn, text: &str) -> bool {
    let literal = format!("'{}'", text.replace('\'', "''"));
    let raising = "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND instr(sql, ?) > 0";
    #[expect(clippy::disallowed_methods, reason = "SQLite's own table of objects is in no schema")]
    let found = diesel::sql_query(raising).bind::<diesel::sql_types::Text, _>(literal);
    let found = found.get_result::<Raising>(conn).await;
    found.is_ok_and(|found| found.number > 0)
}

#[derive(diesel::QueryableByName)]
struct Raising {
    #[diesel(sql_type = diesel::sql_types::BigInt, column_name = "count(*)")]
    number: i64,
}

/// No connection became free, or a new one could not be opened.
fn no_connection(error: &dyn std::error::Error) -> DbError {
    DbError {
        message: format!("no connection to the database: {}", crate::error::with_causes(error)),
        no_connection: true,
        ..DbError::default()
    }
}
