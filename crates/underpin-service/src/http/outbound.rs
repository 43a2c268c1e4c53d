//! `GET /api/outbound/recent`: what became of the messages.

use std::sync::Arc;

use axum::extract::State as Shared;
use serde::{Deserialize, Serialize};
use underpin_models::bot::{OutboundMessage, OutboundRepository as _};
use utoipa::{IntoParams, ToSchema};

use super::{
    State,
    error::{ApiError, ErrorBody},
    extract::{Json, Query, count},
};

/// How many messages: unless asked otherwise, and at most.
const USUAL: i64 = 20;
const MOST: i64 = 100;
/// Characters of a preview.
const PREVIEW: usize = 100;

/// How many to list.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct HowMany {
    /// More than 100 count as 100.
    #[param(value_type = Option<u32>, minimum = 1, default = 20)]
    limit: Option<String>,
}

/// The newest messages for the bot to say.
#[derive(Serialize, ToSchema)]
pub(super) struct Messages {
    /// Newest first.
    messages: Vec<Outbound>,
}

/// A message for the bot to say.
#[derive(Serialize, ToSchema)]
struct Outbound {
    id: i64,
    /// When it was queued, in Unix seconds.
    timestamp: i64,
    message: String,
    sent: bool,
    /// Unix seconds.
    sent_timestamp: Option<i64>,
    /// Failed attempts so far.
    retry_count: i64,
    /// Why the last attempt failed; kept when a later one succeeds.
    last_error: Option<String>,
    /// The first 100 characters, and `...` where there are more.
    message_preview: String,
    /// `queued`, `retrying`, `sent`, `failed` or `abandoned`.
    status: &'static str,
}

impl From<OutboundMessage> for Outbound {
    fn from(message: OutboundMessage) -> Self {
        Self {
            status: message.state().as_str(),
            message_preview: preview(&message.message),
            id: message.id,
            timestamp: message.timestamp,
            message: message.message,
            sent: message.sent,
            sent_timestamp: message.sent_timestamp,
            retry_count: message.retry_count,
            last_error: message.error_message,
        }
    }
}

fn preview(message: &str) -> String {
    match message.char_indices().nth(PREVIEW) {
        Some((end, _)) => format!("{}...", &message[..end]),
        None => message.to_owned(),
    }
}

/// The newest messages for the bot to say, and what became of them
#[utoipa::path(get, path = "/api/outbound/recent", tag = "bot", params(HowMany), responses(
    (status = 200, body = Messages),
    (status = 400, description = "`limit` is no whole number from 1", body = ErrorBody),
    (status = "default", description = "Any other failure", body = ErrorBody),
))]
pub(super) async fn get(
    Shared(state): Shared<Arc<State>>,
    Query(many): Query<HowMany>,
) -> Result<Json<Messages>, ApiError> {
    let limit = many.limit.map_or(Ok(USUAL), |limit| count("limit", &limit, MOST))?;
    let messages = state.db.recent_outbound_messages(limit).await?;
    Ok(Json(Messages { messages: messages.into_iter().map(Outbound::from).collect() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preview_counts_characters_and_says_when_there_are_more() {
        assert_eq!(preview(&"ä".repeat(100)), "ä".repeat(100));
        assert_eq!(preview(&"ä".repeat(101)), format!("{}...", "ä".repeat(100)));
    }
}
