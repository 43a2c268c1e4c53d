//! Locks that say who is alive and who leads.

use std::{
    fs::TryLockError,
    io,
    path::{Path, PathBuf},
};

use crate::{Conn, ConnectError, ConnectOptions, DatabaseUrl, DbError, NamedFile};

/// A named lock of one database, held by a process until it lets go or dies.
///
/// PostgreSQL: a session's advisory lock on a connection of its own. SQLite: the operating system's
/// lock on a file beside the database. Neither outlives the process that holds it.
pub struct Lease(Place);

enum Place {
    Sqlite {
        path: PathBuf,
        /// While it is held.
        held: Option<NamedFile>,
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
        let Some(database) = url.database_file()? else {
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
        database.has_one_name()?;
        let path = database.beside(&format!(".underpin.{name}"));
        let file = file(&path).map_err(|error| ConnectError::Open {
            path: path.clone(),
            source: DbError { message: error.to_string(), ..DbError::default() },
        });
        file.map(|_| Self(Place::Sqlite { path, held: None }))
    }

    /// Takes it if it is free, and says whether it is held now.
    ///
    /// Asked again, it says whether it is still held: a restart of the server takes a lease away,
    /// and so does a pooler that gives the session to others, and on SQLite whoever removes or replaces the
    /// file. Then it is taken again, if it is free.
    ///
    /// # Errors
    ///
    /// When the connection is lost, and the lease with it, or the file system has no locks.
    pub async fn hold(&mut self, hold: Hold) -> Result<bool, DbError> {
        match &mut self.0 {
            Place::Sqlite { held: Some(file), .. } if file.has_its_name() => Ok(true),
            Place::Sqlite { path, held } => {
                *held = None;
                *held = lock(path, hold).map_err(|error| DbError {
                    message: format!("cannot lock `{}`: {error}", path.display()),
                    ..DbError::default()
                })?;
                Ok(held.is_some())
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
            // Closing the file unlocks it.
            Place::Sqlite { held, .. } => *held = None,
            Place::Postgres { conn, .. } => {
                if let Err(error) = conn.batch("SELECT pg_advisory_unlock_all()").await {
                    tracing::debug!(%error, "the connection of the lease is gone already");
                }
            }
        }
    }
}

/// The file under the name `path`, made when it is not there. Nothing is ever written to it.
fn file(path: &Path) -> io::Result<NamedFile> {
    if let Some(file) = NamedFile::open(path)? {
        return Ok(file);
    }
    match NamedFile::create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            NamedFile::open(path)?.ok_or(error)
        }
        made => made,
    }
}

/// The locked file; `None` when others have it, or it lost its name meanwhile.
fn lock(path: &Path, hold: Hold) -> io::Result<Option<NamedFile>> {
    let named = file(path)?;
    let taken = match hold {
        Hold::Shared => named.file().try_lock_shared(),
        Hold::Alone => named.file().try_lock(),
    };
    match taken {
        Ok(()) => Ok(Some(named).filter(NamedFile::has_its_name)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}
