//! Locks that say who is alive and who leads.

use std::{
    fs::{File, TryLockError},
    path::PathBuf,
};

use crate::{Conn, ConnectError, ConnectOptions, DatabaseUrl, DbError};

/// A named lock of one database, held by a process until it lets go or dies.
///
/// PostgreSQL: a session's advisory lock on a connection of its own. SQLite: the operating system's
/// lock on a file beside the database. Neither outlives the process that holds it.
pub struct Lease(Place);

enum Place {
    Sqlite {
        file: File,
        path: PathBuf,
        held: bool,
    },
    Postgres {
        conn: Box<Conn>,
        /// SQL that gives the lock's key.
        key: String,
    },
}

/// Whether others may hold a lease at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// Any number of processes, while nobody holds it alone.
    Shared,
    /// One process.
    Alone,
}

impl Lease {
    /// Prepares the lease `name` (`[a-z-]`) of the database at `url`, without taking it.
    ///
    /// # Errors
    ///
    /// When the database does not answer, or the file beside it cannot be written.
    pub async fn open(url: &DatabaseUrl, name: &str) -> Result<Self, ConnectError> {
        let Some(database) = url.sqlite_path() else {
            let options = ConnectOptions {
                application_name: format!("underpin-{name}"),
                ..ConnectOptions::default()
            };
            let mut conn = url.connect(&options).await?;
            let refused = |source| ConnectError::Refused { target: url.to_string(), source };
            conn.own().await.map_err(refused)?;
            let place = conn.schema().map(|schema| format!(":{schema}:{name}"));
            let place = place.unwrap_or_default().replace('\'', "''");
            let key = format!("hashtextextended(current_database() || '{place}', 0)");
            return Ok(Self(Place::Postgres { conn: Box::new(conn), key }));
        };
        let mut path = database.as_os_str().to_owned();
        path.push(format!(".underpin.{name}"));
        let path = PathBuf::from(path);
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|error| ConnectError::Open {
            path: path.clone(),
            source: DbError { message: error.to_string(), ..DbError::default() },
        })?;
        Ok(Self(Place::Sqlite { file, path, held: false }))
    }

    /// Takes it if it is free, and says whether it is held now.
    ///
    /// Asked again, it says whether it is still held: a restart of the server takes a lease away,
    /// and so does a pooler that gives the session to others. Then it is taken again, if it is free.
    ///
    /// # Errors
    ///
    /// When the connection is lost, and the lease with it, or the file system has no locks.
    pub async fn hold(&mut self, hold: Hold) -> Result<bool, DbError> {
        match &mut self.0 {
            Place::Sqlite { held: true, .. } => Ok(true),
            Place::Sqlite { file, path, held } => {
                let taken = match hold {
                    Hold::Shared => file.try_lock_shared(),
                    Hold::Alone => file.try_lock(),
                };
                *held = taken.is_ok();
                match taken {
                    Ok(()) | Err(TryLockError::WouldBlock) => Ok(*held),
                    Err(TryLockError::Error(error)) => Err(DbError {
                        message: format!("cannot lock `{}`: {error}", path.display()),
                        ..DbError::default()
                    }),
                }
            }
            Place::Postgres { conn, key } => {
                let shared = if hold == Hold::Shared { "_shared" } else { "" };
                let query = format!(
                    "SELECT CASE WHEN EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND \
                     granted AND pid = pg_backend_pid() AND \
                     (classid::bigint << 32 | objid::bigint) = {key}) THEN 'true' \
                     ELSE pg_try_advisory_lock{shared}({key})::text END"
                );
                Ok(conn.text(&query).await?.as_deref() == Some("true"))
            }
        }
    }

    /// Lets go. A failure is of no consequence: a lost connection holds nothing.
    pub async fn release(&mut self) {
        match &mut self.0 {
            Place::Sqlite { file, path, held } => {
                *held = false;
                if let Err(error) = file.unlock() {
                    tracing::debug!(%error, "cannot unlock `{}`", path.display());
                }
            }
            Place::Postgres { conn, .. } => {
                if let Err(error) = conn.batch("SELECT pg_advisory_unlock_all()").await {
                    tracing::debug!(%error, "the connection of the lease is gone already");
                }
            }
        }
    }
}
