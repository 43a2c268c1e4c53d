//! `underpin fleet`: many databases in one run.

use std::{borrow::Cow, process::ExitCode};

use clap::Subcommand;
use underpin::{Catalog, Options};
use underpin_fleet::Found;

use crate::{
    context::{AllowArgs, Context},
    output::Output,
};

mod adopt;
mod announce;
mod conduct;
mod downgrade;
mod plan;
mod progress;
mod report;
mod resume;
mod retry_failed;
mod run;
mod signals;
mod source;
mod status;
mod summary;
mod upgrade;

pub(crate) use progress::Style;

/// Migrate thousands of databases in one run that can be stopped and resumed
#[derive(clap::Args)]
pub(crate) struct Fleet {
    #[command(flatten)]
    source: source::SourceArgs,
    /// How many databases are worked on at a time; the work waits for the disk or the server, so that more
    /// than there are processors pay
    #[arg(
        long,
        global = true,
        value_name = "N",
        default_value_t = 8,
        value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=256),
        help_heading = source::HEADING
    )]
    jobs: usize,
    /// Read every history, also where the header of an SQLite file tells it
    #[arg(long, global = true, help_heading = source::HEADING)]
    thorough: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Status(status::Status),
    Plan(plan::Plan),
    Upgrade(upgrade::Upgrade),
    Downgrade(downgrade::Downgrade),
    Adopt(adopt::Adopt),
    Resume(resume::Resume),
    RetryFailed(retry_failed::RetryFailed),
    Report(report::Report),
}

/// What every one of the commands starts from.
struct Here<'a> {
    context: &'a Context,
    source: &'a source::SourceArgs,
    jobs: usize,
    thorough: bool,
    out: Output,
    style: Style,
}

/// The targets, and what is to be done with them.
struct Looked {
    found: Found,
    catalog: Cow<'static, Catalog>,
    options: Options,
    jobs: usize,
    thorough: bool,
}

impl Fleet {
    pub(crate) fn run(
        self,
        context: &Context,
        out: Output,
        style: Style,
    ) -> anyhow::Result<ExitCode> {
        let (jobs, thorough) = (self.jobs, self.thorough);
        let here = Here { context, source: &self.source, jobs, thorough, out, style };
        match self.verb {
            Verb::Status(_) => status::Status::run(&here),
            Verb::Plan(command) => command.run(&here),
            Verb::Upgrade(command) => command.run(&here),
            Verb::Downgrade(command) => command.run(&here),
            Verb::Adopt(command) => command.run(&here),
            Verb::Resume(command) => command.run(&here),
            Verb::RetryFailed(command) => command.run(&here),
            Verb::Report(command) => command.run(&here),
        }
    }
}

impl Here<'_> {
    /// Finds the targets, and reads the migrations in their dialect.
    fn look(&self, allow: AllowArgs) -> anyhow::Result<Looked> {
        let found = self.source.source(self.context)?.find()?;
        let dialect = found.targets.first().map(|one| one.url().dialect());
        let catalog = self.context.catalog(dialect.unwrap_or(underpin::Dialect::Sqlite))?;
        let options = self.context.options(allow);
        Ok(Looked { found, catalog, options, jobs: self.jobs, thorough: self.thorough })
    }

    /// The command that goes on with `verb`, as people type it.
    fn again(&self, verb: &str, allow: AllowArgs) -> String {
        let mut words = vec![format!("underpin fleet {verb}")];
        words.extend(self.source.again(self.context));
        words.extend(self.context.again());
        words.extend(allow.again());
        words.join(" ")
    }
}

impl Looked {
    fn fleet(&self) -> underpin_fleet::Fleet<'_> {
        underpin_fleet::Fleet {
            catalog: &self.catalog,
            code: underpin_migrations::CODE,
            options: self.options.clone(),
            jobs: self.jobs,
            thorough: self.thorough,
        }
    }
}
