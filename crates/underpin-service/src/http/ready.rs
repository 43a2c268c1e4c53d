//! `GET /ready`: may requests come?

use std::{sync::Arc, time::Duration};

use axum::{Json, extract::State as Shared, http::StatusCode};
use serde::Serialize;

use super::{State, health};

/// How long the pool may take to give a sign of life.
const PATIENCE: Duration = Duration::from_secs(5);

/// The body of the answer.
#[derive(Debug, Serialize)]
pub(crate) struct Ready {
    ready: bool,
    /// Why not: `stopping`, `database_slow`, or what `/health` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

/// 200 when requests may come, else 503.
pub(crate) async fn get(Shared(state): Shared<Arc<State>>) -> (StatusCode, Json<Ready>) {
    let reason = if state.is_stopping() {
        Some("stopping")
    } else if let Some(trouble) = health::trouble(&state).await {
        Some(trouble)
    } else {
        match tokio::time::timeout(PATIENCE, state.db.ping()).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => {
                tracing::warn!("not ready: {error}");
                Some("database_unreachable")
            }
            Err(_) => Some("database_slow"),
        }
    };
    let code = if reason.is_none() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(Ready { ready: reason.is_none(), reason }))
}
