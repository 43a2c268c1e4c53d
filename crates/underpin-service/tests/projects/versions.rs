//! `ETag` and `If-Match`: who has read another version changes nothing.

use rstest::rstest;
use serde_json::{Value, json};
use underpin_testkit::Dialect;

use crate::{
    api::Api,
    matrix::document,
    routes::{Case, all},
};

/// What no `ETag` is.
const MALFORMED: [&str; 15] = [
    "",
    "1",
    "\"1",
    "1\"",
    "\"\"",
    "\"x\"",
    "\"1.0\"",
    "\"01\"",
    "\"+1\"",
    "\"2\", \"3\"",
    "\"1\" \"1\"",
    "\"1\", x",
    "W/\"1\"",
    "W/\"1\", \"2\"",
    "\"99999999999\"",
];

/// Whether the document says that an operation takes `If-Match`.
fn takes_it(operation: &Value) -> bool {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    parameters.into_iter().any(|one| one["name"] == "If-Match" && one["in"] == "header")
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn only_the_version_that_was_read_is_changed(#[case] dialect: Dialect) {
    let api = Api::start(dialect);
    let project = api.project("one");
    let mut with = Vec::new();

    for (method, path, operation) in document(&api) {
        if !takes_it(&operation) {
            continue;
        }
        let route = all().into_iter().find(|one| (one.method, one.path) == (&method, &path));
        let route = route.unwrap();
        let (refused, rows) = ((route.prepare)(&api, project), api.rows(project));
        let ask = |case: &Case, version: &str| {
            let headers = [("If-Match", version)];
            api.ask_with(&method, &case.path(&path), &headers, &case.text())
        };
        for version in ["\"2\"", "\"0\"", "\"-1\"", "\"2147483647\""] {
            let answer = ask(&refused, version);
            answer.is_refused(412);
            assert!(answer.body.contains("found 1: read it again"), "{answer:?}");
        }
        for version in MALFORMED {
            ask(&refused, version).is_refused(412);
        }
        assert_eq!(api.rows(project), rows, "{method} {path}");
        for version in ["\"1\"", "*", " \"1\" ", "\"7\", \"1\"", "\"1\",W/\"2\",,\"x\""] {
            let case = (route.prepare)(&api, project);
            let answer = ask(&case, version);
            assert_eq!(answer.status, case.status, "{method} {path} {version}: {answer:?}");
        }
        for (version, status) in
            [("\"1\"", 412), ("W/\"1\"", 412), ("\"7\", \"1\"", 412), ("*", 412)]
        {
            let headers = [("If-None-Match", version)];
            let case = (route.prepare)(&api, project);
            let rows = api.rows(project);
            let answer = api.ask_with(&method, &case.path(&path), &headers, &case.text());
            assert_eq!(answer.status, status, "{method} {path} {version}: {answer:?}");
            assert_eq!(api.rows(project), rows, "{method} {path} {version}");
        }
        let case = (route.prepare)(&api, project);
        let headers = [("If-None-Match", "\"7\""), ("If-Match", "\"1\"")];
        let answer = api.ask_with(&method, &case.path(&path), &headers, &case.text());
        assert_eq!(answer.status, case.status, "{method} {path}: {answer:?}");
        with.push(format!("{method} {path}"));
    }

    let tasks = "/projects/{project_id}/tasks/{task_id}";
    let requests = "/projects/{project_id}/change-requests/{change_request_id}";
    let mut expected = vec![format!("DELETE {tasks}"), format!("PATCH {tasks}")];
    expected.extend(["advance", "approve", "split"].map(|last| format!("POST {tasks}/{last}")));
    expected.extend(["dependencies", "gates"].map(|last| format!("PUT {tasks}/{last}")));
    expected.push(format!("PATCH {requests}"));
    let steps = ["approve", "implement", "reject", "submit"];
    expected.extend(steps.map(|last| format!("POST {requests}/{last}")));
    expected.sort();
    with.sort();
    assert_eq!(with, expected);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn another_text_is_another_version_and_anything_else_is_not(#[case] dialect: Dialect) {
    let api = Api::start(dialect);
    let project = api.project("one");
    let path = format!("/projects/{project}/tasks/{}", api.task(project, "Choir"));
    let first = api.task(project, "first");
    let change = |method: &str, below: &str, body: &Value| {
        let answer = api.ask(method, &format!("{path}{below}"), body);
        assert_eq!(answer.status, 200, "{answer:?}");
        let version = answer.header("etag").map(str::to_owned);
        assert_eq!(api.get(&path).header("etag"), version.as_deref());
        version.unwrap()
    };

    let steps = [
        change("PATCH", "", &json!({})),
        change("PATCH", "", &json!({ "title": "Choir", "description": null })),
        change("PATCH", "", &json!({ "priority": 3, "engine_override": "codex" })),
        change("PATCH", "", &json!({ "title": "Nave" })),
        change("PUT", "/gates", &json!([{ "name": "tests", "command": "make test" }])),
        change("PUT", "/dependencies", &json!({ "dependencies": [first] })),
        change("POST", "/approve", &json!({})),
        change("PATCH", "", &json!({ "description": "in the east" })),
    ];

    assert_eq!(steps, ["\"1\"", "\"1\"", "\"1\"", "\"2\"", "\"3\"", "\"4\"", "\"4\"", "\"5\""]);
    let versions = api.seen(&format!("{path}/versions"));
    let versions: Vec<_> = versions.as_array().unwrap().iter().collect();
    let column = |name: &str| versions.iter().map(|one| one[name].clone()).collect::<Vec<_>>();
    assert_eq!(column("version_num"), [1, 2, 3, 4, 5]);
    assert_eq!(column("title"), ["Choir", "Nave", "Nave", "Nave", "Nave"]);
    // What was set is in every later version.
    let gates = column("gates_json").iter().map(Value::is_null).collect::<Vec<_>>();
    assert_eq!(gates, [true, true, false, false, false]);
    let first = format!("[{first}]");
    assert_eq!(column("deps_json")[2..], [Value::Null, json!(first), json!(first)]);
    assert_eq!(api.seen(&format!("{path}/gates"))[0]["command"], "make test");
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_was_read_is_not_sent_again(#[case] dialect: Dialect) {
    let api = Api::start(dialect);
    let project = api.project("one");
    let path = format!("/projects/{project}/tasks/{}", api.task(project, "Choir"));

    for (tags, status) in [
        ("\"1\"", 304),
        ("W/\"1\"", 304),
        ("\"7\", \"1\"", 304),
        ("*", 304),
        ("\"2\"", 200),
        ("1", 200),
    ] {
        let answer = api.ask_with("GET", &path, &[("If-None-Match", tags)], "");
        assert_eq!(answer.status, status, "{tags}: {answer:?}");
        assert_eq!(answer.header("etag"), Some("\"1\""), "{answer:?}");
        assert_eq!(answer.body.is_empty(), status == 304, "{answer:?}");
    }
}

/// Of many who have read the same version, one changes it.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn nobody_overwrites_what_he_has_not_read(#[case] dialect: Dialect) {
    let api = Api::start(dialect);
    let project = api.project("one");
    let path = format!("/projects/{project}/tasks/{}", api.task(project, "Choir"));

    for round in 1..=5 {
        let version = format!("\"{round}\"");
        let answers = std::thread::scope(|scope| {
            let ask = |writer: usize| {
                let (api, path, version) = (&api, &path, &version);
                scope.spawn(move || {
                    let body = json!({ "title": format!("{round} by {writer}") }).to_string();
                    (writer, api.ask_with("PATCH", path, &[("If-Match", version)], &body).status)
                })
            };
            let asked: Vec<_> = (0..6).map(ask).collect();
            asked.into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>()
        });
        let won: Vec<_> = answers.iter().filter(|answer| answer.1 == 200).collect();
        assert_eq!(won.len(), 1, "{answers:?}");
        assert!(answers.iter().all(|answer| [200, 412].contains(&answer.1)), "{answers:?}");
        assert_eq!(api.seen(&path)["title"], format!("{round} by {}", won[0].0));
    }
}

/// An update says what is to be another: absence leaves a value, `null` clears it.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn absence_leaves_and_null_clears(#[case] dialect: Dialect) {
    let api = Api::start(dialect);
    let project = format!("/projects/{}", api.project("one"));
    let task = format!("{project}/tasks/{}", api.task(1, "Choir"));
    let of_project = json!({
        "description": "long", "root_path": "/srv", "default_engine": "codex",
        "current_phase": "coder",
    });
    let of_task = json!({ "description": "in the east", "engine_override": "codex" });

    for (path, clearable) in [(project, of_project), (task, of_task)] {
        let full = api.done("PATCH", &path, &clearable);
        for (field, value) in clearable.as_object().unwrap() {
            assert_eq!(full[field], *value);
        }
        assert_eq!(api.done("PATCH", &path, &json!({})), full);
        assert_eq!(api.done("PATCH", &path, &clearable), full);
        for field in clearable.as_object().unwrap().keys() {
            let before = api.seen(&path);
            let after = api.done("PATCH", &path, &json!({ field: null }));
            assert_eq!(after[field], Value::Null);
            assert_eq!(api.seen(&path), after);
            for other in clearable.as_object().unwrap().keys().filter(|other| *other != field) {
                assert_eq!(after[other], before[other], "{other} after {field}");
            }
        }
    }
}
