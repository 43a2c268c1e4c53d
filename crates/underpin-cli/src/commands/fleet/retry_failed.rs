//! `underpin fleet retry-failed`

use std::process::ExitCode;

use super::{Here, conduct, run::ReportArgs};
use crate::context::AllowArgs;

/// Try the databases that failed in the newest run once more, as a new run
///
/// Does what that run was told to do, in the way it was told. Exits with 1 when a database failed again or
/// the run was stopped.
#[derive(clap::Args)]
pub(super) struct RetryFailed {
    #[command(flatten)]
    report: ReportArgs,
    #[command(flatten)]
    allow: AllowArgs,
}

impl RetryFailed {
    pub(super) fn run(self, here: &Here<'_>) -> anyhow::Result<ExitCode> {
        let looked = here.look(self.allow)?;
        let journal = here.source.old_journal()?;
        conduct::conduct(here, &journal, self.allow, &self.report, |journal, watch, stop| {
            looked.fleet().retry_failed(&looked.found, journal, watch, stop)
        })
    }
}
