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
    let mut candidates = Vec::new();
    for path in paths {
        let path = path.map_err(|error| FleetError::Directory {
            path: error.path().to_owned(),
            reason: error.error().to_string(),
        })?;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_default();
        let wildcard = match parts {
            Some((before, after)) => {
                name.strip_prefix(before).and_then(|rest| rest.strip_suffix(after)).unwrap_or(&name)
            }
            None => &name,
        };
        let wildcard = wildcard.to_owned();
        candidates.push(Candidate { name, wildcard, place: Place::File(path) });
    }
    Ok(Found::sort(format!("files `{pattern}`"), names, candidates))
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
