//! `GET /api/v1/projects/{project_id}/events`: what happens in one project, as server-sent events.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::{Path, Query, State as Shared, rejection::QueryRejection},
    http::{HeaderMap, HeaderName, HeaderValue},
    response::{
        IntoResponse as _, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::{
    StreamExt as _,
    stream::{once, unfold},
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    super::State,
    detail::{Detail, event_number, project_id},
};
use crate::feed::{Kind, Presence, Tail};

/// How often something is sent where nothing happens.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How soon a browser comes back after the connection was lost.
const RETRY: Duration = Duration::from_secs(1);
/// The number of the last event that a browser saw.
const LAST_SEEN: &str = "last-event-id";

/// Where to begin.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct Begin {
    /// The number of the event after which to begin, 0 for all that are kept. Without it, and without
    /// `Last-Event-ID`: only what happens from now on.
    #[param(value_type = Option<i64>, minimum = 0)]
    after: Option<String>,
}

/// What happens in a project, as it happens
///
/// Each event has its number as `id`, its type as `event`, and as `data` one line of JSON:
/// `{"event_type", "project_id", "number", "task_id", "data", "timestamp"}`. Numbers of a project have no
/// gaps. A browser that lost the connection goes on where it stopped.
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project_id}/events",
    tag = "projects",
    params(
        ("project_id" = i32, Path, description = "The project"),
        Begin,
        ("Last-Event-ID" = Option<i64>, Header, description = "As `after`, and stronger"),
    ),
    responses(
        (status = 200, description = "Events without end", body = String,
            content_type = "text/event-stream"),
        (status = 404, description = "There is no such project"),
        (status = 410, description = "Events after this number were deleted; `detail` says where to \
            begin"),
        (status = 422, description = "A number is none"),
        (status = 503, description = "The project's database does not answer"),
    )
)]
pub(in crate::http) async fn get(
    Shared(state): Shared<Arc<State>>,
    Path(project): Path<String>,
    begin: Result<Query<Begin>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Detail> {
    let project = project_id(&project)?;
    let after = after(&headers, begin)?;
    let tail = state.feed.follow(project, after).await?;
    let presence = state.feed.presence(Kind::Stream);
    let first = once(async { Ok::<_, Infallible>(Event::default().retry(RETRY)) });
    let events = unfold((state, tail, presence), next);
    let stream = Sse::new(first.chain(events));
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    // A proxy in front that collects an answer before it passes it on would never pass this one on.
    let unbuffered = HeaderName::from_static("x-accel-buffering");
    let headers = [(unbuffered, HeaderValue::from_static("no"))];
    Ok((headers, stream.keep_alive(keep_alive)).into_response())
}

/// The number of the event after which to begin.
fn after(
    headers: &HeaderMap,
    begin: Result<Query<Begin>, QueryRejection>,
) -> Result<Option<i64>, Detail> {
    if let Some(seen) = headers.get(LAST_SEEN).filter(|seen| !seen.is_empty()) {
        let seen = String::from_utf8_lossy(seen.as_bytes());
        return event_number(["header", LAST_SEEN], &seen).map(Some);
    }
    let Query(begin) = begin
        .map_err(|error| Detail::invalid(["query", "after"], "int_type", &error.body_text(), ""))?;
    begin.after.map(|after| event_number(["query", "after"], &after)).transpose()
}

type Streaming = (Arc<State>, Tail, Presence);

/// The next event; `None` when there is nothing more to hear, or the service stops.
async fn next(streaming: Streaming) -> Option<(Result<Event, Infallible>, Streaming)> {
    let (state, mut tail, presence) = streaming;
    let told = tokio::select! {
        () = state.stopped() => return None,
        told = tail.next() => told.ok()?,
    };
    let event = Event::default().id(told.number.to_string()).event(&told.event_type);
    Some((Ok(event.data(told.json.as_str())), (state, tail, presence)))
}
