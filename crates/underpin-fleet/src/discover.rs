//! Finds the targets of a fleet. Finding opens no target and changes nothing.

use std::path::{Path, PathBuf};

use underpin::Dialect;
use underpin_db::DatabaseUrl;

use crate::{FleetError, Target, printable};

mod copies;
mod files;
mod list;
mod schemas;
mod twins;
mod walk;

/// Where the targets of a fleet are.
#[derive(Debug, Clone)]
pub enum Source {
    /// SQLite files whose path fits a pattern: `data/project_*.db`.
    Files {
        /// `*`, `?`, `[…]` and `**` as shells have them.
        pattern: String,
        /// What may stand for the `*` in the file's name.
        names: Names,
    },
    /// PostgreSQL schemas whose name fits a pattern: `project_%`.
    Schemas {
        /// The database that holds them.
        url: DatabaseUrl,
        /// `%` stands for anything; everything else, `_` too, for itself.
        pattern: String,
        /// What may stand for the `%`.
        names: Names,
    },
    /// The URLs in a regular file, one per line; empty lines and what follows `#` do not count.
    List(PathBuf),
    /// Targets that somebody knows already, as a registry does.
    Known {
        /// For messages: "the registry in …".
        description: String,
        /// All of one dialect.
        targets: Vec<Target>,
    },
}

/// What may stand for the wildcard in a target's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// A number as it is written: `7`, and neither `007` nor `3_bak`.
    Numbers,
    /// Anything.
    Any,
}

/// The targets of a fleet.
#[derive(Debug, Clone)]
pub struct Found {
    /// What was looked for, for people.
    pub source: String,
    /// Numbers ascending, then names.
    pub targets: Vec<Target>,
    /// What fits the pattern and is no target, or names one again.
    pub skipped: Vec<Skipped>,
}

/// Something that fits the pattern and is no target, or names one again.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Skipped {
    /// Its path or name.
    pub name: String,
    /// Why it is none.
    pub reason: String,
}

impl Source {
    /// The kind of all of its targets; `None` as long as nobody has looked.
    #[must_use]
    pub fn dialect(&self) -> Option<Dialect> {
        match self {
            Self::Files { .. } => Some(Dialect::Sqlite),
            Self::Schemas { .. } => Some(Dialect::Postgres),
            Self::List(_) => None,
            Self::Known { targets, .. } => targets.first().map(|one| one.url().dialect()),
        }
    }

    /// Where the journal of the fleet is, unless somebody says: beside the files, else in the working
    /// directory.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        const NAME: &str = "underpin-fleet.journal";
        match self {
            Self::Files { pattern, .. } => files::directory(pattern).join(NAME),
            _ => Path::new(NAME).to_owned(),
        }
    }

    /// Looks for the targets. That there are none is an error: a mistyped pattern must not pass for a
    /// fleet that is up to date.
    pub fn find(&self) -> Result<Found, FleetError> {
        let found = match self {
            Self::Files { pattern, names } => files::find(pattern, *names)?,
            Self::Schemas { url, pattern, names } => schemas::find(url, pattern, *names)?,
            Self::List(path) => list::find(path)?,
            Self::Known { description, targets } => {
                Found { source: description.clone(), targets: targets.clone(), skipped: Vec::new() }
            }
        };
        let found = found.once_each();
        if found.targets.is_empty() {
            let Found { source, skipped, .. } = found;
            return Err(FleetError::Empty { origin: source, skipped });
        }
        let source = printable::line(&found.source).into_owned();
        Ok(Found { source, ..found })
    }
}

impl Found {
    /// Parts candidates, which come by name, into targets and others by what stands for the wildcard.
    fn sort(source: String, names: Names, candidates: impl Iterator<Item = Candidate>) -> Self {
        let mut found = Self { source, targets: Vec::new(), skipped: Vec::new() };
        let shown = |text: &str| printable::line(text).into_owned();
        for Candidate { name, wildcard, place } in candidates {
            let reason = match wildcard.parse::<u64>() {
                _ if names == Names::Any => None,
                Ok(number) if number.to_string() == wildcard => None,
                Ok(number) => Some(format!("`{wildcard}` is not how {number} is written")),
                Err(_) => Some(format!("`{}` is no number", shown(&wildcard))),
            };
            let reason = reason.map(|wrong| format!("{wrong}: `--any-name` takes it"));
            match reason {
                None => found.targets.push(Target { id: shown(&wildcard), place }),
                Some(reason) => found.skipped.push(Skipped { name: shown(&name), reason }),
            }
        }
        if names == Names::Numbers {
            found.targets.sort_by_key(|target| target.id.parse::<u64>().ok());
        }
        found
    }
}

/// Something whose name fits the pattern.
struct Candidate {
    name: String,
    /// What stands for the wildcard.
    wildcard: String,
    place: crate::Place,
}

/// Parts a pattern with one `wildcard` into what is before and after it.
fn around(pattern: &str, wildcard: char) -> Result<(&str, &str), FleetError> {
    match pattern.split_once(wildcard) {
        Some((before, after)) if !after.contains(wildcard) => Ok((before, after)),
        _ => Err(FleetError::Pattern {
            pattern: pattern.to_owned(),
            reason: format!("expected one `{wildcard}`, which stands for the target's number"),
        }),
    }
}
