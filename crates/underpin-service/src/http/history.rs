//! `GET /api/history/{hours}`: how many were there.

use std::sync::Arc;

use axum::extract::State as Shared;
use serde::Serialize;
use underpin_models::bot::{UserCount, UserCountRepository as _};
use utoipa::ToSchema;

use super::{
    State,
    error::{ApiError, ErrorBody},
    extract::{Json, Path, count},
};
use crate::clock;

/// A week: more counts as this.
const MOST_HOURS: i64 = 168;

/// How many were there in the last hours.
#[derive(Serialize, ToSchema)]
pub(super) struct History {
    /// How many hours these are, after the cap.
    hours: i64,
    /// Oldest first.
    data: Vec<Count>,
}

/// How many were there at one moment.
#[derive(Serialize, ToSchema)]
struct Count {
    /// Unix seconds.
    timestamp: i64,
    /// Users in the chat.
    chat_users: i64,
    /// Viewers connected.
    connected_users: i64,
}

impl From<UserCount> for Count {
    fn from(UserCount { timestamp, chat_users, connected_users, .. }: UserCount) -> Self {
        Self { timestamp, chat_users, connected_users }
    }
}

/// How many were there in the last hours
#[utoipa::path(get, path = "/api/history/{hours}", tag = "bot",
    params(("hours" = u32, Path, minimum = 1, description = "More than 168 count as 168")),
    responses(
        (status = 200, body = History),
        (status = 400, description = "`hours` is no whole number from 1", body = ErrorBody),
        (status = "default", description = "Any other failure", body = ErrorBody),
    )
)]
pub(super) async fn get(
    Shared(state): Shared<Arc<State>>,
    Path(hours): Path<String>,
) -> Result<Json<History>, ApiError> {
    let hours = count("hours", &hours, MOST_HOURS)?;
    let data = state.db.user_count_history(clock::now() - hours * 3_600).await?;
    Ok(Json(History { hours, data: data.into_iter().map(Count::from).collect() }))
}
