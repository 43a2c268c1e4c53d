//! What the exit code says: `docs/ARCHITECTURE.md`, "The CLI's contract".

use std::{io::Write as _, process::ExitCode};

use underpin::{CatalogError, Error, FindError, exit};
use underpin_db::UrlError;

/// A mistake in how the command was called.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

/// Says on standard error what went wrong, with its causes, and gives the exit code.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    // Nobody is left to tell when standard error is closed.
    drop(writeln!(std::io::stderr(), "error: {}", exit::explain(error.as_ref())));
    ExitCode::from(code(error))
}

fn code(error: &anyhow::Error) -> u8 {
    let usage = error.is::<Usage>()
        || error.is::<UrlError>()
        || error.is::<CatalogError>()
        || error.is::<FindError>();
    if usage {
        return exit::USAGE;
    }
    error.downcast_ref::<Error>().map_or(exit::FAILED, exit::code)
}
