//! What is in the folder of one migration or shape, from one look at it: whoever looks whether there is
//! something to do reads all of them.

use std::{
    collections::BTreeMap,
    fs::{self, DirEntry, FileType},
    io,
    path::Path,
};

use crate::{
    CatalogError,
    file::{read_optional, read_text},
    layout, other_than_file,
};

/// The scripts that are read in a folder: any other one there would never run.
pub(crate) struct Scripts {
    names: &'static [&'static str],
    /// Goes on after "for only".
    told: &'static str,
}

pub(crate) const OF_MIGRATION: Scripts = Scripts {
    names: &["up.sql", "down.sql"],
    told: "`up.sql` and `down.sql` of a migration are read",
};

pub(crate) const OF_SHAPE: Scripts = Scripts {
    names: &["schema.sql", "up.sql"],
    told: "`schema.sql` and `up.sql` of a shape are read",
};

pub(crate) const BESIDE_SHAPES: Scripts = Scripts { names: &[], ..OF_SHAPE };

/// What is in a folder.
pub(crate) struct Entries<'d> {
    dir: &'d Path,
    /// By name; `None` where nobody may list the folder, whose files may be read all the same.
    kinds: Option<BTreeMap<String, FileType>>,
}

impl<'d> Entries<'d> {
    pub(crate) fn of(dir: &'d Path) -> Self {
        let entry = |entry: io::Result<DirEntry>| {
            let entry = entry?;
            Ok((entry.file_name().to_string_lossy().into_owned(), entry.file_type()?))
        };
        let kinds: io::Result<_> = fs::read_dir(dir).and_then(|all| all.map(entry).collect());
        Self { dir, kinds: kinds.ok() }
    }

    /// The text of a file, as [`read_optional`] gives it.
    pub(crate) fn read(&self, name: &str) -> Result<Option<String>, CatalogError> {
        let path = self.dir.join(name);
        let Some(kinds) = &self.kinds else { return read_optional(&path) };
        let Some(kind) = kinds.get(name) else { return Ok(None) };
        if kind.is_symlink() {
            return read_optional(&path);
        }
        match other_than_file(*kind) {
            None => read_text(&path),
            Some(what) => Err(CatalogError::NoRegularFile { path, what }),
        }
    }

    /// Refuses a script that is none of `scripts`.
    pub(crate) fn check_scripts(&self, scripts: &Scripts) -> Result<(), CatalogError> {
        let is_folder = |name: &str, kind: &FileType| {
            kind.is_dir() || kind.is_symlink() && self.dir.join(name).is_dir()
        };
        let is_unread = |(name, kind): &(&String, &FileType)| {
            layout::is_script(name)
                && !name.starts_with('.')
                && !scripts.names.contains(&name.as_str())
                && !is_folder(name, kind)
        };
        match self.kinds.iter().flatten().find(is_unread) {
            Some((name, _)) => {
                Err(CatalogError::UnreadScript { path: self.dir.join(name), told: scripts.told })
            }
            None => Ok(()),
        }
    }
}
