//! `GET /health`: is the service alive, and does the schema fit it?

use std::{collections::BTreeSet, sync::Arc};

use axum::{extract::State as Shared, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::{PATIENCE, State, extract::Json};
use crate::schema;

/// How the service and its schema are.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Health {
    /// `healthy` or `degraded`, as the original project service says it.
    status: &'static str,
    /// What is wrong: `database_unreachable`, `schema_behind`; `null` when nothing is.
    pub(super) reason: Option<&'static str>,
    /// Of the service.
    version: &'static str,
    /// Whether the database answers.
    database_reachable: bool,
    /// The newest applied migration of the bot's tables; `null` when none is, or when the database
    /// does not answer.
    pub(super) applied_head: Option<String>,
    /// How many migrations of the main database are not applied; `null` when it does not answer.
    pub(super) pending: Option<usize>,
    /// Where this program and the history contradict each other. A database that a newer program
    /// has migrated is served on, so that the old program lives until it is replaced.
    pub(super) problems: Vec<String>,
    /// The parts of the service, in the words of the original project service.
    services: Services,
    /// What this program can do, for clients of the original project service.
    features: Features,
}

/// `up` each, or `error: ` and what is wrong.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
struct Services {
    api: &'static str,
    database: &'static str,
    events: &'static str,
    websocket: &'static str,
}

/// What this program can do.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[expect(clippy::struct_excessive_bools, reason = "the form that clients of the original know")]
struct Features {
    projects: bool,
    tasks: bool,
    change_requests: bool,
    approvals: bool,
    artifacts: bool,
    runs: bool,
    events: bool,
}

/// Every one of them.
const FEATURES: Features = Features {
    projects: true,
    tasks: true,
    change_requests: true,
    approvals: true,
    artifacts: true,
    runs: true,
    events: true,
};

impl Health {
    /// Whether the schema has all that this program needs.
    pub(super) fn is_ok(&self) -> bool {
        self.reason.is_none()
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
    current(state).await.reason
}

/// How the database stands, asked once a second at most, on one connection.
pub(super) async fn current(state: &State) -> Health {
    state.health.get(ask(state)).await
}

async fn ask(state: &State) -> Health {
    let asked = tokio::time::timeout(PATIENCE, schema::status(&state.config)).await;
    let found = asked.map_err(anyhow::Error::from).flatten();
    if let Err(error) = &found {
        tracing::warn!("the database does not answer: {error:#}");
    }
    let found = found.ok();
    let sets = || found.iter().flatten().map(|(_, status)| status);
    let pending = found.is_some().then(|| sets().map(|set| set.pending.len()).sum::<usize>());
    let reason = match pending {
        Some(0) => None,
        Some(_) => Some("schema_behind"),
        None => Some("database_unreachable"),
    };
    let database = if found.is_some() { "up" } else { "error: database_unreachable" };
    // The sets share the history, so that what none of them knows is told by each.
    let problems: BTreeSet<_> =
        sets().flat_map(|set| &set.problems).map(ToString::to_string).collect();
    Health {
        status: if reason.is_none() { "healthy" } else { "degraded" },
        reason,
        version: env!("CARGO_PKG_VERSION"),
        database_reachable: found.is_some(),
        applied_head: sets()
            .next()
            .and_then(|bot| bot.applied_head.as_ref())
            .map(ToString::to_string),
        pending,
        problems: problems.into_iter().collect(),
        services: Services { api: "up", database, events: database, websocket: "up" },
        features: FEATURES,
    }
}
