//! What a database, or the way to it, refused.

use std::{fmt, path::PathBuf};

/// Why no connection could be opened. No message holds a password.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum ConnectError {
    /// The directory of an SQLite file does not exist.
    #[error("no directory `{}` for the database `{}`: create it, or correct the URL", directory.display(), path.display())]
    NoDirectory { directory: PathBuf, path: PathBuf },
    /// The SQLite file does not exist and was not to be created.
    #[error("no database `{}`: create it with `underpin upgrade`, or correct the URL", .0.display())]
    NoFile(PathBuf),
    /// There is a directory where the SQLite file should be.
    #[error("`{}` is a directory, expected a database file: correct the URL", .0.display())]
    Directory(PathBuf),
    /// The SQLite file may not be written.
    #[error("`{}` is read-only: allow writing, or use another copy", .0.display())]
    ReadOnly(PathBuf),
    /// The file is something else.
    #[error("`{}` is not an SQLite database: correct the URL", .0.display())]
    NotADatabase(PathBuf),
    /// SQLite could not open the file.
    #[error("cannot open `{}`", path.display())]
    Open { path: PathBuf, source: DbError },
    /// A TLS setting that cannot work.
    #[error("cannot use TLS: {0}")]
    Tls(String),
    /// The server wants a password and nobody gave one.
    #[error(
        "PostgreSQL at {target} asks for a password: give it in the URL, in `PGPASSWORD` or in the \
         password file"
    )]
    NoPassword { target: String },
    /// The server could not be reached.
    #[error("cannot reach PostgreSQL at {target}: {reason}: is it running there?")]
    Unreachable { target: String, reason: String },
    /// The server was reached and said no.
    #[error("PostgreSQL at {target} refused the connection: {source}")]
    Refused { target: String, source: DbError },
}

impl ConnectError {
    /// Whether only another configuration can help, and no waiting.
    #[must_use]
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Open { .. } | Self::Unreachable { .. } => false,
            // Starting up or shutting down (57P), or out of connections (53).
            Self::Refused { source, .. } => {
                let code = source.sqlstate.as_deref().unwrap_or_default();
                !code.starts_with("57P") && !code.starts_with("53")
            }
            _ => true,
        }
    }
}

/// What a database said to a statement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DbError {
    /// What is wrong.
    pub message: String,
    /// More about it.
    pub detail: Option<String>,
    /// What might help.
    pub hint: Option<String>,
    /// PostgreSQL: the five-character code.
    pub sqlstate: Option<String>,
    /// PostgreSQL: where in the text that was sent, in characters, counted from 1.
    pub position: Option<usize>,
    /// PostgreSQL: how many statements of the text were done.
    pub completed: Option<usize>,
    /// Whether no connection could be had, so that nothing was even asked.
    pub no_connection: bool,
}

impl fmt::Display for DbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(detail) = &self.detail {
            write!(f, " ({detail})")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, ": {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for DbError {}

impl From<diesel::result::Error> for DbError {
    fn from(error: diesel::result::Error) -> Self {
        Self { message: error.to_string(), ..Self::default() }
    }
}

impl From<tokio_postgres::Error> for DbError {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(db) = error.as_db_error() else {
            return Self { message: with_causes(&error), ..Self::default() };
        };
        let position = match db.position() {
            Some(tokio_postgres::error::ErrorPosition::Original(position)) => Some(*position),
            _ => None,
        };
        Self {
            message: db.message().to_owned(),
            detail: db.detail().map(str::to_owned),
            hint: db.hint().map(str::to_owned),
            sqlstate: Some(db.code().code().to_owned()),
            position: position.and_then(|position| position.try_into().ok()),
            completed: None,
            no_connection: false,
        }
    }
}

/// An error with what caused it, in one line.
#[must_use]
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
