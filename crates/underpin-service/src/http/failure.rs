//! How a request about projects fails: `{"detail": …}`, as clients of the original know it.

use std::borrow::Cow;

use axum::{
    Json,
    extract::{multipart::MultipartError, rejection::BytesRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use underpin_db::DbError;
use underpin_models::project::{DependencyFault, Kind, Refusal};
use underpin_projects::ProjectError;
use utoipa::ToSchema;

use super::error::{ApiError, Cause};
use crate::artifacts::StoreError;

/// Faults that are told at most: the answer to a small body is small.
const MOST_FAULTS: usize = 100;

/// The body of a failure.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FailureBody {
    detail: Detail,
}

/// What is wrong: a text, or with 422 each fault in the request.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
enum Detail {
    /// For people.
    Text(Cow<'static, str>),
    /// Each fault in the request.
    Faults(Vec<Fault>),
}

/// A value that cannot be used.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Fault {
    /// What kind of fault, for programs: `missing`, `string_too_long`, `int_parsing`, …
    #[schema(value_type = String)]
    r#type: &'static str,
    /// Where: `body`, `query` or `path`, then names of fields and places in lists.
    #[schema(value_type = Vec<String>)]
    loc: Vec<Place>,
    /// For people.
    msg: String,
}

/// A step on the way to a value.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Place {
    Name(String),
    Index(usize),
}

impl From<&'static str> for Place {
    fn from(name: &'static str) -> Self {
        Self::Name(name.to_owned())
    }
}

impl Fault {
    pub(super) fn new(r#type: &'static str, msg: String) -> Self {
        Self { r#type, loc: Vec::new(), msg }
    }

    /// The same, seen from outside of `place`.
    pub(super) fn within(mut self, place: impl Into<Place>) -> Self {
        self.loc.insert(0, place.into());
        self
    }
}

/// Why a request about projects fails: what the caller reads, and what only the log may say.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    detail: Detail,
    cause: Option<String>,
}

impl Failure {
    pub(super) fn new(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { status, detail: Detail::Text(detail.into()), cause: None }
    }

    /// Values that cannot be used.
    pub(super) fn faults(mut faults: Vec<Fault>) -> Self {
        faults.truncate(MOST_FAULTS);
        let detail = Detail::Faults(faults);
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, detail, cause: None }
    }

    pub(super) fn not_found(kind: Kind, id: i32) -> Self {
        Refusal::NotFound { kind, id }.into()
    }

    /// A fault on this side, which the log tells.
    pub(super) fn internal(cause: impl Into<String>) -> Self {
        ApiError::internal(cause).into()
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(FailureBody { detail: self.detail })).into_response();
        if let Some(cause) = self.cause {
            response.extensions_mut().insert(Cause(cause));
        }
        response
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        let (status, message, cause) = error.into_parts();
        Self { status, detail: Detail::Text(message), cause }
    }
}

impl From<DbError> for Failure {
    fn from(error: DbError) -> Self {
        ApiError::from(error).into()
    }
}

impl From<MultipartError> for Failure {
    fn from(error: MultipartError) -> Self {
        match error.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "the body is larger than `ARTIFACT_LIMIT_BYTES` allows",
            ),
            // That is what every fault of the connection is called there.
            StatusCode::INTERNAL_SERVER_ERROR => Self::new(
                StatusCode::BAD_REQUEST,
                "cannot read the form: it breaks off, or the headers of a part are too long",
            ),
            status => Self::new(status, format!("cannot read the form: {}", error.body_text())),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let text = error.to_string();
        match error {
            StoreError::TooLarge { .. } => Self::new(StatusCode::PAYLOAD_TOO_LARGE, text),
            StoreError::Stream(source) => match source.downcast::<MultipartError>() {
                Ok(error) => (*error).into(),
                Err(_) => Self {
                    cause: Some(text),
                    ..Self::new(StatusCode::BAD_REQUEST, "the content did not come to its end")
                },
            },
            StoreError::Mismatch { .. } => {
                let fault = Fault::new("value_error", text);
                Self::faults(vec![fault.within("sha256").within("body")])
            }
            StoreError::NotStored { .. } => Self::new(StatusCode::NOT_FOUND, text),
            // Where the file was expected is for the log.
            StoreError::Gone { id, .. } => Self {
                cause: Some(text),
                ..Self::new(StatusCode::NOT_FOUND, format!("the content of artifact {id} is gone"))
            },
            StoreError::Corrupt { id, .. } => Self {
                cause: Some(text),
                ..Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    format!("the content of artifact {id} is damaged: its SHA-256 is another"),
                )
            },
            StoreError::TooLong { .. } | StoreError::NotText { .. } => {
                Self::new(StatusCode::BAD_REQUEST, text)
            }
            StoreError::File { .. } => Self::internal(text),
            StoreError::Database(error) => error.into(),
            StoreError::Stopping => Self::new(StatusCode::SERVICE_UNAVAILABLE, text),
        }
    }
}

impl From<BytesRejection> for Failure {
    fn from(rejection: BytesRejection) -> Self {
        match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "the body is larger than `HTTP_BODY_LIMIT_BYTES` allows",
            ),
            status => Self::new(status, "cannot read the body"),
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let status = match &refusal {
            Refusal::NotFound { .. } => StatusCode::NOT_FOUND,
            Refusal::Stale { .. } => StatusCode::PRECONDITION_FAILED,
            Refusal::TooFew | Refusal::Duplicate { .. } => StatusCode::BAD_REQUEST,
            Refusal::Dependencies {
                fault: DependencyFault::Unknown { .. } | DependencyFault::Itself { .. },
            } => {
                let fault = Fault::new("value_error", refusal.to_string());
                return Self::faults(vec![fault.within("dependencies").within("body")]);
            }
            Refusal::Limit { limit, .. } => {
                let fault = Fault::new("greater_than_equal", refusal.to_string());
                return Self::faults(vec![fault.within(*limit).within("body")]);
            }
            Refusal::Transition { .. }
            | Refusal::Paused
            | Refusal::AttemptsExhausted { .. }
            | Refusal::NotApproved { .. }
            | Refusal::Running { .. }
            | Refusal::Dependencies { .. } => StatusCode::CONFLICT,
        };
        Self::new(status, refusal.to_string())
    }
}

impl From<ProjectError> for Failure {
    fn from(error: ProjectError) -> Self {
        let text = error.to_string();
        match error {
            ProjectError::Unknown(_) => Self::new(StatusCode::NOT_FOUND, text),
            ProjectError::NameTaken(_)
            | ProjectError::State { .. }
            | ProjectError::InUse { .. } => Self::new(StatusCode::CONFLICT, text),
            ProjectError::Name { .. } => {
                let fault = Fault::new("value_error", text);
                Self::faults(vec![fault.within("name").within("body")])
            }
            // Where its database is, is for the log.
            ProjectError::Behind { id, pending, .. } => Self {
                cause: Some(text),
                ..Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    format!(
                        "the schema of project {id} is behind by {pending} migrations: the log of the \
                         service has the command that brings it up to date"
                    ),
                )
            },
            ProjectError::Database(error) => error.into(),
            ProjectError::Gone { id, .. } => Self {
                detail: Detail::Text(
                    format!(
                        "the database of project {id} is gone: the log of the service says where it was \
                         expected"
                    )
                    .into(),
                ),
                ..Self::internal(text)
            },
            ProjectError::Schema { id, .. } => Self {
                detail: Detail::Text(
                    format!("project {id} cannot be served: the log of the service says why")
                        .into(),
                ),
                ..Self::internal(text)
            },
            ProjectError::File { .. }
            | ProjectError::Contents { .. }
            | ProjectError::Template(_) => Self::internal(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{io, path::PathBuf};

    use underpin_models::registry::ProjectState;

    use super::*;

    /// What no caller is to read.
    const HIDDEN: [&str; 5] =
        ["hidden_user", "hidden_host", "54321", "/hidden/dir", "hidden_value"];
    const URL: &str = "postgres://hidden_user@hidden_host:54321/hidden_value";

    fn path() -> PathBuf {
        PathBuf::from("/hidden/dir/hidden_value.db")
    }

    /// A database's error with values in it.
    fn database(no_connection: bool) -> DbError {
        DbError { message: format!("{URL}: hidden_value"), no_connection, ..DbError::default() }
    }

    /// One of each; another kind of error does not compile before it is here.
    fn of_projects() -> Vec<ProjectError> {
        let (id, reason) = (1, || format!("{URL} {}", path().display()));
        let all = vec![
            ProjectError::Unknown(id),
            ProjectError::NameTaken("a name that the caller sent".to_owned()),
            ProjectError::Name { found: 0, most: 255 },
            ProjectError::State { id, state: ProjectState::Archived, expected: "ready" },
            ProjectError::Behind { id, pending: 1, command: format!("underpin '{URL}'") },
            ProjectError::Gone { id, url: URL.to_owned() },
            ProjectError::InUse { id },
            ProjectError::Schema { id, reason: reason() },
            ProjectError::File { what: "copy", path: path(), reason: reason() },
            ProjectError::Contents { id, reason: reason() },
            ProjectError::Template(reason()),
            ProjectError::Database(database(true)),
            ProjectError::Database(database(false)),
        ];
        for one in &all {
            match one {
                ProjectError::Unknown(_)
                | ProjectError::NameTaken(_)
                | ProjectError::Name { .. }
                | ProjectError::State { .. }
                | ProjectError::Behind { .. }
                | ProjectError::Gone { .. }
                | ProjectError::InUse { .. }
                | ProjectError::Schema { .. }
                | ProjectError::File { .. }
                | ProjectError::Contents { .. }
                | ProjectError::Template(_)
                | ProjectError::Database(_) => {}
            }
        }
        all
    }

    /// The same of contents.
    fn of_contents() -> Vec<StoreError> {
        let (id, text) = (1, |text: &str| text.to_owned());
        let all = vec![
            StoreError::TooLarge { limit: 1 },
            StoreError::Stream(Box::new(io::Error::other(format!("{URL} {}", path().display())))),
            StoreError::Mismatch { expected: text("00"), found: text("01") },
            StoreError::NotStored { id },
            StoreError::Gone { id, path: path() },
            StoreError::Corrupt { id, path: path(), expected: text("00"), found: text("01") },
            StoreError::TooLong { most: 1, found: 2 },
            StoreError::NotText { id },
            StoreError::File { what: "read", path: path(), source: io::Error::other(URL) },
            StoreError::Database(database(true)),
            StoreError::Database(database(false)),
            StoreError::Stopping,
        ];
        for one in &all {
            match one {
                StoreError::TooLarge { .. }
                | StoreError::Stream(_)
                | StoreError::Mismatch { .. }
                | StoreError::NotStored { .. }
                | StoreError::Gone { .. }
                | StoreError::Corrupt { .. }
                | StoreError::TooLong { .. }
                | StoreError::NotText { .. }
                | StoreError::File { .. }
                | StoreError::Database(_)
                | StoreError::Stopping => {}
            }
        }
        all
    }

    #[test]
    fn no_caller_reads_where_something_is_or_what_is_in_a_row() {
        let projects = of_projects().into_iter().map(|one| (format!("{one:?}"), one.into()));
        let contents = of_contents().into_iter().map(|one| (format!("{one:?}"), one.into()));

        for (error, failure) in projects.chain(contents) {
            let failure: Failure = failure;
            let told = serde_json::to_string(&failure.detail).unwrap();
            let said = HIDDEN.iter().find(|hidden| told.contains(**hidden));
            assert_eq!(said, None, "{error}: {told}");
            // Nothing is lost: the log has it.
            let hides = HIDDEN.iter().any(|hidden| error.contains(hidden));
            assert_eq!(failure.cause.is_some(), hides, "{error}: {told}");
        }
    }
}
