//! Conducts a run: signals and progress meanwhile, the report and the next step afterwards.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
    sync::Arc,
};

use anyhow::Context as _;
use underpin::exit;
use underpin_fleet::{FleetError, Journal, Outcome, Report, Stop, Watch};

use super::{Here, progress::Progress, run::ReportArgs, signals, summary};
use crate::context::AllowArgs;

/// Runs `work`, which gives the number of its run in the journal.
pub(super) fn conduct(
    here: &Here<'_>,
    journal: &Path,
    allow: AllowArgs,
    args: &ReportArgs,
    work: impl FnOnce(&Journal, &dyn Watch, &Stop) -> Result<i32, FleetError>,
) -> anyhow::Result<ExitCode> {
    let journal = Journal::begin(journal)?;
    let (progress, stop) = (Arc::new(Progress::new(here.style)), Arc::new(Stop::default()));
    let resume = here.again("resume", allow);
    signals::listen(Arc::clone(&stop), Arc::clone(&progress), resume.clone())?;
    let number = work(&journal, &*progress, &stop);
    progress.end();
    let report = journal.report(Some(number?))?;
    summary::write(here, &report)?;
    write_html(&report, args)?;
    let next = match report.run.outcome {
        Outcome::Done => return Ok(ExitCode::SUCCESS),
        Outcome::Failed => here.again("retry-failed", allow),
        Outcome::Stopped | Outcome::Running | Outcome::Abandoned => resume,
    };
    // Nobody is left to tell when the other end is closed.
    drop(writeln!(io::stderr(), "next: {next}"));
    Ok(ExitCode::from(exit::FAILED))
}

/// Writes the report for people, where somebody wants it.
pub(super) fn write_html(report: &Report, args: &ReportArgs) -> anyhow::Result<()> {
    let Some(path) = &args.html else { return Ok(()) };
    fs::write(path, report.html()).with_context(|| {
        let number = report.run.number;
        let path = path.display();
        format!("cannot write `{path}`: `underpin fleet report {number} --html FILE` tries again")
    })
}
