//! Lists: their order, their filters, and the way from page to page.

use std::cmp::Reverse;

use rstest::rstest;
use serde_json::{Value, json};
use underpin_testkit::Dialect;

use crate::api::Api;

/// A project with seven rows of each kind, in an order that is not that of their ids.
fn filled(api: &Api) -> i64 {
    for number in 0..3 {
        api.project(&format!("project {number}"));
    }
    let project = api.project("the fullest");
    let path = format!("/projects/{project}");
    for priority in [0, 5, -1, 5, 0, i32::MAX, i32::MIN] {
        let body = json!({ "title": format!("priority {priority}"), "priority": priority });
        let task = api.made(&format!("{path}/tasks"), &body);
        let own = format!("{path}/tasks/{task}");
        if task % 2 == 0 {
            api.done("POST", &format!("{own}/advance"), &json!({}));
            api.done("POST", &format!("{own}/approve"), &json!({}));
            let run = api.run(project, task);
            if task % 4 == 0 {
                api.done("POST", &format!("{path}/runs/{run}/cancel"), &json!({}));
                api.run(project, task);
            }
        }
        let request = api.change_request(project, task);
        if task % 3 == 0 {
            let request = format!("{path}/change-requests/{request}/submit");
            api.done("POST", &request, &json!({}));
        }
        let answer = json!({ "task_id": task, "approved": false });
        api.done("POST", &format!("{path}/approvals"), &answer);
        let kind = if task % 2 == 0 { "log" } else { "plan" };
        let artifact =
            json!({ "artifact_type": kind, "name": "a", "file_path": "a", "task_id": task });
        api.made(&format!("{path}/artifacts"), &artifact);
    }
    project
}

/// The rows of `path`, page by page along the links.
fn walked(api: &Api, path: &str, limit: usize) -> Vec<Value> {
    let sign = if path.contains('?') { '&' } else { '?' };
    let (mut rows, mut next) = (Vec::new(), format!("/api/v1{path}{sign}limit={limit}"));
    loop {
        let answer = api.service.get(&next);
        assert_eq!(answer.status, 200, "{next}: {answer:?}");
        let page = answer.json().as_array().unwrap().clone();
        assert!(page.len() <= limit, "{next}: {answer:?}");
        // Only a full page may have a successor.
        assert_eq!(answer.header("link").is_some(), page.len() == limit, "{next}: {answer:?}");
        rows.extend(page);
        assert!(rows.len() < 100, "{next} leads in a circle");
        let Some(link) = answer.header("link") else { return rows };
        let link = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\""));
        link.unwrap().clone_into(&mut next);
    }
}

/// Of these rows, those that `keep` keeps, in the order of `place`.
fn sorted<K: Ord>(
    rows: &[Value],
    keep: impl Fn(&Value) -> bool,
    place: impl Fn(&Value) -> K,
) -> Vec<Value> {
    let mut rows: Vec<_> = rows.iter().filter(|row| keep(row)).cloned().collect();
    rows.sort_by_key(|row| place(row));
    rows
}

fn text(row: &Value, field: &str) -> String {
    row[field].as_str().unwrap().to_owned()
}

fn number(row: &Value, field: &str) -> i64 {
    row[field].as_i64().unwrap()
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn every_row_is_on_one_page_in_the_order_of_its_list(#[case] dialect: Dialect) {
    let api = Api::start(dialect);
    let project = filled(&api);
    let check = |path: &str, filter: &str, expected: &[Value]| {
        assert!(!expected.is_empty(), "{path}{filter}");
        let asked = format!("{path}{filter}");
        assert_eq!(api.seen(&asked), json!(expected), "{asked}");
        for limit in [1, 2, 3] {
            assert_eq!(walked(&api, &asked, limit), expected, "{asked} by {limit}");
        }
    };
    // A time without a fraction is shorter, and would sort elsewhere as text.
    let time = |row: &Value, field: &str| format!("{:0<27}", text(row, field).replace('Z', "."));
    let newest =
        |field: &'static str| move |row: &Value| Reverse((time(row, field), number(row, "id")));
    let is = |field: &'static str, value: Value| move |row: &Value| row[field] == value;

    let by_id = |row: &Value| number(row, "id");
    let all = api.seen("/projects").as_array().unwrap().clone();
    assert_eq!(all.len(), 4);
    check("/projects", "", &sorted(&all, |_| true, by_id));
    check("/projects", "?state=ready", &sorted(&all, |_| true, by_id));

    let tasks = format!("/projects/{project}/tasks");
    let all = api.seen(&tasks).as_array().unwrap().clone();
    assert_eq!(all.len(), 7);
    let urgent = |row: &Value| {
        (Reverse(number(row, "priority")), time(row, "created_at"), number(row, "id"))
    };
    check(&tasks, "", &sorted(&all, |_| true, urgent));
    let open = is("status", json!("in_progress"));
    check(&tasks, "?status=in_progress", &sorted(&all, open, urgent));
    check(&tasks, "?phase=planner", &sorted(&all, is("current_phase", json!("planner")), urgent));
    let both = sorted(&all, is("current_phase", json!("planner")), urgent);
    check(&tasks, "?phase=planner&status=in_progress", &both);

    let requests = format!("/projects/{project}/change-requests");
    let all = api.seen(&requests).as_array().unwrap().clone();
    check(&requests, "", &sorted(&all, |_| true, newest("created_at")));
    let submitted = sorted(&all, is("status", json!("submitted")), newest("created_at"));
    check(&requests, "?status=submitted", &submitted);
    check(&requests, "?task_id=3", &sorted(&all, is("task_id", json!(3)), newest("created_at")));

    let approvals = format!("/projects/{project}/approvals");
    let all = api.seen(&approvals).as_array().unwrap().clone();
    check(&approvals, "", &sorted(&all, |_| true, newest("created_at")));
    let of_two = sorted(&all, is("task_id", json!(2)), newest("created_at"));
    assert_eq!(of_two.len(), 2);
    check(&approvals, "?task_id=2", &of_two);

    let artifacts = format!("/projects/{project}/artifacts");
    let all = api.seen(&artifacts).as_array().unwrap().clone();
    check(&artifacts, "", &sorted(&all, |_| true, newest("created_at")));
    let logs = sorted(&all, is("artifact_type", json!("log")), newest("created_at"));
    assert_eq!(logs.len(), 3);
    check(&artifacts, "?artifact_type=log", &logs);

    let runs = format!("/projects/{project}/runs");
    let all = api.seen(&runs).as_array().unwrap().clone();
    assert_eq!(all.len(), 4);
    check(&runs, "", &sorted(&all, |_| true, newest("start_time")));
    let running = sorted(&all, is("status", json!("running")), newest("start_time"));
    check(&runs, "?status=running", &running);
    check(&runs, "?task_id=4", &sorted(&all, is("task_id", json!(4)), newest("start_time")));
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_page_begins_after_a_row_that_is_there(#[case] dialect: Dialect) {
    let api = Api::start(dialect);
    let project = filled(&api);
    let path = format!("/projects/{project}");

    for (list, kind) in [
        ("tasks", "Task"),
        ("change-requests", "Change request"),
        ("approvals", "Approval"),
        ("artifacts", "Artifact"),
        ("runs", "Run"),
    ] {
        let answer = api.get(&format!("{path}/{list}?after=99"));
        answer.refuses(404, &format!("{kind} 99 not found"));
        // Another project's row is none of this one's.
        let answer = api.get(&format!("/projects/1/{list}?after=1"));
        answer.refuses(404, &format!("{kind} 1 not found"));
        assert_eq!(api.seen(&format!("/projects/1/{list}")), json!([]), "{list}");
        api.get(&format!("/projects/99/{list}")).refuses(404, "Project 99 not found");
    }
    // Projects are in the order of their numbers, so that any number is a place.
    assert_eq!(api.seen("/projects?after=99"), json!([]));
    assert_eq!(api.seen("/projects?after=3")[0]["id"], project);
    // What the last row was is no matter: it may have been changed since.
    let tasks = format!("{path}/tasks");
    let third = api.seen(&tasks)[2]["id"].as_i64().unwrap();
    let before = api.seen(&format!("{tasks}?after={third}"));
    api.done("PATCH", &format!("{tasks}/{third}"), &json!({ "title": "another" }));
    assert_eq!(api.seen(&format!("{tasks}?after={third}")), before);
    // Of a parameter that is given twice the last one counts, also in the link.
    let answer = api.get(&format!("{tasks}?limit=5&limit=1&after={third}"));
    assert_eq!(answer.json().as_array().unwrap().len(), 1);
    let id = &answer.json()[0]["id"];
    let next = format!("</api/v1{tasks}?limit=5&limit=1&after={id}>; rel=\"next\"");
    assert_eq!(answer.header("link"), Some(next.as_str()));
}
