//! `GET /metrics`: the service in numbers, for Prometheus.

use std::sync::Arc;

use axum::{
    extract::State as Shared,
    http::{HeaderName, header},
};
use metrics::gauge;
use underpin_models::bot::{DeadLetterRepository as _, OutboundRepository as _, OutboundState};

use super::{PATIENCE, State, health};

/// A gauge whose value nobody knows at the moment.
const UNKNOWN: f64 = f64::NAN;

/// How many messages are in each state; `None` when the database does not answer.
pub(super) type Outbound = Option<Vec<(OutboundState, i64)>>;

/// The service in numbers, as Prometheus reads them
#[utoipa::path(get, path = "/metrics", tag = "service", responses(
    (status = 200, body = String, content_type = "text/plain"),
))]
pub(super) async fn get(
    Shared(state): Shared<Arc<State>>,
) -> ([(HeaderName, &'static str); 1], String) {
    let (health, outbound) = tokio::join!(health::current(&state), outbound(&state));
    let all = outbound.is_none().then(|| OutboundState::ALL.map(|one| (one, None)).to_vec());
    let known = outbound.unwrap_or_default().into_iter().map(|(one, count)| (one, Some(count)));
    for (one, count) in known.chain(all.unwrap_or_default()) {
        gauge!("underpin_outbound_messages", "state" => one.as_str()).set(number(count));
    }
    gauge!("underpin_schema_up_to_date").set(f64::from(u8::from(health.is_ok())));
    gauge!("underpin_schema_pending").set(number(health.pending));
    gauge!("underpin_projects_open").set(number(Some(state.projects.open_count())));
    for pool in state.db.pools() {
        gauge!("underpin_pool_size", "pool" => pool.name).set(pool.size);
        gauge!("underpin_pool_idle", "pool" => pool.name).set(pool.idle);
        gauge!("underpin_pool_in_use", "pool" => pool.name).set(pool.size - pool.idle);
    }
    let waited = state.waiting.get().map(|wait| wait.elapsed().as_secs_f64());
    gauge!("underpin_events_wait_seconds").set(waited.unwrap_or_default());
    gauge!("underpin_dead_letters").set(number(dead_letters(&state).await));
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], state.metrics.render())
}

/// How many messages are in each state, asked once a second at most.
pub(super) async fn outbound(state: &State) -> Outbound {
    let ask = async {
        match tokio::time::timeout(PATIENCE, state.db.outbound_states()).await {
            Ok(Ok(counts)) => Some(counts),
            Ok(Err(error)) => {
                tracing::warn!("cannot count the outbound messages: {error}");
                None
            }
            Err(_) => None,
        }
    };
    state.outbound.get(ask).await
}

/// How many events wait for a person, asked once a second at most.
pub(super) async fn dead_letters(state: &State) -> Option<i64> {
    let ask = async {
        let asked = tokio::time::timeout(PATIENCE, state.db.waiting_dead_letters()).await;
        asked.ok()?.inspect_err(|error| tracing::warn!("cannot count dead letters: {error}")).ok()
    };
    state.dead_letters.get(ask).await
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53, which nobody queues")]
fn number(count: Option<impl TryInto<i64>>) -> f64 {
    count.and_then(|count| count.try_into().ok()).map_or(UNKNOWN, |count| count as f64)
}
