//! `GET /ready`: may requests come?

use std::sync::Arc;

use axum::{extract::State as Shared, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::{PATIENCE, State, extract::Json, health};

/// Whether requests may come.
#[derive(Debug, Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the field's name is the contract")]
pub(super) struct Ready {
    ready: bool,
    /// Why not: `stopping`, `database_slow`, `events_wait`, or what `/health` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// What the database says to events that wait: an SQLSTATE, or `SQLite` with a result code.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
}

/// Whether requests may come
#[utoipa::path(get, path = "/ready", tag = "service", responses(
    (status = 200, description = "Requests may come", body = Ready),
    (status = 503, description = "They may not, for the reason that is given", body = Ready),
))]
pub(super) async fn get(Shared(state): Shared<Arc<State>>) -> (StatusCode, Json<Ready>) {
    let wait = state.waiting.get();
    let reason = if state.is_stopping() {
        Some("stopping")
    } else if let Some(trouble) = health::trouble(&state).await {
        Some(trouble)
    } else {
        match tokio::time::timeout(PATIENCE, state.db.ping()).await {
            Ok(Ok(())) => wait.as_ref().map(|_| "events_wait"),
            Ok(Err(error)) => {
                tracing::warn!("not ready: {error}");
                Some("database_unreachable")
            }
            Err(_) => Some("database_slow"),
        }
    };
    let code = if reason.is_none() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let waits = reason == Some("events_wait");
    let said = wait.filter(|_| waits).and_then(|wait| wait.code);
    (code, Json(Ready { ready: reason.is_none(), reason, code: said }))
}
