//! `underpin fleet adopt`

use std::process::ExitCode;

use underpin_fleet::Action;

use super::{Here, run::RunArgs};
use crate::context::PolicyArgs;

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
        let policy = PolicyArgs::default();
        let looked = here.look(policy)?;
        self.run.act(here, &looked, &Action::Adopt, policy)
    }
}
