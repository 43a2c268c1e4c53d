//! `underpin-service`: see `--help`.

use std::{io::Write as _, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use underpin::terminal::escaped;
use underpin_service::{Behind, Config, ConfigErrors, dead_letters};

/// Serves the chat bot's data over HTTP, and brings its own schema up to date first
#[derive(Parser)]
#[command(
    name = "underpin-service",
    version,
    after_help = "Everything else is told by environment \
    variables, or by a file `.env` in the working directory: `.env.example` explains each."
)]
struct Args {
    /// Bring the schema up to date before serving, whatever `ENV` says
    #[arg(long)]
    migrate: bool,
    /// Read this file instead of `.env`
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Events that could not be applied: see them, apply them again, drop them
    #[command(subcommand)]
    DeadLetters(dead_letters::Action),
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return parsed(&error),
    };
    // A task, for what this thread itself drives is woken from another thread each time.
    let service = tokio::spawn(async move {
        let config = Config::load(args.env_file.as_deref(), args.migrate)?;
        match args.command {
            Some(Command::DeadLetters(action)) => dead_letters::run(&config, action).await,
            None => Box::pin(underpin_service::run(config)).await,
        }
    });
    match service.await {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Err(ended) => std::panic::resume_unwind(ended.into_panic()),
        Ok(Err(error)) => {
            // Nobody is left to tell when standard error is closed.
            drop(writeln!(std::io::stderr(), "error: {}", underpin::exit::explain(error.as_ref())));
            ExitCode::from(exit_code(&error))
        }
    }
}

/// The same numbers as those of the `underpin` command.
fn exit_code(error: &anyhow::Error) -> u8 {
    if error.is::<ConfigErrors>() {
        underpin::exit::USAGE
    } else if error.is::<Behind>() {
        underpin::exit::REFUSED
    } else {
        error.downcast_ref::<underpin::Error>().map_or(underpin::exit::FAILED, underpin::exit::code)
    }
}

/// Tells what is wrong with the words of the command line, which may hold what a terminal obeys.
fn parsed(error: &clap::Error) -> ExitCode {
    if error.use_stderr() {
        drop(write!(std::io::stderr(), "{}", escaped(&error.to_string())));
    } else {
        drop(error.print());
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}
