//! What the original took and this program takes as well: numbers, words and texts that the routes of
//! today would refuse, and what the answers hold.

use rstest::rstest;
use serde_json::{Value, json};
use underpin_testkit::Dialect;

use crate::{
    api::Api,
    service::{Answer, Service},
};

fn ask(service: &Service, method: &str, path: &str, body: &Value) -> Answer {
    let json = [("Content-Type", "application/json")];
    let body = if body.is_null() { String::new() } else { body.to_string() };
    service.send(method, &format!("/api{path}"), &json, &body)
}

fn done(service: &Service, method: &str, path: &str, body: &Value) -> Value {
    let answer = ask(service, method, path, body);
    assert_eq!(answer.status, 200, "{method} {path} {body}: {answer:?}");
    answer.json()
}

/// One project with three tasks.
fn stage(dialect: Dialect) -> Api {
    let api = Api::start(dialect);
    let project = api.project("one");
    for title in ["a", "b", "c"] {
        api.task(project, title);
    }
    api
}

/// Of any list: how many of three rows come for these numbers.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn skip_and_limit_are_any_numbers(#[case] dialect: Dialect) {
    let Api { service } = stage(dialect);
    for name in ["two", "three"] {
        done(&service, "POST", "/projects/", &json!({ "name": name }));
    }
    for task in 1..=3 {
        let body = json!({ "task_id": task, "phase": "coder", "content": "c" });
        done(&service, "POST", "/change-requests/", &body);
        let body = json!({
            "project_id": 1, "artifact_type": "log", "name": "a", "file_path": "a",
        });
        done(&service, "POST", "/artifacts/", &body);
    }

    for list in ["projects", "tasks", "change-requests", "artifacts"] {
        for (query, rows) in [
            ("", 3),
            ("limit=0", 0),
            ("limit=2", 2),
            ("limit=2&skip=2", 1),
            ("limit=1001", 3),
            ("limit=1000000", 3),
            ("limit=-1", 3),
            ("limit=-1&skip=1", 2),
            ("skip=-1", 3),
            ("skip=3", 0),
            ("skip=9223372036854775807&limit=9223372036854775807", 0),
            ("limit=-9223372036854775808&skip=-9223372036854775808", 3),
            ("limit=9223372036854775808", 3),
            ("limit=-9223372036854775809&skip=-99999999999999999999", 3),
            ("limit=%2B99999999999999999999&skip=1", 2),
            ("skip=99999999999999999999", 0),
        ] {
            let found = done(&service, "GET", &format!("/{list}/?{query}"), &Value::Null);
            assert_eq!(found.as_array().unwrap().len(), rows, "{list} {query}");
        }
        for query in ["limit=", "limit=x", "limit=1.5", "skip=null", "skip=99999999999999999999x"] {
            let answer = ask(&service, "GET", &format!("/{list}/?{query}"), &Value::Null);
            let field = query.split('=').next().unwrap();
            assert_eq!(answer.faults(), [format!("int_parsing query.{field}")], "{list} {query}");
        }
    }
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_phase_has_its_value_or_its_name(#[case] dialect: Dialect) {
    let Api { service } = stage(dialect);
    for value in ["planner", "architect", "review_approval"] {
        for word in [value.to_owned(), value.to_uppercase()] {
            let phase = json!({ "current_phase": word });
            for path in ["/projects/1", "/tasks/1?project_id=1"] {
                assert_eq!(done(&service, "PATCH", path, &phase)["current_phase"], value);
            }
            let body = json!({ "task_id": 1, "phase": word, "content": "c" });
            assert_eq!(done(&service, "POST", "/change-requests/", &body)["phase"], value);
            let found = done(&service, "GET", &format!("/tasks/?phase={word}"), &Value::Null);
            assert_eq!(found[0]["id"], 1, "{word}");
        }
    }
    for word in ["Planner", "PLANNER ", "", "plan"] {
        let phase = json!({ "current_phase": word });
        for path in ["/projects/1", "/tasks/1?project_id=1"] {
            let faults = ask(&service, "PATCH", path, &phase).faults();
            assert_eq!(faults, ["enum body.current_phase"], "{path} {word}");
        }
    }
    // A project with a phase of every kind is listed.
    assert_eq!(
        done(&service, "GET", "/projects/", &Value::Null)[0]["current_phase"],
        "review_approval"
    );
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_digest_is_kept_as_it_was_sent(#[case] dialect: Dialect) {
    let Api { service } = stage(dialect);
    let long = "x".repeat(5_000);
    let hexadecimal = "ABCDEF".repeat(10) + "0123";
    for digest in ["", " ", "abc", "sha512:…", "not hexadecimal", &hexadecimal, &long] {
        let body = json!({
            "project_id": 1, "artifact_type": "log", "name": "a", "file_path": "a",
            "sha256": digest, "extra_data": "any text",
        });
        let made = done(&service, "POST", "/artifacts/", &body);
        assert_eq!((&made["sha256"], &made["extra_data"]), (&json!(digest), &json!("any text")));
        let path = format!("/artifacts/{}", made["id"]);
        assert_eq!(done(&service, "GET", &path, &Value::Null), made);
    }
    let body = json!({
        "project_id": 1, "artifact_type": "log", "name": "a", "file_path": "a", "sha256": "a\0",
    });
    assert_eq!(ask(&service, "POST", "/artifacts/", &body).faults(), ["value_error body.sha256"]);
}

/// What may be empty, absent or `null`, and what else a body says.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn bodies_are_read_as_the_original_read_them(#[case] dialect: Dialect) {
    let Api { service } = stage(dialect);

    let body = json!({
        "project_id": 1, "title": "t", "priority": null, "description": "", "dependencies": "odd",
        "engine_override": 7,
    });
    let task = done(&service, "POST", "/tasks/", &body);
    assert_eq!((&task["priority"], &task["description"]), (&json!(0), &json!("")));
    let body = json!({ "task_id": 1, "phase": "coder", "content": "" });
    assert_eq!(done(&service, "POST", "/change-requests/", &body)["content"], "");
    let missing = json!({ "task_id": 1, "phase": "coder", "content": null });
    let faults = ask(&service, "POST", "/change-requests/", &missing).faults();
    assert_eq!(faults, ["string_type body.content"]);
    let path = "/change-requests/1/reject?reason=&approver=ann&colour=red";
    ask(&service, "POST", path, &Value::Null).is_refused(409);
    for path in ["/projects/1", "/tasks/1?project_id=1"] {
        let before = done(&service, "GET", path, &Value::Null);
        for body in [json!({}), json!({ "description": null, "priority": null, "colour": 1 })] {
            assert_eq!(done(&service, "PATCH", path, &body), before, "{path} {body}");
        }
    }
}

/// A title or a description that is sent is a new version, also where it is what it was; `null` and anything
/// else is none.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_text_that_is_sent_is_a_version(#[case] dialect: Dialect) {
    let api = stage(dialect);
    let path = "/tasks/1?project_id=1";
    let newest = api.seen("/projects/1")["last_event"].as_i64().unwrap();
    for (body, version) in [
        (json!({ "title": "a" }), 2),
        (json!({ "title": "a", "priority": 3 }), 3),
        (json!({ "description": "d" }), 4),
        (json!({ "description": "d" }), 5),
        (json!({ "title": null, "description": null }), 5),
        (json!({ "priority": 4, "status": "pending" }), 5),
        (json!({ "title": "b", "description": "d" }), 6),
    ] {
        let task = done(&api.service, "PATCH", path, &body);
        assert_eq!(task["version"], version, "{body}");
    }
    let versions = done(&api.service, "GET", "/tasks/1/versions", &Value::Null);
    let texts = versions.as_array().unwrap().iter();
    let texts: Vec<_> = texts
        .map(|one| {
            (one["version_num"].as_i64(), one["title"].as_str(), one["description"].as_str())
        })
        .collect();
    let (a, b, d) = (Some("a"), Some("b"), Some("d"));
    let expected = [(a, None), (a, None), (a, None), (a, d), (a, d), (b, d)];
    let expected: Vec<_> =
        (1..).zip(expected).map(|(number, (title, text))| (Some(number), title, text)).collect();
    assert_eq!(texts, expected);
    // Each is told, and so is the other priority.
    assert_eq!(api.seen("/projects/1")["last_event"], newest + 6);

    // Clients of today mean a change.
    let same = api.done("PATCH", "/projects/1/tasks/1", &json!({ "title": "b" }));
    assert_eq!(same["version"], 6);
}

/// Where the original wants a body, nothing is not as good as `{}`; where it wants none, nothing is good.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_body_that_is_wanted_has_to_be_there(#[case] dialect: Dialect) {
    let api = stage(dialect);
    let rows = api.rows(1);
    for (method, path) in [
        ("POST", "/projects/"),
        ("PATCH", "/projects/1"),
        ("POST", "/tasks/"),
        ("PATCH", "/tasks/1?project_id=1"),
        ("POST", "/tasks/1/split?project_id=1"),
        ("POST", "/tasks/merge?project_id=1"),
        ("POST", "/change-requests/"),
        ("POST", "/artifacts/"),
        ("PUT", "/gates/task/1?project_id=1"),
    ] {
        let faults = ask(&api.service, method, path, &Value::Null).faults();
        assert_eq!(faults, ["missing body"], "{method} {path}");
    }
    assert_eq!(api.rows(1), rows);
    done(&api.service, "POST", "/tasks/1/approve?project_id=1", &Value::Null);
    // The routes of today take nothing for `{}`.
    let answer = api.service.send("PATCH", "/api/v1/projects/1", &[], "");
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// What differs from the original, and is listed as such.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn numbers_and_lists_have_ends(#[case] dialect: Dialect) {
    let Api { service } = stage(dialect);
    let gates = |number: usize| Value::from(vec![json!({ "name": "g", "command": "c" }); number]);
    let path = "/gates/task/1?project_id=1";
    assert_eq!(done(&service, "PUT", path, &gates(100))["gates_count"], 100);
    assert_eq!(ask(&service, "PUT", path, &gates(101)).faults(), ["too_long body"]);
    for (priority, fault) in [
        (i64::from(i32::MAX) + 1, "less_than_equal"),
        (i64::from(i32::MIN) - 1, "greater_than_equal"),
    ] {
        let body = json!({ "project_id": 1, "title": "t", "priority": priority });
        let expected = [format!("{fault} body.priority")];
        assert_eq!(ask(&service, "POST", "/tasks/", &body).faults(), expected);
        assert_eq!(ask(&service, "PATCH", "/tasks/1?project_id=1", &body).faults(), expected);
    }
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_file_keeps_the_name_that_it_was_sent_with(#[case] dialect: Dialect) {
    let Api { service } = stage(dialect);
    let form = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"out/a b.txt\"\r\n\
        Content-Type: text/plain\r\n\r\nhello\r\n\
        --b\r\nContent-Disposition: form-data; name=\"project_id\"\r\n\r\n1\r\n\
        --b\r\nContent-Disposition: form-data; name=\"artifact_type\"\r\n\r\nlog\r\n--b--\r\n";
    let kind = [("Content-Type", "multipart/form-data; boundary=b")];

    let sent = service.send("POST", "/api/artifacts/upload", &kind, form).json();

    let extra: Value = serde_json::from_str(sent["extra_data"].as_str().unwrap()).unwrap();
    let expected = json!({ "original_filename": "out/a b.txt", "content_type": "text/plain" });
    assert_eq!(extra, expected);
    for key in [
        "id",
        "project_id",
        "task_id",
        "run_id",
        "artifact_type",
        "file_path",
        "storage_path",
        "sha256",
        "file_size",
        "extra_data",
        "created_at",
    ] {
        assert!(sent.get(key).is_some(), "{key}: {sent}");
    }
    let seen = done(&service, "GET", "/artifacts/1", &Value::Null);
    assert_eq!(seen["extra_data"], sent["extra_data"]);
}

/// Each of the examples is a gate that a task takes.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn examples_of_gates_are_gates(#[case] dialect: Dialect) {
    let Api { service } = stage(dialect);

    let examples = done(&service, "GET", "/gates/examples", &Value::Null);

    assert_eq!(examples.as_array().unwrap().len(), 5);
    let saved = done(&service, "PUT", "/gates/task/1?project_id=1", &examples);
    assert_eq!(saved["gates_count"], 5);
    assert_eq!(done(&service, "GET", "/gates/task/1", &Value::Null), examples);
}

/// The original has routes that this program has not; they are not there, and do nothing.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_is_not_offered_is_not_found(#[case] dialect: Dialect) {
    let api = stage(dialect);
    let before = api.rows(1);

    for (method, path) in [
        ("POST", "/gates/execute"),
        ("POST", "/phase/plan"),
        ("POST", "/phase/architect"),
        ("POST", "/phase/coder"),
        ("GET", "/git/status?project_id=1"),
        ("POST", "/git/init?project_id=1"),
        ("GET", "/git/diff?project_id=1"),
        ("GET", "/git/log?project_id=1"),
        ("POST", "/git/commit"),
    ] {
        let answer = ask(&api.service, method, path, &json!({ "project_id": 1, "task_id": 1 }));
        assert_eq!(answer.status, 404, "{method} {path}: {answer:?}");
    }
    assert_eq!(api.rows(1), before);
}
