//! `GET /health`: is the service alive, and does the schema fit it?

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Json, extract::State as Shared, http::StatusCode};
use serde::Serialize;
use tokio::sync::Mutex;
use underpin_migrations::bot;

use super::State;
use crate::schema;

/// How long an answer holds, and how long the database may take for one. However many ask, the
/// database is asked once in this time, on one connection.
const HOLDS: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(5);

/// The last answer and when it was found.
pub(crate) type Last = Mutex<Option<(Instant, Health)>>;

/// The body of the answer.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Health {
    /// `ok`, or what is wrong: `database_unreachable`, `schema_behind`.
    status: &'static str,
    /// Of the service.
    version: &'static str,
    /// Whether the database answers.
    database_reachable: bool,
    /// The newest applied migration; `null` when none is, or when the database does not answer.
    applied_head: Option<String>,
    /// How many migrations are not applied; `null` when the database does not answer.
    pending: Option<usize>,
    /// Where this program and the history contradict each other. A database that a newer program
    /// has migrated is served on, so that the old program lives until it is replaced.
    problems: Vec<String>,
}

/// 200 when the schema has all that this program needs, else 503.
pub(crate) async fn get(Shared(state): Shared<Arc<State>>) -> (StatusCode, Json<Health>) {
    let health = current(&state).await;
    let ok = health.status == "ok";
    (if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, Json(health))
}

/// Why [`get`] would not answer 200.
pub(super) async fn trouble(state: &State) -> Option<&'static str> {
    Some(current(state).await.status).filter(|status| *status != "ok")
}

async fn current(state: &State) -> Health {
    let mut last = state.health.lock().await;
    if let Some((found, health)) = last.as_ref()
        && found.elapsed() < HOLDS
    {
        return health.clone();
    }
    let health = ask(state).await;
    *last = Some((Instant::now(), health.clone()));
    health
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
