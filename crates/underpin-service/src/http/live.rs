//! What happens in projects, as it happens: WebSockets and server-sent events.

use std::sync::Arc;

use axum::{Router, routing::any};

use super::State;

mod detail;
pub(super) mod events;
mod socket;

/// The routes of the WebSockets, which the document of the API has no words for.
pub(super) fn sockets() -> Router<Arc<State>> {
    Router::new()
        .route("/ws", any(socket::all))
        .route("/ws/projects/{project_id}", any(socket::project))
}
