//! The process that a server announced when a connection began.
//!
//! A server announces the process that works for the connection. A pooler gives the connection to
//! one process now and to another then, so it announces a number that it made up. The driver keeps
//! the number to itself, but for cancelling: it writes it to any stream.

use std::{
    future::{Ready, ready},
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use futures_util::FutureExt as _;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::{
    Client,
    tls::{ChannelBinding, TlsConnect, TlsStream},
};

/// Which process was announced to `client`. Asks nobody.
pub(crate) fn announced(client: &Client) -> Option<i32> {
    let written = Arc::default();
    let cancel = client.cancel_token();
    cancel.cancel_query_raw(Recorder(Arc::clone(&written)), Through).now_or_never()?.ok()?;
    let written = written.lock().unwrap_or_else(PoisonError::into_inner);
    process_in(&written)
}

/// A request to cancel is the last that is written: its length, its code, process and secret, each
/// a number of four bytes.
fn process_in(written: &[u8]) -> Option<i32> {
    const CODE: i32 = 80_877_102;
    let request = written.get(written.len().checked_sub(16)?..)?;
    let number = |at: usize| Some(i32::from_be_bytes(request.get(at..at + 4)?.try_into().ok()?));
    if number(0)? == 16 && number(4)? == CODE { number(8) } else { None }
}

/// Keeps what is written to it, and says yes to whoever asks for TLS.
struct Recorder(Arc<Mutex<Vec<u8>>>);

impl AsyncRead for Recorder {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        buffer.put_slice(b"S");
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Recorder {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl TlsStream for Recorder {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

/// Takes a stream for one that is encrypted already.
struct Through;

impl TlsConnect<Recorder> for Through {
    type Stream = Recorder;
    type Error = io::Error;
    type Future = Ready<io::Result<Recorder>>;

    fn connect(self, stream: Recorder) -> Self::Future {
        ready(Ok(stream))
    }
}
