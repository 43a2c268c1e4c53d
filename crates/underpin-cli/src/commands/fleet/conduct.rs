//! Conducts a run: signals and progress meanwhile, the report and the next step afterwards.

use std::{
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use underpin_fleet::{FleetError, Journal, Outcome, Stop, Watch};

use super::{Here, progress::Progress, report::ReportArgs, signals, summary};
use crate::{context::AllowArgs, exit};

/// What every run takes, one that is gone on with as well.
#[derive(clap::Args)]
pub(super) struct ConductArgs {
    /// Seconds that what is in flight may take to its end after Ctrl-C or SIGTERM; then it is stopped, which
    /// is as safe as `kill -9`
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    grace: u64,
    #[command(flatten)]
    report: ReportArgs,
}

/// Whether nothing may be left applied in some of the databases, without asking.
#[derive(clap::Args)]
pub(super) struct YesArgs {
    /// Do not ask before everything is taken back
    #[arg(long)]
    pub(super) yes: bool,
}

/// Runs `work`, which gives the number of its run in the journal.
pub(super) fn conduct(
    here: &Here<'_>,
    journal: &Path,
    (allow, yes): (AllowArgs, bool),
    args: &ConductArgs,
    work: impl FnOnce(&Journal, &dyn Watch, &Stop) -> Result<i32, FleetError>,
) -> anyhow::Result<ExitCode> {
    let page = args.report.page()?;
    let journal = Journal::begin(journal)?;
    let (progress, stop) = (Arc::new(Progress::new(here.style, yes)), Arc::new(Stop::default()));
    let resume = here.again("resume", allow);
    let grace = Duration::from_secs(args.grace);
    signals::listen(Arc::clone(&stop), Arc::clone(&progress), grace, resume.clone())?;
    let number = work(&journal, &*progress, &stop);
    progress.end();
    let report = number.and_then(|number| journal.report(Some(number)));
    let report = match report {
        Ok(report) => report,
        // The run has begun, and what is done is done.
        Err(error @ (FleetError::Journal { .. } | FleetError::System { .. })) => {
            let code = exit::report(&error.into(), here.out.json, false);
            say_next(&resume);
            return Ok(code);
        }
        Err(error) => return Err(error.into()),
    };
    let told = summary::write(here, &report);
    let written = page.map_or(Ok(()), |page| page.write(&report));
    match report.run.outcome {
        Outcome::Done => {}
        Outcome::Failed => say_next(&here.again("retry-failed", allow)),
        Outcome::Stopped | Outcome::Running | Outcome::Abandoned => say_next(&resume),
    }
    told?;
    written?;
    let done = report.run.outcome == Outcome::Done;
    Ok(if done { ExitCode::SUCCESS } else { ExitCode::from(underpin::exit::FAILED) })
}

fn say_next(next: &str) {
    // Nobody is left to tell when the other end is closed.
    drop(writeln!(io::stderr(), "next: {next}"));
}
