//! How a request for events fails: as the original program's requests do.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use underpin_models::registry::ProjectState;
use underpin_projects::ProjectError;

use super::super::error::Cause;
use crate::feed::FollowError;

/// A failure: `{"detail": …}`.
#[derive(Debug)]
pub(in crate::http) struct Detail {
    status: StatusCode,
    text: Value,
    cause: Option<String>,
}

impl Detail {
    pub(super) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: Value::String(text.into()), cause: None }
    }

    /// A value of the request that is not allowed: `kind` is for programs, `expected` for people.
    pub(super) fn invalid(place: [&str; 2], kind: &str, expected: &str, input: &str) -> Self {
        let text = json!([{ "type": kind, "loc": place, "msg": expected, "input": input }]);
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, text, cause: None }
    }
}

impl IntoResponse for Detail {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(json!({ "detail": self.text }))).into_response();
        if let Some(cause) = self.cause {
            response.extensions_mut().insert(Cause(cause));
        }
        response
    }
}

impl From<FollowError> for Detail {
    fn from(error: FollowError) -> Self {
        match error {
            FollowError::Project(error) => error.into(),
            FollowError::Gone { .. } => Self::new(StatusCode::GONE, error.to_string()),
            FollowError::Ended => Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        }
    }
}

impl From<ProjectError> for Detail {
    fn from(error: ProjectError) -> Self {
        match error {
            ProjectError::Unknown(id)
            | ProjectError::State {
                id,
                state: ProjectState::Archived | ProjectState::Creating,
                ..
            } => Self::new(StatusCode::NOT_FOUND, ProjectError::Unknown(id).to_string()),
            error => Self {
                cause: Some(error.to_string()),
                ..Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "this cannot be read at the moment: the log of the service says why",
                )
            },
        }
    }
}

/// The number of a project in a path. One that no project can have belongs to none.
pub(super) fn project_id(text: &str) -> Result<i32, Detail> {
    use std::num::IntErrorKind::{NegOverflow, PosOverflow};

    text.parse().map_err(|error: std::num::ParseIntError| match error.kind() {
        PosOverflow | NegOverflow => {
            Detail::new(StatusCode::NOT_FOUND, format!("Project {text} not found"))
        }
        _ => not_an_integer(["path", "project_id"], text),
    })
}

/// The number of an event, from 0.
pub(super) fn event_number(place: [&str; 2], text: &str) -> Result<i64, Detail> {
    let number: i64 = text.parse().map_err(|_| not_an_integer(place, text))?;
    if number < 0 {
        let expected = "Input should be greater than or equal to 0";
        return Err(Detail::invalid(place, "greater_than_equal", expected, text));
    }
    Ok(number)
}

fn not_an_integer(place: [&str; 2], text: &str) -> Detail {
    let expected = "Input should be a valid integer, unable to parse string as an integer";
    Detail::invalid(place, "int_parsing", expected, text)
}
