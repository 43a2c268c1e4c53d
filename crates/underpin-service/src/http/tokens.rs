//! `/api/tokens`: the tokens of callers, for the operator.

use std::sync::Arc;

use axum::{
    extract::State as Shared,
    http::{HeaderName, header},
};
use serde::{Deserialize, Serialize};
use underpin_models::bot::{ApiToken, ApiTokenRepository as _};
use utoipa::{IntoParams, ToSchema};

use super::{
    State,
    auth::Admin,
    error::{ApiError, Code, ErrorBody},
    extract::{Json, Path, Query, text},
};
use crate::clock;

/// What to list.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Also the revoked ones.
    #[serde(default)]
    include_revoked: bool,
}

/// The tokens of callers.
#[derive(Serialize, ToSchema)]
pub(super) struct Tokens {
    /// Newest first.
    tokens: Vec<Listed>,
}

/// A token, without the token itself.
#[derive(Serialize, ToSchema)]
struct Listed {
    /// What it is for.
    description: Option<String>,
    /// Unix seconds.
    created_at: i64,
    /// Unix seconds; `null` until it is first presented.
    last_used: Option<i64>,
    revoked: bool,
    /// The first eight characters and `...`.
    token_preview: String,
}

impl From<ApiToken> for Listed {
    fn from(token: ApiToken) -> Self {
        Self {
            description: token.description,
            created_at: token.created_at,
            last_used: token.last_used,
            revoked: !token.is_active,
            token_preview: format!("{}...", token.preview),
        }
    }
}

/// The tokens of callers
#[utoipa::path(get, path = "/api/tokens", tag = "tokens", params(Which),
    security(("admin_token" = [])),
    responses(
        (status = 200, body = Tokens),
        (status = 401, description = "Not the `ADMIN_TOKEN`", body = ErrorBody),
        (status = 404, description = "The service has no `ADMIN_TOKEN`", body = ErrorBody),
        (status = "default", description = "Any other failure", body = ErrorBody),
    )
)]
pub(super) async fn get(
    _: Admin,
    Shared(state): Shared<Arc<State>>,
    Query(which): Query<Which>,
) -> Result<Json<Tokens>, ApiError> {
    let tokens = state.db.list_api_tokens(which.include_revoked).await?;
    Ok(Json(Tokens { tokens: tokens.into_iter().map(Listed::from).collect() }))
}

/// What a new token is for.
#[derive(Deserialize, ToSchema)]
pub(super) struct New {
    /// What the token is for.
    #[serde(default)]
    description: String,
}

/// A new token.
#[derive(Serialize, ToSchema)]
pub(super) struct Made {
    /// 43 characters. Nobody can see them again: only a digest is stored.
    token: String,
    description: String,
    /// Unix seconds.
    created_at: i64,
}

/// Make a token
#[utoipa::path(post, path = "/api/tokens", tag = "tokens", request_body = New,
    security(("admin_token" = [])),
    responses(
        (status = 200, body = Made),
        (status = 400, description = "No JSON object", body = ErrorBody),
        (status = 401, description = "Not the `ADMIN_TOKEN`", body = ErrorBody),
        (status = 404, description = "The service has no `ADMIN_TOKEN`", body = ErrorBody),
        (status = "default", description = "Any other failure", body = ErrorBody),
    )
)]
pub(super) async fn post(
    _: Admin,
    Shared(state): Shared<Arc<State>>,
    Json(new): Json<New>,
) -> Result<([(HeaderName, &'static str); 1], Json<Made>), ApiError> {
    let description = text("description", new.description)?;
    let created_at = clock::now();
    let token = state.db.generate_api_token(description.clone(), created_at).await?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(Made { token, description, created_at })))
}

/// What was revoked.
#[derive(Serialize, ToSchema)]
pub(super) struct Revoked {
    /// How many tokens that were.
    revoked: usize,
}

/// Revoke a token
#[utoipa::path(delete, path = "/api/tokens/{prefix}", tag = "tokens",
    params(("prefix" = String, Path, description = "The eight characters of a preview, for every \
        token that begins with them, or one whole token")),
    security(("admin_token" = [])),
    responses(
        (status = 200, body = Revoked),
        (status = 401, description = "Not the `ADMIN_TOKEN`", body = ErrorBody),
        (status = 404, description = "No active token begins so", body = ErrorBody),
        (status = "default", description = "Any other failure", body = ErrorBody),
    )
)]
pub(super) async fn delete(
    _: Admin,
    Shared(state): Shared<Arc<State>>,
    Path(prefix): Path<String>,
) -> Result<Json<Revoked>, ApiError> {
    let revoked = state.db.revoke_api_token(text("prefix", prefix)?, clock::now()).await?;
    if revoked == 0 {
        return Err(ApiError::new(
            Code::NotFound,
            "no active token fits: give the eight characters of the preview, or the whole token",
        ));
    }
    Ok(Json(Revoked { revoked }))
}
