//! What the exit code says: `docs/ARCHITECTURE.md`, "The CLI's contract".

use std::{io::Write as _, process::ExitCode};

use underpin::{CatalogError, Error, FindError};
use underpin_db::{ConnectError, UrlError};

/// `check`: something is pending.
pub(crate) const PENDING: u8 = 4;
/// Refused before anything ran.
pub(crate) const REFUSED: u8 = 3;
const USAGE: u8 = 2;
const FAILED: u8 = 1;
const LOCKED: u8 = 5;

/// A mistake in how the command was called.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

/// Says on standard error what went wrong, with its causes, and gives the exit code.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    let mut text = String::from("error: ");
    for (index, cause) in error.chain().enumerate() {
        let cause = cause.to_string();
        if index == 0 {
            text.push_str(&cause);
        } else if !text.contains(&cause) {
            text.push_str("\n  because: ");
            text.push_str(&cause);
        }
    }
    // Nobody is left to tell when standard error is closed.
    drop(writeln!(std::io::stderr(), "{text}"));
    ExitCode::from(code(error))
}

fn code(error: &anyhow::Error) -> u8 {
    if error.is::<Usage>()
        || error.is::<UrlError>()
        || error.is::<CatalogError>()
        || error.is::<FindError>()
    {
        return USAGE;
    }
    match error.downcast_ref::<Error>() {
        Some(Error::Connect(error)) if error.is_configuration() => USAGE,
        Some(
            Error::Connect(ConnectError::Refused { .. })
            | Error::Catalog(_)
            | Error::Dialect { .. },
        ) => USAGE,
        Some(Error::Refused(_) | Error::Adopt(_) | Error::ScriptNeedsHistory(_)) => REFUSED,
        Some(Error::Locked { .. }) => LOCKED,
        _ => FAILED,
    }
}
