//! `underpin fleet report`

use std::process::ExitCode;

use underpin_fleet::Journal;

use super::{Here, conduct::write_html, run::ReportArgs, summary};

/// Show what came of a run
///
/// Reads the journal alone, so that no databases need be named where `--journal` is. Exits with 0 also when
/// the run failed.
#[derive(clap::Args)]
pub(super) struct Report {
    /// The number of the run; the newest when left out
    run: Option<i32>,
    #[command(flatten)]
    report: ReportArgs,
}

impl Report {
    pub(super) fn run(self, here: &Here<'_>) -> anyhow::Result<ExitCode> {
        let journal = Journal::open(&here.source.old_journal()?)?;
        let report = journal.report(self.run)?;
        summary::write(here, &report)?;
        write_html(&report, &self.report)?;
        Ok(ExitCode::SUCCESS)
    }
}
