//! Forms, part by part.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use axum::{
    BoxError,
    body::{Body, BodyDataStream, Bytes},
    extract::{
        FromRequest, Multipart, Request,
        multipart::{Field, MultipartError},
    },
    http::StatusCode,
};
use futures_util::Stream;

use super::super::failure::{Failure, Fault};

/// Parts of a form at most; the fields that are known are fewer by far.
const PARTS: usize = 64;
/// Bytes of a part's name at most.
const PART_NAME: usize = 255;
/// Bytes that may come before something is known of a part, such as its headers.
const BETWEEN: usize = 64 * 1024;

/// A body as `multipart/form-data`, of which one piece at a time is in memory.
pub(in crate::http) struct Form {
    parts: Multipart,
    count: usize,
    /// Bytes that came since something was read.
    unread: Arc<AtomicUsize>,
}

impl Form {
    /// The next part and its name.
    pub(in crate::http) async fn next(&mut self) -> Result<Option<(String, Part<'_>)>, Failure> {
        self.unread.store(0, Relaxed);
        let Some(field) = self.parts.next_field().await? else { return Ok(None) };
        self.count += 1;
        if self.count > PARTS {
            return Err(unfit(format!("expected at most {PARTS} parts, found more")));
        }
        let name = field.name().unwrap_or_default().to_owned();
        if name.is_empty() || name.len() > PART_NAME {
            let found = name.len();
            let expected = format!("expected each part with a name of 1 to {PART_NAME} bytes");
            return Err(unfit(format!("{expected}, found {found}")));
        }
        Ok(Some((name, Part { field, unread: Arc::clone(&self.unread) })))
    }
}

/// The form as a whole cannot be used.
fn unfit(message: String) -> Failure {
    Failure::faults(vec![Fault::new("too_long", message).within("body")])
}

/// A part of a form.
pub(in crate::http) struct Part<'a> {
    pub(in crate::http) field: Field<'a>,
    unread: Arc<AtomicUsize>,
}

impl Stream for Part<'_> {
    type Item = Result<Bytes, MultipartError>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, MultipartError>>> {
        let polled = Pin::new(&mut self.field).poll_next(cx);
        if polled.is_ready() {
            self.unread.store(0, Relaxed);
        }
        polled
    }
}

/// The bytes of a form on their way to whoever takes it apart, which would gather all that comes while it looks
/// for the end of a part's headers: one piece at a time, and an end where that is nowhere near.
struct Counted {
    body: BodyDataStream,
    unread: Arc<AtomicUsize>,
    gave: bool,
}

impl Stream for Counted {
    type Item = Result<Bytes, BoxError>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BoxError>>> {
        if std::mem::take(&mut self.gave) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let piece = match ready!(Pin::new(&mut self.body).poll_next(cx)) {
            Some(Ok(piece)) => piece,
            Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
            None => return Poll::Ready(None),
        };
        self.gave = true;
        let before = self.unread.fetch_add(piece.len(), Relaxed);
        if before > BETWEEN {
            let message = format!("more than {BETWEEN} bytes are the headers of one part");
            return Poll::Ready(Some(Err(message.into())));
        }
        Poll::Ready(Some(Ok(piece)))
    }
}

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let unread = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&unread);
        let request = request.map(|body| {
            Body::from_stream(Counted {
                body: body.into_data_stream(),
                unread: counted,
                gave: false,
            })
        });
        let parts = Multipart::from_request(request, state).await;
        parts.map(|parts| Self { parts, count: 0, unread }).map_err(|_| {
            let message = "expected a body with `Content-Type: multipart/form-data` and a boundary";
            Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message)
        })
    }
}
