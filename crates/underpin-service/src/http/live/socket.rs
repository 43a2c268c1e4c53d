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
    response::Response,
};
use tokio::{
    sync::broadcast::error::RecvError,
    time::{Instant, timeout},
};

use super::super::{
    State,
    access::PROTOCOL,
    failure::Failure,
    input::Path,
    limits::{Peer, Place},
    v1::OfProject,
};
use crate::feed::{Channel, End, Kind, Presence, Tail, Told};

/// Bytes of a message that comes in, at most: nobody has more to say than `ping`.
const LONGEST: usize = 1_024;
/// Messages that may come in such a time: more than `ping` now and then is not to be said.
const MOST: u32 = 100;
const IN: Duration = Duration::from_secs(10);
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
    peer: Peer,
    upgrade: Upgrade,
) -> Result<Response, Failure> {
    let (upgrade, place) = (asked(upgrade)?, state.listeners.take(peer)?);
    let source = Source::All(state.feed.everything().await?);
    let presence = state.feed.presence(Kind::All);
    Ok(begin(state, upgrade, source, (presence, place)))
}

/// What happens in one project.
pub(super) async fn project(
    Shared(state): Shared<Arc<State>>,
    Path(of): Path<OfProject>,
    peer: Peer,
    upgrade: Upgrade,
) -> Result<Response, Failure> {
    let (upgrade, place) = (asked(upgrade)?, state.listeners.take(peer)?);
    let tail = state.feed.follow(of.project_id, None).await?;
    let presence = state.feed.presence(Kind::Project);
    Ok(begin(state, upgrade, Source::One(Box::new(tail)), (presence, place)))
}

/// The request, if it asks for a WebSocket.
fn asked(upgrade: Upgrade) -> Result<WebSocketUpgrade, Failure> {
    upgrade.map_err(|error| {
        let message = format!("expected a WebSocket: {}", error.body_text());
        Failure::new(error.status(), message)
    })
}

/// Somebody who listens is counted, and has a place.
type Seat = (Presence, Place);

fn begin(state: Arc<State>, upgrade: WebSocketUpgrade, source: Source, seat: Seat) -> Response {
    upgrade
        .protocols([PROTOCOL])
        .max_message_size(LONGEST)
        .max_frame_size(LONGEST)
        .on_upgrade(move |socket| run(state, socket, source, seat))
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
async fn run(state: Arc<State>, mut socket: WebSocket, mut source: Source, _seat: Seat) {
    let stopped = state.stopped();
    let mut stopped = std::pin::pin!(stopped);
    let (mut heard, mut asked) = (Instant::now(), false);
    let (mut counted, mut count) = (Instant::now(), 0);
    let end = loop {
        let message = tokio::select! {
            () = &mut stopped => break away("the service stops"),
            told = source.next() => match told {
                Ok(told) => Message::Text(told.json.clone()),
                Err(end) => break frame(end),
            },
            message = socket.recv() => {
                (heard, asked) = (Instant::now(), false);
                if counted + IN <= heard {
                    (counted, count) = (heard, 0);
                }
                count += 1;
                match message {
                    _ if count > MOST => break too_much(),
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

fn too_much() -> CloseFrame {
    CloseFrame { code: close_code::POLICY, reason: "too many messages: say less".into() }
}

fn away(reason: &'static str) -> CloseFrame {
    CloseFrame { code: close_code::AWAY, reason: reason.into() }
}
