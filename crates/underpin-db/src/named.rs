//! Files that stand for a lock.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use underpin_catalog::other_than_file;

use crate::{FileId, file};

/// A file that processes lock under a name that they agree on.
///
/// The directory may be one in which others write as well. So nothing that stands under the name is believed
/// to be ours: a link is not followed, and what was there before is never written to.
#[derive(Debug)]
pub struct NamedFile {
    path: PathBuf,
    file: File,
    id: FileId,
    names: u64,
}

impl NamedFile {
    /// Opens what stands under the name `path`, for locking; `None` when nothing does.
    ///
    /// # Errors
    ///
    /// When it is no file, or may not be read. The message says whose it is.
    pub fn open(path: &Path) -> io::Result<Option<Self>> {
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        match File::options().read(true).custom_flags(flags).open(path) {
            Ok(file) => Self::of(path, file).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(_) if fs::symlink_metadata(path).is_ok_and(|there| there.is_symlink()) => {
                Err(io::Error::other("it is a symbolic link, expected a file of ours: remove it"))
            }
            Err(error) => Err(file::with_rights(error, path)),
        }
    }

    /// Makes it. Fails when anything stands under the name.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn create(path: &Path) -> io::Result<Self> {
        let made = File::options().write(true).create_new(true).open(path);
        Self::of(path, made.map_err(|error| file::with_rights(error, path))?)
    }

    fn of(path: &Path, file: File) -> io::Result<Self> {
        let found = file.metadata()?;
        if let Some(what) = other_than_file(found.file_type()) {
            return Err(io::Error::other(format!(
                "it is {what}, expected a file of ours: remove it"
            )));
        }
        Ok(Self { path: path.to_owned(), file, id: FileId::of(&found), names: found.nlink() })
    }

    /// The name.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Which file it is.
    #[must_use]
    pub fn id(&self) -> FileId {
        self.id
    }

    /// How many names it had when it was opened.
    #[must_use]
    pub fn names(&self) -> u64 {
        self.names
    }

    /// The file itself, for locking and unlocking it.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Takes the name away. The file, and a lock on it, are there as long as it is open.
    ///
    /// # Errors
    ///
    /// When the directory is not to be written. The message says whose it is.
    pub fn remove(&self) -> io::Result<()> {
        fs::remove_file(&self.path).map_err(|error| file::with_rights(error, &self.path))
    }

    /// Whether its name still leads to it: a lock on a file that nobody else finds locks nobody out.
    #[must_use]
    pub fn has_its_name(&self) -> bool {
        FileId::at(&self.path) == Some(self.id)
    }
}
