//! The journal: what each run over a fleet was to do, and how far it came.
//!
//! An SQLite file. A target is written before it is touched and after it is done, so that a run which
//! was killed can be gone on with. What a target really is stands in the target itself: the journal
//! only says where to look again.

use std::{
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use diesel::prelude::*;
use underpin::RunLock;

use crate::{FleetError, error::busy};

mod file;
mod rows;
mod tables;

pub(crate) use rows::{Done, NewRun, NewTarget};
pub use rows::{Outcome, Run, State, TargetRow};
use tables::{runs, targets};

/// The journal of a fleet.
pub struct Journal {
    path: PathBuf,
    conn: Mutex<SqliteConnection>,
    /// How many writes there were that must reach the disk, and up to which of them all have.
    written: AtomicU64,
    synced: Mutex<u64>,
    /// Held while a run writes.
    _lock: Option<RunLock>,
}

impl Journal {
    /// Opens the journal to read it.
    pub fn open(path: &Path) -> Result<Self, FleetError> {
        Self::connect(path, file::check(path))
    }

    /// Opens the journal for a run, and makes it if there is none. One run at a time.
    pub fn begin(path: &Path) -> Result<Self, FleetError> {
        let lock = RunLock::take(path);
        let lock = lock.map_err(|error| busy(error, || format!("journal `{}`", path.display())))?;
        Ok(Self { _lock: Some(lock), ..Self::connect(path, file::make(path))? })
    }

    fn connect(path: &Path, found: Result<(), String>) -> Result<Self, FleetError> {
        let conn = found.and_then(|()| file::open(path));
        let wrong = |reason| FleetError::Journal { path: path.to_owned(), reason };
        Ok(Self {
            path: path.to_owned(),
            conn: Mutex::new(conn.map_err(wrong)?),
            written: AtomicU64::new(0),
            synced: Mutex::new(0),
            _lock: None,
        })
    }

    fn conn(&self) -> MutexGuard<'_, SqliteConnection> {
        self.conn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, error: impl std::fmt::Display) -> FleetError {
        FleetError::Journal { path: self.path.clone(), reason: error.to_string() }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes down a new run with all of its targets, and gives its number. Runs that were killed are
    /// over with that.
    pub(crate) fn start(
        &self,
        run: &NewRun,
        all: impl Iterator<Item = NewTarget>,
    ) -> Result<i32, FleetError> {
        self.durably(|conn| {
            diesel::update(runs::table.filter(runs::outcome.eq(Outcome::Running.as_str())))
                .set(runs::outcome.eq(Outcome::Abandoned.as_str()))
                .execute(conn)?;
            let number: i32 = diesel::insert_into(runs::table)
                .values(run)
                .returning(runs::number)
                .get_result(conn)?;
            for target in all {
                diesel::insert_into(targets::table)
                    .values((targets::run.eq(number), target))
                    .execute(conn)?;
            }
            Ok(number)
        })
    }

    fn write<T>(
        &self,
        write: impl FnOnce(&mut SqliteConnection) -> QueryResult<T>,
    ) -> Result<T, FleetError> {
        self.conn().immediate_transaction(write).map_err(|error| self.failed(error))
    }

    /// Writes what is on the disk when this comes back: what a run is to do must not be forgotten when some of
    /// it is done, nor what came of a target when it was told. Other workers write while one waits.
    fn durably<T>(
        &self,
        write: impl FnOnce(&mut SqliteConnection) -> QueryResult<T>,
    ) -> Result<T, FleetError> {
        let value = self.write(write)?;
        let mine = self.written.fetch_add(1, Ordering::SeqCst) + 1;
        let mut synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        // Who waited for the disk meanwhile may have taken this write along.
        if *synced < mine {
            let all = self.written.load(Ordering::SeqCst);
            file::sync(&self.path).map_err(|error| self.failed(error))?;
            *synced = all;
        }
        Ok(value)
    }

    /// Takes up a run that came to no end.
    pub(crate) fn take_up(&self, run: i32) -> Result<(), FleetError> {
        self.durably(|conn| {
            diesel::update(runs::table.find(run))
                .set((runs::outcome.eq(Outcome::Running.as_str()), runs::ended_at.eq(None::<i64>)))
                .execute(conn)
                .map(drop)
        })
    }

    /// A worker begins with a target. Nobody is told, and who finds a target that has not begun looks at it
    /// again, so a power failure may take this.
    pub(crate) fn began(&self, run: i32, number: i32) -> Result<(), FleetError> {
        self.write(|conn| {
            diesel::update(targets::table.find((run, number)))
                .set(targets::state.eq(State::Running.as_str()))
                .execute(conn)
                .map(drop)
        })
    }

    /// A worker is done with a target.
    pub(crate) fn ended(&self, run: i32, number: i32, done: &Done) -> Result<(), FleetError> {
        self.durably(|conn| {
            diesel::update(targets::table.find((run, number))).set(done).execute(conn).map(drop)
        })
    }

    /// The run is over.
    pub(crate) fn end(&self, run: i32, outcome: Outcome, now: i64) -> Result<(), FleetError> {
        self.durably(|conn| {
            diesel::update(runs::table.find(run))
                .set((runs::outcome.eq(outcome.as_str()), runs::ended_at.eq(Some(now))))
                .execute(conn)
                .map(drop)
        })
    }

    /// The run with this number, or the newest.
    pub fn run(&self, number: Option<i32>) -> Result<Run, FleetError> {
        let mut query =
            runs::table.select(Run::as_select()).order(runs::number.desc()).into_boxed();
        if let Some(number) = number {
            query = query.filter(runs::number.eq(number));
        }
        let run = query.first(&mut *self.conn()).optional().map_err(|error| self.failed(error))?;
        run.map_or_else(|| Err(self.no_run(number)), Ok)
    }

    fn no_run(&self, number: Option<i32>) -> FleetError {
        let all: Vec<i32> =
            runs::table.select(runs::number).load(&mut *self.conn()).unwrap_or_default();
        let known = match all.as_slice() {
            [] => "none".to_owned(),
            [one] => one.to_string(),
            [first, .., last] => format!("{first} to {last}"),
        };
        let number = number.map_or_else(|| "at all".to_owned(), |number| number.to_string());
        FleetError::NoRun { number, path: self.path.clone(), known }
    }

    /// The targets of a run that are in one of `states`, in its order.
    pub fn targets(&self, run: i32, states: &[State]) -> Result<Vec<TargetRow>, FleetError> {
        let states = states.iter().map(|state| state.as_str());
        targets::table
            .filter(targets::run.eq(run).and(targets::state.eq_any(states)))
            .order(targets::number)
            .select(TargetRow::as_select())
            .load(&mut *self.conn())
            .map_err(|error| self.failed(error))
    }

    /// How many targets of a run are in each state.
    pub fn counts(&self, run: i32) -> Result<Vec<(State, i64)>, FleetError> {
        let rows: Vec<(String, i64)> = targets::table
            .filter(targets::run.eq(run))
            .group_by(targets::state)
            .select((targets::state, diesel::dsl::count_star()))
            .load(&mut *self.conn())
            .map_err(|error| self.failed(error))?;
        rows.into_iter()
            .map(|(state, count)| Ok((State::try_from(state).map_err(|e| self.failed(e))?, count)))
            .collect()
    }
}
