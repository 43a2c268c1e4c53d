//! Copies that runs made: they look like databases of the fleet, and nobody wants them migrated.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use crate::run::holds_copies;

/// Tells copies from databases, and looks at each directory once.
#[derive(Default)]
pub(super) struct Copies(HashMap<PathBuf, bool>);

impl Copies {
    /// The directory of copies that the file at `path` lies in, be it by way of a link.
    pub(super) fn around(&mut self, path: &Path) -> Option<PathBuf> {
        let is_link = fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
        let led = if is_link { fs::canonicalize(path).ok() } else { None };
        let mut directories = [Some(path), led.as_deref()].into_iter().flatten();
        directories.find_map(|path| Some(path.parent()?.to_owned()).filter(|dir| self.are_in(dir)))
    }

    fn are_in(&mut self, dir: &Path) -> bool {
        if let Some(known) = self.0.get(dir) {
            return *known;
        }
        let found = holds_copies(dir);
        self.0.insert(dir.to_owned(), found);
        found
    }
}
