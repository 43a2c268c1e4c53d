//! The paths of the original project service: its statuses, shapes and messages, without its defects.

use rstest::rstest;
use serde_json::{Value, json};
use underpin_testkit::Dialect;

use crate::{
    api::Api,
    service::{Answer, Service},
};

/// What the original is asked.
struct Original(Service);

impl Original {
    fn start(dialect: Dialect) -> Self {
        Self(Service::with(dialect, &[]))
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Answer {
        let json = [("Content-Type", "application/json")];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.0.send(method, &format!("/api{path}"), &json, &body)
    }

    /// Success is always 200.
    fn done(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.ask(method, path, body);
        assert_eq!(answer.status, 200, "{method} {path} {body}: {answer:?}");
        answer.json()
    }

    fn get(&self, path: &str) -> Value {
        self.done("GET", path, &Value::Null)
    }

    fn project(&self, name: &str) -> Value {
        self.done("POST", "/projects/", &json!({ "name": name }))
    }

    fn task(&self, project: i64, title: &str) -> i64 {
        let body = json!({ "project_id": project, "title": title });
        self.done("POST", "/tasks/", &body)["id"].as_i64().unwrap()
    }
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn projects(#[case] dialect: Dialect) {
    let original = Original::start(dialect);
    let db_path = match dialect {
        Dialect::Sqlite => "data/project_1.db",
        Dialect::Postgres => "project_1",
    };
    let one = json!({
        "id": 1, "name": "one", "description": null, "db_path": db_path, "root_path": null,
        "current_phase": null, "default_engine": "copilot_cli",
    });

    let body = json!({ "name": "one", "default_engine": null, "colour": "red" });
    assert_eq!(original.done("POST", "/projects/", &body), one);
    let again = original.ask("POST", "/projects/", &json!({ "name": "one" }));
    again.refuses(400, "Project with name 'one' already exists");
    original.project("two");
    assert_eq!(original.get("/projects/1"), one);
    let names = |path: &str| {
        let list = original.get(path);
        list.as_array().unwrap().iter().map(|one| one["name"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(names("/projects/"), ["one", "two"]);
    assert_eq!(names("/projects/?skip=1&limit=5"), ["two"]);
    assert_eq!(names("/projects/?limit=1"), ["one"]);

    let body =
        json!({ "description": "d", "root_path": null, "name": "x", "current_phase": "coder" });
    let changed = original.done("PATCH", "/projects/1", &body);
    let values = (&changed["name"], &changed["description"], &changed["current_phase"]);
    assert_eq!(values, (&json!("one"), &json!("d"), &json!("coder")));
    let null = json!({ "description": null, "current_phase": null });
    assert_eq!(original.done("PATCH", "/projects/1", &null), changed);
    let faults = original.ask("PATCH", "/projects/1", &json!({ "current_phase": "no" })).faults();
    assert_eq!(faults, ["enum body.current_phase"]);

    let deleted = original.done("DELETE", "/projects/1", &Value::Null);
    assert_eq!((&deleted["success"], deleted["message"].is_string()), (&json!(true), true));
    for method in ["GET", "DELETE", "PATCH"] {
        let body = if method == "PATCH" { json!({}) } else { Value::Null };
        original.ask(method, "/projects/1", &body).refuses(404, "Project 1 not found");
    }
    assert_eq!(names("/projects/"), ["two"]);
    assert!(original.project("three")["id"].as_i64() > Some(2), "no number is given again");
    original.ask("GET", "/projects/9", &Value::Null).refuses(404, "Project 9 not found");
    let faults = original.ask("GET", "/projects/x", &Value::Null).faults();
    assert_eq!(faults, ["int_parsing path.project_id"]);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn tasks(#[case] dialect: Dialect) {
    let original = Original::start(dialect);
    original.project("one");
    let mut task = json!({
        "id": 1, "project_id": 1, "title": "a", "description": null, "status": "pending",
        "current_phase": null, "version": 1, "attempts": 0, "priority": 7,
    });

    let body = json!({ "project_id": "1", "title": "a", "priority": "7" });
    assert_eq!(original.done("POST", "/tasks/", &body), task);
    assert_eq!(original.get("/tasks/1?project_id=1"), task);
    assert_eq!(original.get("/tasks/?project_id=1&status=pending"), json!([task]));
    assert_eq!(original.get("/tasks/?project_id=1&status=approved"), json!([]));
    let nobody = original.ask("POST", "/tasks/", &json!({ "project_id": 9, "title": "a" }));
    nobody.refuses(404, "Project 9 not found");
    assert_eq!(original.get("/tasks/"), json!([task]));
    let faults = original.ask("GET", "/tasks/1", &Value::Null).faults();
    assert_eq!(faults, ["missing query.project_id"]);

    let body = json!({ "title": "b", "description": null, "priority": null });
    (task["title"], task["version"]) = (json!("b"), json!(2));
    assert_eq!(original.done("PATCH", "/tasks/1?project_id=1", &body), task);
    let versions = original.get("/tasks/1/versions");
    let titles: Vec<_> = versions
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (&one["version_num"], &one["title"]))
        .collect();
    assert_eq!(titles, [(&json!(1), &json!("a")), (&json!(2), &json!("b"))]);

    let advanced = original.done("POST", "/tasks/1/advance?project_id=1", &Value::Null);
    let phases = (&advanced["status"], &advanced["current_phase"], &advanced["next_phase"]);
    assert_eq!(phases, (&json!("advanced"), &Value::Null, &json!("planner")));
    let approved =
        original.done("POST", "/tasks/1/approve?project_id=1&approver=ann", &Value::Null);
    assert_eq!(approved.as_object().unwrap().len(), 2, "{approved}");
    for next in ["architect", "review_approval", "coder"] {
        let moved = original.done("POST", "/tasks/1/advance?project_id=1", &Value::Null);
        assert_eq!(moved["next_phase"], next);
    }
    let end = original.done("POST", "/tasks/1/advance?project_id=1", &Value::Null);
    assert_eq!((&end["status"], end.as_object().unwrap().len()), (&json!("completed"), 2));

    let parts = json!({ "task1_title": "left", "task2_title": "right" });
    let split = original.done("POST", "/tasks/1/split?project_id=1", &parts);
    let new = json!([{ "id": 2, "title": "left" }, { "id": 3, "title": "right" }]);
    assert_eq!(split, json!({ "success": true, "original_task_id": 1, "new_tasks": new }));
    let body = json!({ "task_ids": [2, 3], "merged_title": "both" });
    let merged = json!({
        "success": true, "merged_task_id": 4, "merged_task_title": "both",
        "source_task_ids": [2, 3],
    });
    assert_eq!(original.done("POST", "/tasks/merge?project_id=1", &body), merged);
    let few = json!({ "task_ids": [4], "merged_title": "one" });
    let few = original.ask("POST", "/tasks/merge?project_id=1", &few);
    few.refuses(400, "Must provide at least 2 tasks to merge");

    original.done("DELETE", "/tasks/4?project_id=1", &Value::Null);
    let gone = original.ask("GET", "/tasks/4?project_id=1", &Value::Null);
    gone.refuses(404, "Task 4 not found");
    original.ask("GET", "/tasks/4/versions", &Value::Null).refuses(404, "Task 4 not found");
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn change_requests_and_gates(#[case] dialect: Dialect) {
    let original = Original::start(dialect);
    original.project("one");
    original.task(1, "a");
    let request = json!({
        "id": 1, "task_id": 1, "phase": "coder", "content": "c", "status": "draft", "version": 1,
    });

    let body = json!({ "task_id": 1, "phase": "coder", "content": "c" });
    assert_eq!(original.done("POST", "/change-requests/", &body), request);
    assert_eq!(original.get("/change-requests/1"), request);
    assert_eq!(original.get("/change-requests/?task_id=1"), json!([request]));
    assert_eq!(original.get("/change-requests/?task_id=99"), json!([]));
    let body = json!({ "task_id": 9, "phase": "coder", "content": "c" });
    original.ask("POST", "/change-requests/", &body).refuses(404, "Task 9 not found");
    let early = original.ask("POST", "/change-requests/1/approve", &Value::Null);
    early.refuses(409, "Change request 1 is `draft` and cannot become `approved`");
    let submitted = original.done("POST", "/change-requests/1/submit", &Value::Null);
    let keys: Vec<_> = submitted.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        (keys, &submitted["status"]),
        (vec!["id", "message", "status"], &json!("submitted"))
    );
    let path = "/change-requests/1/reject?approver=ann&reason=no";
    assert_eq!(original.done("POST", path, &Value::Null)["status"], "rejected");
    let unknown = original.ask("GET", "/change-requests/9", &Value::Null);
    unknown.refuses(404, "Change request 9 not found");

    assert_eq!(original.get("/gates/task/1"), json!([]));
    assert_eq!(original.get("/gates/task/99"), json!([]));
    let gates = json!([{ "name": "tests", "command": "make test", "colour": "red" }]);
    let saved = original.done("PUT", "/gates/task/1?project_id=1", &gates);
    let expected = json!({
        "success": true, "task_id": 1, "version_id": 2, "version_num": 2, "gates_count": 1,
    });
    assert_eq!(saved, expected);
    original.done("PATCH", "/tasks/1?project_id=1", &json!({ "title": "new" }));
    let gate = json!({
        "name": "tests", "command": "make test", "description": null,
        "pass_criteria": "exit_code_0", "expected_output": null, "timeout": 60,
        "fail_task_on_error": true, "required": true,
    });
    assert_eq!(original.get("/gates/task/1"), json!([gate]), "gates survive another title");
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn artifacts(#[case] dialect: Dialect) {
    let original = Original::start(dialect);
    original.project("one");
    let body = json!({
        "project_id": 1, "artifact_type": "plan", "name": "p", "file_path": "p.md",
    });
    let artifact = json!({
        "id": 1, "project_id": 1, "task_id": null, "run_id": null, "artifact_type": "plan",
        "name": "p", "file_path": "p.md", "sha256": null, "extra_data": null,
    });

    assert_eq!(original.done("POST", "/artifacts/", &body), artifact);
    assert_eq!(original.get("/artifacts/1"), artifact);
    assert_eq!(original.get("/artifacts/?project_id=1&artifact_type=plan"), json!([artifact]));
    original.ask("GET", "/artifacts/9", &Value::Null).refuses(404, "Artifact 9 not found");
    let form = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x/a.txt\"\r\n\r\n\
        hello\r\n--b\r\nContent-Disposition: form-data; name=\"project_id\"\r\n\r\n1\r\n\
        --b\r\nContent-Disposition: form-data; name=\"artifact_type\"\r\n\r\nlog\r\n--b--\r\n";
    let kind = [("Content-Type", "multipart/form-data; boundary=b")];
    let sent = original.0.send("POST", "/api/artifacts/upload", &kind, form);
    assert_eq!(sent.status, 200, "{sent:?}");
    let sent = sent.json();
    assert_eq!(sent["storage_path"], "artifacts/project_1/artifact_2/a.txt");
    assert_eq!((&sent["file_path"], &sent["file_size"]), (&json!("x/a.txt"), &json!(5)));
    let content = original.get("/artifacts/2/content");
    assert_eq!(content, json!({ "content": "hello", "file_path": "x/a.txt", "type": "log" }));
    assert_eq!(original.ask("GET", "/artifacts/2/download", &Value::Null).body, "hello");
    let bad = form.replace("log", "no");
    let bad = original.0.send("POST", "/api/artifacts/upload", &kind, &bad);
    assert_eq!(bad.faults(), ["enum body.artifact_type"]);
    original.done("DELETE", "/artifacts/2", &Value::Null);
    original.ask("GET", "/artifacts/2", &Value::Null).refuses(404, "Artifact 2 not found");
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn slashes_lead_on(#[case] dialect: Dialect) {
    let original = Original::start(dialect);
    original.project("one");
    for (path, there) in [
        ("/projects", "/api/projects/"),
        ("/projects?limit=1", "/api/projects/?limit=1"),
        ("/tasks?project_id=1", "/api/tasks/?project_id=1"),
        ("/projects/1/", "/api/projects/1"),
        ("/tasks/1/?project_id=1", "/api/tasks/1?project_id=1"),
        ("/gates/task/1/", "/api/gates/task/1"),
    ] {
        let answer = original.ask("GET", path, &Value::Null);
        assert_eq!((answer.status, answer.header("location")), (307, Some(there)), "{path}");
    }
    original.ask("PUT", "/projects/1", &Value::Null).is_refused(405);
    original.ask("GET", "/projects/1/nothing", &Value::Null).is_refused(404);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn pages_of_named_origins_may_and_others_may_not(#[case] dialect: Dialect) {
    let origin = "http://localhost:3000";
    let api =
        Api::with(dialect, &[("CORS_ORIGINS", "http://localhost:3000,http://localhost:5173")]);
    let json = ("Content-Type", "application/json");
    for path in ["/api/projects/", "/api/v1/projects"] {
        let from = |origin| {
            let body = json!({ "name": format!("{path} {origin}") }).to_string();
            api.service.send("POST", path, &[("Origin", origin), json], &body)
        };

        let allowed = from(origin);
        assert!(allowed.status < 300, "{allowed:?}");
        assert_eq!(allowed.header("access-control-allow-origin"), Some(origin));
        assert_eq!(allowed.header("access-control-allow-credentials"), Some("true"));
        from("http://evil.example").is_refused(403);
        assert!(from("http://localhost").status < 300, "its own pages");
        let ask = [("Origin", origin), ("Access-Control-Request-Method", "PATCH")];
        let asked = api.service.send("OPTIONS", path, &ask, "");
        assert_eq!(asked.header("access-control-allow-origin"), Some(origin), "{asked:?}");
    }
    assert_eq!(api.seen("/projects").as_array().unwrap().len(), 4);
}
