//! `GET /api/v1/projects/{project_id}/events`: what happens in one project, as server-sent events.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::State as Shared,
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

use super::super::{
    State,
    failure::{Failure, FailureBody},
    input::{Count, Fields, Input, Kind as _, Noted, Path, Query},
    limits::{Peer, Place},
    v1::OfProject,
};
use crate::feed::{Kind, Presence, Tail};

/// How often something is sent where nothing happens.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How soon a browser comes back after the connection was lost.
const RETRY: Duration = Duration::from_secs(1);
/// What a browser that comes back says: the number of the last event that it saw.
const LAST_SEEN: &str = "last-event-id";

/// Where to begin.
pub(in crate::http) struct Begin {
    after: Option<i64>,
}

impl Input for Begin {
    fn read(fields: &mut Fields) -> Result<Self, Noted> {
        Ok(Self { after: fields.settable("after", &Count)? })
    }
}

/// What happens in a project, as it happens
///
/// Each event has its number as `id`, its type as `event`, and as `data` one line of JSON:
/// `{"event_type", "project_id", "number", "task_id", "data", "timestamp"}`. Numbers of a project have no
/// gaps. `after` is the number of the event after which to begin, 0 for all that are kept; without it only
/// what happens from now on is told. A browser that lost the connection goes on where it stopped: its
/// `Last-Event-ID` counts more than `after`.
#[utoipa::path(get, path = "/api/v1/projects/{project_id}/events", tag = "projects",
    params(
        Path<OfProject>,
        Query<Begin>,
        ("Last-Event-ID" = Option<i64>, Header, description = "The last event that was seen"),
    ),
    responses(
        (status = 200, description = "Events without end", body = String,
            content_type = "text/event-stream"),
        (status = 404, description = "No such project", body = FailureBody),
        (status = 410, description = "Events after this number were deleted; `detail` says where to \
            begin", body = FailureBody),
        (status = 503, description = "Too many listen", body = FailureBody),
        (status = "default", description = "Any other failure", body = FailureBody),
    )
)]
pub(in crate::http) async fn get(
    Shared(state): Shared<Arc<State>>,
    Path(of): Path<OfProject>,
    Query(begin): Query<Begin>,
    peer: Peer,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let place = state.listeners.take(peer)?;
    let after = last_seen(&headers)?.or(begin.after);
    let tail = state.feed.follow(of.project_id, after).await?;
    let presence = state.feed.presence(Kind::Stream);
    let first = once(async { Ok::<_, Infallible>(Event::default().retry(RETRY)) });
    let events = unfold((state, tail, (presence, place)), next);
    let stream = Sse::new(first.chain(events));
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    // A proxy in front that collects an answer before it passes it on would never pass this one on.
    let unbuffered = HeaderName::from_static("x-accel-buffering");
    let headers = [(unbuffered, HeaderValue::from_static("no"))];
    Ok((headers, stream.keep_alive(keep_alive)).into_response())
}

fn last_seen(headers: &HeaderMap) -> Result<Option<i64>, Failure> {
    let Some(seen) = headers.get(LAST_SEEN).filter(|seen| !seen.is_empty()) else {
        return Ok(None);
    };
    let seen = Count.read(String::from_utf8_lossy(seen.as_bytes()).into());
    seen.map(Some).map_err(|faults| {
        let faults = faults.into_iter().map(|fault| fault.within(LAST_SEEN).within("header"));
        Failure::faults(faults.collect())
    })
}

type Streaming = (Arc<State>, Tail, (Presence, Place));

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
