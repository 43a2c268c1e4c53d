//! Every route: what it answers when all is well, and when its path, its method or its version is
//! wrong.

use std::collections::BTreeSet;

use rstest::rstest;
use serde_json::{Value, json};
use underpin_testkit::Dialect;

use crate::{
    api::Api,
    routes::{Route, all},
};

/// The operations of the document below `/api/v1`: method, path and what it says.
pub(crate) fn document(api: &Api) -> Vec<(String, String, Value)> {
    let document = api.service.get("/openapi.json").json();
    let paths = document["paths"].as_object().unwrap().iter();
    let below = paths.filter_map(|(path, all)| Some((path.strip_prefix("/api/v1")?, all)));
    let operations = below.flat_map(|(path, all)| {
        let all = all.as_object().unwrap().iter();
        all.map(|(method, one)| (method.to_uppercase(), path.to_owned(), one.clone()))
    });
    operations.collect()
}

/// What the document says of a route.
fn documented(document: &[(String, String, Value)], route: &Route) -> Value {
    let found = document
        .iter()
        .find(|(method, path, _)| (method.as_str(), path.as_str()) == (route.method, route.path));
    found.map(|found| found.2.clone()).unwrap_or_default()
}

/// The names of the parameters at `place`.
fn parameters(operation: &Value, place: &str) -> Vec<String> {
    let all = operation["parameters"].as_array().into_iter().flatten();
    let here = all.filter(|one| one["in"] == place);
    here.map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

/// What rows are called in refusals.
fn kind(parameter: &str) -> &'static str {
    match parameter {
        "project_id" => "Project",
        "task_id" => "Task",
        "change_request_id" => "Change request",
        "run_id" => "Run",
        "artifact_id" => "Artifact",
        other => panic!("what is a {other}?"),
    }
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn every_route_is_known_here(#[case] dialect: Dialect) {
    let api = Api::start(dialect);

    let served = document(&api).into_iter().map(|(method, path, _)| format!("{method} {path}"));

    let known = all().into_iter().map(|route| format!("{} {}", route.method, route.path));
    assert_eq!(served.collect::<BTreeSet<_>>(), known.collect::<BTreeSet<_>>());
}

/// The same on both dialects, to the letter.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_every_route_answers(#[case] dialect: Dialect) {
    let api = Api::start(dialect);
    let project = api.project("one");
    let document = document(&api);
    let mut script = Vec::new();

    for route in all() {
        let case = (route.prepare)(&api, project);
        if !case.ends {
            continue;
        }
        let (path, body) = (case.path(route.path), case.text());
        let answer = case.ask(&api, route.method, &path, &[]);
        assert_eq!(answer.status, case.status, "{} {path} {body}: {answer:?}", route.method);
        let responses = &documented(&document, &route)["responses"];
        assert!(responses.get(case.status.to_string()).is_some(), "{} {path}", route.method);

        script.push(format!("{} {path} {body}", route.method).trim_end().to_owned());
        let header = |name| Some(format!("{name}: {}", answer.header(name)?));
        let headers =
            ["location", "etag", "link", "content-disposition"].into_iter().filter_map(header);
        script.extend(std::iter::once(answer.status.to_string()).chain(headers));
        let json = serde_json::from_str::<Value>(&answer.body);
        let body = json.map_or(answer.body.clone(), |body| format!("{body:#}"));
        script.push(body + "\n");

        assert_eq!(answer.header("location").is_some(), case.status == 201, "{answer:?}");
        if let Some(location) = answer.header("location") {
            let there = api.service.get(location);
            assert_eq!(there.status, 200, "{location}: {there:?}");
            if let Some(version) = answer.header("etag") {
                assert_eq!(there.header("etag"), Some(version), "{location}: {there:?}");
            }
        }
    }

    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?", "[TIME]");
    settings.add_filter(r#""head": "\d{14}""#, r#""head": "[HEAD]""#);
    settings.add_filter(
        r#""db_path": "(data/(project_\d+)\.db|(project_\d+))""#,
        r#""db_path": "[$2$3]""#,
    );
    settings.bind(|| insta::assert_snapshot!("what_every_route_answers", script.join("\n")));
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_is_not_there_is_not_found_and_not_made(#[case] dialect: Dialect) {
    let api = Api::start(dialect);
    let project = api.project("one");
    let document = document(&api);

    let cases: Vec<_> = all().into_iter().map(|route| route.with_case(&api, project)).collect();
    let (projects, rows) = (api.seen("/projects"), api.rows(project));

    for (route, case) in cases {
        for name in parameters(&documented(&document, &route), "path") {
            let path = case.path_with(route.path, &name, "99");
            let answer = case.ask(&api, route.method, &path, &[]);
            answer.refuses(404, &format!("{} 99 not found", kind(&name)));
        }
    }
    for path in ["/projects/", "/projects/1/", "/projects/1/tasks/", "/nothing", "/projects/1/x"] {
        for method in ["GET", "POST", "DELETE"] {
            api.ask(method, path, &json!({})).is_refused(404);
        }
    }
    assert_eq!((api.seen("/projects"), api.rows(project)), (projects, rows));
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn an_id_is_a_whole_number_from_one(#[case] dialect: Dialect) {
    let api = Api::start(dialect);
    let project = api.project("one");
    let document = document(&api);
    let ids = [
        ("x", "int_parsing"),
        ("1.5", "int_parsing"),
        ("1e0", "int_parsing"),
        ("0x1", "int_parsing"),
        ("%31%00", "int_parsing"),
        ("1%2F2", "int_parsing"),
        ("%EF%BC%91", "int_parsing"),
        ("..%2f..", "int_parsing"),
        ("0", "greater_than_equal"),
        ("-1", "greater_than_equal"),
        ("2147483648", "less_than_equal"),
        ("9223372036854775807", "less_than_equal"),
        ("99999999999999999999", "int_parsing"),
    ];

    let cases: Vec<_> = all().into_iter().map(|route| route.with_case(&api, project)).collect();
    let rows = api.rows(project);

    for (route, case) in cases {
        for name in parameters(&documented(&document, &route), "path") {
            for (id, fault) in ids {
                let path = case.path_with(route.path, &name, id);
                let answer = case.ask(&api, route.method, &path, &[]);
                assert_eq!(answer.faults(), [format!("{fault} path.{name}")], "{path}");
            }
        }
    }
    assert_eq!(api.rows(project), rows);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn other_methods_are_refused_with_those_that_are_there(#[case] dialect: Dialect) {
    let api = Api::start(dialect);
    let operations = document(&api);
    let paths: BTreeSet<_> = operations.iter().map(|(_, path, _)| path.as_str()).collect();

    for path in paths {
        let here = operations.iter().filter(|one| one.1 == path).map(|one| one.0.as_str());
        let mut here: BTreeSet<_> = here.collect();
        if here.contains("GET") {
            here.insert("HEAD");
        }
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"] {
            if here.contains(method) {
                continue;
            }
            let asked = path.replace("{project_id}", "99").replace("_id}", "").replace('{', "");
            let answer = api.ask(method, &asked, &json!({}));
            answer.is_refused(405);
            let allowed = answer.header("allow").unwrap().split(',').collect::<BTreeSet<_>>();
            assert_eq!(allowed, here, "{method} {path}");
        }
    }
}
