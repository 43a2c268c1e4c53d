//! The lock file beside an SQLite database.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use super::UNKNOWN;
use crate::{Error, identity::Identity};

/// A lock that the kernel ends when its file is closed, however the process ends.
#[derive(Debug)]
pub(crate) struct LockFile {
    path: PathBuf,
    /// `None` for another name of a run's file.
    _file: Option<File>,
}

impl LockFile {
    /// Takes the lock of `database`, `None` when somebody else has it. In a run it is another name of the
    /// run's own lock file where that can be: making and removing ever new files is what file systems
    /// are slow at.
    pub(crate) fn try_lock(database: &Path, run: Option<&RunLock>) -> io::Result<Option<Self>> {
        let path = beside(database);
        if run.is_some_and(|run| fs::hard_link(&run.0.path, &path).is_ok()) {
            return Ok(Some(Self { path, _file: None }));
        }
        let mut removed = false;
        loop {
            let mut file = File::options().create(true).truncate(false).write(true).open(&path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            }
            // The last holder removes the file: what was locked may be no longer the one that others see.
            let own = file.metadata()?;
            if !fs::metadata(&path).is_ok_and(|seen| seen.ino() == own.ino()) {
                return Ok(None);
            }
            if own.nlink() > 1 && !removed {
                // A run that was killed left names of one file, which must not be a lock of them all.
                fs::remove_file(&path)?;
                removed = true;
                continue;
            }
            file.set_len(0)?;
            file.write_all(Identity::process().as_bytes())?;
            return Ok(Some(Self { path, _file: Some(file) }));
        }
    }
}

impl Drop for LockFile {
    /// Removes the file while it is still locked, so that none is left beside the database.
    fn drop(&mut self) {
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
        match LockFile::try_lock(path, None) {
            Ok(Some(file)) => Ok(Self(file)),
            Ok(None) => {
                let holder = holder(path).unwrap_or_else(|| UNKNOWN.to_owned());
                Err(Error::Locked { holder, waited: Duration::ZERO })
            }
            Err(source) => {
                Err(Error::LockFile { path: beside(path).display().to_string(), source })
            }
        }
    }
}

/// Where the lock of `database` is. Links are followed, so that all names of a file share a lock.
pub(crate) fn beside(database: &Path) -> PathBuf {
    let mut path =
        fs::canonicalize(database).unwrap_or_else(|_| database.to_owned()).into_os_string();
    path.push(".underpin.lock");
    path.into()
}

/// Whether somebody has the lock of `database`. Nothing is made and nothing written.
pub(crate) fn is_held(database: &Path) -> bool {
    let held = |file: File| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
    File::open(beside(database)).is_ok_and(held)
}

/// What the holder wrote, with how long ago.
pub(crate) fn holder(database: &Path) -> Option<String> {
    let path = beside(database);
    let text = fs::read_to_string(&path).ok().filter(|text| !text.is_empty())?;
    let age = fs::metadata(&path).and_then(|file| file.modified()).ok()?.elapsed().ok()?;
    Some(format!("{text}, for {} s", age.as_secs()))
}
