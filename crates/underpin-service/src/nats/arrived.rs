//! A message of one of our subjects, and what is kept of it when it cannot be applied.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use underpin_models::bot::PutAside;

use super::{event::Event, payload::Malformed};
use crate::clock;

/// Bytes that are kept of a message that cannot be understood. No event of ours is so large, and whoever
/// sends nonsense is not to fill the disk with it.
const KEPT: usize = 64 * 1024;
/// What stands before bytes that are no text.
const ENCODED: &str = "base64:";

/// A message and what is known about its way here.
#[derive(Debug, Clone)]
pub(crate) struct Arrived {
    /// The subject after the prefix.
    pub(crate) subject: &'static str,
    /// What it says, if it can be understood.
    pub(crate) event: Result<Event, Malformed>,
    /// What was read as `event`.
    payload: Bytes,
    /// When it was published, or came here where nobody knows that; Unix seconds.
    pub(crate) at: i64,
    /// Its number in the stream; 0 outside a stream.
    pub(crate) sequence: i64,
}

impl Arrived {
    /// Reads a message; `None` when its subject is not one of ours.
    pub(crate) fn read(subject: &str, payload: &Bytes, at: i64, sequence: i64) -> Option<Self> {
        let subject = *Event::SUBJECTS.iter().find(|known| **known == subject)?;
        let event = Event::read(subject, payload)?;
        Some(Self { subject, event, payload: payload.clone(), at, sequence })
    }

    /// It as a dead letter of `stream`, for this reason.
    pub(crate) fn letter(&self, stream: &str, code: Option<String>, reason: String) -> PutAside {
        let most = if self.event.is_ok() { usize::MAX } else { KEPT };
        PutAside {
            stream: stream.to_owned(),
            sequence: self.sequence,
            subject: self.subject.to_owned(),
            payload: as_text(&self.payload, most),
            happened_at: self.at,
            failed_at: clock::now(),
            code,
            reason,
        }
    }
}

/// `bytes` as a text that both databases keep, `most` of them. What is no text, or has a NUL, is written in
/// base64. What is cut off ends as no JSON does, so that nobody takes it for the whole.
fn as_text(bytes: &[u8], most: usize) -> String {
    let kept = &bytes[..bytes.len().min(most)];
    let text = match std::str::from_utf8(kept) {
        // A letter that was cut through.
        Err(error) if error.error_len().is_none() && kept.len() < bytes.len() => {
            std::str::from_utf8(&kept[..error.valid_up_to()])
        }
        read => read,
    };
    let text = text.ok().filter(|text| !text.contains('\0') && !text.starts_with(ENCODED));
    let (mut text, kept) = match text {
        Some(text) => (text.to_owned(), text.len()),
        None => (format!("{ENCODED}{}", BASE64_STANDARD.encode(kept)), kept.len()),
    };
    if kept < bytes.len() {
        text = format!("{text}… {} bytes in all", bytes.len());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_a_text_that_says_what_it_was() {
        for (bytes, most, expected) in [
            (&b""[..], 9, ""),
            (b"{\"a\": 1}", 9, "{\"a\": 1}"),
            (b"hunter2", 7, "hunter2"),
            (b"hunter2!", 7, "hunter2… 8 bytes in all"),
            (b"line\r\n\x1b[31m\x7f", 20, "line\r\n\u{1b}[31m\u{7f}"),
            ("né".as_bytes(), 3, "né"),
            ("né".as_bytes(), 2, "n… 3 bytes in all"),
            ("文".as_bytes(), 2, "… 3 bytes in all"),
            (b"\xff\xfe\x00", 9, "base64://4A"),
            (b"{\"a\": \"\xff\"}", 20, "base64:eyJhIjogIv8ifQ=="),
            (b"n\xc3", 9, "base64:bsM="),
            (b"\xff\xfe\x00", 2, "base64://4=… 3 bytes in all"),
            (b"a\0b", 9, "base64:YQBi"),
            (b"base64:YQBi", 20, "base64:YmFzZTY0OllRQmk="),
        ] {
            assert_eq!(as_text(bytes, most), expected, "{bytes:?}");
        }
    }

    #[test]
    fn what_was_cut_off_is_never_understood() {
        let whole = format!("{{\"username\": \"ada\"}}{}x", " ".repeat(KEPT));
        let read = |text: &str| Event::read("user.joined", text.as_bytes()).unwrap();
        assert!(read(whole.trim_end_matches('x')).is_ok() && read(&whole).is_err());

        let kept = as_text(whole.as_bytes(), KEPT);

        assert!(kept.len() < KEPT + 50 && read(&kept).is_err());
    }
}
