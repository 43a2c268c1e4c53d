//! What a process that died was receiving.

use std::{
    fs, io,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use underpin_db::Db;

use super::{Store, StoreError, blocking};
use crate::jobs::{Reading, Time};

/// For so long nobody writes to a file that is still being received.
const LEFT_BEHIND: Duration = Duration::from_hours(1);

impl Store {
    /// Removes what was being received and is not written any more since an hour before `now` (Unix
    /// seconds), and says how many files that were.
    ///
    /// # Errors
    ///
    /// [`StoreError::File`] with the path at fault.
    pub async fn sweep(&self, now: i64) -> Result<usize, StoreError> {
        let now = UNIX_EPOCH + Duration::from_secs(now.unsigned_abs());
        let incoming = self.incoming();
        blocking(move || {
            let entries = match fs::read_dir(&incoming) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
                entries => entries.map_err(StoreError::file("read the directory", &incoming))?,
            };
            let mut removed = 0;
            for entry in entries {
                let entry = entry.map_err(StoreError::file("read the directory", &incoming))?;
                let result = remove_before(&entry, now - LEFT_BEHIND);
                removed += usize::from(result.map_err(StoreError::file("delete", entry.path()))?);
            }
            Ok(removed)
        })
        .await
    }
}

fn remove_before(entry: &fs::DirEntry, time: SystemTime) -> io::Result<bool> {
    let removed = entry.metadata().and_then(|metadata| {
        let old = metadata.is_file() && metadata.modified()? < time;
        if old { fs::remove_file(entry.path()).map(|()| true) } else { Ok(false) }
    });
    match removed {
        // Another replica was faster.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        removed => removed,
    }
}

/// Sweeps once, unless the clock is in doubt, and tells what came of it.
pub(crate) async fn at_start(store: Store, db: Db, mut time: Time) {
    let swept = match time.read(&db).await {
        Ok(Reading { now, believed: true }) => store.sweep(now).await,
        Ok(_) => return,
        Err(error) => Err(error.into()),
    };
    match swept {
        Ok(0) => {}
        Ok(removed) => {
            tracing::info!(removed, "{removed} contents were never received whole: removed");
        }
        Err(error) => tracing::warn!("cannot look for what was never received whole: {error}"),
    }
}
