//! `POST /api/say`: something for the bot to say.

use std::sync::Arc;

use axum::extract::State as Shared;
use serde::{Deserialize, Serialize};
use underpin_models::bot::OutboundRepository as _;
use utoipa::ToSchema;

use super::{
    State,
    auth::Caller,
    error::{ApiError, ErrorBody},
    extract::{Json, text},
};
use crate::clock;

/// Something for the bot to say.
#[derive(Deserialize, ToSchema)]
pub(super) struct Say {
    /// What to say; white space around it is dropped, and something must be left.
    #[schema(value_type = String, required = true)]
    message: Option<String>,
}

/// It is queued.
#[derive(Serialize, ToSchema)]
pub(super) struct Queued {
    /// Always true.
    queued: bool,
    /// Of the message; `/api/outbound/recent` tells what becomes of it.
    id: i64,
}

/// Queue something for the bot to say
#[utoipa::path(post, path = "/api/say", tag = "bot", request_body = Say,
    security(("api_token" = [])),
    responses(
        (status = 200, body = Queued),
        (status = 400, description = "No JSON, or no message in it", body = ErrorBody),
        (status = 401, description = "No token, or a revoked one", body = ErrorBody),
        (status = "default", description = "Any other failure", body = ErrorBody),
    )
)]
pub(super) async fn post(
    _: Caller,
    Shared(state): Shared<Arc<State>>,
    Json(say): Json<Say>,
) -> Result<Json<Queued>, ApiError> {
    let message = text("message", say.message.unwrap_or_default())?;
    let message = message.trim();
    if message.is_empty() {
        return Err(ApiError::invalid("message", "expected something to say"));
    }
    let id = state.db.enqueue_outbound_message(message.to_owned(), clock::now()).await?;
    Ok(Json(Queued { queued: true, id }))
}
