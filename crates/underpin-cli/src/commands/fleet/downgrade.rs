//! `underpin fleet downgrade`

use std::process::ExitCode;

use underpin_fleet::Action;

use super::{Here, conduct::YesArgs, run::RunArgs};
use crate::{context::AllowArgs, target};

/// Take applied migrations back, in every database
///
/// Asks when that leaves nothing applied in some of them. Exits with 1 when a database failed or the run
/// was stopped.
#[derive(clap::Args)]
pub(super) struct Downgrade {
    /// -N, base, or the version to go back to
    #[arg(allow_hyphen_values = true)]
    target: String,
    #[command(flatten)]
    yes: YesArgs,
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    allow: AllowArgs,
}

impl Downgrade {
    pub(super) fn run(self, here: &Here<'_>) -> anyhow::Result<ExitCode> {
        let looked = here.look(self.allow)?;
        let action = Action::Migrate(target::downgrade(&self.target, &looked.catalog)?);
        self.run.act(here, &looked, &action, (self.allow, self.yes.yes))
    }
}
