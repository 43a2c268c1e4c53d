//! `underpin fleet downgrade`

use std::process::ExitCode;

use underpin_fleet::{Action, Announced};

use super::{Here, Looked, run::RunArgs};
use crate::{commands::downgrade::confirm, context::AllowArgs, target};

/// Take applied migrations back, in every database
///
/// Asks when that leaves nothing applied in some of them. Exits with 1 when a database failed or the run
/// was stopped.
#[derive(clap::Args)]
pub(super) struct Downgrade {
    /// -N, base, or the version to go back to
    #[arg(allow_hyphen_values = true)]
    target: String,
    /// Do not ask before everything is taken back
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    allow: AllowArgs,
}

impl Downgrade {
    pub(super) fn run(self, here: &Here<'_>) -> anyhow::Result<ExitCode> {
        let looked = here.look(self.allow)?;
        let action = Action::Migrate(target::downgrade(&self.target, &looked.catalog)?);
        if !self.yes && !self.run.dry_run {
            ask(&looked, &action)?;
        }
        self.run.act(here, &looked, &action, self.allow)
    }
}

/// Asks when some of the databases would have nothing applied any more.
fn ask(looked: &Looked, action: &Action) -> anyhow::Result<()> {
    let emptied = |one: &&Announced| {
        one.report.as_ref().is_some_and(|report| report.head.is_none() && !report.steps.is_empty())
    };
    let count = looked.fleet().announce(&looked.found, action)?.iter().filter(emptied).count();
    match count {
        0 => Ok(()),
        count => confirm(&format_args!("{count} databases of {}", looked.found.source)),
    }
}
