//! What the exit code says: `docs/ARCHITECTURE.md`, "The CLI's contract".

use std::{io::Write as _, process::ExitCode};

use underpin::{CatalogError, Error, FindError, exit};
use underpin_db::UrlError;
use underpin_fleet::FleetError;
use underpin_projects::RegistryError;

/// A mistake in how the command was called.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

/// Says what went wrong, with its causes, and gives the exit code: to people on standard error, and
/// with `--json` as the one document on standard output as well. `values` shows values of rows, too.
pub(crate) fn report(error: &anyhow::Error, json: bool, values: bool) -> ExitCode {
    let explain = if values { exit::explain_in_full } else { exit::explain };
    let (text, code) = (explain(error.as_ref()), code(error));
    // Nobody is left to tell when the other end is closed.
    if json {
        let document = serde_json::json!({ "error": text, "exit": code });
        drop(writeln!(std::io::stdout(), "{document:#}"));
    }
    drop(writeln!(std::io::stderr(), "error: {text}"));
    ExitCode::from(code)
}

fn code(error: &anyhow::Error) -> u8 {
    let usage = error.is::<Usage>()
        || error.is::<UrlError>()
        || error.is::<CatalogError>()
        || error.is::<FindError>();
    if usage {
        return exit::USAGE;
    }
    if let Some(error) = error.downcast_ref::<FleetError>() {
        return error.exit_code();
    }
    match error.downcast_ref() {
        Some(RegistryError::Engine(error)) => exit::code(error),
        Some(RegistryError::Missing { .. }) => exit::USAGE,
        Some(RegistryError::Behind { .. } | RegistryError::Strange { .. }) => exit::REFUSED,
        Some(RegistryError::Project(_)) => exit::FAILED,
        None => error.downcast_ref::<Error>().map_or(exit::FAILED, exit::code),
    }
}
