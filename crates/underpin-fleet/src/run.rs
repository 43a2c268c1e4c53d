//! A run over a fleet: in waves, with a journal, until it is done or has to stop.

use std::{
    collections::{HashMap, HashSet},
    path,
    sync::atomic::{AtomicUsize, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use underpin::{Dialect, Error, Proof};

use crate::{
    Action, Fleet, FleetError, Found, Journal, Outcome, Place, Run, State, Target, TargetRow,
    checkpoint,
    decision::{Decision, Judge, TargetGoal},
    identity::{Identity, digest_of},
    journal::{Done, NewRun},
    lock::Directories,
    workers,
};

mod again;
mod copies;
mod one;
mod options;
mod plan;

use copies::Copies;
pub(crate) use copies::{copies_of, holds_copies};
pub use options::{Limit, RunOptions, Stop, Watch};
use plan::{rows, tasks_of};

/// So many targets are tried for what the versions build: what is wrong with all of these is wrong with the
/// migrations.
const GROUNDS: usize = 10;

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
    journal: &'r Journal,
    /// SQLite: the locks that keep other runs out.
    directories: &'r Directories,
    watch: &'r dyn Watch,
    stop: &'r Stop,
}

/// A run that begins.
struct Beginning<'r> {
    judge: Judge<'r>,
    /// The command, as people type it.
    action: String,
    /// The newest migration that the run knows of.
    head: Option<underpin::Version>,
    options: &'r RunOptions,
    /// The run whose targets it does again, and what the journal says of each of them.
    again: Option<(&'r Run, &'r [TargetRow])>,
}

/// What a run has to do.
struct Work<'t> {
    run: i32,
    tasks: Vec<Task<'t>>,
    options: RunOptions,
    copies: Option<Copies>,
    /// Of the whole run.
    targets: usize,
    /// Of these, those that failed already and count against the limit.
    failed: usize,
}

/// A run at work.
struct Running<'r> {
    fleet: &'r Fleet<'r>,
    around: Around<'r>,
    work: &'r Work<'r>,
    proof: Option<Proof>,
    /// Of the run so far.
    failures: AtomicUsize,
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
        let around = Around { journal, directories: lock.directories(), watch, stop };
        let beginning = Beginning {
            judge: Judge::new(self, action, HashMap::new()),
            action: action.to_string(),
            head: self.catalog.head().map(|head| head.version.clone()),
            options,
            again: None,
        };
        self.begin(found, &beginning, around)
    }

    fn begin(
        &self,
        found: &Found,
        beginning: &Beginning<'_>,
        around: Around<'_>,
    ) -> Result<i32, FleetError> {
        let options = self.absolute(beginning.options)?;
        let judge = &beginning.judge;
        let mut decisions =
            self.probe(&found.targets, |target, standing| judge.decide(target, standing.as_ref()))?;
        let identities = self.identities(&found.targets.iter().collect::<Vec<_>>())?;
        if let Some((run, rows)) = beginning.again {
            run.check(rows, &identities)?;
        }
        refuse_unknown(&mut decisions, &identities);
        let tasks = tasks_of(found, &decisions, options.canary);
        around.ask(&tasks, beginning.again.is_some())?;
        let is_refused = |decision: &&Decision| matches!(decision, Decision::Refused { .. });
        let failed = decisions.iter().filter(is_refused).count();
        let id = format!("{:016x}", fastrand::u64(..));
        let copies = options.backup.as_ref().filter(|_| !tasks.is_empty());
        let copies = copies.map(|dir| Copies::make(dir, &id)).transpose()?;
        let run = around.journal.start(
            &NewRun {
                id,
                set: self.catalog.set().to_owned(),
                dialect: self.catalog.dialect().to_string(),
                catalog: digest_of(self.catalog, beginning.head.as_ref()),
                catalog_head: beginning.head.as_ref().map(ToString::to_string),
                source: found.source.clone(),
                action: beginning.action.clone(),
                options: serde_json::to_string(&options).unwrap_or_default(),
                started_at: now(),
                outcome: Outcome::Running.as_str(),
            },
            rows(found, &decisions, &identities, &tasks, beginning.again.map(|(_, rows)| rows)),
        )?;
        checkpoint();
        let targets = found.targets.len();
        self.execute(&Work { run, tasks, options, copies, targets, failed }, around)
    }

    /// The options as the journal keeps them: a run that is gone on with may start somewhere else.
    fn absolute(&self, options: &RunOptions) -> Result<RunOptions, FleetError> {
        let Some(dir) = &options.backup else { return Ok(options.clone()) };
        if self.catalog.dialect() == Dialect::Postgres {
            return Err(Error::NoBackup.into());
        }
        let absolute = path::absolute(dir)
            .map_err(|error| FleetError::Copies { path: dir.clone(), reason: error.to_string() })?;
        Ok(RunOptions { backup: Some(absolute), ..options.clone() })
    }

    /// Does the work, and gives the number of its run.
    fn execute(&self, work: &Work<'_>, around: Around<'_>) -> Result<i32, FleetError> {
        around.watch.begins(work.run, work.targets, work.tasks.len(), work.failed);
        let running = Running {
            fleet: self,
            around,
            work,
            proof: if work.options.verify { self.proof(&work.tasks)? } else { None },
            failures: AtomicUsize::new(work.failed),
        };
        let complete = running.waves(&work.tasks)?;
        let failed = around.journal.summary(work.run)?.failed > 0;
        let outcome = match (complete, failed) {
            (false, _) => Outcome::Stopped,
            (true, true) => Outcome::Failed,
            (true, false) => Outcome::Done,
        };
        checkpoint();
        around.journal.end(work.run, outcome, now())?;
        Ok(work.run)
    }

    /// What the versions build, when there is something to compare with it. PostgreSQL builds it beside a
    /// target, and one where that cannot be done keeps nobody else from it.
    fn proof(&self, tasks: &[Task<'_>]) -> Result<Option<Proof>, FleetError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| FleetError::System {
            doing: "prepare the proof",
            reason: error.to_string(),
        })?;
        let (mut refusing, mut failed) = (HashSet::new(), Vec::new());
        // Adopting compares by itself.
        for task in tasks.iter().filter(|task| task.goal != TargetGoal::Adopt) {
            let ground = ground(task.target);
            if refusing.contains(&ground) {
                continue;
            }
            let url = task.target.url();
            let error = match runtime.block_on(async { self.engine(&url)?.proof().await }) {
                Ok(proof) => return Ok(Some(proof)),
                Err(error) => error,
            };
            tracing::debug!(%error, "no proof beside {}", task.target.place);
            // A script that must not be tried beside one schema must not be tried beside its neighbour.
            if matches!(error, Error::Adopt(_)) {
                refusing.insert(ground);
            }
            failed.push(error);
            if failed.len() == GROUNDS {
                break;
            }
        }
        failed.into_iter().next().map_or(Ok(None), |error| Err(error.into()))
    }
}

/// Where the proof is built that is built beside `target`: on SQLite in memory, whichever it is.
fn ground(target: &Target) -> String {
    match &target.place {
        Place::File(_) => "memory".to_owned(),
        Place::Schema { .. } | Place::Database(_) => target.url().in_schema("public").address(),
    }
}

/// What cannot be told apart from another is not worked on: nobody could prove it to be the same later.
fn refuse_unknown(decisions: &mut [Decision], identities: &[Identity]) {
    for (decision, identity) in decisions.iter_mut().zip(identities) {
        if let (Decision::Work { before, .. }, Err(reason)) = (&*decision, identity) {
            *decision = Decision::Refused { before: before.clone(), reason: reason.clone() };
        }
    }
}

impl Around<'_> {
    /// Asks before a run that leaves nothing applied in some of its targets.
    fn ask(&self, tasks: &[Task<'_>], again: bool) -> Result<(), FleetError> {
        let targets = tasks.iter().filter(|task| task.goal == TargetGoal::Base).count();
        if targets == 0 || self.watch.may_empty(targets, again) {
            return Ok(());
        }
        Err(FleetError::Unconfirmed { targets })
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
        self.work.options.canary > 0 && wave == 1
    }

    /// Whether no other target is to be begun with.
    fn ends(&self) -> bool {
        let failures = self.failures.load(Ordering::Relaxed);
        let limit = self.work.options.limit;
        self.around.stop.is_asked() || limit.is_exceeded(failures, self.work.targets)
    }
}

/// Now, in Unix milliseconds.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
