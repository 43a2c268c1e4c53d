//! Whatever is asked in whatever order: no row is ever where its table does not lead, and what is
//! refused changes nothing.

use std::collections::BTreeSet;

use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    test_runner::{Config, RngSeed, TestCaseError, TestRunner},
};
use rstest::rstest;
use serde_json::{Value, json};
use underpin_models::project::{ChangeRequestStatus, Phase, RunStatus, TaskStatus};
use underpin_testkit::Dialect;

use crate::api::Api;

/// How many sequences, and how long they are.
const CASES: u32 = 4;
const STEPS: std::ops::Range<usize> = 30..50;

/// A request: method, path below the project, body.
type Request = (&'static str, String, Value);

/// The number of a row, mostly one that is there.
fn row() -> impl Strategy<Value = i64> {
    prop_oneof![8 => 1..5_i64, 2 => 5..9_i64, 1 => Just(99)]
}

fn on_task() -> impl Strategy<Value = Request> {
    let task = |last: &'static str| move |id: i64| format!("/tasks/{id}{last}");
    let post = |last: &'static str, body: Value| {
        row().prop_map(move |id| ("POST", task(last)(id), body.clone()))
    };
    let split = json!({ "task1_title": "one", "task2_title": "other" });
    prop_oneof![
        1 => (row(), -1..2_i64).prop_map(|(first, priority)| {
            let body = json!({ "title": "new", "priority": priority, "dependencies": [first] });
            ("POST", "/tasks".to_owned(), body)
        }),
        6 => (row(), select(TaskStatus::ALL)).prop_map(move |(id, to)| {
            ("PATCH", task("")(id), json!({ "status": to.wire() }))
        }),
        3 => (row(), select(Phase::ALL)).prop_map(move |(id, to)| {
            ("PATCH", task("")(id), json!({ "current_phase": to.wire() }))
        }),
        8 => post("/approve", json!({})),
        4 => post("/advance", json!({})),
        1 => post("/split", split),
        1 => vec(row(), 1..4).prop_map(|ids| {
            ("POST", "/tasks/merge".to_owned(), json!({ "task_ids": ids, "merged_title": "all" }))
        }),
        1 => row().prop_map(move |id| ("DELETE", task("")(id), json!({}))),
        3 => (row(), vec(row(), 0..3)).prop_map(move |(id, first)| {
            ("PUT", task("/dependencies")(id), json!({ "dependencies": first }))
        }),
    ]
}

fn on_the_rest() -> impl Strategy<Value = Request> {
    let step = select(&["submit", "approve", "reject", "implement"][..]);
    let post = |path: &str| ("POST", path.to_owned(), json!({}));
    prop_oneof![
        8 => row().prop_map(|id| ("POST", "/runs".to_owned(), json!({ "task_id": id }))),
        6 => (row(), select(&RunStatus::ALL[1..])).prop_map(|(id, end)| {
            ("POST", format!("/runs/{id}/finish"), json!({ "status": end.wire() }))
        }),
        1 => row().prop_map(|id| ("POST", format!("/runs/{id}/cancel"), json!({}))),
        1 => Just(post("/control/pause")),
        2 => Just(post("/control/resume")),
        1 => (1..4).prop_map(|most| {
            ("PATCH", "/control/limits".to_owned(), json!({ "max_attempts": most }))
        }),
        2 => row().prop_map(|id| {
            let body = json!({ "task_id": id, "phase": "coder", "content": "change it" });
            ("POST", "/change-requests".to_owned(), body)
        }),
        6 => (row(), step).prop_map(|(id, step)| {
            ("POST", format!("/change-requests/{id}/{step}"), json!({}))
        }),
        1 => row().prop_map(|id| {
            ("PATCH", format!("/change-requests/{id}"), json!({ "content": "otherwise" }))
        }),
    ]
}

/// What a project shows.
struct Seen {
    tasks: Vec<Value>,
    runs: Vec<Value>,
    requests: Vec<Value>,
    control: Value,
    waits_for: Vec<(i64, Vec<i64>)>,
    next: Option<i64>,
}

impl Seen {
    fn look(api: &Api, path: &str) -> Self {
        let list = |last: &str| api.seen(&format!("{path}{last}")).as_array().unwrap().clone();
        let tasks = list("/tasks");
        let first = |task: &Value| {
            let of_task = api.seen(&format!("{path}/tasks/{}/dependencies", task["id"]));
            let first = of_task["dependencies"].as_array().unwrap().iter();
            (id(task), first.map(|id| id.as_i64().unwrap()).collect())
        };
        let next = api.get(&format!("{path}/tasks/next"));
        Self {
            waits_for: tasks.iter().map(first).collect(),
            tasks,
            runs: list("/runs"),
            requests: list("/change-requests"),
            control: api.seen(&format!("{path}/control")),
            next: (next.status == 200).then(|| id(&next.json())),
        }
    }

    /// The tasks that may run: worked out here from what every caller may read.
    fn runnable(&self) -> Vec<i64> {
        if self.control["paused"] == true {
            return Vec::new();
        }
        let is = |row: &&Value, status: &str| row["status"] == status;
        let completed: BTreeSet<_> =
            self.tasks.iter().filter(|row| is(row, "completed")).map(id).collect();
        let open: Vec<_> = self.runs.iter().filter(|row| is(row, "running")).collect();
        let waits = |task: i64| {
            let first = self.waits_for.iter().find(|one| one.0 == task).unwrap();
            first.1.iter().any(|id| !completed.contains(id))
        };
        let may = |task: &&Value| {
            is(task, "approved")
                && task["attempts"].as_i64() < self.control["max_attempts"].as_i64()
                && open.iter().all(|run| run["task_id"] != task["id"])
                && !waits(id(task))
        };
        // They are listed as they are to run.
        self.tasks.iter().filter(may).map(id).collect()
    }
}

fn id(row: &Value) -> i64 {
    row["id"].as_i64().unwrap()
}

/// The enum value that callers know by this name.
fn named<E: Copy>(all: &[E], wire: impl Fn(E) -> &'static str, name: &Value) -> E {
    *all.iter().find(|one| wire(**one) == name).unwrap()
}

/// Every row that was and is there went where its table leads, if anywhere.
fn check_moves(before: &Seen, after: &Seen) -> Result<(), TestCaseError> {
    let pairs = |before: &[Value], after: &[Value]| {
        let old = |new: &Value| before.iter().find(|old| old["id"] == new["id"]).cloned();
        after.iter().filter_map(|new| Some((old(new)?, new.clone()))).collect::<Vec<_>>()
    };
    for (old, new) in pairs(&before.tasks, &after.tasks) {
        let status = |row: &Value| named(TaskStatus::ALL, TaskStatus::wire, &row["status"]);
        prop_assert!(status(&old).may_become(status(&new)), "{} > {}", old, new);
        let phase = |row: &Value| {
            let phase = &row["current_phase"];
            (!phase.is_null()).then(|| named(Phase::ALL, Phase::wire, phase))
        };
        let (from, to) = (phase(&old), phase(&new));
        prop_assert!(from == to || to.unwrap().may_follow(from), "{} > {}", old, new);
        if from != to && to == Some(Phase::Coder) {
            prop_assert_eq!(&new["status"], "approved");
        }
        prop_assert!(old["version"].as_i64() <= new["version"].as_i64());
    }
    for (old, new) in pairs(&before.requests, &after.requests) {
        let all = ChangeRequestStatus::ALL;
        let status = |row: &Value| named(all, ChangeRequestStatus::wire, &row["status"]);
        let (from, to) = (status(&old), status(&new));
        prop_assert!(from == to || from.may_become(to), "{} > {}", old, new);
    }
    for (old, new) in pairs(&before.runs, &after.runs) {
        let status = |row: &Value| named(RunStatus::ALL, RunStatus::wire, &row["status"]);
        let (from, to) = (status(&old), status(&new));
        prop_assert!(from == to || from.may_become(to), "{} > {}", old, new);
    }
    Ok(())
}

fn play(api: &Api, project: i64, requests: &[Request]) -> Result<(), TestCaseError> {
    let path = format!("/projects/{project}");
    for number in 0..4 {
        api.task(project, &format!("task {number}"));
    }
    let mut seen = Seen::look(api, &path);
    let mut rows = api.rows(project);
    for (method, last, body) in requests {
        let answer = api.ask(method, &format!("{path}{last}"), body);
        let what = format!("{method} {last} {body}: {answer:?}");
        let now = api.rows(project);
        if answer.status >= 400 {
            prop_assert!([400, 404, 409, 422].contains(&answer.status), "{}", what);
            prop_assert_eq!(&now, &rows, "{}", what);
            continue;
        }
        let after = Seen::look(api, &path);
        check_moves(&seen, &after)?;
        if last == "/runs" {
            let started = answer.json()["task_id"].as_i64().unwrap();
            prop_assert!(seen.runnable().contains(&started), "{}", what);
        }
        prop_assert_eq!(after.next, after.runnable().first().copied(), "{}", what);
        (seen, rows) = (after, now);
    }
    Ok(())
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn nothing_leads_out_of_the_tables(#[case] dialect: Dialect) {
    let api = Api::start(dialect);
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(20_261_122),
        ..Config::default()
    };
    let requests = vec(prop_oneof![on_task(), on_the_rest()], STEPS);

    TestRunner::new(config)
        .run(&requests, |requests| {
            let others = api.seen("/projects").as_array().unwrap().len();
            play(&api, api.project(&format!("project {others}")), &requests)
        })
        .unwrap();
}
