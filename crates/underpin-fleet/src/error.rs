//! Why a run over a fleet did not begin, or could not be told.

use std::{path::PathBuf, time::Duration};

use underpin::{ConnectError, exit};

use crate::{Skipped, printable};

/// Why a run over a fleet did not begin, or could not be told. What is wrong with one target is part of
/// the report, and no error.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum FleetError {
    /// The pattern begins with a directory that is not there.
    #[error("no directory `{}`: correct the pattern, or create it", .0.display())]
    NoDirectory(PathBuf),
    /// A directory could not be read.
    #[error("cannot read `{}`: {reason}", path.display())]
    Directory { path: PathBuf, reason: String },
    /// The pattern cannot be used.
    #[error("the pattern `{pattern}` cannot be used: {reason}")]
    Pattern { pattern: String, reason: String },
    /// There is no target.
    #[error(
        "no target found in {origin} ({}): is this the right place? targets are created by the program \
         that they belong to",
        left_out(skipped)
    )]
    Empty { origin: String, skipped: Vec<Skipped> },
    /// The list of targets cannot be used.
    #[error("the list `{}` cannot be used: {reason}", path.display())]
    List { path: PathBuf, reason: String },
    /// The journal cannot be used.
    #[error("the journal `{}` cannot be used: {reason}", path.display())]
    Journal { path: PathBuf, reason: String },
    /// The directory of a run's copies cannot be used.
    #[error("cannot keep copies in `{}`: {reason}: nothing was changed", path.display())]
    Copies { path: PathBuf, reason: String },
    /// A run would leave nothing applied, and nobody said that it may.
    #[error("going to base drops every table of the set in {targets} databases: add `--yes`")]
    Unconfirmed { targets: usize },
    /// Another run is at work.
    #[error(
        "another run on this fleet is at work: {holder} holds the {place}: wait for it, or stop it"
    )]
    Busy { place: String, holder: String },
    /// A pooler gives the run one connection, and the run keeps that for its lock.
    #[error(
        "nothing was changed: the pooler at {database} gave no second connection within {} s, and gave one \
         as soon as the first was free again: a run needs two at least, one of them for its lock: let the \
         pooler open more (`default_pool_size`), or give the URL of the server itself",
        waited.as_secs()
    )]
    OneConnection { database: String, waited: Duration },
    /// There is no such run in the journal.
    #[error("no run {number} in the journal `{}`: its runs are {known}", path.display())]
    NoRun { number: String, path: PathBuf, known: String },
    /// The run cannot be gone on with.
    #[error("run {number} {reason}")]
    NotResumable { number: i32, reason: String },
    /// The engine refused before any target was looked at.
    #[error(transparent)]
    Engine(#[from] underpin::Error),
    /// A thread or a report could not be made.
    #[error("cannot {doing}: {reason}")]
    System { doing: &'static str, reason: String },
}

impl FleetError {
    /// The exit code of a program that ends in it.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NoDirectory(_)
            | Self::Directory { .. }
            | Self::Pattern { .. }
            | Self::Empty { .. }
            | Self::List { .. }
            | Self::NoRun { .. }
            | Self::NotResumable { .. }
            | Self::OneConnection { .. }
            | Self::Unconfirmed { .. } => exit::USAGE,
            Self::Busy { .. } => exit::LOCKED,
            Self::Engine(error) => exit::code(error),
            Self::Journal { .. } | Self::Copies { .. } | Self::System { .. } => exit::FAILED,
        }
    }
}

/// How many fit a pattern and are no targets, and why the first of them is none.
fn left_out(skipped: &[Skipped]) -> String {
    let count = format!("{} skipped", skipped.len());
    match skipped.first() {
        Some(Skipped { name, reason }) => format!("{count}; `{name}`: {reason}"),
        None => count,
    }
}

/// Why a target is not where it should be, for people.
pub(crate) fn explain(error: &underpin::Error) -> String {
    let text = match error {
        // What the engine says here would make it anew, and empty.
        underpin::Error::Connect(
            ConnectError::NoFile(path) | ConnectError::NoDirectory { path, .. },
        ) => {
            let path = path.display();
            format!("no file `{path}`: correct the list or `--data-dir`, or restore the file")
        }
        error => exit::explain(error),
    };
    printable::lines(&text).into_owned()
}

/// What a lock that keeps runs apart at `place` says when it is not to be had.
pub(crate) fn busy(error: underpin::Error, place: impl FnOnce() -> String) -> FleetError {
    match error {
        underpin::Error::Locked { holder, .. } => FleetError::Busy { place: place(), holder },
        error => FleetError::Engine(error),
    }
}
