//! `underpin fleet adopt`

use std::process::ExitCode;

use underpin_fleet::Action;

use super::{Here, run::RunArgs};
use crate::context::AllowArgs;

/// Find out what every database without a history is, prove it, and record that
///
/// Exits with 1 when a database was not recognised or the run was stopped.
#[derive(clap::Args)]
pub(super) struct Adopt {
    #[command(flatten)]
    run: RunArgs,
}

impl Adopt {
    pub(super) fn run(self, here: &Here<'_>) -> anyhow::Result<ExitCode> {
        let allow = AllowArgs::default();
        let looked = here.look(allow)?;
        self.run.act(here, &looked, &Action::Adopt, (allow, false))
    }
}
