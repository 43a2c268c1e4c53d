//! How the body of a request arrives, and until when it has to.

use std::{
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, HttpBody},
    extract::Request,
};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::time::{Instant, timeout_at};

use super::{connections::Connection, limits::time_for};

/// What has arrived of a request.
pub(super) struct Arrival(Mutex<Progress>);

/// What did not come in time.
#[derive(Debug, Clone, Copy)]
pub(super) enum Late {
    Body,
    Answer,
}

struct Progress {
    begin: Instant,
    last: Instant,
    bytes: u64,
    whole: bool,
    /// Whether more of the body is waited for: until it is asked for, it is not the client that is slow.
    wanted: bool,
}

impl Arrival {
    /// The same request; what is read of its body is noted.
    pub(super) fn watch(request: Request) -> (Request, Arc<Self>) {
        let (now, whole) = (Instant::now(), request.body().is_end_stream());
        let progress = Progress { begin: now, last: now, bytes: 0, whole, wanted: false };
        let arrival = Arc::new(Self(Mutex::new(progress)));
        let connection = request.extensions().get::<Arc<Connection>>().cloned();
        let noted = Arc::clone(&arrival);
        let request = request.map(|body| Body::new(Incoming { body, arrival: noted, connection }));
        (request, arrival)
    }

    /// Drives `work` on the request, which may take `limit` once it is whole.
    pub(super) async fn bound<T>(
        &self,
        work: impl Future<Output = T>,
        limit: Duration,
    ) -> Result<T, Late> {
        let mut work = pin!(work);
        loop {
            let deadline = self.progress().deadline(limit);
            if let Ok(done) = timeout_at(deadline, work.as_mut()).await {
                return Ok(done);
            }
            let progress = self.progress();
            // More may have come meanwhile.
            if progress.deadline(limit) <= Instant::now() {
                return Err(if progress.wanted { Late::Body } else { Late::Answer });
            }
        }
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, bytes: usize, whole: bool) {
        let mut progress = self.progress();
        progress.last = Instant::now();
        progress.bytes += bytes as u64;
        progress.whole |= whole;
        progress.wanted = false;
    }
}

impl Progress {
    /// Until when the request has to be answered: `limit` after its last byte came, and while more is waited
    /// for, it may not come slower than is allowed on average either.
    fn deadline(&self, limit: Duration) -> Instant {
        let next = self.last + limit;
        if self.wanted { next.min(self.begin + time_for(self.bytes, limit)) } else { next }
    }
}

/// The body of a request.
struct Incoming {
    body: Body,
    arrival: Arc<Arrival>,
    connection: Option<Arc<Connection>>,
}

impl HttpBody for Incoming {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        let bytes = match &polled {
            Poll::Pending => {
                self.arrival.progress().wanted = true;
                if let Some(connection) = &self.connection {
                    connection.wants_body();
                }
                return polled;
            }
            Poll::Ready(Some(Ok(frame))) => frame.data_ref().map_or(0, Bytes::len),
            Poll::Ready(_) => 0,
        };
        let whole = self.body.is_end_stream() || matches!(polled, Poll::Ready(None));
        self.arrival.note(bytes, whole);
        if let Some(connection) = &self.connection {
            connection.got_body(bytes);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if let Some(connection) = &self.connection
            && !self.arrival.progress().whole
        {
            connection.leaves_unread();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    /// Seconds after its beginning until which a request may take, when `bytes` came, the last of them after
    /// `last` seconds.
    fn deadline(last: u64, bytes: u64, wanted: bool) -> u64 {
        let begin = Instant::now();
        let last = begin + Duration::from_secs(last);
        let progress = Progress { begin, last, bytes, whole: !wanted, wanted };
        (progress.deadline(LIMIT) - begin).as_secs()
    }

    #[test]
    fn a_body_may_take_long_but_neither_rest_for_long_nor_trickle() {
        for (last, bytes, expected) in [
            (0, 0, 10),
            (9, 100_000, 19),
            (90, 1_000_000, 100),
            (3_600, 64 * 1024 * 1024, 3_610),
            // One byte now and then.
            (9, 1, 10),
            (9, 20_000, 14),
        ] {
            assert_eq!(deadline(last, bytes, true), expected, "{bytes} bytes in {last} s");
        }
    }

    #[test]
    fn work_has_the_whole_limit() {
        assert_eq!((deadline(0, 0, false), deadline(9, 1, false)), (10, 19));
        let (_, arrival) = Arrival::watch(Request::new(Body::empty()));
        assert!(arrival.progress().whole);
    }
}
