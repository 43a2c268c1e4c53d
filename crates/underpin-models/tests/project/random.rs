//! Whatever is done in whatever order, the database gives what the model gives.

use std::sync::atomic::{AtomicI32, Ordering};

use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    test_runner::{Config, RngSeed, TestCaseError, TestRunner},
};
use rstest::rstest;
use serde_json::Value;
use underpin_db::{Db, Dialect, PoolOptions};
use underpin_models::project::{
    ChangeRequestFilter, ChangeRequestRepository as _, ChangeRequestStatus, ControlRepository as _,
    EventRepository as _, Limits, NewTask, Page, Phase, ProjectRepository as _, Refusal, RunFilter,
    RunRepository as _, RunStatus, Task as Row, TaskFilter, TaskRepository as _, TaskStatus,
    TaskText, TaskUpdate, TaskVersionRepository as _,
};
use underpin_testkit::{TestDb, block_on};

use crate::{
    at, at_head, create_project,
    model::{Done, Model, Op, Seen, Task, Told, follows},
    new_task, some,
};

/// How many sequences, and how long they are.
const CASES: u32 = 12;
const STEPS: std::ops::Range<usize> = 40..70;
/// Every page holds everything.
const ALL: Page = Page { limit: i64::MAX, after: None, skip: 0 };

/// A name, mostly one of the first three rows; sometimes there is none.
fn row() -> impl Strategy<Value = usize> {
    prop_oneof![6 => 0..3_usize, 2 => 3..6_usize, 1 => 6..12_usize]
}

/// One of the first runs or change requests, of which there are fewer.
fn few() -> impl Strategy<Value = usize> {
    prop_oneof![6 => 0..2_usize, 2 => 2..4_usize]
}

fn op() -> impl Strategy<Value = Op> {
    let end = select(RunStatus::ALL);
    let answer = select(&ChangeRequestStatus::ALL[1..]);
    prop_oneof![
        1 => (0..3, vec(row(), 0..3)).prop_map(|(priority, first)| Op::Create(priority, first)),
        2 => (row(), 0..3_u8).prop_map(|(task, title)| Op::Title(task, title)),
        4 => (row(), select(TaskStatus::ALL)).prop_map(|(task, to)| Op::Status(task, to)),
        2 => (row(), select(Phase::ALL)).prop_map(|(task, to)| Op::Phase(task, to)),
        8 => row().prop_map(Op::Approve),
        4 => row().prop_map(Op::Advance),
        1 => row().prop_map(Op::Split),
        2 => vec(row(), 1..4).prop_map(Op::Merge),
        1 => row().prop_map(Op::Delete),
        4 => (row(), vec(row(), 0..3)).prop_map(|(task, first)| Op::Wait(task, first)),
        1 => row().prop_map(Op::Gates),
        10 => row().prop_map(Op::Start),
        6 => (few(), end).prop_map(|(run, end)| Op::Finish(run, end)),
        1 => Just(Op::Pause),
        4 => Just(Op::Resume),
        1 => (0..4).prop_map(Op::Limit),
        2 => row().prop_map(Op::Draft),
        2 => few().prop_map(Op::Rewrite),
        6 => (few(), answer).prop_map(|(request, to)| Op::Answer(request, to)),
    ]
}

/// Five tasks, of which one waits for another, and then anything.
fn ops() -> impl Strategy<Value = Vec<Op>> {
    vec(op(), STEPS).prop_map(|ops| {
        let waiting = |task| if task == 2 { vec![0] } else { Vec::new() };
        let begin = (0..5).map(|task| Op::Create(0, waiting(task)));
        begin.chain(ops).collect()
    })
}

/// The kind of a refusal.
fn kind(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::NotFound { .. } => "not found",
        Refusal::Transition { .. } => "transition",
        Refusal::Stale { .. } => "stale",
        Refusal::Paused => "paused",
        Refusal::AttemptsExhausted { .. } => "attempts",
        Refusal::NotApproved { .. } => "not approved",
        Refusal::Running { .. } => "running",
        Refusal::Dependencies { .. } => "dependencies",
        Refusal::TooFew => "too few",
        Refusal::Duplicate { .. } => "duplicate",
        Refusal::Limit { .. } => "limit",
    }
}

fn text(title: u8) -> TaskText {
    TaskText { title: title.to_string(), description: None }
}

/// A project in the database, and the ids of its rows by name; none for a deleted one.
struct Real {
    db: Db,
    project: i32,
    tasks: Vec<Option<i32>>,
    /// With their tasks.
    runs: Vec<(usize, i32)>,
    requests: Vec<(usize, i32)>,
    now: i64,
}

impl Real {
    /// An id that no row has, another one for each name, when there is none.
    fn id(&self, name: usize) -> i32 {
        let absent = -1 - i32::try_from(name).unwrap();
        self.tasks.get(name).copied().flatten().unwrap_or(absent)
    }

    fn ids(&self, names: &[usize]) -> Vec<i32> {
        names.iter().map(|name| self.id(*name)).collect()
    }

    /// SQLite gives the id of a deleted row to a new one: the newest name counts.
    fn name(&self, id: i32) -> usize {
        self.tasks.iter().rposition(|known| *known == Some(id)).unwrap()
    }

    /// The id of a run or a change request, when its task is there.
    fn id_of(&self, rows: &[(usize, i32)], name: usize) -> i32 {
        let row = rows.get(name).filter(|row| self.tasks[row.0].is_some());
        row.map_or(-1, |row| row.1)
    }

    async fn update(&self, name: usize, update: TaskUpdate) -> Result<(), Refusal> {
        let update = self.db.update_task(self.project, self.id(name), update, at(self.now));
        update.await.unwrap().map(drop)
    }

    async fn apply(&mut self, op: &Op) -> Result<(), Refusal> {
        let (project, now) = (self.project, at(self.now));
        let db = self.db.clone();
        let nothing = TaskUpdate::default();
        match op {
            Op::Create(priority, first) => {
                let dependencies = self.ids(first);
                let text = text(0);
                let new = NewTask { text, priority: *priority, dependencies, ..new_task("", &[]) };
                let made = db.create_task(project, new, now).await.unwrap()?;
                self.tasks.push(Some(made.id));
            }
            Op::Title(name, title) => {
                let title = Some(title.to_string());
                self.update(*name, TaskUpdate { title, ..nothing }).await?;
            }
            Op::Status(name, status) => {
                self.update(*name, TaskUpdate { status: Some(*status), ..nothing }).await?;
            }
            Op::Phase(name, phase) => {
                self.update(*name, TaskUpdate { phase: Some(*phase), ..nothing }).await?;
            }
            Op::Approve(name) => {
                let ann = "ann".to_owned();
                db.approve_task(project, self.id(*name), ann, None, None, now).await.unwrap()?;
            }
            Op::Advance(name) => {
                db.advance_task(project, self.id(*name), None, now).await.unwrap()?;
            }
            Op::Split(name) => {
                let (parts, why) = ([text(0), text(0)], String::new());
                let made =
                    db.split_task(project, self.id(*name), parts, why, None, now).await.unwrap()?;
                self.tasks.extend(made.map(|task| Some(task.id)));
            }
            Op::Merge(names) => {
                let (ids, why) = (self.ids(names), String::new());
                let made = db.merge_tasks(project, ids, text(0), why, now).await.unwrap()?;
                self.tasks.push(Some(made.id));
            }
            Op::Delete(name) => {
                db.delete_task(project, self.id(*name), None, now).await.unwrap()?;
                self.tasks[*name] = None;
            }
            Op::Wait(name, first) => {
                let (id, first) = (self.id(*name), self.ids(first));
                db.set_dependencies(project, id, first, None, now).await.unwrap()?;
            }
            Op::Gates(name) => {
                let gates = vec![Value::from(self.now)];
                db.set_gates(project, self.id(*name), gates, None, now).await.unwrap()?;
            }
            op => self.apply_to_the_rest(op).await?,
        }
        Ok(())
    }

    /// Runs, change requests and limits.
    async fn apply_to_the_rest(&mut self, op: &Op) -> Result<(), Refusal> {
        let (project, now) = (self.project, at(self.now));
        let db = self.db.clone();
        match op {
            Op::Start(name) => {
                let run = db.start_run(project, self.id(*name), "engine".to_owned(), now).await;
                self.runs.push((*name, run.unwrap()?.id));
            }
            Op::Finish(run, status) => {
                let id = self.id_of(&self.runs, *run);
                db.finish_run(project, id, *status, None, now).await.unwrap()?;
            }
            Op::Pause => drop(db.pause(project, now).await.unwrap()?),
            Op::Resume => drop(db.resume(project, now).await.unwrap()?),
            Op::Limit(limit) => {
                let limits = Limits { max_attempts: Some(*limit), timeout_seconds: None };
                db.set_limits(project, limits, now).await.unwrap()?;
            }
            Op::Draft(name) => {
                let (id, content) = (self.id(*name), String::new());
                let made = db.create_change_request(project, id, Phase::Coder, content, now).await;
                self.requests.push((*name, made.unwrap()?.id));
            }
            Op::Rewrite(request) => {
                let (id, content) = (self.id_of(&self.requests, *request), self.now.to_string());
                db.update_change_request(project, id, content, None, now).await.unwrap()?;
            }
            Op::Answer(request, to) => {
                let id = self.id_of(&self.requests, *request);
                let ann = "ann".to_owned();
                match to {
                    ChangeRequestStatus::Submitted => {
                        db.submit_change_request(project, id, None, now).await
                    }
                    ChangeRequestStatus::Approved => {
                        db.approve_change_request(project, id, ann, None, None, now).await
                    }
                    ChangeRequestStatus::Rejected => {
                        db.reject_change_request(project, id, ann, some("no"), None, now).await
                    }
                    _ => db.implement_change_request(project, id, None, now).await,
                }
                .unwrap()?;
            }
            op => unreachable!("{op:?} is a task's"),
        }
        Ok(())
    }

    async fn rows(&self) -> Vec<Row> {
        self.db.tasks(self.project, TaskFilter::default(), ALL).await.unwrap().unwrap()
    }

    async fn look(&self) -> Seen {
        let (db, project) = (&self.db, self.project);
        let control = db.control(project).await.unwrap().unwrap();
        let task = |row: Row| Task {
            name: self.name(row.id),
            title: row.title.parse().unwrap(),
            status: row.status,
            phase: row.current_phase,
            version: row.version,
            attempts: row.attempts,
            priority: row.priority,
            waits_for: [].into(),
        };
        let mut runs = db.runs(project, RunFilter::default(), ALL).await.unwrap().unwrap();
        runs.sort_by_key(|run| run.id);
        let name = |rows: &[(usize, i32)], id| rows.iter().rposition(|row| row.1 == id).unwrap();
        let requests = db.change_requests(project, ChangeRequestFilter::default(), ALL).await;
        let mut requests = requests.unwrap().unwrap();
        requests.sort_by_key(|request| request.id);
        Seen {
            tasks: self.rows().await.into_iter().map(task).collect(),
            next: db.next_task(project).await.unwrap().map(|task| self.name(task.id)),
            runs: runs
                .into_iter()
                .map(|run| (name(&self.runs, run.id), self.name(run.task_id), run.status))
                .collect(),
            requests: requests
                .into_iter()
                .map(|one| {
                    let task = self.name(one.task_id);
                    (name(&self.requests, one.id), task, one.status, one.version)
                })
                .collect(),
            paused: control.paused,
            max_attempts: control.max_attempts,
            current: control.current_task_id.map(|id| self.name(id)),
        }
    }

    /// The events after `number`, which have no gaps. `before` has the names from before the
    /// operation, for what it deleted.
    async fn told(&self, number: i64, before: &[Option<i32>]) -> Vec<Told> {
        let events = self.db.events_after(self.project, number, i64::MAX).await.unwrap();
        let numbers: Vec<i64> = events.iter().map(|event| event.number).collect();
        let newest = self.db.project(self.project).await.unwrap().unwrap().last_event;
        assert_eq!(numbers, (number + 1..=newest).collect::<Vec<_>>());
        let name = |id: i32| {
            let gone = || before.iter().rposition(|known| *known == Some(id));
            self.tasks.iter().rposition(|known| *known == Some(id)).or_else(gone).unwrap()
        };
        let told = events.into_iter().map(|event| {
            let data: Value = serde_json::from_str(&event.data).unwrap();
            let text = |field: &str| data[field].as_str().map(str::to_owned);
            let moved = text("old_status").zip(text("new_status"));
            (event.event_type, event.task_id.map(name), moved, data["new_version"].as_i64())
        });
        told.collect()
    }

    /// Each task's versions, as many as it had, and what it waits for.
    async fn compare_versions(&self, model: &Model) -> Result<(), TestCaseError> {
        for row in self.rows().await {
            let versions = self.db.task_versions(self.project, row.id).await.unwrap().unwrap();
            let numbers: Vec<i32> = versions.iter().map(|version| version.version_num).collect();
            prop_assert_eq!(numbers, (1..=row.version).collect::<Vec<_>>());
            let newest = versions.last().unwrap();
            prop_assert_eq!(Some(newest.id), row.active_version_id);
            prop_assert_eq!(&newest.title, &row.title);
            let first = self.db.dependencies(self.project, row.id).await.unwrap().unwrap();
            let first = first.into_iter().map(|id| self.name(id)).collect();
            let task = model.tasks[self.name(row.id)].as_ref().unwrap();
            prop_assert_eq!(&task.waits_for, &first);
        }
        Ok(())
    }
}

/// No task went where the table does not lead.
fn check_moves(before: &Seen, after: &Seen) -> Result<(), TestCaseError> {
    for task in &after.tasks {
        if let Some(old) = before.tasks.iter().find(|old| old.name == task.name) {
            let (from, to) = (old.status, task.status);
            prop_assert!(from == to || follows(from, to), "{} > {}", from, to);
        }
    }
    Ok(())
}

/// Runs `ops` on a new project and on the model, and compares after each step that was not refused.
async fn compare(on: &TestDb, project: i32, ops: &[Op]) -> Result<(), TestCaseError> {
    // One connection prepares each statement once, and need not be asked whether it is alive.
    let options = PoolOptions { size: 1, liveness_check: false, ..PoolOptions::default() };
    let db = Db::connect(&on.database_url(), &options).await.unwrap();
    create_project(&db, project).await;
    let (tasks, runs, requests) = (Vec::new(), Vec::new(), Vec::new());
    let mut real = Real { db, project, tasks, runs, requests, now: 0 };
    let mut model = Model::new();
    let mut seen = real.look().await;
    let mut number = 1;
    for op in ops {
        real.now += 1;
        let names = real.tasks.clone();
        let done: Done = real.apply(op).await.map_err(|refusal| kind(&refusal));
        prop_assert_eq!(done, model.apply(op), "{:?}", op);
        let is_refused = done.is_err();
        let told = real.told(number, &names).await;
        let expected = &model.told[usize::try_from(number).unwrap()..];
        prop_assert_eq!(&told[..], expected, "{:?}", op);
        number += i64::try_from(told.len()).unwrap();
        if is_refused {
            // What it should not have written would be seen after the next that is not.
            prop_assert!(told.is_empty());
            continue;
        }
        let now = real.look().await;
        prop_assert_eq!(&now, &model.look(), "after {:?}", op);
        check_moves(&seen, &now)?;
        seen = now;
    }
    prop_assert_eq!(&real.look().await, &model.look());
    real.compare_versions(&model).await
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn any_operations_do_what_the_model_does(#[case] dialect: Dialect) {
    let on = at_head(dialect);
    let projects = AtomicI32::new(1);
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(20_261_121),
        ..Config::default()
    };

    TestRunner::new(config)
        .run(&ops(), |ops| {
            // One after the other in one database, so that each has other projects beside it.
            let project = projects.fetch_add(1, Ordering::Relaxed);
            block_on(async || compare(&on, project, &ops).await)
        })
        .unwrap();
}
