//! What may follow what, over HTTP: the answer to every operation in every status is that of the
//! tables, and a refused one leaves everything as it was.

use rstest::rstest;
use serde_json::{Value, json};
use underpin_models::project::{ChangeRequestStatus, Phase, RunStatus, TaskStatus};
use underpin_testkit::Dialect;

use crate::api::Api;

/// Asks, and says whether it was granted; a refusal is a conflict that changed nothing.
fn granted(api: &Api, project: i64, method: &str, path: &str, body: &Value) -> bool {
    let rows = api.rows(project);
    let answer = api.ask(method, path, body);
    if (200..300).contains(&answer.status) {
        return true;
    }
    answer.is_refused(409);
    assert_eq!(api.rows(project), rows, "{method} {path} {body}");
    false
}

/// A task of this status. Only the way over other statuses leads to some.
fn task_that_is(api: &Api, project: i64, status: TaskStatus) -> i64 {
    let task = api.task(project, status.wire());
    let path = format!("/projects/{project}/tasks/{task}");
    let way: &[TaskStatus] = match status {
        TaskStatus::Pending => &[],
        TaskStatus::Completed => &[TaskStatus::Approved, TaskStatus::Completed],
        _ => &[status],
    };
    for step in way {
        api.done("PATCH", &path, &json!({ "status": step.wire() }));
    }
    assert_eq!(api.seen(&path)["status"], status.wire());
    task
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_task_goes_where_the_table_leads(#[case] dialect: Dialect) {
    let api = Api::start(dialect);
    let project = api.project("one");
    let other = api.task(project, "to be merged with");
    let split = json!({ "task1_title": "a", "task2_title": "b" });

    for from in TaskStatus::ALL {
        let mut task = task_that_is(&api, project, *from);
        let mut ask = |method: &str, last: &str, body: &Value, expected: bool| {
            let path = format!("/projects/{project}/tasks/{task}{last}");
            let done = granted(&api, project, method, &path, body);
            assert_eq!(done, expected, "{from}: {method} {last} {body}");
            let now = api.get(&path[..path.len() - last.len()]);
            if done {
                task = task_that_is(&api, project, *from);
            }
            now
        };
        for to in TaskStatus::ALL {
            let now = ask("PATCH", "", &json!({ "status": to.wire() }), from.may_become(*to));
            let expected = if from.may_become(*to) { to } else { from };
            assert_eq!(now.json()["status"], expected.wire(), "{from} {to}");
        }
        let moves = |to: TaskStatus| *from != to && from.may_become(to);
        let approved = moves(TaskStatus::Approved);
        let now = ask("POST", "/approve", &json!({}), approved).json();
        assert_eq!(now["status"] == "approved", approved || *from == TaskStatus::Approved);
        let now = ask("POST", "/split", &split, moves(TaskStatus::Cancelled)).json();
        let last = if moves(TaskStatus::Cancelled) { TaskStatus::Cancelled } else { *from };
        assert_eq!(now["status"], last.wire(), "{from}");
        // What has no status in its table is granted in each.
        ask("POST", "/advance", &json!({}), true);
        ask("PATCH", "", &json!({ "title": "another" }), true);
        assert_eq!(ask("DELETE", "", &json!({}), true).status, 404);

        let merge = format!("/projects/{project}/tasks/merge");
        let ids = json!({ "task_ids": [task, other], "merged_title": "both" });
        if !moves(TaskStatus::Cancelled) {
            assert!(!granted(&api, project, "POST", &merge, &ids), "{from}");
        }
        let runs = format!("/projects/{project}/runs");
        let runs_now = granted(&api, project, "POST", &runs, &json!({ "task_id": task }));
        assert_eq!(runs_now, *from == TaskStatus::Approved, "{from}");
    }
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_task_goes_from_phase_to_phase(#[case] dialect: Dialect) {
    let api = Api::start(dialect);
    let project = api.project("one");
    let path = format!("/projects/{project}/tasks/{}", api.task(project, "a task"));
    let phase = |phase: Option<Phase>| json!(phase.map(Phase::wire));
    let mut at = None;

    while let Some(next) = Phase::after(at) {
        for to in Phase::ALL.iter().filter(|to| !to.may_follow(at)) {
            let body = json!({ "current_phase": to.wire() });
            assert!(!granted(&api, project, "PATCH", &path, &body), "{at:?} {to}");
        }
        if next == Phase::Coder {
            // Only an approved task is coded.
            assert!(!granted(&api, project, "POST", &format!("{path}/advance"), &json!({})));
            let body = json!({ "current_phase": "coder" });
            assert!(!granted(&api, project, "PATCH", &path, &body));
            api.done("POST", &format!("{path}/approve"), &json!({}));
        }
        let answer = api.done("POST", &format!("{path}/advance"), &json!({}));
        assert_eq!(answer["status"], "advanced");
        assert_eq!(answer["current_phase"], phase(at));
        assert_eq!(answer["next_phase"], phase(Some(next)));
        assert_eq!(api.seen(&path)["current_phase"], phase(Some(next)));
        at = Some(next);
    }
    let rows = api.rows(project);
    let answer = api.done("POST", &format!("{path}/advance"), &json!({}));
    assert_eq!(answer["status"], "completed");
    assert_eq!(api.rows(project), rows);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_change_request_goes_where_the_table_leads(#[case] dialect: Dialect) {
    use ChangeRequestStatus::{Approved, Draft, Implemented, Rejected, Submitted};

    let api = Api::start(dialect);
    let project = api.project("one");
    let task = api.task(project, "a task");
    let operation = |to: ChangeRequestStatus| match to {
        Draft => panic!("nothing leads to a draft"),
        Submitted => "/submit",
        Approved => "/approve",
        Rejected => "/reject",
        Implemented => "/implement",
    };
    let request_that_is = |status: ChangeRequestStatus| {
        let request = api.change_request(project, task);
        let path = format!("/projects/{project}/change-requests/{request}");
        let way: &[ChangeRequestStatus] = match status {
            Draft => &[],
            Submitted => &[Submitted],
            Implemented => &[Submitted, Approved, Implemented],
            answered => &[Submitted, answered],
        };
        for step in way {
            let answer = api.done("POST", &(path.clone() + operation(*step)), &json!({}));
            assert_eq!(answer["status"], step.wire());
        }
        path
    };

    for from in ChangeRequestStatus::ALL {
        let path = request_that_is(*from);
        let body = json!({ "content": "otherwise" });
        assert_eq!(granted(&api, project, "PATCH", &path, &body), *from == Draft, "{from}");
        for to in &ChangeRequestStatus::ALL[1..] {
            let path = request_that_is(*from);
            let asked = path.clone() + operation(*to);
            let done = granted(&api, project, "POST", &asked, &json!({}));
            assert_eq!(done, from.may_become(*to), "{from} {to}");
            let expected = if done { to } else { from };
            assert_eq!(api.seen(&path)["status"], expected.wire());
        }
    }
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_run_ends_once_and_leaves_its_task_as_the_table_says(#[case] dialect: Dialect) {
    let api = Api::start(dialect);
    let project = api.project("one");

    for end in &RunStatus::ALL[1..] {
        let task = api.approved(project, end.wire());
        let (run, of_task) = (api.run(project, task), format!("/projects/{project}/tasks/{task}"));
        let path = format!("/projects/{project}/runs/{run}");
        let started = api.seen(&of_task);
        assert_eq!((&started["status"], &started["attempts"]), (&json!("in_progress"), &json!(1)));
        let current =
            || api.seen(&format!("/projects/{project}/control"))["current_task_id"].clone();
        assert_eq!(current(), task);
        // While it runs, its task's status is its own, and it runs once.
        for (method, last, body) in [
            ("PATCH", "", json!({ "status": "completed" })),
            ("PATCH", "", json!({ "status": "approved" })),
            ("POST", "/approve", json!({})),
            ("POST", "/split", json!({ "task1_title": "a", "task2_title": "b" })),
            ("DELETE", "", json!({})),
        ] {
            assert!(!granted(&api, project, method, &(of_task.clone() + last), &body), "{last}");
        }
        let again = json!({ "task_id": task });
        assert!(!granted(&api, project, "POST", &format!("/projects/{project}/runs"), &again));
        let body = json!({ "status": "running" });
        let answer = api.post(&format!("{path}/finish"), &body);
        assert_eq!(answer.faults(), ["value_error body.status"]);

        let answer = match end {
            RunStatus::Cancelled => api.done("POST", &format!("{path}/cancel"), &json!({})),
            end => api.done("POST", &format!("{path}/finish"), &json!({ "status": end.wire() })),
        };

        assert_eq!(answer["status"], end.wire());
        assert_eq!(api.seen(&of_task)["status"], end.task_after().wire());
        assert_eq!(current(), Value::Null);
        for next in &RunStatus::ALL[1..] {
            let body = json!({ "status": next.wire() });
            assert!(!granted(&api, project, "POST", &format!("{path}/finish"), &body));
        }
        assert!(!granted(&api, project, "POST", &format!("{path}/cancel"), &json!({})));
        // Where its log is may be told later.
        let log = json!({ "log_path": "logs/1" });
        assert_eq!(api.done("PUT", &format!("{path}/log"), &log)["log_path"], "logs/1");
        let log = json!({ "log_path": null });
        assert_eq!(api.done("PUT", &format!("{path}/log"), &log)["log_path"], Value::Null);
    }
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_runs_next_is_approved_not_waiting_and_has_attempts(#[case] dialect: Dialect) {
    let api = Api::start(dialect);
    let project = api.project("one");
    let path = format!("/projects/{project}");
    let next = || {
        let answer = api.get(&format!("{path}/tasks/next"));
        if answer.status == 204 {
            assert_eq!(answer.body, "");
            return None;
        }
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["id"].as_i64()
    };
    let start = |task: i64| {
        granted(&api, project, "POST", &format!("{path}/runs"), &json!({ "task_id": task }))
    };
    assert_eq!(next(), None);
    let pending = api.task(project, "pending");
    assert_eq!((next(), start(pending)), (None, false));
    let first = api.approved(project, "first");
    let waiting = json!({ "title": "waiting", "priority": 9, "dependencies": [first] });
    let waiting = api.made(&format!("{path}/tasks"), &waiting);
    api.done("POST", &format!("{path}/tasks/{waiting}/approve"), &json!({}));
    assert_eq!((next(), start(waiting)), (Some(first), false));

    // A paused project starts nothing, and what runs goes on.
    let run = api.run(project, first);
    assert_eq!(next(), None);
    assert_eq!(api.done("POST", &format!("{path}/control/pause"), &json!({}))["paused"], true);
    api.done("POST", &format!("{path}/runs/{run}/finish"), &json!({ "status": "failure" }));
    assert_eq!((next(), start(first)), (None, false));
    assert_eq!(api.done("POST", &format!("{path}/control/resume"), &json!({}))["paused"], false);

    // Three attempts, and one more when the limit is raised.
    for _ in 0..2 {
        assert_eq!(next(), Some(first));
        let run = api.run(project, first);
        api.done("POST", &format!("{path}/runs/{run}/finish"), &json!({ "status": "timeout" }));
    }
    assert_eq!((next(), start(first)), (None, false));
    api.done("PATCH", &format!("{path}/control/limits"), &json!({ "max_attempts": 4 }));
    assert_eq!(next(), Some(first));
    let run = api.run(project, first);
    api.done("POST", &format!("{path}/runs/{run}/finish"), &json!({ "status": "success" }));

    assert_eq!(next(), Some(waiting));
    // Nobody waits for himself, directly or not, and for nobody who is not there.
    let wait = |first: i64| {
        api.ask(
            "PUT",
            &format!("{path}/tasks/{pending}/dependencies"),
            &json!({ "dependencies": [first] }),
        )
    };
    assert_eq!(wait(pending).faults(), ["value_error body.dependencies"]);
    assert_eq!(wait(99).faults(), ["value_error body.dependencies"]);
    assert_eq!(wait(waiting).status, 200);
    let body = json!({ "dependencies": [pending] });
    assert!(!granted(&api, project, "PUT", &format!("{path}/tasks/{first}/dependencies"), &body));
    // One that is gone is waited for no more.
    api.done("DELETE", &format!("{path}/tasks/{waiting}"), &json!({}));
    let dependencies = api.seen(&format!("{path}/tasks/{pending}/dependencies"));
    assert_eq!(dependencies, json!({ "dependencies": [] }));
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn two_tasks_or_more_are_merged_each_once(#[case] dialect: Dialect) {
    let api = Api::start(dialect);
    let project = api.project("one");
    let [one, other] = ["one", "other"].map(|title| api.task(project, title));
    let path = format!("/projects/{project}/tasks");
    let rows = api.rows(project);
    let merge = |ids: &[i64]| {
        api.post(&format!("{path}/merge"), &json!({ "task_ids": ids, "merged_title": "both" }))
    };

    for ids in [&[][..], &[one]] {
        merge(ids).refuses(400, "Must provide at least 2 tasks to merge");
    }
    merge(&[one, other, one]).refuses(400, &format!("Task {one} is named twice"));
    merge(&[one, 99, other]).refuses(404, "Task 99 not found");
    assert_eq!(api.rows(project), rows);
    assert_eq!(merge(&[one, other]).status, 201);
    for id in [one, other] {
        assert_eq!(api.seen(&format!("{path}/{id}"))["status"], "cancelled");
    }
}
