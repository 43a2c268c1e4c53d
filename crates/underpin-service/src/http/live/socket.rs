//! `GET /ws` and `GET /ws/projects/{project_id}`: what happens, by WebSocket.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{
        State as Shared,
        ws::{
            CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code,
            rejection::WebSocketUpgradeRejection,
        },
    },
    http::{HeaderMap, StatusCode},
    response::Response,
};
use tokio::{
    sync::broadcast::error::RecvError,
    time::{Instant, timeout},
};

use super::super::{State, failure::Failure, input::Path, origin, v1::OfProject};
use crate::feed::{Channel, End, Kind, Presence, Tail, Told};

/// Bytes of a message that comes in, at most: nobody has more to say than `ping`.
const LONGEST: usize = 1_024;
/// How long a message may wait for a peer that takes nothing.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the peer may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(1);
/// How often a peer that is silent is asked for a sign of life.
const PING: Duration = Duration::from_secs(30);

type Upgrade = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

/// What happens in all projects.
pub(super) async fn all(
    Shared(state): Shared<Arc<State>>,
    headers: HeaderMap,
    upgrade: Upgrade,
) -> Result<Response, Failure> {
    let upgrade = allowed(&state, &headers, upgrade)?;
    let source = Source::All(state.feed.everything().await?);
    Ok(begin(state, upgrade, source, Kind::All))
}

/// What happens in one project.
pub(super) async fn project(
    Shared(state): Shared<Arc<State>>,
    Path(of): Path<OfProject>,
    headers: HeaderMap,
    upgrade: Upgrade,
) -> Result<Response, Failure> {
    let upgrade = allowed(&state, &headers, upgrade)?;
    let tail = state.feed.follow(of.project_id, None).await?;
    Ok(begin(state, upgrade, Source::One(Box::new(tail)), Kind::Project))
}

fn allowed(
    state: &State,
    headers: &HeaderMap,
    upgrade: Upgrade,
) -> Result<WebSocketUpgrade, Failure> {
    if !origin::is_allowed(headers, &state.config.cors_origins) {
        return Err(Failure::new(StatusCode::FORBIDDEN, origin::REFUSED));
    }
    upgrade.map_err(|error| {
        let message = format!("expected a WebSocket: {}", error.body_text());
        Failure::new(error.status(), message)
    })
}

fn begin(state: Arc<State>, upgrade: WebSocketUpgrade, source: Source, kind: Kind) -> Response {
    let presence = state.feed.presence(kind);
    upgrade
        .max_message_size(LONGEST)
        .max_frame_size(LONGEST)
        .on_upgrade(move |socket| run(state, socket, source, presence))
}

/// Where a socket's events come from.
enum Source {
    All(Channel),
    One(Box<Tail>),
}

impl Source {
    async fn next(&mut self) -> Result<Arc<Told>, End> {
        match self {
            Self::One(tail) => tail.next().await,
            Self::All(channel) => channel.recv().await.map_err(|error| match error {
                RecvError::Lagged(_) => End::TooSlow,
                RecvError::Closed => End::Closed,
            }),
        }
    }
}

/// Serves one socket to its end.
async fn run(state: Arc<State>, mut socket: WebSocket, mut source: Source, _presence: Presence) {
    let stopped = state.stopped();
    let mut stopped = std::pin::pin!(stopped);
    let (mut heard, mut asked) = (Instant::now(), false);
    let end = loop {
        let message = tokio::select! {
            () = &mut stopped => break away("the service stops"),
            told = source.next() => match told {
                Ok(told) => Message::Text(told.json.clone()),
                Err(end) => break frame(end),
            },
            message = socket.recv() => {
                (heard, asked) = (Instant::now(), false);
                match message {
                    Some(Ok(Message::Text(text))) if text.as_str() == "ping" => {
                        Message::text("pong")
                    }
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                    Some(Ok(_)) => continue,
                }
            }
            () = tokio::time::sleep_until(heard + PING) => {
                if asked {
                    return;
                }
                (heard, asked) = (Instant::now(), true);
                Message::Ping(Vec::new().into())
            }
        };
        tokio::select! {
            () = &mut stopped => break away("the service stops"),
            sent = timeout(PATIENCE, socket.send(message)) => {
                if !matches!(sent, Ok(Ok(()))) {
                    return;
                }
            }
        }
    };
    // Whoever does not listen does not hear the goodbye either.
    drop(timeout(GOODBYE, goodbye(&mut socket, end)).await);
}

/// Says why this is the end, and waits until the peer has read it.
async fn goodbye(socket: &mut WebSocket, end: CloseFrame) {
    if socket.send(Message::Close(Some(end))).await.is_ok() {
        while let Some(Ok(_)) = socket.recv().await {}
    }
}

fn frame(end: End) -> CloseFrame {
    let again = |reason| CloseFrame { code: close_code::AGAIN, reason };
    match end {
        End::TooSlow => {
            again("too slow: events were lost, read what there is and connect again".into())
        }
        End::Gone => again("events were deleted before they were read: connect again".into()),
        End::Closed => away("nothing more happens here"),
    }
}

fn away(reason: &'static str) -> CloseFrame {
    CloseFrame { code: close_code::AWAY, reason: reason.into() }
}
