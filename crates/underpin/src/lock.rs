//! One runner at a time, in whatever process and on whatever machine.
//!
//! PostgreSQL: a session advisory lock on a connection of its own, which stays outside any
//! transaction. It is polled and never waited for in the server: a waiting session holds a
//! snapshot, and `CREATE INDEX CONCURRENTLY` waits for every snapshot, so the two would deadlock.
//!
//! Behind a pooler that lock would be anybody's; there it is a [`lease`].
//!
//! SQLite: a lock of the operating system on a file beside the database, which the kernel frees
//! when the process dies. SQLite's own lock cannot serve, for it ends with each transaction.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use underpin_db::{Conn, ConnectOptions, DatabaseUrl};

use crate::{
    Error, Options, Step, StepCause, StepReport,
    error::Doing,
    history::Tables,
    session::{Frame, Session},
    sql::literal,
    transaction::{self, Failure},
};

mod database;
mod file;
pub(crate) mod lease;

pub use database::DatabaseLock;
use file::LockFile;
pub use file::RunLock;
use lease::{Applicant, Lease};

/// Holds the lock until it is released or dropped.
pub(crate) enum Lock {
    /// A database in memory has no other runner.
    Memory,
    Sqlite(LockFile),
    Postgres(Box<PostgresLock>),
    Lease(Lease),
}

/// An advisory lock and the connection that holds it.
pub(crate) struct PostgresLock {
    conn: Conn,
    schema: String,
    /// SQL that gives the lock's key.
    key: String,
    /// The server process of the connection that works, once it is known.
    worker: Option<String>,
}

/// The first and the longest pause between two tries.
pub(crate) const PAUSE: Duration = Duration::from_millis(25);
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_millis(500);

impl Lock {
    /// Waits for the lock of this database, on PostgreSQL of the schema that `session` is in, as
    /// long as `options` say.
    pub(crate) async fn acquire(
        url: &DatabaseUrl,
        connect: &ConnectOptions,
        session: &Session<'_>,
        options: &Options,
        run: Option<&RunLock>,
    ) -> Result<Self, Error> {
        let wait = options.lock_wait;
        let mut candidate = match (url.sqlite_path(), session.tables.schema()) {
            (Some(path), _) => Candidate::Sqlite(path, run),
            (None, None) => return Ok(Self::Memory),
            (None, Some(schema)) => {
                // The lock's own connection waits for nothing in the server.
                let connect = ConnectOptions { statement_timeout: None, ..connect.clone() };
                let schema = schema.to_owned();
                if session.conn.is_pooled() {
                    let conn = self::connect(url, &connect).await?;
                    let (url, lasts) = (url.clone(), options.lease);
                    Candidate::Lease(Applicant { conn, url, options: connect, schema, lasts })
                } else {
                    let mut conn = url.connect(&connect).await?;
                    // It idles for as long as a migration takes.
                    let idle = setting("idle_session_timeout", "0", false);
                    conn.text(&idle).await.doing(DOING)?;
                    let key = key(&schema);
                    Candidate::Postgres(PostgresLock { conn, schema, key, worker: None })
                }
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
            Self::Lease(lease) => lease.is_held().await,
            Self::Memory | Self::Sqlite(_) => Ok(true),
        }
    }

    /// What stands around each transaction that this lock allows, on the connection `conn`.
    pub(crate) fn frame(&self, conn: &Conn) -> Frame {
        match self {
            Self::Lease(lease) => Frame::pooled(conn, lease),
            _ => Frame::default(),
        }
    }

    /// Lets the next runner in. A failure is of no consequence: the lock ends with the process
    /// or the connection.
    pub(crate) async fn release(self) {
        match self {
            Self::Memory => {}
            Self::Sqlite(file) => drop(file),
            Self::Lease(lease) => lease.release().await,
            Self::Postgres(mut lock) => lock.unlock().await,
        }
    }
}

enum Candidate<'a> {
    Sqlite(&'a Path, Option<&'a RunLock>),
    Postgres(PostgresLock),
    Lease(Applicant),
}

impl Candidate<'_> {
    /// Takes the lock if it is free; gives itself back if it is not.
    async fn attempt(self) -> Result<Result<Lock, Self>, Error> {
        match self {
            Self::Sqlite(database, run) => match LockFile::try_lock(database, run) {
                Ok(Some(file)) => Ok(Ok(Lock::Sqlite(file))),
                Ok(None) => Ok(Err(Self::Sqlite(database, run))),
                Err(source) => {
                    let path = file::beside(database).display().to_string();
                    Err(Error::LockFile { path, source })
                }
            },
            Self::Postgres(mut lock) => {
                let held = lock.attempt().await?;
                Ok(if held {
                    Ok(Lock::Postgres(Box::new(lock)))
                } else {
                    Err(Self::Postgres(lock))
                })
            }
            Self::Lease(applicant) => {
                Ok(applicant.attempt().await?.map(Lock::Lease).map_err(Self::Lease))
            }
        }
    }

    async fn holder(&mut self) -> String {
        match self {
            Self::Sqlite(database, _) => {
                file::holder(database).unwrap_or_else(|| UNKNOWN.to_owned())
            }
            Self::Postgres(lock) => holder(&mut lock.conn, &lock.schema).await,
            Self::Lease(applicant) => holder(&mut applicant.conn, &applicant.schema).await,
        }
    }
}

impl PostgresLock {
    /// Takes the lock if it is free, and nobody behind a pooler has the lease that stands for it.
    async fn attempt(&mut self) -> Result<bool, Error> {
        let query = format!(
            "SELECT pg_try_advisory_lock({})::text; SELECT to_regclass({})::text",
            self.key,
            literal(&lease::table(&self.schema))
        );
        let answers = self.conn.answers(&query, &[0, 1]).await.doing(DOING)?;
        let [(_, held), (_, leases)] = answers.as_slice() else { return Ok(false) };
        if held.as_deref() != Some("true") {
            return Ok(false);
        }
        if leases.is_some() && lease::held_by_other(&mut self.conn, &self.schema).await?.is_some() {
            self.unlock().await;
            return Ok(false);
        }
        Ok(true)
    }

    async fn unlock(&mut self) {
        let unlock = format!("SELECT pg_advisory_unlock({})::text", self.key);
        if let Err(error) = self.conn.text(&unlock).await {
            tracing::debug!(%error, "the lock's connection is gone already");
        }
    }

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

const DOING: &str = "take the migration lock";

/// PostgreSQL: a connection that is known to be direct or pooled. Behind a pooler it minds its own
/// settings, whatever others left there.
async fn connect(url: &DatabaseUrl, options: &ConnectOptions) -> Result<Conn, Error> {
    let mut conn = url.connect(options).await?;
    let backend = conn.text("SELECT pg_backend_pid()::text").await.doing(DOING)?;
    let backend = backend.and_then(|backend| backend.parse().ok()).unwrap_or_default();
    conn.settle(backend).await.doing(DOING)?;
    Ok(conn)
}

/// PostgreSQL: SQL that gives the key of the lock of `schema`. Sets share the history tables, so
/// they share the lock.
pub(crate) fn key(schema: &str) -> String {
    key_of(&format!("underpin:{schema}"))
}

fn key_of(name: &str) -> String {
    format!("hashtextextended(current_database() || {}, 0)", literal(name))
}

/// Who is at work on a database now, as far as that can be told without taking the lock.
pub(crate) async fn at_work(url: &DatabaseUrl, conn: &mut Conn, tables: &Tables) -> Option<String> {
    match (url.sqlite_path(), tables.schema()) {
        (Some(path), _) => {
            let holder = || file::holder(path).unwrap_or_else(|| UNKNOWN.to_owned());
            file::is_held(path).then(holder)
        }
        (None, Some(schema)) => match holder_of(conn, &key(schema)).await {
            Some(holder) => Some(holder),
            None => lease::at_work(conn, schema).await,
        },
        (None, None) => None,
    }
}

/// PostgreSQL: who has the lock of `schema`, for people.
pub(crate) async fn holder(conn: &mut Conn, schema: &str) -> String {
    match holder_of(conn, &key(schema)).await {
        Some(holder) => holder,
        None => lease::named(conn, schema).await,
    }
}

/// Who has the advisory lock with the key that the SQL `key` gives, for people.
async fn holder_of(conn: &mut Conn, key: &str) -> Option<String> {
    let query = format!(
        "SELECT 'process ' || a.pid || ' (' || a.application_name || ', user ' || a.usename \
         || coalesce(', from ' || host(a.client_addr), '') || coalesce(', since ' || \
         date_trunc('second', a.backend_start), '') || ')' FROM pg_locks l JOIN pg_stat_activity a \
         USING (pid) WHERE l.locktype = 'advisory' AND l.granted AND \
         (l.classid::bigint << 32 | l.objid::bigint) = {key}"
    );
    conn.text(&query).await.ok().flatten()
}

const UNKNOWN: &str = "an unknown process";

/// A statement that sets `name`, where the server's version knows it: for the session, or for a
/// transaction alone.
pub(crate) fn setting(name: &str, value: &str, local: bool) -> String {
    format!(
        "SELECT set_config('{name}', '{value}', {local}) WHERE current_setting('{name}', true) IS NOT NULL"
    )
}

/// Between half of `pause` and one and a half of it, so that runners do not march in step.
pub(crate) fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.5 + fastrand::f64())
}
