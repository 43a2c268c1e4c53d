//! `underpin fleet upgrade`

use std::process::ExitCode;

use underpin_fleet::Action;

use super::{Here, run::RunArgs};
use crate::{context::AllowArgs, target};

/// Apply pending migrations to every database
///
/// A database that has tables and no history is recognised first, as `adopt` does it. Exits with 1 when a
/// database failed or the run was stopped.
#[derive(clap::Args)]
pub(super) struct Upgrade {
    /// head, +N, or the version to stop after
    #[arg(default_value = "head", allow_hyphen_values = true)]
    target: String,
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    allow: AllowArgs,
}

impl Upgrade {
    pub(super) fn run(self, here: &Here<'_>) -> anyhow::Result<ExitCode> {
        let looked = here.look(self.allow)?;
        let goal = target::upgrade(&self.target, &looked.catalog)?;
        self.run.act(here, &looked, &Action::Migrate(goal), (self.allow, false))
    }
}
