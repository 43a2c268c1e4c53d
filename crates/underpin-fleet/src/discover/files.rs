//! SQLite files by a pattern of the shell's kind.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use super::{Candidate, Found, Names, Skipped, around, copies::Copies, walk::walk};
use crate::{FleetError, Place, printable};

pub(super) const WILDCARDS: [char; 3] = ['*', '?', '['];

pub(super) fn find(pattern: &str, names: Names) -> Result<Found, FleetError> {
    let directory = directory(pattern);
    if !directory.is_dir() {
        return Err(FleetError::NoDirectory(directory));
    }
    let name = pattern.rsplit('/').next().unwrap_or(pattern);
    let parts = if names == Names::Numbers { Some(around(name, '*')?) } else { None };
    let (mut copies, mut left_out) = (Copies::default(), BTreeSet::new());
    let paths = walk(pattern)?.into_iter().filter(|path| match copies.around(path) {
        Some(directory) => {
            left_out.insert(directory);
            false
        }
        None => true,
    });
    let candidates = paths.map(|path| candidate(path, parts));
    let mut found = Found::sort(format!("files `{pattern}`"), names, candidates);
    found.skipped.extend(left_out.iter().map(|directory| all_copies(directory)));
    Ok(found)
}

/// A directory of copies, told once: there may be thousands in it.
fn all_copies(directory: &Path) -> Skipped {
    Skipped {
        name: printable::line(&directory.to_string_lossy()).into_owned(),
        reason: "holds copies that a run made".to_owned(),
    }
}

/// `parts` is what stands before and after the wildcard, when that is what counts.
fn candidate(path: PathBuf, parts: Option<(&str, &str)>) -> Candidate {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let around = parts.and_then(|(before, after)| name.strip_prefix(before)?.strip_suffix(after));
    let wildcard = around.unwrap_or(&name).to_owned();
    Candidate { name, wildcard, place: Place::File(path) }
}

/// The directory that a pattern begins with.
pub(super) fn directory(pattern: &str) -> PathBuf {
    let plain = pattern.find(WILDCARDS).map_or(pattern, |at| &pattern[..at]);
    match plain.rfind('/') {
        Some(0) => PathBuf::from("/"),
        Some(at) => PathBuf::from(&plain[..at]),
        None => Path::new(".").to_owned(),
    }
}
