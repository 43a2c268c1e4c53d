//! The commands, one file each.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{context::Context, output::Output, stopped};

mod adopt;
mod check;
mod current;
mod downgrade;
mod fleet;
mod heads;
mod history;
mod redo;
mod repair;
mod revision;
mod stamp;
mod upgrade;

pub(crate) use downgrade::confirm;

/// One set of Diesel migrations on SQLite and PostgreSQL
#[derive(Parser)]
#[command(name = "underpin", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    context: Context,
    /// Print one JSON document
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Log to standard error, and show values of rows in errors; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    pub(crate) verbose: u8,
    /// Log nothing
    #[arg(short, long, global = true)]
    quiet: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    #[command(flatten)]
    Single(Single),
    Fleet(Box<fleet::Fleet>),
}

/// What is done to one database.
#[derive(Subcommand)]
enum Single {
    Upgrade(upgrade::Upgrade),
    Downgrade(downgrade::Downgrade),
    Redo(redo::Redo),
    Current(current::Current),
    History(history::History),
    Heads(heads::Heads),
    Check(check::Check),
    Stamp(stamp::Stamp),
    Adopt(adopt::Adopt),
    Revision(revision::Revision),
    Repair(repair::Repair),
}

impl Cli {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        log(self.verbose, self.quiet);
        let (context, out) = (&self.context, Output { json: self.json });
        match self.command {
            // It blocks, and has runtimes of its own.
            Command::Fleet(command) => {
                command.run(context, out, fleet::Style::new(self.verbose > 0, self.quiet))
            }
            Command::Single(command) => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                runtime.block_on(command.run(context, out))
            }
        }
    }
}

impl Single {
    async fn run(self, context: &Context, out: Output) -> anyhow::Result<ExitCode> {
        if self.changes() {
            stopped::listen()?;
        }
        match self {
            Self::Upgrade(command) => command.run(context, out).await?,
            Self::Downgrade(command) => command.run(context, out).await?,
            Self::Redo(command) => command.run(context, out).await?,
            Self::Current(command) => command.run(context, out).await?,
            Self::History(command) => command.run(context, out).await?,
            Self::Heads(_) => heads::Heads::run(context, out)?,
            Self::Check(command) => return command.run(context, out).await,
            Self::Stamp(command) => command.run(context, out).await?,
            Self::Adopt(command) => command.run(context, out).await?,
            Self::Revision(command) => command.run(context, out)?,
            Self::Repair(command) => command.run(context, out).await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Single {
    /// Whether it may change a database.
    fn changes(&self) -> bool {
        !matches!(
            self,
            Self::Current(_)
                | Self::History(_)
                | Self::Heads(_)
                | Self::Check(_)
                | Self::Revision(_)
        )
    }
}

/// Without `-v`, what ran is told on standard output alone.
fn log(verbose: u8, quiet: bool) {
    let filter = match (quiet, verbose) {
        (true, _) => "off",
        (false, 0) => "warn,underpin::migration=off,underpin::migration::lock=warn",
        (false, 1) => "info",
        (false, _) => "trace",
    };
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(filter))
        .with_writer(std::io::stderr)
        // It would be told with a panic when nothing reads standard error any more.
        .log_internal_errors(false)
        .init();
}
