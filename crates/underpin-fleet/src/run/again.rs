//! Going on with a run: with what was left of it, or with what failed in it.

use underpin::Goal;

use super::{Around, Beginning, Task, Work, copies::Copies};
use crate::{
    Action, Fleet, FleetError, Found, Journal, Outcome, Run, RunOptions, State, Stop, TargetRow,
    Watch,
    decision::{Judge, TargetGoal},
    journal::Done,
};

impl Fleet<'_> {
    /// Goes on with a run that was stopped or killed, with the targets that nobody came to. Those that
    /// failed stay so.
    ///
    /// Targets and migrations must be those that the run was made for. A target of which nobody can tell
    /// that, because it is not to be reached, fails.
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
        let targets = run.targets(found, &rows)?;
        let identities = self.identities(&targets)?;
        run.check(&rows, &identities)?;
        let (mut tasks, mut lost) = (Vec::new(), Vec::new());
        for ((row, target), identity) in rows.iter().zip(targets).zip(identities) {
            let goal = goal(&run, row)?;
            match identity {
                Ok(_) => tasks.push(Task { number: row.number, wave: row.wave, goal, target }),
                Err(reason) => lost.push((row, reason)),
            }
        }
        let around = Around { journal, directories: lock.directories(), watch, stop };
        around.ask(&tasks, true)?;
        let copies = options.backup.as_ref().filter(|_| !tasks.is_empty());
        let id = run.id.as_deref().unwrap_or_default();
        let copies = copies.map(|dir| Copies::again(dir, id)).transpose()?;
        journal.take_up(run.number)?;
        for (row, reason) in &lost {
            journal.ended(run.number, row.number, &unreached(row, reason))?;
        }
        let targets = usize::try_from(journal.summary(run.number)?.targets()).unwrap_or_default();
        // What failed before stopped the run then; whoever goes on with it has seen that.
        let failed = lost.len();
        self.execute(&Work { run: run.number, tasks, options, copies, targets, failed }, around)
    }

    /// Runs the targets that failed in the newest run once more, as a new run. They go where they were
    /// to go then, however far they came.
    ///
    /// Targets and migrations must be those that the run was made for. A target of which nobody can tell
    /// that, because it is not to be reached, fails again.
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
        let head = last.catalog_head.as_ref().and_then(|head| head.parse().ok());
        let action = match (Action::parse(&last.action, self.catalog), &head) {
            // Where the newest migration was then.
            (Some(Action::Migrate(Goal::Head)), Some(head)) => {
                Action::Migrate(Goal::UpTo(underpin::Version::clone(head)))
            }
            (Some(action), _) => action,
            (None, _) => {
                let kind =
                    format!("is of a kind that this program does not know: `{}`", last.action);
                return Err(last.refused(&kind));
            }
        };
        let targets = last.targets(found, &failed)?.into_iter().cloned().collect();
        let goals = failed
            .iter()
            .filter_map(|row| Some((row.key.clone()?, TargetGoal::parse(row.goal.as_deref()?)?)));
        let judge = Judge::new(self, &action, goals.collect());
        let source = format!("those that failed in run {number}, of {}", found.source);
        let found = Found { source, targets, skipped: Vec::new() };
        let around = Around { journal, directories: lock.directories(), watch, stop };
        let again = Some((&last, failed.as_slice()));
        let beginning =
            Beginning { judge, action: last.action.clone(), head, options: &options, again };
        self.begin(&found, &beginning, around)
    }

    /// How `run` was to be done, when it is one of these migrations.
    fn options_of(&self, run: &Run) -> Result<RunOptions, FleetError> {
        self.check_catalog(run)?;
        serde_json::from_str(&run.options).map_err(|error| {
            run.refused(&format!("has options that this program does not know: {error}"))
        })
    }
}

/// What is not to be told from another database is not worked on, and stays what it was.
fn unreached(row: &TargetRow, reason: &str) -> Done {
    Done {
        state: State::Failed.as_str(),
        version_after: row.version_after.clone(),
        steps: row.steps,
        duration_ms: None,
        message: Some(reason.to_owned()),
    }
}

fn goal(run: &Run, row: &TargetRow) -> Result<TargetGoal, FleetError> {
    let goal = row.goal.as_deref().and_then(TargetGoal::parse);
    goal.ok_or_else(|| run.refused(&format!("has a goal for `{}` that is not known", row.place)))
}
