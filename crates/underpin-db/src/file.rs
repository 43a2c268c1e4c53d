//! Which file a path means, and whether SQLite may be let near it.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use underpin_catalog::other_than_file;

use crate::{Access, ConnectError, DbError};

/// The file of an SQLite database, there or to be made.
///
/// Whatever links lead to a file, this is one and the same: SQLite keeps its journals beside the file that
/// the links lead to, and so do we what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseFile {
    path: PathBuf,
    found: Option<Found>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Found {
    id: FileId,
    names: u64,
    read_only: bool,
}

/// What tells a file from every other one on the machine as long as it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// Of the file with this metadata.
    #[must_use]
    pub fn of(file: &Metadata) -> Self {
        Self { device: file.dev(), inode: file.ino() }
    }

    /// Of what stands under the name `path`, be it a link.
    #[must_use]
    pub fn at(path: &Path) -> Option<Self> {
        fs::symlink_metadata(path).ok().map(|found| Self::of(&found))
    }
}

/// Links that lead to links: as many as Linux follows.
const MOST_LINKS: u32 = 40;

impl DatabaseFile {
    /// Finds the file that `path` means, which need not be there yet.
    ///
    /// # Errors
    ///
    /// When there is something else than a file, or its directory is not there.
    pub fn find(path: &Path) -> Result<Self, ConnectError> {
        let place = resolve(path)?;
        let found = match fs::metadata(&place) {
            Ok(file) => {
                match other_than_file(file.file_type()) {
                    None => {}
                    Some(_) if file.is_dir() => {
                        return Err(ConnectError::Directory(path.to_owned()));
                    }
                    Some(what) => {
                        return Err(ConnectError::NoRegularFile { path: path.to_owned(), what });
                    }
                }
                let read_only = file.permissions().readonly();
                Some(Found { id: FileId::of(&file), names: file.nlink(), read_only })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(path, &error)),
        };
        Ok(Self { path: place, found })
    }

    /// Its one path: absolute, and free of links.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Which file it is; `None` for one that is not there.
    #[must_use]
    pub fn id(&self) -> Option<FileId> {
        self.found.map(|found| found.id)
    }

    /// The path of what belongs to it: its own with `end` after it.
    #[must_use]
    pub fn beside(&self, end: &str) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(end);
        path.into()
    }

    /// Whether a journal of SQLite stands beside it, so that the file alone is not the whole database.
    #[must_use]
    pub fn has_journal(&self) -> bool {
        let holds = |end| fs::metadata(self.beside(end)).is_ok_and(|file| file.len() > 0);
        ["-wal", "-journal"].into_iter().any(holds)
    }

    /// Fails when a journal lies here without its database. SQLite deletes what lies beside a file that is
    /// new or has no bytes, whatever was committed to it and however the file is opened.
    pub(crate) fn loses_no_journal(&self) -> Result<(), ConnectError> {
        let has_bytes = || fs::metadata(&self.path).is_ok_and(|file| file.len() > 0);
        if has_bytes() {
            return Ok(());
        }
        let journals = ["-wal", "-journal"].map(|end| self.beside(end));
        match journals.into_iter().find(|journal| holds_changes(journal)) {
            // Asked again: whoever made the database meanwhile had it before its journal.
            Some(journal) if !has_bytes() => {
                let there = self.path.exists();
                Err(ConnectError::LostDatabase { path: self.path.clone(), journal, there })
            }
            _ => Ok(()),
        }
    }

    /// Opens it for reading, and never waits for it: what was a file may be something else by now.
    ///
    /// Closing what this gives ends the locks that SQLite has on the file for this process: use it where
    /// the process has no connection to the file.
    ///
    /// # Errors
    ///
    /// Those of the system, and when it is another file than the one that was found.
    pub fn open(&self) -> io::Result<File> {
        let file = File::options()
            .read(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW)
            .open(&self.path)?;
        let opened = file.metadata()?;
        if !opened.is_file() || self.id().is_some_and(|id| id != FileId::of(&opened)) {
            return Err(io::Error::other("it is another file by now"));
        }
        Ok(file)
    }

    /// Fails when the file has other names that are no links to it. SQLite keeps a journal under the name
    /// by which a file was opened, and by another name nobody would see it.
    ///
    /// # Errors
    ///
    /// [`ConnectError::Names`].
    pub fn has_one_name(&self) -> Result<(), ConnectError> {
        match self.found {
            Some(Found { names, .. }) if names > 1 => {
                Err(ConnectError::Names { path: self.path.clone(), names })
            }
            _ => Ok(()),
        }
    }

    /// Finds what SQLite would call "unable to open database file", whatever it is. `path` is how people
    /// call it.
    pub(crate) fn allows(&self, access: Access, path: &Path) -> Result<(), ConnectError> {
        match self.found {
            Some(Found { read_only: true, .. }) if access != Access::ReadOnly => {
                Err(ConnectError::ReadOnly(path.to_owned()))
            }
            None if access != Access::Create => Err(ConnectError::NoFile(path.to_owned())),
            _ => self.loses_no_journal(),
        }
    }
}

/// Whether the file at `path` is a journal that somebody may still need. A rollback journal of a database
/// that had no pages yet is none: taking back what began there leaves nothing, and each new database has one
/// for a moment. See <https://www.sqlite.org/fileformat2.html#the_rollback_journal>.
fn holds_changes(path: &Path) -> bool {
    /// Magic number, number of pages, nonce; then the pages that the database had.
    const PAGES: usize = 16;
    let rollback = path.as_os_str().as_encoded_bytes().ends_with(b"-journal");
    let mut head = [0; PAGES + 4];
    match fs::metadata(path) {
        Ok(file) if file.len() == 0 => false,
        Ok(file) if rollback && file.is_file() => {
            let read = File::open(path).and_then(|mut file| file.read_exact(&mut head));
            read.is_err() || head[PAGES..] != [0; 4]
        }
        found => found.is_ok(),
    }
}

/// What the system refused, with whose the file and its directory are where that may be the reason.
pub(crate) fn with_rights(error: io::Error, path: &Path) -> io::Error {
    match error.kind() {
        io::ErrorKind::PermissionDenied => io::Error::new(error.kind(), rights(path)),
        _ => error,
    }
}

/// Who may do what with the file at `path`, for people.
pub(crate) fn rights(path: &Path) -> String {
    let one = |path: &Path| {
        let found = fs::metadata(path).ok()?;
        let user = match found.uid() {
            0 => "root".to_owned(),
            id => format!("user {id}"),
        };
        Some(format!("`{}` belongs to {user}, mode {:o}", path.display(), found.mode() & 0o7777))
    };
    let both = [Some(path), path.parent()].into_iter().flatten();
    let known: Vec<_> = both.filter_map(one).collect();
    format!("this user may not do that: {}", known.join(", "))
}

/// Follows all links, also where they lead to a file that is not there yet.
fn resolve(path: &Path) -> Result<PathBuf, ConnectError> {
    let mut place = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::canonicalize(&place) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            found => return found.map_err(|error| failed(path, &error)),
        }
        let directory = match place.parent() {
            Some(directory) if !directory.as_os_str().is_empty() => directory.to_owned(),
            _ => PathBuf::from("."),
        };
        if let Ok(target) = fs::read_link(&place) {
            place = directory.join(target);
            continue;
        }
        let Some(name) = place.file_name() else {
            return Err(ConnectError::Directory(path.to_owned()));
        };
        let home = fs::canonicalize(&directory).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                ConnectError::NoDirectory { directory, path: path.to_owned() }
            }
            _ => failed(path, &error),
        })?;
        if !home.is_dir() {
            return Err(ConnectError::NoDirectory { directory: home, path: path.to_owned() });
        }
        return Ok(home.join(name));
    }
    Err(failed(path, &io::Error::from(io::ErrorKind::NotFound)))
}

fn failed(path: &Path, error: &io::Error) -> ConnectError {
    let message = match error.kind() {
        io::ErrorKind::PermissionDenied => rights(path),
        _ => error.to_string(),
    };
    ConnectError::Open { path: path.to_owned(), source: DbError { message, ..DbError::default() } }
}
