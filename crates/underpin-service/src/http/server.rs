//! Takes connections and serves each.

use std::{
    convert::Infallible,
    future::Future,
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, HttpBody},
    extract::Request,
    http::{Response, StatusCode},
};
use bytes::Bytes;
use hyper::{
    body::{Frame, Incoming, SizeHint},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{MissedTickBehavior, interval, timeout},
};
use tower::ServiceExt as _;

use super::{
    connections::{Connection, Connections, Entry, GRACE},
    limits::Peer,
    wire::Wire,
};
use crate::log::Seldom;

/// Bytes of a request's head at most, and of what is read of a body at a time.
const HEAD: usize = 96 * 1024;
/// How often it is looked who was waited for too long.
const LOOK: Duration = Duration::from_secs(1);
/// How long nothing is taken after the system refused to open a connection.
const BREATH: Duration = Duration::from_millis(50);
/// Peers that wait at the same time for a place, or are told that there is none.
const REFUSALS: usize = 128;
/// How long being told so may take.
const REFUSAL: Duration = Duration::from_secs(1);

/// What somebody is told for whom there is no place.
const FULL: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\n\
    content-length: 59\r\nretry-after: 1\r\nconnection: close\r\n\r\n\
    {\"detail\":\"too many connections at the moment: try again\"}\n";

/// Says when the service stops.
type Stopping = watch::Receiver<bool>;

/// Serves whoever comes until `stop` ends, then finishes what is in flight.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    connections: Connections,
    stop: impl Future<Output = ()>,
) {
    let mut stop = pin!(stop);
    let stopping = watch::Sender::new(false);
    let refusals = Arc::new(Semaphore::new(REFUSALS));
    let trouble = Seldom::default();
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = &mut stop => break,
            _ = look.tick() => connections.cut_overdue(),
            accepted = listener.accept() => match accepted {
                Ok((stream, address)) => {
                    let newcomer = Newcomer { stream, peer: Peer::new(address), router: router.clone() };
                    newcomer.welcome(&connections, &refusals, stopping.subscribe());
                }
                Err(error) => rest(&error, &trouble).await,
            },
        }
    }
    drop(listener);
    stopping.send_replace(true);
    let mut gone = pin!(connections.none());
    loop {
        tokio::select! {
            () = &mut gone => return,
            _ = look.tick() => connections.cut_overdue(),
        }
    }
}

/// One connection, to its end.
async fn talk(
    stream: TcpStream,
    entry: Entry,
    router: Router,
    mut stopping: watch::Receiver<bool>,
) {
    // Small answers and events are not held back. A connection that is gone already says so soon enough.
    drop(stream.set_nodelay(true));
    let connection = Arc::clone(entry.connection());
    let service = service_fn(|request| answer(router.clone(), Arc::clone(&connection), request));
    let mut builder = http1::Builder::new();
    let io = TokioIo::new(Wire::new(stream, entry));
    let served = builder.max_buf_size(HEAD).serve_connection(io, service).with_upgrades();
    let mut served = pin!(served);
    let mut asked = false;
    loop {
        tokio::select! {
            // How a connection ends is its peer's affair.
            _ended = served.as_mut() => return,
            () = connection.cut() => return,
            _ = stopping.wait_for(|stopping| *stopping), if !asked => {
                asked = true;
                served.as_mut().graceful_shutdown();
            }
        }
    }
}

async fn answer(
    router: Router,
    connection: Arc<Connection>,
    request: Request<Incoming>,
) -> Result<Response<Outgoing>, Infallible> {
    connection.works();
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(Arc::clone(&connection));
    let response = router.oneshot(request).await?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        connection.upgraded();
    }
    Ok(response.map(|body| Outgoing { body, connection }))
}

/// The body of an answer: when it is dropped, the next request may come.
struct Outgoing {
    body: Body,
    connection: Arc<Connection>,
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.connection.answered();
    }
}

/// Somebody who has connected.
struct Newcomer {
    stream: TcpStream,
    peer: Peer,
    router: Router,
}

impl Newcomer {
    /// Serves it, now or in a moment, unless too many wait already.
    fn welcome(self, connections: &Connections, waiting: &Arc<Semaphore>, stopping: Stopping) {
        if let Some(entry) = connections.enter(self.peer) {
            drop(tokio::spawn(talk(self.stream, entry, self.router, stopping)));
        } else if let Ok(permit) = Arc::clone(waiting).try_acquire_owned() {
            drop(tokio::spawn(self.wait(connections.clone(), permit, stopping)));
        } else {
            connections.refused();
        }
    }

    /// In a moment others may owe enough to make way. If none does, it is told that there is no place.
    async fn wait(
        self,
        connections: Connections,
        permit: OwnedSemaphorePermit,
        stopping: Stopping,
    ) {
        tokio::time::sleep(GRACE).await;
        if let Some(entry) = connections.enter(self.peer) {
            drop(permit);
            return talk(self.stream, entry, self.router, stopping).await;
        }
        connections.refused();
        let mut stream = self.stream;
        let tell = async {
            stream.write_all(FULL.as_bytes()).await?;
            stream.shutdown().await?;
            // Closed over what the peer has sent, the connection would take the answer back.
            let mut waste = [0; 1_024];
            while stream.read(&mut waste).await? > 0 {}
            io::Result::Ok(())
        };
        drop(timeout(REFUSAL, tell).await);
    }
}

/// The system gives no connection: no file may be open any more, or the peer is gone already.
async fn rest(error: &io::Error, trouble: &Seldom) {
    if error.kind() == io::ErrorKind::ConnectionAborted {
        return;
    }
    if let Some(times) = trouble.due() {
        tracing::error!(
            times,
            "cannot take connections, {times} times since this was said last: {error}"
        );
    }
    tokio::time::sleep(BREATH).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refusal_announces_what_it_says() {
        let (head, body) = FULL.split_once("\r\n\r\n").unwrap();

        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{head}");
    }
}
