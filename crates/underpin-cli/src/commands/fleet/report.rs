//! `underpin fleet report`

use std::{
    fs::{self, OpenOptions},
    io::{self, ErrorKind, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use underpin_fleet::Journal;

use super::{Here, summary};

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

#[derive(clap::Args)]
pub(super) struct ReportArgs {
    /// Write a report for people as well, one HTML file for its owner to hand on
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl Report {
    pub(super) fn run(self, here: &Here<'_>) -> anyhow::Result<ExitCode> {
        let journal = Journal::open(&here.source.old_journal()?)?;
        let report = journal.report(self.run)?;
        summary::write(here, &report)?;
        self.report.write(&report)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl ReportArgs {
    /// Writes the report for people, where one is wanted.
    pub(super) fn write(&self, report: &underpin_fleet::Report) -> anyhow::Result<()> {
        let Some(path) = &self.html else { return Ok(()) };
        replace(path, &report.html()).with_context(|| {
            let number = report.run.number;
            let path = path.display();
            format!(
                "cannot write `{path}`: `underpin fleet report {number} --html FILE` tries again"
            )
        })
    }
}

/// Writes `text` beside the file at `path`, for its owner alone, and puts it in its place when it is whole:
/// an older report stays until then. Only a file is replaced, and a link stays one.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let path = match fs::metadata(path) {
        Ok(found) if found.is_file() => fs::canonicalize(path)?,
        Ok(_) => return Err(io::Error::other("expected a file there, or nothing")),
        Err(error)
            if error.kind() == ErrorKind::NotFound && fs::symlink_metadata(path).is_err() =>
        {
            path.to_owned()
        }
        Err(error) => return Err(error),
    };
    let mut new = path.clone().into_os_string();
    new.push(format!(".{:08x}.new", fastrand::u32(..)));
    let new = PathBuf::from(new);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written.and_then(|()| fs::rename(&new, &path)).inspect_err(|_| drop(fs::remove_file(&new)))
}
