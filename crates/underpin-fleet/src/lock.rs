//! One run at a time where the targets are, whichever journals runs write.

use std::path::Path;

use tokio::runtime::Runtime;
use underpin::{DatabaseLock, RunLock};
use underpin_db::DatabaseUrl;

use crate::{Fleet, FleetError, Found, Place, error::busy};

/// What the lock of a directory is beside.
const NAME: &str = "underpin-fleet";

/// Keeps other runs out of the directory or the database of a fleet, until it is dropped.
#[derive(Default)]
pub(crate) struct FleetLock {
    directory: Option<RunLock>,
    /// With what drives its connection.
    database: Option<(Runtime, DatabaseLock)>,
}

impl Fleet<'_> {
    /// Keeps other runs away from the targets of `found`. Those of a list may be in several places: what
    /// counts is where the first by name is.
    pub(crate) fn lock(&self, found: &Found) -> Result<FleetLock, FleetError> {
        let first = found.targets.iter().min_by_key(|target| target.key());
        match first.map(|target| &target.place) {
            None => Ok(FleetLock::default()),
            Some(Place::File(path)) => FleetLock::of_directory(path.parent().unwrap_or(path)),
            Some(Place::Schema { database: url, .. } | Place::Database(url)) => {
                FleetLock::of_database(url, &self.options.application_name)
            }
        }
    }
}

impl FleetLock {
    /// SQLite: the lock whose file gets a name for each target.
    pub(crate) fn directory(&self) -> Option<&RunLock> {
        self.directory.as_ref()
    }

    fn of_directory(path: &Path) -> Result<Self, FleetError> {
        let lock = RunLock::take(&path.join(NAME));
        let place = || format!("directory `{}`", path.display());
        let lock = lock.map_err(|error| busy(error, place))?;
        Ok(Self { directory: Some(lock), database: None })
    }

    fn of_database(url: &DatabaseUrl, application_name: &str) -> Result<Self, FleetError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| FleetError::System {
            doing: "lock the fleet",
            reason: error.to_string(),
        })?;
        let lock = runtime.block_on(DatabaseLock::take(url, application_name));
        let lock = lock.map_err(|error| busy(error, || format!("database {url}")))?;
        Ok(Self { directory: None, database: Some((runtime, lock)) })
    }
}

impl Drop for FleetLock {
    fn drop(&mut self) {
        if let Some((runtime, lock)) = self.database.take() {
            runtime.block_on(lock.release());
        }
    }
}
