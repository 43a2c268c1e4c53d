//! The lock file beside an SQLite database.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{Error, identity::Identity};

/// A locked file; the kernel unlocks it when it is closed, however the process ends.
#[derive(Debug)]
pub(crate) struct LockFile {
    _file: File,
    path: PathBuf,
}

impl LockFile {
    /// Takes the lock, `None` when somebody else has it.
    pub(crate) fn try_lock(database: &Path) -> io::Result<Option<Self>> {
        let path = beside(database);
        let mut file = File::options().create(true).truncate(false).write(true).open(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // The last holder removes the file: what was locked may be no longer the one that others see.
        if !fs::metadata(&path)
            .is_ok_and(|seen| file.metadata().is_ok_and(|own| own.ino() == seen.ino()))
        {
            return Ok(None);
        }
        file.set_len(0)?;
        file.write_all(Identity::process().as_bytes())?;
        Ok(Some(Self { _file: file, path }))
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
pub struct RunLock(#[expect(dead_code, reason = "held for its end")] LockFile);

impl RunLock {
    /// Takes the lock of the file at `path`, or says at once who has it.
    pub fn take(path: &Path) -> Result<Self, Error> {
        match LockFile::try_lock(path) {
            Ok(Some(file)) => Ok(Self(file)),
            Ok(None) => {
                let holder = holder(path).unwrap_or_else(|| "an unknown process".to_owned());
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

/// What the holder wrote, with how long ago.
pub(crate) fn holder(database: &Path) -> Option<String> {
    let path = beside(database);
    let text = fs::read_to_string(&path).ok().filter(|text| !text.is_empty())?;
    let age = fs::metadata(&path).and_then(|file| file.modified()).ok()?.elapsed().ok()?;
    Some(format!("{text}, for {} s", age.as_secs()))
}
