//! One run at a time in each place where targets are, whichever journals runs write.
//!
//! These locks spare people a surprise; what keeps data safe is the lock of each target. So a place that
//! cannot be reached is passed over: its targets say why when their turn comes, and the others are done.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs, iter, mem,
    path::{Path, PathBuf},
    process,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::runtime::Runtime;
use underpin::{DatabaseLock, Error, RunLock};
use underpin_db::{ConnectOptions, DatabaseUrl, FileId};

use crate::{Fleet, FleetError, Found, Place, Target, error::busy, workers};

/// What the lock of a directory is beside.
const NAME: &str = "underpin-fleet";
/// So many directories are locked, the first by name. Each takes an open file for as long as the run.
const MOST_DIRECTORIES: usize = 32;
/// So many databases are locked, the first by name. Each takes a connection for as long as the run, and a role or
/// a server may have few, which the targets need.
const MOST_DATABASES: usize = 4;
/// So long a pooler may take for a second connection. `PgBouncer` asks a server that had none free again
/// after 15 s, unless somebody says otherwise.
const PATIENCE: Duration = Duration::from_secs(20);
/// So long it may take to hand on a connection that has come free. A server that is slower than that is to
/// blame itself.
const AT_ONCE: Duration = Duration::from_secs(5);

/// Keeps other runs out of the directories or the databases of a fleet, until it is dropped.
pub(crate) struct FleetLock {
    directories: Directories,
    _databases: Option<Databases>,
}

impl Fleet<'_> {
    /// Keeps other runs away from the targets of `found`. Places are come to in the order of their names,
    /// so that of two runs that begin at once one gets on.
    pub(crate) fn lock(&self, found: &Found) -> Result<FleetLock, FleetError> {
        Ok(FleetLock {
            directories: Directories::lock(&found.targets)?,
            _databases: self.lock_databases(&found.targets)?,
        })
    }

    fn lock_databases(&self, targets: &[Target]) -> Result<Option<Databases>, FleetError> {
        let urls = databases_of(targets);
        if urls.is_empty() {
            return Ok(None);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| FleetError::System {
            doing: "lock the fleet",
            reason: error.to_string(),
        })?;
        let mut held = Databases { runtime, locks: Vec::new() };
        let (mut locked, mut passed) = (Vec::new(), Passed::default());
        for url in self.reachable(urls)? {
            match self.take(&held.runtime, url)? {
                Ok(lock) => {
                    held.locks.push(lock);
                    locked.push(url);
                }
                Err(Error::Locked { holder, .. })
                    if held.runtime.block_on(self.has_locked(&locked, url, &holder)) => {}
                Err(error) => passed.over(error, || format!("database {url}"))?,
            }
        }
        passed.end(locked.is_empty())?;
        Ok(Some(held))
    }

    /// Takes the lock of the database at `url`. It keeps a connection, and where a pooler has no other one,
    /// all workers would wait for the end of the run.
    fn take(
        &self,
        runtime: &Runtime,
        url: &DatabaseUrl,
    ) -> Result<Result<DatabaseLock, Error>, FleetError> {
        let take = || runtime.block_on(DatabaseLock::take(url, &self.options.application_name));
        let lock = match take() {
            Ok(lock) => lock,
            failed => return Ok(failed),
        };
        let start = Instant::now();
        if is_pooled(url, PATIENCE)?.is_some() {
            return Ok(Ok(lock));
        }
        let waited = start.elapsed();
        runtime.block_on(lock.release());
        if is_pooled(url, AT_ONCE)? == Some(true) {
            return Err(FleetError::OneConnection { database: url.to_string(), waited });
        }
        Ok(take())
    }

    /// Those of several databases that answer. One after the other, servers that do not would take minutes
    /// each.
    fn reachable<'u>(
        &self,
        urls: Vec<&'u DatabaseUrl>,
    ) -> Result<Vec<&'u DatabaseUrl>, FleetError> {
        if urls.len() == 1 {
            return Ok(urls);
        }
        let answers = async |url: &'u DatabaseUrl| {
            let answer = url.connect(&ConnectOptions::default()).await;
            answer.is_ok().then_some(url)
        };
        let found = workers::map(self.jobs, urls.into_iter(), answers)?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Whether it is this run that has the lock of the database at `url`, by another address of it.
    async fn has_locked(&self, locked: &[&DatabaseUrl], url: &DatabaseUrl, holder: &str) -> bool {
        // A copy of a server has the numbers of the original, and there another run may be at work.
        if !holder.contains(&format!(": process {} (", process::id())) {
            return false;
        }
        let Ok(this) = self.instance(url).await else { return false };
        for other in locked {
            let other = self.instance(other).await;
            if other.is_ok_and(|o| o.system == this.system && o.database == this.database) {
                return true;
            }
        }
        false
    }
}

impl FleetLock {
    /// SQLite: the locks whose files get a name for each target.
    pub(crate) fn directories(&self) -> &Directories {
        &self.directories
    }
}

/// SQLite: the locks of the directories.
#[derive(Default)]
pub(crate) struct Directories {
    locks: Vec<RunLock>,
    /// Which of them is whose, by the directories as the targets name them.
    of: HashMap<PathBuf, usize>,
}

impl Directories {
    /// The lock of the target's own directory. Where that is none it is another one of the run: whatever
    /// lock is given, the engine knows that it works for a run, and makes no file anew.
    pub(crate) fn of(&self, target: &Target) -> Option<&RunLock> {
        let own = self.of.get(directory(target)?);
        self.locks.get(own.copied().unwrap_or_default())
    }

    fn lock(targets: &[Target]) -> Result<Self, FleetError> {
        let named: HashSet<_> = targets.iter().filter_map(directory).collect();
        let mut places = BTreeMap::<PathBuf, Vec<&Path>>::new();
        for name in named {
            let place = fs::canonicalize(name).unwrap_or_else(|_| name.to_owned());
            places.entry(place).or_default().push(name);
        }
        let (mut all, mut known, mut passed) = (Self::default(), HashMap::new(), Passed::default());
        for (place, names) in places {
            // A directory that is mounted twice is one.
            let id = FileId::at(&place);
            if let Some(index) = id.and_then(|id| known.get(&id).copied()) {
                all.of.extend(names.into_iter().map(|name| (name.to_owned(), index)));
                continue;
            }
            if all.locks.len() == MOST_DIRECTORIES {
                break;
            }
            match RunLock::take(&place.join(NAME)) {
                Ok(lock) => {
                    let index = all.locks.len();
                    all.locks.push(lock);
                    all.of.extend(names.into_iter().map(|name| (name.to_owned(), index)));
                    known.extend(id.map(|id| (id, index)));
                }
                Err(error) => passed.over(error, || format!("directory `{}`", place.display()))?,
            }
        }
        passed.end(all.locks.is_empty())?;
        Ok(all)
    }
}

/// Why places were passed over.
#[derive(Default)]
struct Passed(Option<Error>);

impl Passed {
    /// Passes over a place whose lock is not to be had, unless another run has it.
    fn over(&mut self, error: Error, place: impl Fn() -> String) -> Result<(), FleetError> {
        match error {
            Error::Locked { .. } => return Err(busy(error, place)),
            Error::Connect(_) => tracing::debug!(%error, "passing over {}", place()),
            error => {
                tracing::debug!(%error, "no lock in {}", place());
                self.0.get_or_insert(error);
            }
        }
        Ok(())
    }

    /// The error of a place that was reached and could not be locked, when no other one was.
    fn end(self, none: bool) -> Result<(), FleetError> {
        match self.0 {
            Some(error) if none => Err(error.into()),
            _ => Ok(()),
        }
    }
}

/// PostgreSQL: the locks of the databases, with what drives their connections.
struct Databases {
    runtime: Runtime,
    locks: Vec<DatabaseLock>,
}

impl Drop for Databases {
    fn drop(&mut self) {
        for lock in mem::take(&mut self.locks) {
            self.runtime.block_on(lock.release());
        }
    }
}

/// Whether a pooler is at `url`, by a connection that is closed again; `None` when nothing answers within
/// `patience`.
fn is_pooled(url: &DatabaseUrl, patience: Duration) -> Result<Option<bool>, FleetError> {
    let ask = async |url: &DatabaseUrl| {
        let mut conn = url.connect(&ConnectOptions::default()).await.ok()?;
        conn.meet().await.ok()?;
        Some(conn.is_pooled())
    };
    let in_time = async |url| tokio::time::timeout(patience, ask(url)).await.ok().flatten();
    Ok(workers::map(1, iter::once(url), in_time)?.into_iter().next().flatten())
}

/// SQLite: the directory that a target names.
fn directory(target: &Target) -> Option<&Path> {
    match &target.place {
        Place::File(path) => Some(path.parent().unwrap_or(path)),
        Place::Schema { .. } | Place::Database(_) => None,
    }
}

/// PostgreSQL: the databases of the targets, by their addresses.
fn databases_of(targets: &[Target]) -> Vec<&DatabaseUrl> {
    let urls = targets.iter().filter_map(|target| match &target.place {
        Place::Schema { database: url, .. } | Place::Database(url) => Some(url),
        Place::File(_) => None,
    });
    let mut urls: Vec<_> = urls.collect();
    // Schemas of one database share its URL.
    urls.dedup_by(|one, other| Arc::ptr_eq(one, other));
    let mut places = BTreeMap::new();
    for url in urls {
        // In the same schema, addresses are alike where the databases are.
        places.entry(url.in_schema("public").address()).or_insert(url.as_ref());
    }
    places.into_values().take(MOST_DATABASES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_over_many_databases_keeps_few_connections_postgres() {
        let target = |number: u32| {
            let url: DatabaseUrl = format!("postgres://u@h/d{number:02}").parse().unwrap();
            Target { id: number.to_string(), place: Place::Database(Arc::new(url)) }
        };
        let targets: Vec<_> = (1..=10).rev().map(target).collect();

        let locked: Vec<_> = databases_of(&targets).into_iter().map(ToString::to_string).collect();

        assert_eq!(locked.len(), MOST_DATABASES, "{locked:?}");
        assert!(locked[0].ends_with("/d01"), "{locked:?}");
    }
}
