//! The lock file beside an SQLite database.

use std::{
    fs::{self, TryLockError},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use underpin_db::{DatabaseFile, FileId, NamedFile};

use super::UNKNOWN;
use crate::{Error, identity::Identity};

/// A lock that the kernel ends when its file is closed, however the process ends.
#[derive(Debug)]
pub(crate) struct LockFile {
    path: PathBuf,
    id: FileId,
    /// `None` for another name of a run's file.
    _file: Option<NamedFile>,
}

impl LockFile {
    /// Takes the lock of `database`, `None` when another process has it. In a run it is another name of
    /// the run's own lock file where that can be: making and removing ever new files is what file systems
    /// are slow at.
    pub(crate) fn try_lock(
        database: &DatabaseFile,
        run: Option<&RunLock>,
    ) -> io::Result<Option<Self>> {
        let path = beside(database);
        if let Some(RunLock(run)) = run
            && fs::hard_link(&run.path, &path).is_ok()
        {
            return Ok(Some(Self { path, id: run.id, _file: None }));
        }
        let Some(file) = vacant(&path)? else { return Ok(None) };
        Ok(Some(Self { path, id: file.id(), _file: Some(file) }))
    }

    /// Whether its name still leads to the locked file, so that it keeps others out.
    pub(crate) fn is_held(&self) -> bool {
        FileId::at(&self.path) == Some(self.id)
    }
}

/// The locked file under the name `path`: a new one of ours. `None` when another process has it, or was
/// quicker.
///
/// What a process left that was killed may be another user's, or a name of a file that is more than a
/// lock. So it is not written to; its name goes, once nobody holds it.
fn vacant(path: &Path) -> io::Result<Option<NamedFile>> {
    if let Some(left) = NamedFile::open(path)? {
        if !lock(&left)? {
            return Ok(None);
        }
        match left.remove() {
            Ok(()) => {}
            // In a directory of others the file stays, and its lock is as good.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && left.names() == 1 => {
                return Ok(Some(left));
            }
            Err(error) => return Err(error),
        }
    }
    let own = match NamedFile::create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
        made => made?,
    };
    if !lock(&own)? {
        return Ok(None);
    }
    let mut text = own.file();
    text.write_all(Identity::process().as_bytes())?;
    Ok(Some(own))
}

/// Locks the file, and says whether that keeps others out: its last holder removes the name.
fn lock(file: &NamedFile) -> io::Result<bool> {
    match file.file().try_lock() {
        Ok(()) => Ok(file.has_its_name()),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

impl Drop for LockFile {
    /// Removes the file while it is still locked, so that none is left beside the database. Another one
    /// that stands there by now is another runner's.
    fn drop(&mut self) {
        if !self.is_held() {
            return;
        }
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(%error, path = %self.path.display(), "the lock file stays");
        }
    }
}

/// The lock that keeps one run out of another's way, beside a file that a run writes to. It ends when
/// it is dropped, or with the process.
#[derive(Debug)]
pub struct RunLock(LockFile);

impl RunLock {
    /// Takes the lock of the file at `path`, or says at once who has it.
    pub fn take(path: &Path) -> Result<Self, Error> {
        let place = DatabaseFile::find(path)?;
        match LockFile::try_lock(&place, None) {
            Ok(Some(file)) => Ok(Self(file)),
            Ok(None) => {
                let holder = holder(&place).unwrap_or_else(|| UNKNOWN.to_owned());
                Err(Error::Locked { holder, waited: Duration::ZERO })
            }
            Err(source) => {
                Err(Error::LockFile { path: beside(&place).display().to_string(), source })
            }
        }
    }
}

/// Where the lock of `database` is.
pub(crate) fn beside(database: &DatabaseFile) -> PathBuf {
    database.beside(".underpin.lock")
}

/// Whether a process has the lock of `database`. Nothing is made and nothing written.
pub(crate) fn is_held(database: &DatabaseFile) -> bool {
    let held =
        |file: NamedFile| matches!(file.file().try_lock_shared(), Err(TryLockError::WouldBlock));
    NamedFile::open(&beside(database)).ok().flatten().is_some_and(held)
}

/// What the holder wrote, with how long ago. A text of another kind is not ours to show.
pub(crate) fn holder(database: &DatabaseFile) -> Option<String> {
    const LONGEST: u64 = 300;
    let file = NamedFile::open(&beside(database)).ok()??;
    let mut text = String::new();
    file.file().take(LONGEST).read_to_string(&mut text).ok()?;
    if !text.starts_with("process ") || text.contains(char::is_control) {
        return None;
    }
    let age = file.file().metadata().and_then(|file| file.modified()).ok()?.elapsed().ok()?;
    Some(format!("{text}, for {} s", age.as_secs()))
}
