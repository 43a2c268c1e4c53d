//! `underpin fleet resume`

use std::process::ExitCode;

use super::{
    Here,
    conduct::{ConductArgs, YesArgs, conduct},
};
use crate::context::AllowArgs;

/// Go on with the newest run, which was stopped or killed
///
/// Works on the databases that nobody came to, where the run was to take them and in the way it was told.
/// Those that failed stay so and no longer count against its `--max-failures`; `retry-failed` tries them
/// again. Refuses another database and other migrations than the run was made for. Exits with 1 when a database of the run failed or it was stopped again.
#[derive(clap::Args)]
pub(super) struct Resume {
    #[command(flatten)]
    yes: YesArgs,
    #[command(flatten)]
    conduct: ConductArgs,
    #[command(flatten)]
    allow: AllowArgs,
}

impl Resume {
    pub(super) fn run(self, here: &Here<'_>) -> anyhow::Result<ExitCode> {
        let looked = here.look(self.allow)?;
        let journal = here.source.old_journal()?;
        let allow = (self.allow, self.yes.yes);
        conduct(here, &journal, allow, &self.conduct, |journal, watch, stop| {
            looked.fleet().resume(&looked.found, journal, watch, stop)
        })
    }
}
