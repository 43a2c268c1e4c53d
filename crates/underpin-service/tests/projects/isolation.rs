//! What is written in one project is in that project, whole, and nowhere else: whoever else writes,
//! is refused, or hangs up.

use std::{
    collections::BTreeSet,
    io::{Read as _, Write as _},
    thread,
    time::Duration,
};

use rstest::rstest;
use serde_json::{Value, json};
use underpin_testkit::Dialect;

use crate::api::Api;

/// The ids of one project mean nothing in another.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn an_id_is_an_id_of_its_project(#[case] dialect: Dialect) {
    let api = Api::start(dialect);
    let (full, empty) = (api.project("full"), api.project("empty"));
    let own = api.task(empty, "its only one");
    for title in ["one", "two", "three"] {
        let task = api.approved(full, title);
        api.run(full, task);
        api.change_request(full, task);
        let artifact = json!({ "artifact_type": "log", "name": title, "file_path": "x" });
        api.made(&format!("/projects/{full}/artifacts"), &artifact);
    }
    let (before, others) = (api.rows(empty), api.rows(full));
    let path = format!("/projects/{empty}");
    let foreign = 3;

    for (method, last, body) in [
        ("GET", "/tasks/3", json!({})),
        ("PATCH", "/tasks/3", json!({ "title": "mine" })),
        ("DELETE", "/tasks/3", json!({})),
        ("POST", "/tasks/3/approve", json!({})),
        ("POST", "/tasks/3/advance", json!({})),
        ("POST", "/tasks/3/split", json!({ "task1_title": "a", "task2_title": "b" })),
        ("GET", "/tasks/3/versions", json!({})),
        ("GET", "/tasks/3/gates", json!({})),
        ("PUT", "/tasks/3/gates", json!([])),
        ("PUT", "/tasks/3/dependencies", json!({ "dependencies": [] })),
        ("POST", "/tasks/merge", json!({ "task_ids": [own, foreign], "merged_title": "both" })),
        ("POST", "/runs", json!({ "task_id": foreign })),
        ("GET", "/runs/3", json!({})),
        ("POST", "/runs/3/cancel", json!({})),
        ("POST", "/runs/3/finish", json!({ "status": "success" })),
        ("PUT", "/runs/3/log", json!({ "log_path": "x" })),
        ("GET", "/artifacts/3", json!({})),
        ("DELETE", "/artifacts/3", json!({})),
        ("GET", "/artifacts/3/content", json!({})),
        ("GET", "/artifacts/3/download", json!({})),
        (
            "POST",
            "/artifacts",
            json!({ "artifact_type": "log", "name": "x", "file_path": "x", "run_id": foreign }),
        ),
        ("GET", "/change-requests/3", json!({})),
        ("POST", "/change-requests/3/submit", json!({})),
        ("POST", "/approvals", json!({ "task_id": foreign, "approved": true })),
        ("POST", "/approvals", json!({ "task_id": own, "change_request_id": 3, "approved": true })),
        (
            "POST",
            "/change-requests",
            json!({ "task_id": foreign, "phase": "coder", "content": "x" }),
        ),
    ] {
        let answer = api.ask(method, &format!("{path}{last}"), &body);
        answer.is_refused(404);
        assert!(answer.body.ends_with("3 not found\"}"), "{method} {last}: {answer:?}");
    }
    let waits = json!({ "title": "waits", "dependencies": [foreign] });
    let answer = api.post(&format!("{path}/tasks"), &waits);
    assert_eq!(answer.faults(), ["value_error body.dependencies"]);
    for list in ["runs", "change-requests", "approvals", "artifacts"] {
        assert_eq!(api.seen(&format!("{path}/{list}?task_id=3")), json!([]), "{list}");
    }
    assert_eq!((api.rows(empty), api.rows(full)), (before, others));
}

/// Sends a request that would make a task, or all but the end of it, and hangs up.
fn hang_up(api: &Api, project: i64, title: &str, is_whole: bool) {
    let body = json!({ "title": title }).to_string();
    let request = format!(
        "POST /api/v1/projects/{project}/tasks HTTP/1.1\r\nHost: localhost\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let bytes = request.len() - if is_whole { 0 } else { 5 };
    api.service.connect().write_all(&request.as_bytes()[..bytes]).unwrap();
}

/// Titles of tasks, each with its project.
#[derive(Default)]
struct Written {
    /// Acknowledged.
    made: Vec<(i64, String)>,
    /// Perhaps written, although nobody waited for it.
    unknown: Vec<(i64, String)>,
}

/// The titles in one project.
fn of(project: i64, titles: &[(i64, String)]) -> BTreeSet<String> {
    titles.iter().filter(|one| one.0 == project).map(|one| one.1.clone()).collect()
}

/// What one writer did.
fn write(api: &Api, projects: &[i64], writer: usize) -> Written {
    let mut written = Written::default();
    for round in 0..12 {
        for (index, project) in projects.iter().enumerate() {
            let title = format!("of {project}: {writer} {round}");
            let path = format!("/projects/{project}");
            let tasks = format!("{path}/tasks");
            match (writer + round + index) % 6 {
                0 => {
                    hang_up(api, *project, &format!("of {project}: never {writer} {round}"), false);
                }
                1 => {
                    hang_up(api, *project, &title, true);
                    written.unknown.push((*project, title));
                    continue;
                }
                2 => {
                    let wrong = json!({ "title": title, "dependencies": [99_999] });
                    assert_eq!(api.post(&tasks, &wrong).status, 422);
                }
                3 => {
                    let run = json!({ "task_id": 1 });
                    assert_eq!(api.post(&format!("{path}/runs"), &run).status, 409);
                }
                4 => assert_eq!(api.get(&format!("{tasks}/99999")).status, 404),
                _ => {
                    assert_eq!(
                        api.ask("PATCH", &format!("{path}/tasks/1"), &json!([])).status,
                        422
                    );
                }
            }
            let id = api.made(&tasks, &json!({ "title": title }));
            assert_eq!(api.seen(&format!("{tasks}/{id}"))["title"], title);
            written.made.push((*project, title));
        }
    }
    written
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn many_write_in_many_projects_and_each_row_is_in_its_own(#[case] dialect: Dialect) {
    let api = Api::with(dialect, &[("DB_POOL_SIZE", "4")]);
    let projects: Vec<_> = (0..5).map(|number| api.project(&format!("project {number}"))).collect();
    for project in &projects {
        api.task(*project, &format!("of {project}: first"));
    }

    let written = thread::scope(|scope| {
        let (api, projects) = (&api, &projects);
        let writers: Vec<_> =
            (0..6).map(|writer| scope.spawn(move || write(api, projects, writer))).collect();
        let mut written = Written::default();
        for writer in writers {
            let Written { made, unknown } = writer.join().unwrap();
            written.made.extend(made);
            written.unknown.extend(unknown);
        }
        written
    });

    // What was sent and not waited for is done or not done soon.
    thread::sleep(Duration::from_millis(500));
    for project in &projects {
        let (mut made, unknown) = (of(*project, &written.made), of(*project, &written.unknown));
        made.insert(format!("of {project}: first"));
        let rows = api.seen(&format!("/projects/{project}/tasks?limit=1000"));
        let rows = rows.as_array().unwrap();
        let titles: Vec<_> = rows.iter().map(|row| row["title"].as_str().unwrap()).collect();
        let there: BTreeSet<_> = titles.iter().map(|title| (*title).to_owned()).collect();
        assert_eq!(there.len(), titles.len(), "{titles:?}");
        assert!(made.is_subset(&there), "{:?}", made.difference(&there));
        let more: BTreeSet<_> = there.difference(&made).cloned().collect();
        assert!(more.is_subset(&unknown), "{:?}", more.difference(&unknown));
        // A task, its first version and its event are one: none of them is there alone.
        let of_table = |table: &str| {
            api.rows(*project).into_iter().filter(|row| row.starts_with(table)).collect::<Vec<_>>()
        };
        assert_eq!(of_table("tasks ").len(), titles.len());
        assert_eq!(of_table("task_versions ").len(), titles.len());
        assert_eq!(of_table("events ").len(), titles.len() + 1);
        assert!(of_table("tasks ").iter().all(|row| row.contains(&format!("of {project}: "))));
        let newest = api.seen(&format!("/projects/{project}"))["last_event"].as_u64();
        assert_eq!(newest, u64::try_from(titles.len() + 1).ok());
    }
    let log = api.service.log();
    assert!(!log.contains("ERROR") && !log.contains("panic"), "{log}");
}

/// Each asks for its own, over connections that stay open, and gets its own.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_connection_that_stays_open_may_go_from_project_to_project(#[case] dialect: Dialect) {
    let api = Api::with(dialect, &[("DB_POOL_SIZE", "4")]);
    let projects: Vec<_> = (0..8).map(|number| api.project(&format!("project {number}"))).collect();
    for project in &projects {
        api.task(*project, &format!("of {project}"));
    }
    let (api, projects) = (&api, &projects);

    thread::scope(|scope| {
        for reader in 0..6 {
            scope.spawn(move || {
                let mut stream = api.service.connect();
                stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
                for round in 0..20 {
                    let project = projects[(reader + round * 3) % projects.len()];
                    let request = format!(
                        "GET /api/v1/projects/{project}/tasks HTTP/1.1\r\nHost: localhost\r\n\r\n"
                    );
                    stream.write_all(request.as_bytes()).unwrap();
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        let mut byte = [0];
                        stream.read_exact(&mut byte).unwrap();
                        head.extend(byte);
                    }
                    let head = String::from_utf8(head).unwrap();
                    let length = head.split_once("content-length: ").unwrap().1;
                    let length = length.split_once("\r\n").unwrap().0.parse().unwrap();
                    let mut body = vec![0; length];
                    stream.read_exact(&mut body).unwrap();
                    let tasks: Value = serde_json::from_slice(&body).unwrap();
                    assert_eq!(tasks.as_array().unwrap().len(), 1);
                    assert_eq!(tasks[0]["title"], format!("of {project}"));
                    assert_eq!(tasks[0]["project_id"], project);
                }
            });
        }
    });
}
