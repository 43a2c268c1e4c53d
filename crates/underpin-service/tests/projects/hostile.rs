//! Names and texts that nobody should send: they are kept as they are, and do nothing.

use rstest::rstest;
use serde_json::{Value, json};
use underpin_testkit::Dialect;

use crate::api::Api;

/// Texts that mean something to somebody: a database, a shell, a browser, a path, a format.
const TEXTS: [&str; 22] = [
    "'; DROP TABLE tasks; --",
    "\"; DROP SCHEMA public CASCADE; --",
    "' OR 1=1 --",
    "$1 $$ ?1 :name @x",
    "%s%n%_\\%",
    "{project_id} {0} {}",
    "../../etc/passwd",
    "..\\..\\windows",
    "/",
    "project_1",
    "archived_project_1.db",
    "<script>alert(1)</script>",
    "$(reboot) `reboot` ; reboot | reboot",
    " ",
    "\t\n\r\u{1}\u{7f}",
    "null",
    "\u{202e}moc.elpmaxe\u{202c}",
    "\u{feff}\u{200b}\u{fffd}\u{ffff}",
    "Zoe\u{308}",
    "Zo\u{eb}",
    "\u{1f980}\u{200d}\u{1f9ea}",
    "\\u0000 \\x00 \\0",
];

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_name_is_a_name_and_nothing_else(#[case] dialect: Dialect) {
    let api = Api::start(dialect);
    let quiet = api.project("quiet");
    api.task(quiet, "left alone");
    let rows = api.rows(quiet);
    let mut made = Vec::new();

    // A project takes its time: two texts for each.
    for pair in TEXTS.chunks(2) {
        let (name, text) = (pair[0], pair[1]);
        let body = json!({
            "name": name, "description": text, "root_path": text, "default_engine": text,
        });
        let answer = api.post("/projects", &body);
        assert_eq!(answer.status, 201, "{name:?}: {answer:?}");
        let project = answer.json();
        assert_eq!(project["name"], name);
        for field in ["description", "root_path", "default_engine"] {
            assert_eq!(project[field], text, "{field}");
        }
        let id = project["id"].as_i64().unwrap();
        // Its number names its database, never its name.
        let target = format!("project_{id}");
        assert!(project["db_path"].as_str().unwrap().contains(&target), "{project}");
        assert_eq!(api.seen(&format!("/projects/{id}"))["name"], name);
        let taken = api.post("/projects", &json!({ "name": name }));
        taken.refuses(409, &format!("Project with name '{name}' already exists"));
        made.push(id);
    }

    let listed = api.seen("/projects?limit=1000");
    let names: Vec<_> = listed.as_array().unwrap()[1..].iter().map(|one| &one["name"]).collect();
    assert_eq!(names, TEXTS.chunks(2).map(|pair| pair[0]).collect::<Vec<_>>());
    // Put aside and deleted under such a name, it takes nobody along.
    for id in &made[..3] {
        api.done("DELETE", &format!("/projects/{id}"), &json!({}));
        api.done("POST", &format!("/projects/{id}/purge"), &json!({}));
    }
    let left = api.seen("/projects?limit=1000").as_array().unwrap().len();
    assert_eq!(left, 1 + made.len() - 3);
    assert_eq!(api.rows(quiet), rows);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_text_is_kept_as_it_is(#[case] dialect: Dialect) {
    let api = Api::start(dialect);
    let project = api.project("one");
    let path = format!("/projects/{project}");
    let quiet = api.task(project, "left alone");
    let before = api.seen(&format!("{path}/tasks/{quiet}"));

    for text in TEXTS {
        let body = json!({ "title": text, "description": text, "engine_override": text });
        let task = api.made(&format!("{path}/tasks"), &body);
        let of_task = format!("{path}/tasks/{task}");
        let seen = api.seen(&of_task);
        for field in ["title", "description", "engine_override"] {
            assert_eq!(seen[field], text);
        }
        assert_eq!(api.seen(&format!("{of_task}/versions"))[0]["title"], text);
        let gate = json!([{ "name": text, "command": text, "expected_output": text }]);
        api.done("PUT", &format!("{of_task}/gates"), &gate);
        let gates = api.seen(&format!("{of_task}/gates"));
        assert_eq!((&gates[0]["name"], &gates[0]["command"]), (&json!(text), &json!(text)));
        let approval = json!({ "approver": text, "comment": text });
        api.done("POST", &format!("{of_task}/approve"), &approval);
        let said = &api.seen(&format!("{path}/approvals?task_id={task}"))[0];
        assert_eq!((&said["approver"], &said["comment"]), (&json!(text), &json!(text)));
        let request = json!({ "task_id": task, "phase": "coder", "content": text });
        let request = api.made(&format!("{path}/change-requests"), &request);
        assert_eq!(api.seen(&format!("{path}/change-requests/{request}"))["content"], text);
        // The engine is the task's own.
        let run = api.run(project, task);
        let of_run = format!("{path}/runs/{run}");
        assert_eq!(api.seen(&of_run)["engine"], text);
        let log = api.done("PUT", &format!("{of_run}/log"), &json!({ "log_path": text }));
        assert_eq!(log["log_path"], text);
        let end = json!({ "status": "failure", "gate_results": { "said": [text] } });
        let ended = api.done("POST", &format!("{of_run}/finish"), &end);
        let results: Value = serde_json::from_str(ended["gate_results"].as_str().unwrap()).unwrap();
        assert_eq!(results["said"][0], text);
    }

    assert_eq!(api.seen(&format!("{path}/tasks/{quiet}")), before);
    let tasks = api.seen(&format!("{path}/tasks"));
    assert_eq!(tasks.as_array().unwrap().len(), TEXTS.len() + 1);
    let log = api.service.log();
    assert!(!log.contains("ERROR") && !log.contains("panic"), "{log}");
}

/// Paths and queries that lead nowhere.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_path_leads_where_it_says_or_nowhere(#[case] dialect: Dialect) {
    let api = Api::start(dialect);
    let project = api.project("one");
    let task = api.task(project, "left alone");
    let (projects, rows) = (api.seen("/projects"), api.rows(project));
    let pieces = [
        "..",
        "%2e%2e",
        "..%2f..",
        "1%2f..%2f1",
        "1;1",
        "1'",
        "1%27%20OR%201=1",
        "%22",
        "%00",
        "1%00",
        "%ff",
        "%C3%28",
        "%E2%80%AE1",
        "%7Bproject_id%7D",
        "*",
        "$1",
        "-",
        "+",
        "1+1",
        "%F0%9F%A6%80",
        "true",
        "null",
        "NaN",
        "0x1",
        "1_000",
        "1,2",
    ];
    let long = ["1".repeat(5_000), "%41".repeat(5_000)];
    let pieces = pieces.into_iter().chain(long.iter().map(String::as_str));

    for piece in pieces {
        for path in [
            format!("/projects/{piece}"),
            format!("/projects/{piece}/tasks"),
            format!("/projects/{project}/tasks/{piece}"),
            format!("/projects/{project}/{piece}"),
            format!("/projects/{project}/runs/{piece}/finish"),
            format!("/projects/{project}/tasks/{task}/{piece}"),
        ] {
            for method in ["GET", "POST", "PATCH", "DELETE", "PUT"] {
                let answer = api.ask(method, &path, &json!({ "title": "changed" }));
                assert!([404, 405, 422].contains(&answer.status), "{method} {path}: {answer:?}");
                assert!(!answer.json()["detail"].is_null(), "{method} {path}: {answer:?}");
            }
        }
        for list in ["tasks", "runs", "approvals", "change-requests", "artifacts"] {
            let base = format!("/projects/{project}/{list}");
            for name in ["limit", "after", "status", "task_id", "phase", piece] {
                let answer = api.get(&format!("{base}?{name}={piece}"));
                assert_eq!(answer.status, 422, "{list} {name}={piece}: {answer:?}");
            }
        }
    }

    assert_eq!((api.seen("/projects"), api.rows(project)), (projects, rows));
    let log = api.service.log();
    assert!(!log.contains("ERROR") && !log.contains("panic"), "{log}");
}
