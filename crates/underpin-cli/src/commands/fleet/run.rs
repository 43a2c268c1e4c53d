//! How a run goes about it: what `upgrade`, `downgrade` and `adopt` share.

use std::{path::PathBuf, process::ExitCode};

use underpin_fleet::{Action, Limit, RunOptions};

use super::{
    Here, Looked, announce,
    conduct::{self, ConductArgs},
};
use crate::context::AllowArgs;

#[derive(clap::Args)]
pub(super) struct RunArgs {
    /// Say what would be done to each and change nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Work on so many first and count their rows; when one of them fails, the rest stays untouched
    #[arg(long, value_name = "N", default_value_t = 0)]
    canary: usize,
    /// Failures that the run takes, as a number or as a share of all databases; one more stops it
    #[arg(long, value_name = "N|P%", default_value = "0", value_parser = limit)]
    max_failures: Limit,
    /// Try every database, however many fail
    #[arg(long, conflicts_with = "max_failures")]
    continue_on_error: bool,
    /// SQLite: copy each file to this directory before it is changed
    #[arg(long, value_name = "DIR")]
    backup: Option<PathBuf>,
    /// Do not compare each schema with what its version builds before it is committed
    #[arg(long)]
    no_verify: bool,
    #[command(flatten)]
    conduct: ConductArgs,
}

impl RunArgs {
    /// Does `action` to every target, or says what it would do.
    pub(super) fn act(
        self,
        here: &Here<'_>,
        looked: &Looked,
        action: &Action,
        (allow, yes): (AllowArgs, bool),
    ) -> anyhow::Result<ExitCode> {
        if self.dry_run {
            return announce::announce(here, looked, action);
        }
        let options = RunOptions {
            canary: self.canary,
            limit: if self.continue_on_error { Limit::None } else { self.max_failures },
            backup: self.backup,
            verify: !self.no_verify,
        };
        let journal = here.source.journal();
        conduct::conduct(here, &journal, (allow, yes), &self.conduct, |journal, watch, stop| {
            looked.fleet().run(&looked.found, action, &options, journal, watch, stop)
        })
    }
}

/// Reads `5` or `10%`.
fn limit(text: &str) -> Result<Limit, String> {
    let limit = match text.strip_suffix('%') {
        Some(share) => share.parse().ok().filter(|share| *share <= 100).map(Limit::Percent),
        None => text.parse().ok().map(Limit::Failures),
    };
    limit.ok_or_else(|| "expected a number, or a share from 0% to 100%".to_owned())
}
