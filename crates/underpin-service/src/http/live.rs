//! What happens in projects, as it happens: WebSockets and server-sent events.

use std::sync::Arc;

use axum::{Router, http::StatusCode, routing::any};

use super::{State, failure::Failure};
use crate::feed::FollowError;

pub(super) mod events;
mod socket;

/// The routes of the WebSockets, which the document of the API has no words for.
pub(super) fn sockets() -> Router<Arc<State>> {
    Router::new()
        .route("/ws", any(socket::all))
        .route("/ws/projects/{project_id}", any(socket::project))
}

impl From<FollowError> for Failure {
    fn from(error: FollowError) -> Self {
        match error {
            FollowError::Project(error) => error.into(),
            FollowError::Gone { .. } => Self::new(StatusCode::GONE, error.to_string()),
            FollowError::Ended => Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        }
    }
}
