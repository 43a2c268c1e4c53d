//! `underpin fleet retry-failed`

use std::process::ExitCode;

use super::{
    Here,
    conduct::{ConductArgs, YesArgs, conduct},
};
use crate::context::AllowArgs;

/// Try the databases that failed in the newest run once more, as a new run
///
/// Does what that run was told to do, in the way it was told. Refuses another database and other migrations
/// than the run was made for. Exits with 1 when a database failed again or
/// the run was stopped.
#[derive(clap::Args)]
pub(super) struct RetryFailed {
    #[command(flatten)]
    yes: YesArgs,
    #[command(flatten)]
    conduct: ConductArgs,
    #[command(flatten)]
    allow: AllowArgs,
}

impl RetryFailed {
    pub(super) fn run(self, here: &Here<'_>) -> anyhow::Result<ExitCode> {
        let looked = here.look(self.allow)?;
        let journal = here.source.old_journal()?;
        let allow = (self.allow, self.yes.yes);
        conduct(here, &journal, allow, &self.conduct, |journal, watch, stop| {
            looked.fleet().retry_failed(&looked.found, journal, watch, stop)
        })
    }
}
