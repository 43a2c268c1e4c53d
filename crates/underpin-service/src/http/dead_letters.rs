//! `/api/dead-letters`: events that could not be applied, for the operator.

use std::sync::Arc;

use axum::extract::State as Shared;
use serde::{Deserialize, Serialize};
use underpin_models::bot::{DeadLetter, DeadLetterOutcome, DeadLetterRepository as _};
use utoipa::{IntoParams, ToSchema};

use super::{
    State,
    auth::Admin,
    error::{ApiError, Code, ErrorBody},
    extract::{Json, Path, Query, count, text},
};
use crate::{
    clock,
    nats::dead_letter::{Unsettled, settle},
};

/// How many letters: unless asked otherwise, and at most.
const USUAL: i64 = 20;
const MOST: i64 = 100;

/// What to list.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Also those that were applied or dropped.
    #[serde(default)]
    include_settled: bool,
    /// Only those with an id above this one.
    #[serde(default)]
    after: i64,
    /// More than 100 count as 100.
    #[param(value_type = Option<u32>, minimum = 1, default = 20)]
    limit: Option<String>,
}

/// Events that could not be applied.
#[derive(Serialize, ToSchema)]
pub(super) struct Letters {
    /// Oldest first.
    dead_letters: Vec<Letter>,
}

/// An event that cannot be understood, or that the database refused for what it says.
#[derive(Serialize, ToSchema)]
pub(crate) struct Letter {
    id: i64,
    /// The stream it came from; empty without JetStream.
    stream: String,
    /// Its number in the stream; 0 without JetStream.
    sequence: i64,
    /// The subject after the prefix.
    subject: String,
    /// What it says. Of what cannot be understood 64 KiB, and what is no text as `base64:` and its bytes.
    payload: String,
    /// When it was published, in Unix seconds.
    happened_at: i64,
    /// When it was put aside, in Unix seconds.
    failed_at: i64,
    /// An SQLSTATE, or `SQLite` with a result code; none where it cannot be understood.
    code: Option<String>,
    /// Why it was put aside.
    reason: String,
    /// `waiting`, `applied` or `dropped`.
    state: &'static str,
    /// When it was applied or dropped, in Unix seconds.
    settled_at: Option<i64>,
    /// Who had it applied or dropped.
    settled_by: Option<String>,
}

impl From<DeadLetter> for Letter {
    fn from(letter: DeadLetter) -> Self {
        let event = letter.event;
        Self {
            id: letter.id,
            stream: event.stream,
            sequence: event.sequence,
            subject: event.subject,
            payload: event.payload,
            happened_at: event.happened_at,
            failed_at: event.failed_at,
            code: event.code,
            reason: event.reason,
            state: letter.outcome.map_or("waiting", DeadLetterOutcome::wire),
            settled_at: letter.settled_at,
            settled_by: letter.settled_by,
        }
    }
}

/// Events that could not be applied
#[utoipa::path(get, path = "/api/dead-letters", tag = "dead letters", params(Which),
    security(("admin_token" = [])),
    responses(
        (status = 200, body = Letters),
        (status = 400, description = "`limit` is no whole number from 1", body = ErrorBody),
        (status = 401, description = "Not the `ADMIN_TOKEN`", body = ErrorBody),
        (status = 404, description = "The service has no `ADMIN_TOKEN`", body = ErrorBody),
        (status = "default", description = "Any other failure", body = ErrorBody),
    )
)]
pub(super) async fn get(
    _: Admin,
    Shared(state): Shared<Arc<State>>,
    Query(which): Query<Which>,
) -> Result<Json<Letters>, ApiError> {
    let limit = which.limit.map_or(Ok(USUAL), |limit| count("limit", &limit, MOST))?;
    let letters = state.db.dead_letters(which.after, which.include_settled, limit).await?;
    Ok(Json(Letters { dead_letters: letters.into_iter().map(Letter::from).collect() }))
}

/// Who decides.
#[derive(Deserialize, ToSchema)]
pub(super) struct Decision {
    /// A name for the record.
    by: String,
}

/// Apply an event that was put aside
#[utoipa::path(post, path = "/api/dead-letters/{id}/apply", tag = "dead letters",
    params(("id" = String, Path, description = "Its number")), request_body = Decision,
    security(("admin_token" = [])),
    responses(
        (status = 200, description = "It is applied, with the time at which it happened", body = Letter),
        (status = 400, description = "No such number, it was settled before, this release cannot \
            understand it, or the database still refuses it", body = ErrorBody),
        (status = 401, description = "Not the `ADMIN_TOKEN`", body = ErrorBody),
        (status = 404, description = "No such dead letter, or no `ADMIN_TOKEN`", body = ErrorBody),
        (status = "default", description = "Any other failure", body = ErrorBody),
    )
)]
pub(super) async fn apply(
    _: Admin,
    Shared(state): Shared<Arc<State>>,
    Path(id): Path<String>,
    Json(decision): Json<Decision>,
) -> Result<Json<Letter>, ApiError> {
    decide(&state, &id, DeadLetterOutcome::Applied, decision).await
}

/// Drop an event that was put aside
#[utoipa::path(post, path = "/api/dead-letters/{id}/drop", tag = "dead letters",
    params(("id" = String, Path, description = "Its number")), request_body = Decision,
    security(("admin_token" = [])),
    responses(
        (status = 200, description = "It will not be applied; the row stays", body = Letter),
        (status = 400, description = "No such number, or it was settled before", body = ErrorBody),
        (status = 401, description = "Not the `ADMIN_TOKEN`", body = ErrorBody),
        (status = 404, description = "No such dead letter, or no `ADMIN_TOKEN`", body = ErrorBody),
        (status = "default", description = "Any other failure", body = ErrorBody),
    )
)]
pub(super) async fn drop(
    _: Admin,
    Shared(state): Shared<Arc<State>>,
    Path(id): Path<String>,
    Json(decision): Json<Decision>,
) -> Result<Json<Letter>, ApiError> {
    decide(&state, &id, DeadLetterOutcome::Dropped, decision).await
}

async fn decide(
    state: &State,
    id: &str,
    outcome: DeadLetterOutcome,
    decision: Decision,
) -> Result<Json<Letter>, ApiError> {
    let id = id.parse().map_err(|_| ApiError::invalid("id", "expected a whole number"))?;
    let by = text("by", decision.by)?;
    if by.trim().is_empty() {
        return Err(ApiError::invalid("by", "expected a name for the record"));
    }
    match settle(&state.db, id, outcome, by, clock::now()).await {
        Ok(letter) => Ok(Json(letter.into())),
        Err(Unsettled::Database(error)) => Err(error.into()),
        Err(unknown @ Unsettled::Unknown(_)) => {
            Err(ApiError::new(Code::NotFound, unknown.to_string()))
        }
        Err(unsettled) => Err(ApiError::invalid("id", unsettled.to_string())),
    }
}
