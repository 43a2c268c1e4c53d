//! `GET /health`: is the service alive, and does the schema fit it?

use std::sync::Arc;

use axum::{extract::State as Shared, http::StatusCode};
use serde::Serialize;
use underpin_migrations::bot;
use utoipa::ToSchema;

use super::{PATIENCE, State, extract::Json};
use crate::schema;

/// How the service and its schema are.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Health {
    /// `ok`, or what is wrong: `database_unreachable`, `schema_behind`.
    pub(super) status: &'static str,
    /// Of the service.
    version: &'static str,
    /// Whether the database answers.
    database_reachable: bool,
    /// The newest applied migration; `null` when none is, or when the database does not answer.
    pub(super) applied_head: Option<String>,
    /// How many migrations are not applied; `null` when the database does not answer.
    pub(super) pending: Option<usize>,
    /// Where this program and the history contradict each other. A database that a newer program
    /// has migrated is served on, so that the old program lives until it is replaced.
    pub(super) problems: Vec<String>,
}

impl Health {
    /// Whether the schema has all that this program needs.
    pub(super) fn is_ok(&self) -> bool {
        self.status == "ok"
    }
}

/// Whether the service is alive and the schema fits it
#[utoipa::path(get, path = "/health", tag = "service", responses(
    (status = 200, description = "The schema has all that this program needs", body = Health),
    (status = 503, description = "It has not, or the database does not answer", body = Health),
))]
pub(super) async fn get(Shared(state): Shared<Arc<State>>) -> (StatusCode, Json<Health>) {
    let health = current(&state).await;
    (if health.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, Json(health))
}

/// Why [`get`] would not answer 200.
pub(super) async fn trouble(state: &State) -> Option<&'static str> {
    Some(current(state).await.status).filter(|status| *status != "ok")
}

/// How the database stands, asked once a second at most, on one connection.
pub(super) async fn current(state: &State) -> Health {
    state.health.get(ask(state)).await
}

async fn ask(state: &State) -> Health {
    let catalog = bot(state.config.database_url.dialect());
    let asked = tokio::time::timeout(PATIENCE, schema::status(&state.config, catalog)).await;
    let version = env!("CARGO_PKG_VERSION");
    match asked.map_err(anyhow::Error::from).flatten() {
        Ok(found) => Health {
            status: if found.pending.is_empty() { "ok" } else { "schema_behind" },
            version,
            database_reachable: true,
            applied_head: found.applied_head.map(|head| head.to_string()),
            pending: Some(found.pending.len()),
            problems: found.problems.iter().map(ToString::to_string).collect(),
        },
        Err(error) => {
            tracing::warn!("the database does not answer: {error:#}");
            Health {
                status: "database_unreachable",
                version,
                database_reachable: false,
                applied_head: None,
                pending: None,
                problems: Vec::new(),
            }
        }
    }
}
