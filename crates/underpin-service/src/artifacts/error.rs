//! Why a content cannot be kept or had.

use std::{error::Error, io, path::PathBuf};

use tokio::task::JoinError;
use underpin_db::DbError;

/// Why a content cannot be kept or had. The messages with a path are for the log.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum StoreError {
    /// More came than is kept; nothing is left of it.
    #[error("the content is larger than {limit} bytes: send less, or raise the limit")]
    TooLarge { limit: u64 },
    /// The content ended before it was whole: the client went away, or sent what cannot be read.
    #[error("the content did not come to its end: {0}")]
    Stream(#[source] Box<dyn Error + Send + Sync>),
    /// It is not the content that the client announced.
    #[error("expected a content with the SHA-256 {expected}, found {found}: send it again")]
    Mismatch { expected: String, found: String },
    /// The row says of no place, or of one that is not the artifact's own in this store.
    #[error("artifact {id} has no content here")]
    NotStored { id: i32 },
    /// The row says of a file that is not there.
    #[error("the content of artifact {id} is gone, expected at `{}`: restore it from a backup", path.display())]
    Gone { id: i32, path: PathBuf },
    /// The file is not what was stored.
    #[error(
        "the content of artifact {id} at `{}` is damaged: expected {expected}, found {found}: \
         restore it from a backup",
        path.display()
    )]
    Corrupt { id: i32, path: PathBuf, expected: String, found: String },
    /// It was to be read as a text, and is longer than that may be.
    #[error("expected a text of at most {most} bytes, found {found}: download it instead")]
    TooLong { most: u64, found: u64 },
    /// It was to be read as a text.
    #[error("artifact {id} is not a text in UTF-8: download it instead")]
    NotText { id: i32 },
    /// A file could not be written, read, moved or deleted.
    #[error("cannot {what} `{}`: {source}", path.display())]
    File { what: &'static str, path: PathBuf, source: io::Error },
    /// A database refused.
    #[error(transparent)]
    Database(#[from] DbError),
    /// What was begun did not run to its end.
    #[error("the service is stopping")]
    Stopping,
}

impl StoreError {
    pub(super) fn file(
        what: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { what, path, source }
    }
}

/// What a task gave; its panic goes on here.
pub(super) fn joined<T>(result: Result<Result<T, StoreError>, JoinError>) -> Result<T, StoreError> {
    result.unwrap_or_else(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => Err(StoreError::Stopping),
    })
}
