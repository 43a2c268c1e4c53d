//! A project as it should be, in memory. Rows are named by the order in which they were made.

use std::collections::BTreeSet;

use underpin_models::project::{ChangeRequestStatus, Phase, RunStatus, TaskStatus};

/// An operation. A number names a row, which may not be there.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    Create(i32, Vec<usize>),
    Title(usize, u8),
    Status(usize, TaskStatus),
    Phase(usize, Phase),
    Approve(usize),
    Advance(usize),
    Split(usize),
    Merge(Vec<usize>),
    Delete(usize),
    Wait(usize, Vec<usize>),
    Gates(usize),
    Start(usize),
    Finish(usize, RunStatus),
    Pause,
    Resume,
    Limit(i32),
    Draft(usize),
    Rewrite(usize),
    Answer(usize, ChangeRequestStatus),
}

/// Which statuses follow which, by the name of the first.
const STATUSES: [(&str, &str); 7] = [
    ("pending", "in_progress awaiting_approval approved rejected cancelled"),
    ("in_progress", "pending awaiting_approval approved completed cancelled"),
    ("awaiting_approval", "approved rejected pending cancelled"),
    ("approved", "pending in_progress completed rejected cancelled"),
    ("rejected", "pending awaiting_approval cancelled"),
    ("completed", ""),
    ("cancelled", ""),
];

/// Whether a task may go from one status to another one.
pub(crate) fn follows(from: TaskStatus, to: TaskStatus) -> bool {
    let row = STATUSES.iter().find(|row| row.0 == from.wire());
    row.is_some_and(|row| row.1.split(' ').any(|name| name == to.wire()))
}

/// The phases, in their order.
const PHASES: [Option<Phase>; 5] = [
    None,
    Some(Phase::Planner),
    Some(Phase::Architect),
    Some(Phase::ReviewApproval),
    Some(Phase::Coder),
];

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Task {
    pub(crate) name: usize,
    pub(crate) title: u8,
    pub(crate) status: TaskStatus,
    pub(crate) phase: Option<Phase>,
    pub(crate) version: i32,
    pub(crate) attempts: i32,
    pub(crate) priority: i32,
    pub(crate) waits_for: BTreeSet<usize>,
}

/// An event: its type, its task, the old and the new status, the new version.
pub(crate) type Told = (String, Option<usize>, Option<(String, String)>, Option<i64>);

/// What can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The most urgent first, then the oldest; without what they wait for.
    pub(crate) tasks: Vec<Task>,
    pub(crate) next: Option<usize>,
    /// Name, task and status.
    pub(crate) runs: Vec<(usize, usize, RunStatus)>,
    /// Name, task, status and version.
    pub(crate) requests: Vec<(usize, usize, ChangeRequestStatus, i32)>,
    pub(crate) paused: bool,
    pub(crate) max_attempts: i32,
    pub(crate) current: Option<usize>,
}

/// Done, or the kind of the refusal.
pub(crate) type Done = Result<(), &'static str>;

#[derive(Debug, Default)]
pub(crate) struct Model {
    /// `None` is a deleted one.
    pub(crate) tasks: Vec<Option<Task>>,
    runs: Vec<(usize, RunStatus)>,
    requests: Vec<(usize, ChangeRequestStatus, i32)>,
    paused: bool,
    max_attempts: i32,
    current: Option<usize>,
    pub(crate) told: Vec<Told>,
}

impl Model {
    pub(crate) fn new() -> Self {
        let mut model = Self { max_attempts: 3, ..Self::default() };
        model.tell("project_created", None);
        model
    }

    pub(crate) fn look(&self) -> Seen {
        let mut tasks: Vec<Task> = self.tasks.iter().flatten().cloned().collect();
        tasks.sort_by_key(|task| (-task.priority, task.name));
        let may_run = |task: &&Task| !self.paused && self.runnable(task).is_ok();
        let next = tasks.iter().find(may_run).map(|task| task.name);
        for task in &mut tasks {
            task.waits_for.clear();
        }
        let runs = self.runs.iter().enumerate().map(|(name, run)| (name, run.0, run.1));
        let requests =
            self.requests.iter().enumerate().map(|(name, one)| (name, one.0, one.1, one.2));
        Seen {
            next,
            tasks,
            runs: runs.filter(|run| self.task(run.1).is_ok()).collect(),
            requests: requests.filter(|request| self.task(request.1).is_ok()).collect(),
            paused: self.paused,
            max_attempts: self.max_attempts,
            current: self.current,
        }
    }

    pub(crate) fn apply(&mut self, op: &Op) -> Done {
        match op {
            Op::Create(priority, first) => self.create(*priority, first),
            Op::Title(name, title) => self.title(*name, *title),
            Op::Status(name, status) => self.status(*name, *status),
            Op::Phase(name, phase) => self.phase(*name, *phase),
            Op::Approve(name) => self.approve(*name),
            Op::Advance(name) => self.advance(*name),
            Op::Split(name) => self.split(*name),
            Op::Merge(names) => self.merge(names),
            Op::Delete(name) => self.delete(*name),
            Op::Wait(name, first) => self.wait(*name, first),
            Op::Gates(name) => {
                self.task(*name)?;
                self.next_version(*name);
                Ok(())
            }
            Op::Start(name) => self.start(*name),
            Op::Finish(run, status) => self.finish(*run, *status),
            Op::Pause => {
                self.pause(true, "execution_paused");
                Ok(())
            }
            Op::Resume => {
                self.pause(false, "execution_resumed");
                Ok(())
            }
            Op::Limit(limit) => self.limit(*limit),
            Op::Draft(name) => {
                self.task(*name)?;
                self.requests.push((*name, ChangeRequestStatus::Draft, 1));
                self.tell("change_request_created", Some(*name));
                Ok(())
            }
            Op::Rewrite(request) => self.rewrite(*request),
            Op::Answer(request, to) => self.answer(*request, *to),
        }
    }

    fn tell(&mut self, event: &str, task: Option<usize>) {
        self.told.push((event.to_owned(), task, None, None));
    }

    fn tell_move(&mut self, event: &str, task: usize, from: &str, to: &str) {
        let moved = Some((from.to_owned(), to.to_owned()));
        self.told.push((event.to_owned(), Some(task), moved, None));
    }

    fn task(&self, name: usize) -> Result<Task, &'static str> {
        self.tasks.get(name).cloned().flatten().ok_or("not found")
    }

    fn change(&mut self, name: usize, change: impl FnOnce(&mut Task)) {
        change(self.tasks[name].as_mut().unwrap());
    }

    fn next_version(&mut self, name: usize) {
        self.change(name, |task| task.version += 1);
        let version = self.tasks[name].as_ref().unwrap().version;
        self.told.push(("task_updated".to_owned(), Some(name), None, Some(version.into())));
    }

    fn move_task(&mut self, name: usize, to: TaskStatus) {
        let from = self.tasks[name].as_ref().unwrap().status;
        self.change(name, |task| task.status = to);
        self.tell_move("task_status_changed", name, from.wire(), to.wire());
    }

    fn may_move(&self, name: usize, to: TaskStatus) -> Done {
        let task = self.task(name)?;
        if !follows(task.status, to) {
            return Err("transition");
        }
        self.no_open_run(name)
    }

    fn no_open_run(&self, name: usize) -> Done {
        let open = self.runs.contains(&(name, RunStatus::Running));
        if open { Err("running") } else { Ok(()) }
    }

    fn insert(&mut self, priority: i32, waits_for: BTreeSet<usize>) -> usize {
        let name = self.tasks.len();
        self.tasks.push(Some(Task {
            name,
            title: 0,
            status: TaskStatus::Pending,
            phase: None,
            version: 1,
            attempts: 0,
            priority,
            waits_for,
        }));
        self.tell("task_created", Some(name));
        name
    }

    fn create(&mut self, priority: i32, first: &[usize]) -> Done {
        if first.iter().any(|one| self.task(*one).is_err()) {
            return Err("dependencies");
        }
        self.insert(priority, first.iter().copied().collect());
        Ok(())
    }

    fn title(&mut self, name: usize, title: u8) -> Done {
        if self.task(name)?.title != title {
            self.change(name, |task| task.title = title);
            self.next_version(name);
        }
        Ok(())
    }

    fn status(&mut self, name: usize, to: TaskStatus) -> Done {
        if self.task(name)?.status != to {
            self.may_move(name, to)?;
            self.move_task(name, to);
        }
        Ok(())
    }

    fn phase(&mut self, name: usize, phase: Phase) -> Done {
        let task = self.task(name)?;
        if task.phase == Some(phase) {
            return Ok(());
        }
        let place = |phase| PHASES.iter().position(|one| *one == phase).unwrap();
        if place(Some(phase)) != place(task.phase) + 1 {
            return Err("transition");
        }
        if phase == Phase::Coder && task.status != TaskStatus::Approved {
            return Err("not approved");
        }
        self.change(name, |task| task.phase = Some(phase));
        self.tell("task_updated", Some(name));
        Ok(())
    }

    fn advance(&mut self, name: usize) -> Done {
        let phase = self.task(name)?.phase;
        let place = PHASES.iter().position(|one| *one == phase).unwrap();
        match PHASES.get(place + 1).copied().flatten() {
            Some(next) => self.phase(name, next),
            None => Ok(()),
        }
    }

    fn approve(&mut self, name: usize) -> Done {
        self.may_move(name, TaskStatus::Approved)?;
        self.move_task(name, TaskStatus::Approved);
        Ok(())
    }

    /// Whether `one` waits for one of `others`, directly or not.
    fn waits(&self, one: usize, others: &BTreeSet<usize>) -> bool {
        let Ok(task) = self.task(one) else { return false };
        task.waits_for.iter().any(|first| others.contains(first) || self.waits(*first, others))
    }

    /// Puts `new` in the place of `old` wherever a task waits for it, but for the old themselves.
    fn replace(&mut self, old: &BTreeSet<usize>, new: &BTreeSet<usize>) {
        for name in 0..self.tasks.len() {
            let Ok(task) = self.task(name) else { continue };
            if !old.contains(&name) && !task.waits_for.is_disjoint(old) {
                self.change(name, |task| task.waits_for = &(&task.waits_for - old) | new);
                self.next_version(name);
            }
        }
    }

    fn split(&mut self, name: usize) -> Done {
        self.may_move(name, TaskStatus::Cancelled)?;
        let source = self.task(name)?;
        let parts = [(); 2].map(|()| self.insert(source.priority, source.waits_for.clone()));
        self.tell("task_updated", Some(name));
        self.move_task(name, TaskStatus::Cancelled);
        self.replace(&[name].into(), &parts.into());
        Ok(())
    }

    fn merge(&mut self, names: &[usize]) -> Done {
        let old: BTreeSet<usize> = names.iter().copied().collect();
        if names.len() < 2 {
            return Err("too few");
        }
        if old.len() < names.len() {
            return Err("duplicate");
        }
        for name in names {
            self.may_move(*name, TaskStatus::Cancelled)?;
        }
        let sources: Vec<Task> = names.iter().map(|name| self.task(*name).unwrap()).collect();
        let first = sources.iter().flat_map(|source| &source.waits_for).copied();
        let first: BTreeSet<usize> = first.filter(|one| !old.contains(one)).collect();
        if first.iter().any(|one| self.waits(*one, &old)) {
            return Err("dependencies");
        }
        let priority = sources.iter().map(|source| source.priority).max().unwrap();
        let merged = self.insert(priority, first);
        for name in names {
            self.tell("task_updated", Some(*name));
            self.move_task(*name, TaskStatus::Cancelled);
        }
        self.replace(&old, &[merged].into());
        Ok(())
    }

    fn delete(&mut self, name: usize) -> Done {
        self.task(name)?;
        self.no_open_run(name)?;
        self.tasks[name] = None;
        self.tell("task_deleted", Some(name));
        self.replace(&[name].into(), &BTreeSet::new());
        Ok(())
    }

    fn wait(&mut self, name: usize, first: &[usize]) -> Done {
        self.task(name)?;
        let waits = |one: &usize| {
            *one == name || self.task(*one).is_err() || self.waits(*one, &[name].into())
        };
        if first.iter().any(waits) {
            return Err("dependencies");
        }
        self.change(name, |task| task.waits_for = first.iter().copied().collect());
        self.next_version(name);
        Ok(())
    }

    fn runnable(&self, task: &Task) -> Done {
        self.no_open_run(task.name)?;
        if task.status != TaskStatus::Approved {
            return Err("not approved");
        }
        let is_open = |one: &usize| self.task(*one).unwrap().status != TaskStatus::Completed;
        if task.waits_for.iter().any(is_open) {
            return Err("dependencies");
        }
        if task.attempts >= self.max_attempts { Err("attempts") } else { Ok(()) }
    }

    fn start(&mut self, name: usize) -> Done {
        let task = self.task(name)?;
        if self.paused {
            return Err("paused");
        }
        self.runnable(&task)?;
        self.runs.push((name, RunStatus::Running));
        self.tell("run_started", Some(name));
        self.change(name, |task| task.attempts += 1);
        self.move_task(name, TaskStatus::InProgress);
        self.current = Some(name);
        Ok(())
    }

    fn finish(&mut self, run: usize, to: RunStatus) -> Done {
        let (name, from) = *self.runs.get(run).ok_or("not found")?;
        self.task(name)?;
        if from != RunStatus::Running || to == RunStatus::Running {
            return Err("transition");
        }
        self.runs[run].1 = to;
        let (event, left) = match to {
            RunStatus::Success => ("run_completed", TaskStatus::Completed),
            RunStatus::Cancelled => ("run_cancelled", TaskStatus::Approved),
            _ => ("run_failed", TaskStatus::Approved),
        };
        self.tell_move(event, name, from.wire(), to.wire());
        self.move_task(name, left);
        self.current = self.current.filter(|current| *current != name);
        Ok(())
    }

    fn pause(&mut self, paused: bool, event: &str) {
        if self.paused != paused {
            self.paused = paused;
            self.tell(event, None);
        }
    }

    fn limit(&mut self, limit: i32) -> Done {
        if limit < 1 {
            return Err("limit");
        }
        if self.max_attempts != limit {
            self.max_attempts = limit;
            self.tell("project_updated", None);
        }
        Ok(())
    }

    fn request(&self, name: usize) -> Result<(usize, ChangeRequestStatus, i32), &'static str> {
        let request = *self.requests.get(name).ok_or("not found")?;
        self.task(request.0).map(|_| request)
    }

    fn rewrite(&mut self, name: usize) -> Done {
        let (task, status, version) = self.request(name)?;
        if status != ChangeRequestStatus::Draft {
            return Err("transition");
        }
        self.requests[name].2 += 1;
        let version = Some(i64::from(version) + 1);
        self.told.push(("change_request_updated".to_owned(), Some(task), None, version));
        Ok(())
    }

    fn answer(&mut self, name: usize, to: ChangeRequestStatus) -> Done {
        use ChangeRequestStatus::{Approved, Draft, Implemented, Rejected, Submitted};
        let (task, from, _) = self.request(name)?;
        let table = [
            (Draft, Submitted),
            (Submitted, Approved),
            (Submitted, Rejected),
            (Approved, Implemented),
        ];
        if !table.contains(&(from, to)) {
            return Err("transition");
        }
        self.requests[name].1 = to;
        let event = format!("change_request_{}", to.wire());
        self.tell_move(&event, task, from.wire(), to.wire());
        Ok(())
    }
}
