//! `underpin fleet plan`

use std::process::ExitCode;

use underpin_fleet::Action;

use super::{Here, announce};
use crate::{context::AllowArgs, target};

/// Say what `upgrade` would do to each database, and change nothing
///
/// The same as `upgrade --dry-run`. Exits with 1 when a database could not be upgraded as it is.
#[derive(clap::Args)]
pub(super) struct Plan {
    /// head, +N, or the version to stop after
    #[arg(default_value = "head", allow_hyphen_values = true)]
    target: String,
    #[command(flatten)]
    allow: AllowArgs,
}

impl Plan {
    pub(super) fn run(self, here: &Here<'_>) -> anyhow::Result<ExitCode> {
        let looked = here.look(self.allow)?;
        let goal = target::upgrade(&self.target, &looked.catalog)?;
        announce::announce(here, &looked, &Action::Migrate(goal))
    }
}
