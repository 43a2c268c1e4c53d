//! Why a project cannot be had.

use std::path::PathBuf;

use underpin_db::{ConnectError, DatabaseUrl, DbError, with_causes};
use underpin_models::registry::ProjectState;

/// Why a project cannot be had. No message holds a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum ProjectError {
    /// Nobody registered this number.
    #[error("Project {0} not found")]
    Unknown(i32),
    /// Names are unique, also among archived projects.
    #[error("Project with name '{0}' already exists")]
    NameTaken(String),
    /// The name is empty or too long.
    #[error("expected a name of 1 to {most} characters, found {found}")]
    Name { found: usize, most: usize },
    /// It is in a state in which this cannot be done.
    #[error("project {id} is {}: expected one that is {expected}", .state.wire())]
    State { id: i32, state: ProjectState, expected: &'static str },
    /// Its schema is behind, and nobody asked to migrate it.
    #[error("the schema of project {id} is behind by {pending} migrations: run `{command}`")]
    Behind { id: i32, pending: usize, command: String },
    /// The registry knows it, and its database is not there.
    #[error("the database of project {id} is gone, expected at `{url}`: restore it from a backup")]
    Gone { id: i32, url: String },
    /// Somebody else works on its database.
    #[error("project {id} is in use: try again when its requests and other programs are done")]
    InUse { id: i32 },
    /// Its schema could not be brought to head, or does not agree with the migrations here.
    #[error("the schema of project {id} cannot be served: {reason}")]
    Schema { id: i32, reason: String },
    /// A file could not be made, copied or moved.
    #[error("cannot {what} `{}`: {reason}", path.display())]
    File { what: &'static str, path: PathBuf, reason: String },
    /// What belongs to it beside its database could not be deleted: its deletion goes on when it is asked for
    /// again.
    #[error("the contents of project {id} cannot be deleted: {reason}")]
    Contents { id: i32, reason: String },
    /// The template of new projects could not be made.
    #[error("cannot make the template of new projects: {0}")]
    Template(String),
    /// A database refused.
    #[error(transparent)]
    Database(#[from] DbError),
}

impl ProjectError {
    pub(crate) fn file(
        what: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |error| Self::File { what, path, reason: error.to_string() }
    }

    /// What the engine says of a new database.
    pub(crate) fn schema(id: i32) -> impl FnOnce(underpin::Error) -> Self {
        move |error| Self::Schema { id, reason: with_causes(&error) }
    }

    /// What the engine says of a database that should be there: its advice to create one would lead
    /// to an empty one.
    pub(crate) fn opening(id: i32, url: &DatabaseUrl) -> impl FnOnce(underpin::Error) -> Self {
        let url = url.to_string();
        move |error| match error {
            underpin::Error::NoSchema => Self::Gone { id, url },
            underpin::Error::Connect(error) if is_missing(&error) => Self::Gone { id, url },
            error => Self::schema(id)(error),
        }
    }

    /// Why a database that should be there cannot be reached: no waiting brings back one that is gone.
    pub(crate) fn connecting(id: i32, url: &DatabaseUrl) -> impl FnOnce(ConnectError) -> Self {
        let url = url.to_string();
        move |error| if is_missing(&error) { Self::Gone { id, url } } else { error.into() }
    }
}

fn is_missing(error: &ConnectError) -> bool {
    matches!(error, ConnectError::NoFile(_) | ConnectError::NoDirectory { .. })
}

impl From<ConnectError> for ProjectError {
    fn from(error: ConnectError) -> Self {
        let message = with_causes(&error);
        DbError { message, no_connection: true, ..DbError::default() }.into()
    }
}
