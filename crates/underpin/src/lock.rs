//! One runner at a time, in whatever process and on whatever machine.
//!
//! PostgreSQL: a session advisory lock on a connection of its own, which stays outside any
//! transaction. It is polled and never waited for in the server: a waiting session holds a
//! snapshot, and `CREATE INDEX CONCURRENTLY` waits for every snapshot, so the two would deadlock.
//!
//! SQLite: a lock of the operating system on a file beside the database, which the kernel frees
//! when the process dies. SQLite's own lock cannot serve, for it ends with each transaction.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use underpin_db::{Conn, ConnectOptions, DatabaseUrl};

use crate::{
    Error, Options, Step, StepCause, StepReport,
    error::Doing,
    session::Session,
    sql::literal,
    transaction::{self, Failure},
};

mod file;

use file::LockFile;
pub use file::RunLock;

/// Holds the lock until it is released or dropped.
pub(crate) enum Lock {
    /// A database in memory has no other runner.
    Memory,
    Sqlite(LockFile),
    Postgres(PostgresLock),
}

/// An advisory lock and the connection that holds it.
pub(crate) struct PostgresLock {
    conn: Conn,
    /// SQL that gives the lock's key.
    key: String,
    /// The server process of the connection that works, once it is known.
    worker: Option<String>,
}

/// The first and the longest pause between two tries.
pub(crate) const PAUSE: Duration = Duration::from_millis(25);
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_millis(500);

impl Lock {
    /// Waits at most `wait` for the lock of this database, on PostgreSQL of `schema` in it.
    pub(crate) async fn acquire(
        url: &DatabaseUrl,
        options: &ConnectOptions,
        schema: Option<&str>,
        wait: Duration,
    ) -> Result<Self, Error> {
        let mut candidate = match (url.sqlite_path(), schema) {
            (Some(path), _) => Candidate::Sqlite(path.to_owned()),
            (None, None) => return Ok(Self::Memory),
            (None, Some(schema)) => {
                // The lock's own connection waits for nothing in the server.
                let options = ConnectOptions { statement_timeout: None, ..options.clone() };
                let mut conn = url.connect(&options).await?;
                // It idles for as long as a migration takes.
                let idle = setting("idle_session_timeout", "0");
                conn.text(&idle).await.doing("take the migration lock")?;
                Candidate::Postgres(PostgresLock { conn, key: key(schema), worker: None })
            }
        };
        let start = Instant::now();
        let mut pause = PAUSE;
        loop {
            candidate = match candidate.attempt().await? {
                Ok(lock) => return Ok(lock),
                Err(candidate) => candidate,
            };
            let waited = start.elapsed();
            if waited >= wait {
                return Err(Error::Locked { holder: candidate.holder().await, waited });
            }
            if pause == PAUSE {
                let holder = candidate.holder().await;
                tracing::info!(
                    target: crate::LOCK_LOG_TARGET,
                    "waiting up to {} s for the migration lock, held by {holder}", wait.as_secs()
                );
            }
            tokio::time::sleep(jittered(pause).min(wait.saturating_sub(waited))).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Whether it is still ours: a pooler or a restart may have taken it away.
    pub(crate) async fn is_held(&mut self) -> Result<bool, Error> {
        match self {
            Self::Postgres(lock) => lock.is_held().await,
            Self::Memory | Self::Sqlite(_) => Ok(true),
        }
    }

    /// Lets the next runner in. A failure is of no consequence: the lock ends with the process
    /// or the connection.
    pub(crate) async fn release(self) {
        match self {
            Self::Memory => {}
            Self::Sqlite(file) => file.release(),
            Self::Postgres(mut lock) => {
                let unlock = format!("SELECT pg_advisory_unlock({})::text", lock.key);
                if let Err(error) = lock.conn.text(&unlock).await {
                    tracing::debug!(%error, "the lock's connection is gone already");
                }
            }
        }
    }
}

enum Candidate {
    Sqlite(PathBuf),
    Postgres(PostgresLock),
}

impl Candidate {
    /// Takes the lock if it is free; gives itself back if it is not.
    async fn attempt(self) -> Result<Result<Lock, Self>, Error> {
        match self {
            Self::Sqlite(database) => match LockFile::try_lock(&database) {
                Ok(Some(file)) => Ok(Ok(Lock::Sqlite(file))),
                Ok(None) => Ok(Err(Self::Sqlite(database))),
                Err(source) => {
                    let path = file::beside(&database).display().to_string();
                    Err(Error::LockFile { path, source })
                }
            },
            Self::Postgres(mut lock) => {
                let query = format!("SELECT pg_try_advisory_lock({})::text", lock.key);
                let answer = lock.conn.text(&query).await.doing("take the migration lock")?;
                let held = answer.as_deref() == Some("true");
                Ok(if held { Ok(Lock::Postgres(lock)) } else { Err(Self::Postgres(lock)) })
            }
        }
    }

    async fn holder(&mut self) -> String {
        match self {
            Self::Sqlite(database) => file::holder(database).unwrap_or_else(|| UNKNOWN.to_owned()),
            Self::Postgres(lock) => holder(&mut lock.conn, &lock.key).await,
        }
    }
}

impl PostgresLock {
    async fn is_held(&mut self) -> Result<bool, Error> {
        let query = format!(
            "SELECT count(*)::text FROM pg_locks WHERE locktype = 'advisory' AND granted AND \
             pid = pg_backend_pid() AND (classid::bigint << 32 | objid::bigint) = {}",
            self.key
        );
        let count = self.conn.text(&query).await.doing("look after the migration lock")?;
        Ok(count.is_some_and(|count| count != "0"))
    }

    /// Runs one transaction of `session`, and looks meanwhile who keeps it waiting.
    ///
    /// The lock must still be held: without it, two runners would be at work.
    pub(crate) async fn watch(
        &mut self,
        session: &mut Session<'_>,
        steps: &[Step<'_>],
        options: &Options,
    ) -> (Result<Vec<StepReport>, Failure>, Option<String>) {
        match self.is_held().await {
            Ok(true) => {}
            _ => return (Err(Failure::new(0, StepCause::LockLost)), None),
        }
        if self.worker.is_none() {
            self.worker = session.conn.text("SELECT pg_backend_pid()::text").await.ok().flatten();
        }
        let worker = self.worker.clone().unwrap_or_else(|| "0".to_owned());
        let mut blockers = None;
        let pause = (options.lock_timeout * 3 / 4).max(PAUSE);
        let look = async {
            loop {
                tokio::time::sleep(pause).await;
                if let Some(found) = self.blockers(&worker).await {
                    blockers = Some(found);
                }
            }
        };
        let result = tokio::select! {
            result = transaction::run(session, steps) => result,
            never = look => never,
        };
        (result, blockers)
    }

    /// Who keeps the server process `pid` waiting, for people.
    async fn blockers(&mut self, pid: &str) -> Option<String> {
        let query = format!(
            "SELECT string_agg('process ' || pid || ' (' || application_name || ', ' || coalesce(state, '?') || \
             ')', ', ') FROM pg_stat_activity WHERE pid = ANY (pg_blocking_pids({pid}))"
        );
        self.conn.text(&query).await.ok().flatten()
    }
}

/// PostgreSQL: SQL that gives the key of the lock of `schema`. Sets share the history tables, so
/// they share the lock.
pub(crate) fn key(schema: &str) -> String {
    let name = literal(&format!("underpin:{schema}"));
    format!("hashtextextended(current_database() || {name}, 0)")
}

/// PostgreSQL: who has the lock with this key, for people.
pub(crate) async fn holder(conn: &mut Conn, key: &str) -> String {
    let query = format!(
        "SELECT 'process ' || a.pid || ' (' || a.application_name || ', user ' || a.usename \
         || ', from ' || coalesce(host(a.client_addr), 'this machine') || ', since ' || \
         date_trunc('second', a.backend_start) || ')' FROM pg_locks l JOIN pg_stat_activity a \
         USING (pid) WHERE l.locktype = 'advisory' AND l.granted AND \
         (l.classid::bigint << 32 | l.objid::bigint) = {key}"
    );
    conn.text(&query).await.ok().flatten().unwrap_or_else(|| UNKNOWN.to_owned())
}

const UNKNOWN: &str = "an unknown process";

/// A statement that sets `name` for the session, where the server's version knows it.
pub(crate) fn setting(name: &str, value: &str) -> String {
    format!("SELECT set_config(name, '{value}', false) FROM pg_settings WHERE name = '{name}'")
}

/// Between half of `pause` and one and a half of it, so that runners do not march in step.
pub(crate) fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.5 + fastrand::f64())
}
