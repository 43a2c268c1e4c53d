//! The `underpin` command: one set of migrations on SQLite and PostgreSQL.

use std::process::ExitCode;

use clap::Parser as _;

mod commands;
mod context;
mod exit;
mod output;
mod run;
mod shell;
mod stopped;
mod target;

use commands::Cli;

fn main() -> ExitCode {
    #[cfg(feature = "failpoints")]
    let _scenario = failpoints();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return exit::parsed(&error),
    };
    let (json, values) = (cli.json, cli.verbose > 0);
    cli.run().unwrap_or_else(|error| exit::report(&error, json, values))
}

/// Dies as a killed process does where `FAILPOINTS` says so.
#[cfg(feature = "failpoints")]
fn failpoints() -> fail::FailScenario<'static> {
    std::panic::set_hook(Box::new(|_| std::process::abort()));
    fail::FailScenario::setup()
}
