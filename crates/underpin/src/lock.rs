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

use std::time::{Duration, Instant};

use underpin_db::{Conn, ConnectOptions, DatabaseFile, DatabaseUrl};

use crate::{
    Error, Options, error::Doing, frame::Frame, history::Tables, session::Session, sql::literal,
};

mod advisory;
mod database;
mod file;
pub(crate) mod lease;

pub(crate) use advisory::PostgresLock;
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
        let mut candidate = match (url.database_file()?, session.tables.schema()) {
            (Some(file), _) => {
                file.has_one_name()?;
                Candidate::Sqlite(file, run)
            }
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
                    let conn = self::connect(url, &connect).await?;
                    Candidate::Postgres(PostgresLock::new(conn, schema))
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
            Self::Sqlite(file) => Ok(file.is_held()),
            Self::Memory => Ok(true),
        }
    }

    /// Lets `session` run statements outside a transaction: the next runner waits until the server has
    /// ended the last of them, also when we are killed. Whether it may.
    pub(crate) async fn covers(&mut self, session: &mut Session<'_>) -> Result<bool, Error> {
        if let Self::Postgres(lock) = self
            && !lock.covers(&mut session.conn).await?
        {
            return Ok(false);
        }
        self.is_held().await
    }

    /// What stands around each transaction that this lock allows, on the connection `conn`.
    pub(crate) fn frame(&self, conn: &Conn) -> Frame {
        match self {
            Self::Lease(lease) => Frame::pooled(conn, lease),
            Self::Postgres(lock) => Frame::direct(conn, lock.fence()),
            Self::Memory | Self::Sqlite(_) => Frame::default(),
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
    Sqlite(DatabaseFile, Option<&'a RunLock>),
    Postgres(PostgresLock),
    Lease(Applicant),
}

impl Candidate<'_> {
    /// Takes the lock if it is free; gives itself back if it is not.
    async fn attempt(self) -> Result<Result<Lock, Self>, Error> {
        match self {
            Self::Sqlite(database, run) => match LockFile::try_lock(&database, run) {
                Ok(Some(file)) => Ok(Ok(Lock::Sqlite(file))),
                Ok(None) => Ok(Err(Self::Sqlite(database, run))),
                Err(source) => {
                    let path = file::beside(&database).display().to_string();
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
            Self::Postgres(lock) => lock.holder().await,
            Self::Lease(applicant) => holder(&mut applicant.conn, &applicant.schema).await,
        }
    }
}

const DOING: &str = "take the migration lock";

/// PostgreSQL: a connection that runs our own statements.
async fn connect(url: &DatabaseUrl, options: &ConnectOptions) -> Result<Conn, Error> {
    let mut conn = url.connect(options).await?;
    conn.own().await.doing(DOING)?;
    Ok(conn)
}

/// PostgreSQL: SQL that gives the key of the lock of `schema`. Sets share the history tables, so
/// they share the lock.
pub(crate) fn key(schema: &str) -> String {
    key_of(&format!("underpin:{schema}"))
}

/// PostgreSQL: SQL that gives the key of the lock that a runner's work itself holds in `schema`. The
/// lock of [`key`] goes with its connection, and what was sent on another one goes on for a while.
pub(crate) fn work_key(schema: &str) -> String {
    key_of(&format!("underpin work:{schema}"))
}

/// PostgreSQL: SQL that takes both locks of `schema` for the transaction, if they are free, and says
/// whether.
pub(crate) fn try_both(schema: &str) -> String {
    format!(
        "CASE WHEN pg_try_advisory_xact_lock({}) THEN pg_try_advisory_xact_lock({}) ELSE false END",
        key(schema),
        work_key(schema)
    )
}

/// It is asked for beside scripts, too, so it names the schema of all that it uses.
fn key_of(name: &str) -> String {
    format!(
        "pg_catalog.hashtextextended(pg_catalog.concat(pg_catalog.current_database(), {}), \
         0::pg_catalog.int8)",
        literal(name)
    )
}

/// Who is at work on a database now, as far as that can be told without taking the lock.
pub(crate) async fn at_work(url: &DatabaseUrl, conn: &mut Conn, tables: &Tables) -> Option<String> {
    let file = url.database_file().ok().flatten();
    match (file, tables.schema()) {
        (Some(path), _) => {
            let holder = || file::holder(&path).unwrap_or_else(|| UNKNOWN.to_owned());
            file::is_held(&path).then(holder)
        }
        (None, Some(schema)) => match holder_of(conn, &key(schema)).await {
            Some(holder) => Some(holder),
            None => match holder_of(conn, &work_key(schema)).await {
                Some(worker) => Some(worker),
                None => lease::at_work(conn, schema).await,
            },
        },
        (None, None) => None,
    }
}

/// PostgreSQL: who has the lock of `schema`, for people.
pub(crate) async fn holder(conn: &mut Conn, schema: &str) -> String {
    if let Some(holder) = holder_of(conn, &key(schema)).await {
        return holder;
    }
    if let Some(worker) = holder_of(conn, &work_key(schema)).await {
        return format!("{worker}, whose runner is gone: the server ends it");
    }
    lease::named(conn, schema).await
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

/// Between half of `pause` and one and a half of it, so that runners do not march in step.
pub(crate) fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.5 + fastrand::f64())
}
