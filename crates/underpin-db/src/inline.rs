//! SQLite behind an asynchronous face, without a hop per statement.

use std::error::Error;

use diesel::SqliteConnection;
use diesel_async::{
    AsyncConnection as _,
    sync_connection_wrapper::{SpawnBlocking, SyncConnectionWrapper},
};
use futures_util::future::{BoxFuture, FutureExt as _, ready};

/// An SQLite connection that works where it is polled.
///
/// A unit of work moves to a blocking thread once and drives its whole body there.
pub type SqliteConn = SyncConnectionWrapper<SqliteConnection, Inline>;

/// Runs a task where it is called: the caller has already moved to a thread that may block.
#[derive(Debug, Clone, Copy)]
pub struct Inline;

impl SpawnBlocking for Inline {
    fn spawn_blocking<'a, R: Send + 'static>(
        &mut self,
        task: impl FnOnce() -> R + Send + 'static,
    ) -> BoxFuture<'a, Result<R, Box<dyn Error + Send + Sync>>> {
        ready(Ok(task())).boxed()
    }

    fn get_runtime() -> Self {
        Self
    }
}

/// Opens a pooled connection with the settings of a database that many use at once.
pub(crate) fn connect(url: &str) -> BoxFuture<'_, diesel::ConnectionResult<SqliteConn>> {
    async move {
        use diesel_async::SimpleAsyncConnection as _;
        let mut conn = SqliteConn::establish(url).await?;
        // The time-out comes first: switching to WAL may meet another connection. What is committed is
        // told to callers and followed by changes of files, so a commit waits for the disk.
        conn.batch_execute(
            "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; \
             PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON",
        )
        .await
        .map_err(diesel::ConnectionError::CouldntSetupConfiguration)?;
        Ok(conn)
    }
    .boxed()
}
