//! PostgreSQL connections of a pool.

use std::{
    ops::{Deref, DerefMut},
    time::{Duration, Instant},
};

use diesel::QueryResult;
use diesel_async::{
    SimpleAsyncConnection as _,
    pooled_connection::{PoolableConnection as _, RecyclingMethod},
};

use crate::{
    ConnectOptions, DbError,
    error::with_causes,
    pool::PgConn,
    postgres::{LastError, Server, announced, session},
};

/// Who was used within this time is not tried again: each trial is a round trip, and a connection
/// that the server closed is known without one.
const FRESH: Duration = Duration::from_secs(1);

/// Opens connections and tries those that rested.
pub struct PgManager {
    pub(crate) server: Server,
    pub(crate) options: ConnectOptions,
}

/// A PostgreSQL connection of a pool.
pub struct PooledPgConn {
    conn: PgConn,
    /// Whether the transaction of a unit of work is open.
    in_transaction: bool,
    used: Instant,
    /// What the server said last, which Diesel does not hand on.
    last_error: LastError,
}

impl PooledPgConn {
    /// The SQLSTATE of the last error since this was last asked.
    pub(crate) fn take_sqlstate(&self) -> Option<String> {
        self.last_error.take()
    }

    /// Begins a transaction, whose unqualified names are those of `schema`.
    pub(crate) async fn begin(&mut self, schema: Option<&str>) -> QueryResult<()> {
        self.in_transaction = true;
        let Some(schema) = schema else { return self.conn.batch_execute("BEGIN").await };
        let name = schema.replace('"', "\"\"");
        let begin = format!("BEGIN; SET LOCAL search_path TO pg_catalog, \"{name}\", pg_temp");
        self.conn.batch_execute(&begin).await
    }

    /// If a statement failed and the work went on, the `SELECT` fails as well. `COMMIT` alone would
    /// take everything back and call that a success.
    pub(crate) async fn commit(&mut self) -> QueryResult<()> {
        self.end("SELECT true; COMMIT").await
    }

    pub(crate) async fn roll_back(&mut self) -> QueryResult<()> {
        self.end("ROLLBACK").await
    }

    async fn end(&mut self, statements: &str) -> QueryResult<()> {
        self.conn.batch_execute(statements).await?;
        self.in_transaction = false;
        Ok(())
    }
}

impl Deref for PooledPgConn {
    type Target = PgConn;

    fn deref(&self) -> &PgConn {
        &self.conn
    }
}

impl DerefMut for PooledPgConn {
    fn deref_mut(&mut self) -> &mut PgConn {
        &mut self.conn
    }
}

impl bb8::ManageConnection for PgManager {
    type Connection = PooledPgConn;
    type Error = DbError;

    async fn connect(&self) -> Result<PooledPgConn, DbError> {
        let failed = |error: &dyn std::error::Error| DbError {
            message: with_causes(error),
            ..DbError::default()
        };
        let last_error = LastError::default();
        let client = self.server.connect_watched(&self.options, Some(&last_error)).await;
        let client = client.map_err(|error| failed(&error))?;
        let pooled = session::is_another(announced(&client).unwrap_or_default());
        let begin = session::served(&pooled);
        let mut conn = PgConn::try_from(client).await.map_err(|error| failed(&error))?;
        conn.batch_execute(&begin).await?;
        Ok(PooledPgConn { conn, in_transaction: false, used: Instant::now(), last_error })
    }

    async fn is_valid(&self, pooled: &mut PooledPgConn) -> Result<(), DbError> {
        if pooled.conn.is_broken() {
            let message = "the server closed the connection".to_owned();
            return Err(DbError { message, ..DbError::default() });
        }
        if pooled.used.elapsed() > FRESH {
            pooled.conn.ping(&RecyclingMethod::Verified).await?;
        }
        Ok(())
    }

    /// The pool asks when it gets a connection back.
    fn has_broken(&self, pooled: &mut PooledPgConn) -> bool {
        pooled.used = Instant::now();
        std::thread::panicking() || pooled.in_transaction || pooled.conn.is_broken()
    }
}
