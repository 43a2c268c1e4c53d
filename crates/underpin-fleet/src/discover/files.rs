//! SQLite files by a pattern of the shell's kind.

use std::path::{Path, PathBuf};

use super::{Candidate, Found, Names, around};
use crate::{FleetError, Place};

const WILDCARDS: [char; 3] = ['*', '?', '['];

pub(super) fn find(pattern: &str, names: Names) -> Result<Found, FleetError> {
    let wrong = |reason: String| FleetError::Pattern { pattern: pattern.to_owned(), reason };
    let directory = directory(pattern);
    if !directory.is_dir() {
        return Err(FleetError::NoDirectory(directory));
    }
    // A later change of the working directory moves nothing.
    let absolute = std::path::absolute(pattern).map_err(|error| wrong(error.to_string()))?;
    let absolute = absolute.to_str().ok_or_else(|| wrong("expected UTF-8".to_owned()))?;
    let options = glob::MatchOptions {
        require_literal_separator: true,
        require_literal_leading_dot: true,
        ..glob::MatchOptions::default()
    };
    let paths = glob::glob_with(absolute, options).map_err(|error| wrong(error.to_string()))?;
    let name = pattern.rsplit('/').next().unwrap_or(pattern);
    let parts = if names == Names::Numbers { Some(around(name, '*')?) } else { None };
    let mut unreadable = None;
    let candidates = paths.map_while(|path| match path {
        Ok(path) => Some(candidate(path, parts)),
        Err(error) => {
            unreadable = Some(error);
            None
        }
    });
    let found = Found::sort(format!("files `{pattern}`"), names, candidates);
    match unreadable {
        None => Ok(found),
        Some(error) => Err(FleetError::Directory {
            path: error.path().to_owned(),
            reason: error.error().to_string(),
        }),
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
