//! What the operations on a project do, edge by edge, on both dialects.

#![expect(clippy::unwrap_used, reason = "a test ends where its ground is missing")]

mod artifacts;
mod events;
mod isolation;
mod machines;
mod model;
mod projects;
mod random;
mod requests;
mod reshape;
mod runs;
mod stale;
mod tasks;
mod versions;

use chrono::{DateTime, NaiveDateTime};
use serde_json::{Map, Value};
use underpin::{Engine, Goal, Options};
use underpin_db::{Db, Dialect, PoolOptions};
use underpin_models::project::{
    EventRepository as _, Kind, NewProject, NewTask, Project, ProjectRepository as _, Refusal,
    Task, TaskRepository as _, TaskText,
};
use underpin_testkit::{TestDb, block_on};

/// The project of most tests.
const P: i32 = 1;

/// So many seconds after the moment at which tests begin.
fn at(seconds: i64) -> NaiveDateTime {
    DateTime::from_timestamp(1_750_000_000 + seconds, 0).unwrap().naive_utc()
}

/// A text where none is possible.
#[expect(clippy::unnecessary_wraps, reason = "what is compared is an `Option`")]
fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// A new database at the head of the `project` set.
fn at_head(dialect: Dialect) -> TestDb {
    let on = TestDb::new(dialect);
    let url = on.database_url();
    let catalog = underpin_migrations::project(dialect);
    let engine = Engine::new(catalog, underpin_migrations::CODE, &url, Options::default()).unwrap();
    block_on(async || engine.migrate(&Goal::Head).await).unwrap();
    on
}

/// A database with project 1, and the pools on it.
struct Rig<'a> {
    db: Db,
    /// For what no operation reads or writes.
    on: &'a TestDb,
}

/// Every row of the set, as sorted texts. One query where a connection costs most.
fn rows(on: &TestDb) -> Vec<String> {
    const TABLES: [&str; 9] = [
        "approvals",
        "artifacts",
        "change_requests",
        "control_state",
        "events",
        "projects",
        "runs",
        "task_versions",
        "tasks",
    ];
    if on.dialect() == Dialect::Sqlite {
        return on.dump().into_values().flatten().collect();
    }
    let query = TABLES.map(|table| format!("SELECT '{table}' || to_jsonb(t)::text FROM {table} t"));
    let mut rows = on.texts(&query.join(" UNION ALL "));
    rows.sort();
    rows
}

/// Runs `test` on a new database with project 1.
fn on_head(dialect: Dialect, test: impl AsyncFnOnce(&Rig<'_>) + Send) {
    let on = at_head(dialect);
    block_on(async || {
        let db = Db::connect(&on.database_url(), &PoolOptions::default()).await.unwrap();
        create_project(&db, P).await;
        test(&Rig { db, on: &on }).await;
    });
}

async fn create_project(db: &Db, id: i32) -> Project {
    let new = NewProject {
        name: format!("project {id}"),
        description: None,
        root_path: some("/src"),
        default_engine: some("copilot_cli"),
        db_path: format!("{id}.db"),
    };
    db.create_project(id, new, at(0)).await.unwrap()
}

fn text(title: &str) -> TaskText {
    TaskText { title: title.to_owned(), description: Some(format!("about {title}")) }
}

fn new_task(title: &str, dependencies: &[i32]) -> NewTask {
    let dependencies = dependencies.to_vec();
    NewTask { text: text(title), priority: 0, engine_override: None, dependencies }
}

/// A pending task of project 1.
async fn task(db: &Db, title: &str) -> Task {
    task_after(db, title, &[]).await
}

/// A pending task of project 1 that waits for others.
async fn task_after(db: &Db, title: &str, dependencies: &[i32]) -> Task {
    db.create_task(P, new_task(title, dependencies), at(0)).await.unwrap().unwrap()
}

async fn approve(db: &Db, id: i32) -> Task {
    db.approve_task(P, id, "ann".to_owned(), None, None, at(1)).await.unwrap().unwrap()
}

/// An approved task of project 1.
async fn approved(db: &Db, title: &str) -> Task {
    let task = task(db, title).await;
    approve(db, task.id).await
}

fn no(kind: Kind, id: i32) -> Refusal {
    Refusal::NotFound { kind, id }
}

/// The types, tasks and data of the events of project 1 after `number`, whose numbers have no gaps.
async fn events(db: &Db, number: i64) -> Vec<(String, Option<i32>, Map<String, Value>)> {
    let events = db.events_after(P, number, i64::MAX).await.unwrap();
    let newest = db.project(P).await.unwrap().unwrap().last_event;
    let numbers: Vec<i64> = events.iter().map(|event| event.number).collect();
    assert_eq!(numbers, (number + 1..=newest).collect::<Vec<_>>());
    let data = |data: &str| serde_json::from_str(data).unwrap();
    events.into_iter().map(|event| (event.event_type, event.task_id, data(&event.data))).collect()
}

/// The types of the events of project 1 after `number`.
async fn told(db: &Db, number: i64) -> Vec<String> {
    events(db, number).await.into_iter().map(|event| event.0).collect()
}

/// The number of the newest event of project 1.
async fn newest(db: &Db) -> i64 {
    db.project(P).await.unwrap().unwrap().last_event
}
