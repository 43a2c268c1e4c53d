//! `GET /api/current`: what the bot last said about itself, and what was said lately.

use std::sync::Arc;

use axum::extract::State as Shared;
use serde::Serialize;
use underpin_models::bot::{
    ChatLine, CurrentStatus, CurrentStatusRepository as _, RecentChatRepository as _,
};
use utoipa::ToSchema;

use super::{
    State,
    error::{ApiError, ErrorBody},
    extract::Json,
};
use crate::clock;

/// Seconds of the chat that are shown, and lines of it at most.
const CHAT_SECONDS: i64 = 20 * 60;
const CHAT_LINES: i64 = 1_000;

/// What the bot last said about itself, and what was said lately.
#[derive(Serialize, ToSchema)]
pub(super) struct Current {
    status: Status,
    /// What was said in the last 20 minutes, oldest first; the newest 1,000 lines at most.
    recent_chat: Vec<Line>,
}

/// What the bot last said. All keys are always there, `null` where nothing is known.
#[derive(Default, Serialize, ToSchema)]
struct Status {
    bot_name: Option<String>,
    bot_rank: Option<f64>,
    bot_afk: Option<bool>,
    channel_name: Option<String>,
    current_chat_users: Option<i64>,
    current_connected_users: Option<i64>,
    playlist_items: Option<i64>,
    current_media_title: Option<String>,
    /// Seconds.
    current_media_duration: Option<i64>,
    /// Unix seconds.
    bot_start_time: Option<i64>,
    bot_connected: Option<bool>,
    /// Unix seconds; 0 until the first update.
    last_updated: Option<i64>,
}

impl From<CurrentStatus> for Status {
    fn from(status: CurrentStatus) -> Self {
        Self {
            bot_name: status.bot_name,
            bot_rank: status.bot_rank,
            bot_afk: status.bot_afk,
            channel_name: status.channel_name,
            current_chat_users: Some(status.current_chat_users),
            current_connected_users: Some(status.current_connected_users),
            playlist_items: Some(status.playlist_items),
            current_media_title: status.current_media_title,
            current_media_duration: status.current_media_duration,
            bot_start_time: status.bot_start_time,
            bot_connected: status.bot_connected,
            last_updated: Some(status.last_updated),
        }
    }
}

/// A line of the chat.
#[derive(Serialize, ToSchema)]
struct Line {
    /// Unix seconds.
    timestamp: i64,
    username: String,
    message: String,
}

impl From<ChatLine> for Line {
    fn from(ChatLine { timestamp, username, message, .. }: ChatLine) -> Self {
        Self { timestamp, username, message }
    }
}

/// What the bot last said about itself, and the chat of the last 20 minutes
#[utoipa::path(get, path = "/api/current", tag = "bot", responses(
    (status = 200, body = Current),
    (status = "default", description = "Any failure", body = ErrorBody),
))]
pub(super) async fn get(Shared(state): Shared<Arc<State>>) -> Result<Json<Current>, ApiError> {
    let status = state.db.current_status().await?;
    let chat = state.db.recent_chat(Some(clock::now() - CHAT_SECONDS), CHAT_LINES).await?;
    Ok(Json(Current {
        status: status.map(Status::from).unwrap_or_default(),
        recent_chat: chat.into_iter().map(Line::from).collect(),
    }))
}
