//! `GET /api/stats`: the highest numbers ever seen, and who talks most.

use std::sync::Arc;

use axum::extract::State as Shared;
use serde::Serialize;
use underpin_models::bot::{ChannelStatsRepository as _, UserStatsRepository as _};
use utoipa::ToSchema;

use super::{
    State,
    error::{ApiError, ErrorBody},
    extract::Json,
};

/// How many of those who talk most are named.
const TOP: i64 = 10;

/// The highest numbers ever seen, and who talks most.
#[derive(Serialize, ToSchema)]
pub(super) struct Stats {
    high_water_marks: HighWaterMarks,
    /// How many users were ever seen.
    total_users_seen: i64,
    /// The ten with the most chat lines, most first.
    top_chatters: Vec<Chatter>,
}

/// The highest numbers ever seen.
#[derive(Serialize, ToSchema)]
struct HighWaterMarks {
    /// Users in the chat.
    chat: Mark,
    /// Viewers connected.
    connected: Mark,
}

/// A number and when it was reached.
#[derive(Serialize, ToSchema)]
struct Mark {
    count: i64,
    /// Unix seconds; `null` when nothing was counted yet.
    timestamp: Option<i64>,
}

/// Somebody who talks.
#[derive(Serialize, ToSchema)]
struct Chatter {
    username: String,
    /// Chat lines so far.
    messages: i64,
}

/// The highest numbers ever seen, and who talks most
#[utoipa::path(get, path = "/api/stats", tag = "bot", responses(
    (status = 200, body = Stats),
    (status = "default", description = "Any failure", body = ErrorBody),
))]
pub(super) async fn get(Shared(state): Shared<Arc<State>>) -> Result<Json<Stats>, ApiError> {
    let marks = state.db.high_water_marks().await?;
    let mark = |count: Option<i64>, timestamp| Mark { count: count.unwrap_or(0), timestamp };
    let marks = marks.as_ref();
    Ok(Json(Stats {
        high_water_marks: HighWaterMarks {
            chat: mark(marks.map(|m| m.max_users), marks.and_then(|m| m.max_users_timestamp)),
            connected: mark(
                marks.map(|m| m.max_connected),
                marks.and_then(|m| m.max_connected_timestamp),
            ),
        },
        total_users_seen: state.db.total_users_seen().await?,
        top_chatters: state
            .db
            .top_chatters(TOP)
            .await?
            .into_iter()
            .map(|(username, messages)| Chatter { username, messages })
            .collect(),
    }))
}
