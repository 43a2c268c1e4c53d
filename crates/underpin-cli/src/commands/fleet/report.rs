//! `underpin fleet report`

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, ErrorKind, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use underpin_db::FileId;
use underpin_fleet::Journal;

use super::{Here, summary};
use crate::exit::Usage;

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
        let page = self.report.page()?;
        let journal = Journal::open(&here.source.old_journal()?)?;
        let report = journal.report(self.run)?;
        summary::write(here, &report)?;
        if let Some(page) = page {
            page.write(&report)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl ReportArgs {
    /// Where the report for people goes, when one is wanted. To be asked before anything is done: what is in
    /// its way may be a database or the journal.
    pub(super) fn page(&self) -> anyhow::Result<Option<Page>> {
        self.html.as_deref().map(Page::find).transpose()
    }
}

/// The file of a report for people: there is none yet, or an older report.
pub(super) struct Page {
    /// As it was called.
    name: PathBuf,
    /// Free of links where it is there: a link to a report stays one.
    path: PathBuf,
    older: Option<FileId>,
}

/// What stands where a report is to go.
enum There {
    Nothing,
    /// An older report, by its path without links.
    Report(PathBuf, FileId),
    Other(&'static str),
}

impl Page {
    fn find(name: &Path) -> anyhow::Result<Self> {
        let (name, shown) = (name.to_owned(), name.display());
        match There::look(&name) {
            Ok(There::Nothing) => Ok(Self { path: name.clone(), name, older: None }),
            Ok(There::Report(path, id)) => Ok(Self { name, path, older: Some(id) }),
            Ok(There::Other(what)) => Err(Usage(format!(
                "`--html {shown}` would replace {what}, and replaces nothing but an older report: name \
                 another file, or move that one away"
            ))
            .into()),
            Err(error) => Err(Usage(format!(
                "cannot look at `{shown}`, where the report is to go: {error}"
            ))
            .into()),
        }
    }

    /// Writes the report.
    pub(super) fn write(&self, report: &underpin_fleet::Report) -> anyhow::Result<()> {
        self.replace(&report.html()).with_context(|| {
            let number = report.run.number;
            let name = self.name.display();
            format!(
                "cannot write `{name}`: `underpin fleet report {number} --html FILE` tries again"
            )
        })
    }

    /// Writes `text` beside the file, for its owner alone, and puts it in its place when it is whole: an
    /// older report stays until then.
    fn replace(&self, text: &str) -> io::Result<()> {
        let mut new = self.path.clone().into_os_string();
        new.push(format!(".{:08x}.new", fastrand::u32(..)));
        let new = PathBuf::from(new);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
        let put = || {
            // What came while the run was at work is not ours: its journal is made then, for one.
            if FileId::at(&self.path) != self.older {
                return Err(io::Error::other("something else is there by now"));
            }
            fs::rename(&new, &self.path)
        };
        written.and_then(|()| put()).inspect_err(|_| drop(fs::remove_file(&new)))
    }
}

impl There {
    fn look(name: &Path) -> io::Result<Self> {
        let found = match fs::metadata(name) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let is_link = fs::symlink_metadata(name).is_ok();
                return Ok(if is_link { Self::Other("a link to nothing") } else { Self::Nothing });
            }
            found => found?,
        };
        match other_than_report(name, &found)? {
            Some(what) => Ok(Self::Other(what)),
            None => Ok(Self::Report(fs::canonicalize(name)?, FileId::of(&found))),
        }
    }
}

/// What is there instead of a report of ours, for people. Nothing waits for a pipe or a device.
fn other_than_report(path: &Path, found: &Metadata) -> io::Result<Option<&'static str>> {
    /// Longer than what every report begins with.
    const BEGINNING: u64 = 512;
    if found.is_dir() {
        return Ok(Some("a directory"));
    }
    if !found.is_file() {
        return Ok(Some("a pipe, a socket or a device"));
    }
    let mut begins = Vec::new();
    File::open(path)?.take(BEGINNING).read_to_end(&mut begins)?;
    Ok(match begins.as_slice() {
        begins if underpin_fleet::Report::is_html(begins) => None,
        begins if begins.starts_with(b"SQLite format 3\0") => Some("an SQLite database"),
        [] => Some("an empty file, which may be a new database"),
        _ => Some("a file that is no report"),
    })
}
