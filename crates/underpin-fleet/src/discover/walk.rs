//! The paths that fit a pattern of the shell's kind.
//!
//! The crate `glob` matches names here, and no more: its own walk panics at a name that is not UTF-8, also
//! at one that has nothing to do with the pattern.

use std::{
    collections::BTreeSet,
    env,
    ffi::{OsStr, OsString},
    fs::{self, DirEntry},
    io,
    path::{Path, PathBuf},
};

use glob::{MatchOptions, Pattern, PatternError};
use underpin_db::FileId;

use super::files::WILDCARDS;
use crate::FleetError;

const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// What stands between two slashes of a pattern.
enum Part {
    /// One name, which is there or not.
    Name(Pattern),
    /// Every name that fits. One that is not UTF-8 fits no text.
    Names(Pattern),
    /// `**`: directories, however many, or none.
    Directories,
}

/// All that fits `pattern`, once each and in the order of names; absolute, so that a later change of the
/// working directory moves nothing.
pub(super) fn walk(pattern: &str) -> Result<BTreeSet<PathBuf>, FleetError> {
    let wrong = |reason: String| FleetError::Pattern { pattern: pattern.to_owned(), reason };
    let parts = parts(pattern).map_err(|error| wrong(error.to_string()))?;
    let start = if pattern.starts_with('/') { Ok("/".into()) } else { env::current_dir() };
    let start = start.map_err(|error| wrong(error.to_string()))?;
    let mut walk = Walk::default();
    walk.go(&start, &parts)?;
    if pattern.ends_with('/') {
        walk.found.retain(|path| path.is_dir());
    }
    Ok(walk.found)
}

fn parts(pattern: &str) -> Result<Vec<Part>, PatternError> {
    let mut parts = Vec::new();
    for text in pattern.split('/').filter(|text| !matches!(*text, "" | ".")) {
        let fits = Pattern::new(text)?;
        let part = match text {
            // Twice in a row says no more than once.
            "**" if matches!(parts.last(), Some(Part::Directories)) => continue,
            "**" => Part::Directories,
            text if text.contains(WILDCARDS) => Part::Names(fits),
            _ => Part::Name(fits),
        };
        parts.push(part);
    }
    Ok(parts)
}

impl Part {
    fn fits(&self, name: &OsStr) -> bool {
        let (Self::Name(pattern) | Self::Names(pattern)) = self else { return false };
        name.to_str().is_some_and(|name| pattern.matches_with(name, OPTIONS))
    }
}

#[derive(Default)]
struct Walk {
    found: BTreeSet<PathBuf>,
    /// The directories around the one that `**` has come to: a link back to one of them leads to nothing
    /// new.
    above: Vec<FileId>,
}

impl Walk {
    fn go(&mut self, path: &Path, parts: &[Part]) -> Result<(), FleetError> {
        let Some((first, rest)) = parts.split_first() else {
            self.found.insert(path.to_owned());
            return Ok(());
        };
        match first {
            Part::Name(name) => {
                let path = path.join(name.as_str());
                // A link that leads nowhere is there as well.
                if fs::symlink_metadata(&path).is_ok() { self.go(&path, rest) } else { Ok(()) }
            }
            Part::Names(_) => {
                for (name, _) in entries(path)? {
                    if first.fits(&name) {
                        self.go(&path.join(name), rest)?;
                    }
                }
                Ok(())
            }
            Part::Directories => self.below(path, rest),
        }
    }

    /// What fits `rest` in the directory and in all below it, but for hidden ones.
    fn below(&mut self, directory: &Path, rest: &[Part]) -> Result<(), FleetError> {
        let Ok(id) = fs::metadata(directory).map(|found| FileId::of(&found)) else {
            return Ok(());
        };
        if self.above.contains(&id) {
            return Ok(());
        }
        self.above.push(id);
        for (name, is_directory) in entries(directory)? {
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let path = directory.join(&name);
            match rest.split_first() {
                Some((first, rest)) if first.fits(&name) => self.go(&path, rest)?,
                None if is_directory => drop(self.found.insert(path.clone())),
                _ => {}
            }
            if is_directory {
                self.below(&path, rest)?;
            }
        }
        self.above.pop();
        Ok(())
    }
}

/// The names in a directory, each with whether it is one of a directory; none where there is no directory.
fn entries(path: &Path) -> Result<Vec<(OsString, bool)>, FleetError> {
    if !path.is_dir() {
        return Ok(Vec::new());
    }
    let entry = |entry: DirEntry| {
        let is_directory = match entry.file_type() {
            Ok(kind) if !kind.is_symlink() => kind.is_dir(),
            _ => entry.path().is_dir(),
        };
        (entry.file_name(), is_directory)
    };
    let all = fs::read_dir(path).and_then(|all| all.map(|one| one.map(entry)).collect());
    all.map_err(|error: io::Error| FleetError::Directory {
        path: path.to_owned(),
        reason: error.to_string(),
    })
}
