//! Opens SQLite files, and says in plain words why one cannot be opened.

use std::path::{Path, PathBuf};

use diesel::{Connection as _, SqliteConnection, connection::SimpleConnection as _};

use crate::{Access, ConnectError, ConnectOptions, DatabaseFile, DbError, durable, file};

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
        let (mut conn, path) = match self {
            Self::Memory => (open(":memory:", Path::new(":memory:"))?, Path::new(":memory:")),
            Self::File(path) => {
                let file = DatabaseFile::find(path)?;
                file.allows(options.access, path)?;
                created = file.id().is_none().then(|| file.path().to_owned());
                if options.access == Access::ReadOnly {
                    heal(&file);
                }
                (open_file(&file, path, options.access)?, path.as_path())
            }
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
            durable::sync_name(&created).map_err(|error| {
                explain(path, DbError { message: error.to_string(), ..DbError::default() })
            })?;
        }
        Ok(conn)
    }
}

/// A writer that was killed leaves a journal, and a reader who may not write cannot take the half
/// transaction back. Where writing is allowed, reading once does it.
fn heal(file: &DatabaseFile) {
    if file.beside("-journal").exists()
        && let Ok(mut conn) = open_file(file, file.path(), Access::ReadWrite)
        && let Err(error) = conn.batch_execute("PRAGMA busy_timeout = 5000; PRAGMA schema_version")
    {
        tracing::debug!(%error, "the journal of `{}` stays", file.path().display());
    }
}

/// Opens `file`, which people call `path`.
fn open_file(
    file: &DatabaseFile,
    path: &Path,
    access: Access,
) -> Result<SqliteConnection, ConnectError> {
    let mode = match access {
        Access::ReadOnly => "ro",
        Access::ReadWrite => "rw",
        Access::Create => "rwc",
    };
    open(&uri(file.path(), &format!("mode={mode}")), path)
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
    if source.is_busy() {
        return ConnectError::Busy { path: path.to_owned() };
    }
    let source = match source.message.as_str() {
        "unable to open database file" => {
            DbError { message: format!("{}: {}", source.message, file::rights(path)), ..source }
        }
        _ => source,
    };
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
