//! Opens SQLite files, and says in plain words why one cannot be opened.

use std::{
    fs,
    path::{Path, PathBuf},
};

use diesel::{Connection as _, SqliteConnection, connection::SimpleConnection as _};

use crate::{Access, ConnectError, ConnectOptions, DbError, durable};

/// Where an SQLite database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// Gone when the connection closes.
    Memory,
    /// In this file.
    File(PathBuf),
}

impl Place {
    pub(crate) fn connect(
        &self,
        options: &ConnectOptions,
    ) -> Result<SqliteConnection, ConnectError> {
        let mut created = None;
        let mut conn = match self {
            Self::Memory => open(":memory:", Path::new(":memory:"))?,
            Self::File(path) => {
                check(path, options.access)?;
                created = Some(path).filter(|path| !path.exists());
                if options.access == Access::ReadOnly {
                    heal(path);
                }
                open_file(path, options.access)?
            }
        };
        let path = match self {
            Self::Memory => Path::new(":memory:"),
            Self::File(path) => path,
        };
        // The time-out comes first: each later statement may meet another writer. Reading the
        // schema's version makes SQLite look at the file, which opening it does not. Without a WAL a commit
        // is the removal of the journal, and only EXTRA waits for the disk to have removed it.
        let settings = format!(
            "PRAGMA busy_timeout = {}; PRAGMA synchronous = EXTRA; PRAGMA foreign_keys = ON; \
             PRAGMA schema_version",
            options.busy_timeout.as_millis()
        );
        conn.batch_execute(&settings).map_err(|error| explain(path, error.into()))?;
        if let Some(created) = created {
            // SQLite leaves the name of a new file to chance.
            durable::sync_name(created).map_err(|error| {
                explain(path, DbError { message: error.to_string(), ..DbError::default() })
            })?;
        }
        Ok(conn)
    }
}

/// Finds what SQLite would call "unable to open database file", whatever it is.
fn check(path: &Path, access: Access) -> Result<(), ConnectError> {
    let found = fs::metadata(path).ok();
    match found {
        Some(file) if file.is_dir() => Err(ConnectError::Directory(path.to_owned())),
        Some(file) if access != Access::ReadOnly && file.permissions().readonly() => {
            Err(ConnectError::ReadOnly(path.to_owned()))
        }
        Some(_) => Ok(()),
        None if access != Access::Create => Err(ConnectError::NoFile(path.to_owned())),
        None => match path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            Some(directory) if !directory.is_dir() => Err(ConnectError::NoDirectory {
                directory: directory.to_owned(),
                path: path.to_owned(),
            }),
            _ => Ok(()),
        },
    }
}

/// A writer that was killed leaves a journal, and a reader who may not write cannot take the half
/// transaction back. Somebody who may reads once, and it is done.
fn heal(path: &Path) {
    let mut journal = path.as_os_str().to_owned();
    journal.push("-journal");
    if Path::new(&journal).exists()
        && let Ok(mut conn) = open_file(path, Access::ReadWrite)
        && let Err(error) = conn.batch_execute("PRAGMA busy_timeout = 5000; PRAGMA schema_version")
    {
        tracing::debug!(%error, "the journal of `{}` stays", path.display());
    }
}

fn open_file(path: &Path, access: Access) -> Result<SqliteConnection, ConnectError> {
    let mode = match access {
        Access::ReadOnly => "ro",
        Access::ReadWrite => "rw",
        Access::Create => "rwc",
    };
    open(&uri(path, &format!("mode={mode}")), path)
}

fn open(uri: &str, path: &Path) -> Result<SqliteConnection, ConnectError> {
    SqliteConnection::establish(uri).map_err(|error| {
        explain(path, DbError { message: error.to_string(), ..DbError::default() })
    })
}

fn explain(path: &Path, source: DbError) -> ConnectError {
    if source.message.contains("not a database") {
        return ConnectError::NotADatabase(path.to_owned());
    }
    ConnectError::Open { path: path.to_owned(), source }
}

/// SQLite's own form of a URL, which carries the mode; see <https://www.sqlite.org/uri.html>.
pub(crate) fn uri(path: &Path, query: &str) -> String {
    let mut text = String::from("file:");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'%' | b'?' | b'#' | 0x80.. => text.extend(format!("%{byte:02x}").chars()),
            _ => text.push(char::from(*byte)),
        }
    }
    format!("{text}?{query}")
}
