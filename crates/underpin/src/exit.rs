//! How a program says what a run came to: exit codes and the text of an error.
//!
//! The command line and the service share them, so that a script can tell the outcomes apart
//! whichever of the two it starts.

use crate::Error;

/// A script or the database failed; what ran before it stays and is named.
pub const FAILED: u8 = 1;
/// Usage or configuration.
pub const USAGE: u8 = 2;
/// Refused before anything ran: diverged, missing, out of order, schema does not fit.
pub const REFUSED: u8 = 3;
/// Something is pending.
pub const PENDING: u8 = 4;
/// Another runner holds the lock and the wait ran out.
pub const LOCKED: u8 = 5;

/// The exit code of a run that ended in `error`.
#[must_use]
pub fn code(error: &Error) -> u8 {
    match error {
        Error::Connect(error) if error.is_configuration() => USAGE,
        Error::Catalog(_) | Error::Dialect { .. } | Error::NoBackup => USAGE,
        Error::Refused(_)
        | Error::Adopt(_)
        | Error::ScriptNeedsHistory(_)
        | Error::ScriptWithoutCode { .. } => REFUSED,
        Error::Locked { .. } => LOCKED,
        _ => FAILED,
    }
}

/// `error` with its causes, one per line. A cause that an error has told already is left out.
#[must_use]
pub fn explain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    for cause in std::iter::successors(error.source(), |error| error.source()) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text.push_str("\n  because: ");
            text.push_str(&cause);
        }
    }
    text
}
