//! A run over a fleet: in waves, with a journal, until it is done or has to stop.

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::PathBuf,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
use underpin::{Dialect, Error, Proof, RunLock};

use crate::{
    Action, Fleet, FleetError, Found, Journal, Outcome, State, Target, checkpoint,
    journal::{Done, NewRun},
    outlook::{Judge, Outlook, TargetGoal},
    workers,
};

mod one;
mod plan;

use plan::{rows, tasks_of};

/// How a run goes about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunOptions {
    /// So many targets first, with their rows counted; when one of them fails, the rest stays untouched.
    pub canary: usize,
    /// When the run stops.
    pub limit: Limit,
    /// SQLite: where each file is copied to before it is changed.
    pub backup: Option<PathBuf>,
    /// Whether each schema is compared with what its version builds, before it is committed.
    pub verify: bool,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self { canary: 0, limit: Limit::Failures(0), backup: None, verify: true }
    }
}

/// How many failures a run takes. With one more, no worker begins with another target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Limit {
    /// So many.
    Failures(usize),
    /// So many of a hundred of all targets.
    Percent(u8),
    /// Any number.
    None,
}

impl Limit {
    fn is_exceeded(self, failures: usize, targets: usize) -> bool {
        match self {
            Self::Failures(most) => failures > most,
            Self::Percent(most) => failures * 100 > usize::from(most) * targets,
            Self::None => false,
        }
    }
}

/// Asks a run to stop: what is in flight comes to its end, nothing else begins.
#[derive(Debug, Default)]
pub struct Stop(AtomicBool);

impl Stop {
    /// Asks.
    pub fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Somebody who wants to see a run.
pub trait Watch: Sync {
    /// The run begins: `tasks` of `targets` have work to do, `failed` cannot be worked on.
    fn begins(&self, run: i32, targets: usize, tasks: usize, failed: usize);
    /// A wave of so many targets begins; the first is 1.
    fn wave(&self, wave: i32, tasks: usize);
    /// A target is done; `error` says why it is not where it should be.
    fn done(&self, target: &Target, version: Option<&str>, took: Duration, error: Option<&str>);
}

/// Nobody.
impl Watch for () {
    fn begins(&self, _: i32, _: usize, _: usize, _: usize) {}
    fn wave(&self, _: i32, _: usize) {}
    fn done(&self, _: &Target, _: Option<&str>, _: Duration, _: Option<&str>) {}
}

/// One target that has work to do.
struct Task<'t> {
    number: i32,
    wave: i32,
    goal: TargetGoal,
    target: &'t Target,
}

/// What stands around a run.
#[derive(Clone, Copy)]
struct Around<'r> {
    /// SQLite: the lock that keeps other runs out.
    directory: Option<&'r RunLock>,
    watch: &'r dyn Watch,
    stop: &'r Stop,
}

/// A run at work.
struct Running<'r> {
    fleet: &'r Fleet<'r>,
    journal: &'r Journal,
    run: i32,
    options: &'r RunOptions,
    proof: Option<Proof>,
    around: Around<'r>,
    /// Of the run so far.
    failures: AtomicUsize,
    targets: usize,
}

impl Fleet<'_> {
    /// Does `action` to every target, and gives the number of the run in the journal, which tells what
    /// came of each.
    pub fn run(
        &self,
        found: &Found,
        action: &Action,
        options: &RunOptions,
        journal: &Journal,
        watch: &dyn Watch,
        stop: &Stop,
    ) -> Result<i32, FleetError> {
        let lock = self.lock(found)?;
        let judge = Judge::new(self, action, HashMap::new());
        let around = Around { directory: lock.directory(), watch, stop };
        self.begin(found, &judge, action, options, journal, around)
    }

    fn begin(
        &self,
        found: &Found,
        judge: &Judge<'_>,
        action: &Action,
        options: &RunOptions,
        journal: &Journal,
        around: Around<'_>,
    ) -> Result<i32, FleetError> {
        self.check(options)?;
        let outlooks = self.probe(&found.targets, |target, one| judge.outlook(target, one))?;
        let tasks = tasks_of(found, &outlooks, options.canary);
        let is_refused = |outlook: &&Outlook| matches!(outlook, Outlook::Refused { .. });
        let failed = outlooks.iter().filter(is_refused).count();
        let run = journal.start(
            &NewRun {
                set: self.catalog.set().to_owned(),
                source: found.source.clone(),
                action: action.to_string(),
                options: serde_json::to_string(options).unwrap_or_default(),
                started_at: now(),
                outcome: Outcome::Running.as_str(),
            },
            rows(found, &outlooks, &tasks),
        )?;
        drop(outlooks);
        checkpoint();
        self.execute(journal, run, &tasks, options, (found.targets.len(), failed), around)?;
        Ok(run)
    }

    /// Goes on with a run that was stopped or killed, with the targets that nobody came to. Those that
    /// failed stay so.
    pub fn resume(
        &self,
        found: &Found,
        journal: &Journal,
        watch: &dyn Watch,
        stop: &Stop,
    ) -> Result<i32, FleetError> {
        let lock = self.lock(found)?;
        let run = journal.run(None)?;
        if matches!(run.outcome, Outcome::Done | Outcome::Failed) {
            let reason = "came to its end: begin a new one, or use `retry-failed`".to_owned();
            return Err(FleetError::NotResumable { number: run.number, reason });
        }
        let options = self.options_of(&run)?;
        let rows = journal.targets(run.number, &[State::Waiting, State::Running])?;
        let tasks = tasks(found, rows.iter().map(|row| (row.number, row.wave, row)), run.number)?;
        journal.take_up(run.number)?;
        let total = usize::try_from(journal.summary(run.number)?.targets()).unwrap_or_default();
        // What failed before stopped the run then; whoever goes on with it has seen that.
        let around = Around { directory: lock.directory(), watch, stop };
        self.execute(journal, run.number, &tasks, &options, (total, 0), around)?;
        Ok(run.number)
    }

    fn options_of(&self, run: &crate::Run) -> Result<RunOptions, FleetError> {
        let (set, number) = (self.catalog.set(), run.number);
        if run.set != set {
            let reason = format!("is one of set `{}`, not of `{set}`", run.set);
            return Err(FleetError::NotResumable { number, reason });
        }
        serde_json::from_str(&run.options).map_err(|error| FleetError::NotResumable {
            number,
            reason: format!("has options that this program does not know: {error}"),
        })
    }

    /// Runs the targets that failed in the newest run once more, as a new run. They go where they were
    /// to go then, however far they came.
    pub fn retry_failed(
        &self,
        found: &Found,
        journal: &Journal,
        watch: &dyn Watch,
        stop: &Stop,
    ) -> Result<i32, FleetError> {
        let lock = self.lock(found)?;
        let last = journal.run(None)?;
        let number = last.number;
        let options = self.options_of(&last)?;
        let failed = journal.targets(number, &[State::Failed])?;
        if failed.is_empty() {
            let reason = "has no target that failed".to_owned();
            return Err(FleetError::NotResumable { number, reason });
        }
        let action = parse_action(&last.action, self.catalog).ok_or_else(|| {
            let reason = format!("is of a kind that this program does not know: `{}`", last.action);
            FleetError::NotResumable { number, reason }
        })?;
        let goals = failed
            .iter()
            .filter_map(|row| Some((row.place.clone(), TargetGoal::parse(row.goal.as_deref()?)?)));
        let judge = Judge::new(self, &action, goals.collect());
        let places: HashSet<&str> = failed.iter().map(|row| row.place.as_str()).collect();
        let still = |target: &&Target| places.contains(target.place.to_string().as_str());
        let targets: Vec<_> = found.targets.iter().filter(still).cloned().collect();
        let source = format!("those that failed in run {number}, of {}", found.source);
        let found = Found { source, targets, skipped: Vec::new() };
        let around = Around { directory: lock.directory(), watch, stop };
        self.begin(&found, &judge, &action, &options, journal, around)
    }

    fn check(&self, options: &RunOptions) -> Result<(), FleetError> {
        let Some(dir) = &options.backup else { return Ok(()) };
        if self.catalog.dialect() == Dialect::Postgres {
            return Err(Error::NoBackup.into());
        }
        fs::create_dir_all(dir)
            .map_err(|error| FleetError::Directory { path: dir.clone(), reason: error.to_string() })
    }

    fn execute(
        &self,
        journal: &Journal,
        run: i32,
        tasks: &[Task<'_>],
        options: &RunOptions,
        (targets, failed): (usize, usize),
        around: Around<'_>,
    ) -> Result<(), FleetError> {
        around.watch.begins(run, targets, tasks.len(), failed);
        let running = Running {
            fleet: self,
            journal,
            run,
            options,
            proof: if options.verify { self.proof(tasks)? } else { None },
            around,
            failures: AtomicUsize::new(failed),
            targets,
        };
        let complete = running.waves(tasks)?;
        let failed = journal.summary(run)?.failed > 0;
        let outcome = match (complete, failed) {
            (false, _) => Outcome::Stopped,
            (true, true) => Outcome::Failed,
            (true, false) => Outcome::Done,
        };
        checkpoint();
        journal.end(run, outcome, now())
    }

    /// What the versions build, when there is something to compare with it.
    fn proof(&self, tasks: &[Task<'_>]) -> Result<Option<Proof>, FleetError> {
        // Adopting compares by itself.
        let first = tasks.iter().find(|task| task.goal != TargetGoal::Adopt);
        let Some(first) = first else { return Ok(None) };
        let url = first.target.url();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| FleetError::System {
            doing: "prepare the proof",
            reason: error.to_string(),
        })?;
        let proof = runtime.block_on(async { self.engine(&url)?.proof().await })?;
        Ok(Some(proof))
    }
}

impl Running<'_> {
    /// Whether all tasks were tried.
    fn waves(&self, tasks: &[Task<'_>]) -> Result<bool, FleetError> {
        for wave in tasks.chunk_by(|one, other| one.wave == other.wave) {
            let Some(first) = wave.first() else { continue };
            let before = self.failures.load(Ordering::Relaxed);
            if self.ends() {
                return Ok(false);
            }
            self.around.watch.wave(first.wave, wave.len());
            let taken = AtomicUsize::new(0);
            let next = || {
                if self.ends() {
                    return None;
                }
                wave.get(taken.fetch_add(1, Ordering::Relaxed))
            };
            workers::each(self.fleet.jobs, next, async |worker, task| {
                self.one(worker, task).await
            })?;
            let complete = taken.into_inner() >= wave.len();
            let canary_failed =
                self.is_canary(first.wave) && self.failures.load(Ordering::Relaxed) > before;
            if !complete || (canary_failed && wave.len() < tasks.len()) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn is_canary(&self, wave: i32) -> bool {
        self.options.canary > 0 && wave == 1
    }

    /// Whether no other target is to be begun with.
    fn ends(&self) -> bool {
        let failures = self.failures.load(Ordering::Relaxed);
        self.around.stop.is_asked() || self.options.limit.is_exceeded(failures, self.targets)
    }
}

/// Finds the targets that the journal names.
fn tasks<'t, 'j>(
    found: &'t Found,
    rows: impl Iterator<Item = (i32, i32, &'j crate::TargetRow)>,
    run: i32,
) -> Result<Vec<Task<'t>>, FleetError> {
    let known: HashMap<String, &Target> =
        found.targets.iter().map(|target| (target.place.to_string(), target)).collect();
    let lost = |row: &crate::TargetRow, reason: &str| FleetError::NotResumable {
        number: run,
        reason: format!("cannot be gone on with: `{}` {reason}", row.place),
    };
    rows.map(|(number, wave, row)| {
        let target =
            known.get(&row.place).ok_or_else(|| lost(row, "is not in the fleet any more"))?;
        let goal = row.goal.as_deref().and_then(TargetGoal::parse);
        let goal = goal.ok_or_else(|| lost(row, "has a goal that is not known"))?;
        Ok(Task { number, wave, goal, target })
    })
    .collect()
}

/// Reads what [`Action`] prints.
fn parse_action(text: &str, catalog: &underpin::Catalog) -> Option<Action> {
    use underpin::Goal;
    let version = |text: &str| catalog.find(text).ok().map(|one| one.version.clone());
    let goal = match text.split_once(' ') {
        None if text == "adopt" => return Some(Action::Adopt),
        Some(("upgrade", "head")) => Goal::Head,
        Some(("downgrade", "base")) => Goal::Base,
        Some(("upgrade", to)) => match to.strip_prefix('+') {
            Some(count) => Goal::Up(count.parse().ok()?),
            None => Goal::UpTo(version(to)?),
        },
        Some(("downgrade", to)) => match to.strip_prefix('-') {
            Some(count) => Goal::Down(count.parse().ok()?),
            None => Goal::DownTo(version(to)?),
        },
        _ => return None,
    };
    Some(Action::Migrate(goal))
}

/// Now, in Unix milliseconds.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
