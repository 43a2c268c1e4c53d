//! What the exit code says: `docs/ARCHITECTURE.md`, "The CLI's contract".

use std::{io::Write as _, process::ExitCode};

use underpin::{
    CatalogError, Error, FindError, exit,
    terminal::{escaped, escaped_json},
};
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
    if json {
        document(&text, code);
    }
    // A closed pipe changes nothing about how the command ends.
    drop(writeln!(std::io::stderr(), "error: {}", escaped(&text)));
    ExitCode::from(code)
}

/// Says what is wrong with the command line, or what it asks for: the help, the version.
pub(crate) fn parsed(error: &clap::Error) -> ExitCode {
    let code = u8::try_from(error.exit_code()).unwrap_or(exit::USAGE);
    let mut flags = std::env::args_os().skip(1).take_while(|word| word != "--");
    if error.use_stderr() && flags.any(|word| word == "--json") {
        let text = error.to_string();
        document(text.trim_start_matches("error: ").trim_end(), code);
    }
    // What clap repeats of the words may hold what a terminal obeys.
    if error.use_stderr() {
        drop(write!(std::io::stderr(), "{}", escaped(&error.to_string())));
    } else {
        drop(error.print());
    }
    ExitCode::from(code)
}

fn document(text: &str, code: u8) {
    let document = format!("{:#}", serde_json::json!({ "error": text, "exit": code }));
    drop(writeln!(std::io::stdout(), "{}", escaped_json(&document)));
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
