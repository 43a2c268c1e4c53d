//! Which error a server sent last.
//!
//! Diesel keeps an error's text and not its SQLSTATE, and the text is in the server's language. So the
//! connections of a pool listen in on what they read: an error is a message of its own there; see
//! <https://www.postgresql.org/docs/16/protocol-error-fields.html>.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use futures_util::{FutureExt as _, TryFutureExt as _, future::BoxFuture};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::{
    Socket,
    tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream},
};

/// The code of the last error that a connection was sent.
#[derive(Debug, Clone, Default)]
pub(crate) struct LastError(Arc<Mutex<Option<String>>>);

impl LastError {
    /// The code since it was last taken.
    pub(crate) fn take(&self) -> Option<String> {
        self.lock().take()
    }

    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Listens in on connections that `M` makes.
pub(super) struct Watch<M> {
    pub(super) make: M,
    pub(super) last: LastError,
}

impl<M> MakeTlsConnect<Socket> for Watch<M>
where
    M: MakeTlsConnect<Socket>,
    M::TlsConnect: TlsConnect<Socket, Error: Send, Future: Send + 'static> + Send + 'static,
    M::Stream: Send + 'static,
{
    type Stream = Watched<M::Stream>;
    type TlsConnect = Watch<M::TlsConnect>;
    type Error = M::Error;

    fn make_tls_connect(&mut self, domain: &str) -> Result<Self::TlsConnect, M::Error> {
        Ok(Watch { make: self.make.make_tls_connect(domain)?, last: self.last.clone() })
    }
}

impl<S, T> TlsConnect<S> for Watch<T>
where
    T: TlsConnect<S, Error: Send, Future: Send + 'static, Stream: Send + 'static>,
{
    type Stream = Watched<T::Stream>;
    type Error = T::Error;
    type Future = BoxFuture<'static, Result<Self::Stream, T::Error>>;

    fn connect(self, stream: S) -> Self::Future {
        let last = self.last;
        let binding = T::Stream::channel_binding;
        let connected = self.make.connect(stream);
        connected.map_ok(move |stream| Watched::new(stream, last, binding)).boxed()
    }
}

/// Makes connections without TLS: the driver hands them over when it is told that TLS begins at once.
pub(super) struct Plain(pub(super) LastError);

impl MakeTlsConnect<Socket> for Plain {
    type Stream = Watched<Socket>;
    type TlsConnect = Plain;
    type Error = io::Error;

    fn make_tls_connect(&mut self, _: &str) -> io::Result<Plain> {
        Ok(Plain(self.0.clone()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> TlsConnect<S> for Plain {
    type Stream = Watched<S>;
    type Error = io::Error;
    type Future = std::future::Ready<io::Result<Watched<S>>>;

    fn connect(self, stream: S) -> Self::Future {
        std::future::ready(Ok(Watched::new(stream, self.0, |_| ChannelBinding::none())))
    }
}

/// A stream whose errors are noted as they are read.
pub(super) struct Watched<S> {
    stream: S,
    last: LastError,
    binding: fn(&S) -> ChannelBinding,
    messages: Messages,
}

impl<S> Watched<S> {
    fn new(stream: S, last: LastError, binding: fn(&S) -> ChannelBinding) -> Self {
        Self { stream, last, binding, messages: Messages::default() }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let this = &mut *self;
        let read = Pin::new(&mut this.stream).poll_read(context, buffer);
        if let Some(code) = this.messages.read(&buffer.filled()[before..]) {
            *this.last.lock() = Some(code);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Watched<S> {
    fn channel_binding(&self) -> ChannelBinding {
        (self.binding)(&self.stream)
    }
}

/// What is read of messages, of which each is a letter, a length and as many bytes, the length's own
/// among them. Only the beginning of an error is kept, where its code stands.
#[derive(Debug, Default)]
struct Messages {
    head: Vec<u8>,
    /// Bytes of the message that are still to come.
    left: usize,
    error: Option<Vec<u8>>,
}

/// Letter and length.
const HEAD: usize = 5;
/// Bytes of an error that are kept.
const KEPT: usize = 256;

impl Messages {
    /// The code of the last error that ends in `bytes`.
    fn read(&mut self, mut bytes: &[u8]) -> Option<String> {
        let mut code = None;
        while !bytes.is_empty() {
            if self.left == 0 {
                let (head, rest) = bytes.split_at(bytes.len().min(HEAD - self.head.len()));
                self.head.extend_from_slice(head);
                bytes = rest;
                if let [letter, a, b, c, d] = self.head[..] {
                    self.left = (u32::from_be_bytes([a, b, c, d]) as usize).saturating_sub(4);
                    self.error = (letter == b'E').then(Vec::new);
                    self.head.clear();
                }
                continue;
            }
            let (body, rest) = bytes.split_at(bytes.len().min(self.left));
            if let Some(error) = &mut self.error {
                error.extend(body.iter().take(KEPT - error.len()));
            }
            (bytes, self.left) = (rest, self.left - body.len());
            if self.left == 0 {
                code = self.error.take().as_deref().and_then(code_in).or(code);
            }
        }
        code
    }
}

/// The field `C` of an error: each is a letter and a text that ends in a zero.
fn code_in(error: &[u8]) -> Option<String> {
    let field = error.split(|byte| *byte == 0).find_map(|field| field.strip_prefix(b"C"));
    field.and_then(|code| std::str::from_utf8(code).ok()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::Messages;

    fn message(letter: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [&[letter][..], &length, body].concat()
    }

    #[test]
    fn an_error_is_found_wherever_the_bytes_are_cut() {
        let long = [&b"SERROR\0VERROR\0C22001\0M"[..], &[b'x'; 5_000], b"\0\0"].concat();
        let bytes = [
            message(b'D', b"E\0\0\0\x08C00000\0"),
            message(b'E', b"SFEHLER\0VERROR\0C55P03\0Mkeine Zeit\0\0"),
            message(b'Z', b"I"),
            message(b'1', b""),
            message(b'E', &long),
            message(b'Z', b"E"),
        ]
        .concat();
        for step in 1..40 {
            let mut messages = Messages::default();
            let codes: Vec<_> =
                bytes.chunks(step).filter_map(|chunk| messages.read(chunk)).collect();
            assert_eq!(codes, ["55P03", "22001"], "{step}");
        }
        assert_eq!(Messages::default().read(&bytes).as_deref(), Some("22001"));
    }
}
