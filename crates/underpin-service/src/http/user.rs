//! `GET /api/user/{name}`: one user.

use std::sync::Arc;

use axum::extract::State as Shared;
use serde::Serialize;
use underpin_models::bot::{UserStats, UserStatsRepository as _};
use utoipa::ToSchema;

use super::{
    State,
    error::{ApiError, Code, ErrorBody},
    extract::{Json, Path, text},
};

/// Somebody who was seen.
#[derive(Serialize, ToSchema)]
pub(super) struct User {
    username: String,
    /// Unix seconds.
    first_seen: i64,
    /// Unix seconds.
    last_seen: i64,
    /// Lines said so far.
    total_chat_lines: i64,
    /// Seconds of all ended sessions.
    total_time_connected: i64,
    /// Unix seconds; `null` when the user is not there.
    current_session_start: Option<i64>,
}

impl From<UserStats> for User {
    fn from(user: UserStats) -> Self {
        Self {
            username: user.username,
            first_seen: user.first_seen,
            last_seen: user.last_seen,
            total_chat_lines: user.total_chat_lines,
            total_time_connected: user.total_time_connected,
            current_session_start: user.current_session_start,
        }
    }
}

/// One user, by the exact name
#[utoipa::path(get, path = "/api/user/{name}", tag = "bot",
    params(("name" = String, Path, description = "Upper and lower case make two users")),
    responses(
        (status = 200, body = User),
        (status = 400, description = "`name` is not text that can be stored", body = ErrorBody),
        (status = 404, description = "Nobody of this name was seen", body = ErrorBody),
        (status = "default", description = "Any other failure", body = ErrorBody),
    )
)]
pub(super) async fn get(
    Shared(state): Shared<Arc<State>>,
    Path(name): Path<String>,
) -> Result<Json<User>, ApiError> {
    let user = state.db.user_stats(text("name", name)?).await?;
    let user = user.ok_or_else(|| ApiError::new(Code::NotFound, "nobody of this name was seen"))?;
    Ok(Json(user.into()))
}
