//! What may stand in a body and in a query: everything that the document says, and nothing else.

use rstest::rstest;
use serde_json::{Map, Value, json};
use underpin_testkit::Dialect;

use crate::{
    api::Api,
    matrix::document,
    routes::{Case, Route, all},
};

/// Every route with a body, what the document says of that body, and a request that succeeds.
fn with_bodies(api: &Api, project: i64) -> Vec<(Route, Value, Case)> {
    let document = document(api);
    let routes = all().into_iter().filter_map(|route| {
        let found = document.iter().find(|one| (&*one.0, &*one.1) == (route.method, route.path));
        let content = &found.unwrap().2["requestBody"]["content"];
        let schema = content.get("application/json")?["schema"].clone();
        let (route, case) = route.with_case(api, project);
        Some((route, schema, case))
    });
    routes.collect()
}

/// The object that a body is or lists, and where it is.
fn object(schema: &Value) -> (&Value, &'static str) {
    if schema["type"] == "array" { (&schema["items"], "body.0") } else { (schema, "body") }
}

/// The fields of the only object in `body`.
fn fields(body: &Value) -> Map<String, Value> {
    body.get(0).unwrap_or(body).as_object().unwrap().clone()
}

/// A body like `body` with these fields.
fn like(body: &Value, fields: Map<String, Value>) -> Value {
    if body.is_array() { json!([fields]) } else { Value::from(fields) }
}

/// What a field of this schema is, and whether it may be null.
fn kind(schema: &Value) -> (&str, bool) {
    let kinds: Vec<_> = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().map(|kind| kind.as_str().unwrap()).collect(),
        kind => vec![kind.as_str().unwrap()],
    };
    let kind = if schema.get("enum").is_some() { "enum" } else { kinds[0] };
    (kind, kinds.contains(&"null"))
}

/// The fault of a value of another type.
fn of_another_type(schema: &Value) -> &'static str {
    match kind(schema).0 {
        "enum" => "enum",
        "string" => "string_type",
        "integer" => "int_type",
        "boolean" => "bool_parsing",
        "array" => "list_type",
        "object" => "json_type",
        other => panic!("what is not {other}?"),
    }
}

/// Values that a field of this schema cannot have, each with its fault.
fn wrong(schema: &Value) -> Vec<(Value, &'static str)> {
    let mut wrong: Vec<_> = match kind(schema).0 {
        "enum" => {
            let values = ["x", "", "PENDING", " running", "nul\0"].map(|text| json!(text));
            let values = values.into_iter().chain([json!(1), json!([]), json!(true)]);
            values.map(|value| (value, "enum")).collect()
        }
        "string" => {
            let values = [json!(1), json!(true), json!([]), json!({})];
            let values = values.into_iter().map(|value| (value, "string_type"));
            values.chain([(json!("a\0b"), "value_error")]).collect()
        }
        "integer" => vec![
            (json!("x"), "int_parsing"),
            (json!(""), "int_parsing"),
            (json!(1.5), "int_type"),
            (json!(true), "int_type"),
            (json!([1]), "int_type"),
            (json!(u64::MAX), "int_type"),
            (json!(i64::MAX), "less_than_equal"),
            (json!(i64::from(i32::MAX) + 1), "less_than_equal"),
            (json!(i64::from(i32::MIN) - 1), "greater_than_equal"),
        ],
        "boolean" => {
            [json!("yes"), json!(1), json!([])].map(|value| (value, "bool_parsing")).into()
        }
        "array" => {
            let mut wrong = vec![(json!("x"), "list_type"), (json!({}), "list_type")];
            let most = schema["maxItems"].as_u64().unwrap();
            wrong.push((vec![1; usize::try_from(most).unwrap() + 1].into(), "too_long"));
            wrong
        }
        "object" => {
            let values = [json!("{}"), json!(1), json!(true)].into_iter();
            let values = values.map(|value| (value, "json_type"));
            values.chain([(json!({ "a": ["b\0"] }), "value_error")]).collect()
        }
        other => panic!("what is wrong for {other}?"),
    };
    if !kind(schema).1 {
        wrong.push((Value::Null, of_another_type(schema)));
    }
    if schema["minLength"] == 1 {
        wrong.push((json!(""), "string_too_short"));
    }
    if let Some(most) = schema["maxLength"].as_u64() {
        let most = usize::try_from(most).unwrap();
        wrong.push((json!("\u{e4}".repeat(most + 1)), "string_too_long"));
    }
    if schema["minimum"] == 1 {
        wrong.push((json!(0), "greater_than_equal"));
        wrong.push((json!("-1"), "greater_than_equal"));
    }
    wrong
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn every_field_is_what_the_document_says(#[case] dialect: Dialect) {
    let api = Api::start(dialect);
    let project = api.project("one");
    let routes = with_bodies(&api, project);
    let (projects, rows) = (api.seen("/projects"), api.rows(project));
    let mut tried = 0;

    for (route, schema, case) in &routes {
        let (object, place) = object(schema);
        assert_eq!(object["additionalProperties"], false, "{} {}", route.method, route.path);
        let refused = |change: &dyn Fn(&mut Map<String, Value>), faults: &[String]| {
            let mut fields = fields(&case.body);
            change(&mut fields);
            let body = like(&case.body, fields);
            let answer = api.ask(route.method, &case.path(route.path), &body);
            assert_eq!(answer.faults(), faults, "{} {} {body}", route.method, route.path);
        };
        for (name, schema) in object["properties"].as_object().unwrap() {
            for (value, fault) in wrong(schema) {
                let insert = |fields: &mut Map<String, Value>| {
                    fields.insert(name.clone(), value.clone());
                };
                refused(&insert, &[format!("{fault} {place}.{name}")]);
                tried += 1;
            }
        }
        let required = object["required"].as_array().into_iter().flatten();
        for name in required.map(|name| name.as_str().unwrap()) {
            let remove = |fields: &mut Map<String, Value>| drop(fields.remove(name));
            refused(&remove, &[format!("missing {place}.{name}")]);
            tried += 1;
        }
        // Each in its place, and those that nobody knows.
        let everything = |fields: &mut Map<String, Value>| {
            let names = object["properties"].as_object().unwrap().keys().cloned();
            *fields = names.map(|name| (name, json!(0.5))).collect();
            fields.insert("no such field".to_owned(), json!(1));
        };
        let names = object["properties"].as_object().unwrap().iter();
        let mut faults: Vec<_> = names
            .map(|(name, schema)| format!("{} {place}.{name}", of_another_type(schema)))
            .collect();
        faults.push(format!("extra_forbidden {place}.no such field"));
        faults.sort();
        refused(&everything, &faults);
    }
    assert!(tried > 200, "{tried}");
    assert_eq!((api.seen("/projects"), api.rows(project)), (projects, rows));
}

/// What is no object, no JSON, or too much.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_body_is_json_of_the_right_form(#[case] dialect: Dialect) {
    let api = Api::with(dialect, &[("HTTP_BODY_LIMIT_BYTES", "2000")]);
    let project = api.project("one");
    let routes = with_bodies(&api, project);
    let (projects, rows) = (api.seen("/projects"), api.rows(project));

    for (route, schema, case) in &routes {
        let path = case.path(route.path);
        let ask = |body: &str| api.ask_with(route.method, &path, &[], body);
        let other = if schema["type"] == "array" { "list_type body" } else { "dict_type body" };
        for body in ["null", "1", "\"text\"", "true"] {
            assert_eq!(ask(body).faults(), [other], "{path} {body}");
        }
        let opposite = if schema["type"] == "array" { "{}" } else { "[]" };
        assert_eq!(ask(opposite).faults(), [other], "{path}");
        for body in
            ["{", "{}{}", "{\"a\":1,}", "x", "\u{feff}{}", "[1", "{\"a\":\"\\ud800\"}", "1e999"]
        {
            assert_eq!(ask(body).faults(), ["json_invalid body"], "{path} {body}");
        }
        let deep = "[".repeat(500) + &"]".repeat(500);
        assert_eq!(ask(&deep).faults(), ["json_invalid body"], "{path}");
        let body = case.text();
        for kind in
            ["text/plain", "application/x-www-form-urlencoded", "", "json", "multipart/form-data"]
        {
            let headers = [("Content-Type", kind)];
            let answer = api.service.send(route.method, &format!("/api/v1{path}"), &headers, &body);
            answer.refuses(415, "expected a body with `Content-Type: application/json`");
        }
        let long = body + &" ".repeat(2_000);
        ask(&long).refuses(413, "the body is larger than `HTTP_BODY_LIMIT_BYTES` allows");
        let head = format!("{} /api/v1{path} HTTP/1.1\r\nHost: localhost\r\n", route.method);
        let head = head + "Connection: close\r\nContent-Type: application/json\r\n";
        let bytes = format!("{head}Content-Length: 3\r\n\r\n").into_bytes();
        let answer = api.service.raw(&[&bytes[..], b"\"\xff\""].concat());
        assert_eq!(answer.faults(), ["json_invalid body"], "{path}");
    }
    assert_eq!((api.seen("/projects"), api.rows(project)), (projects, rows));
}

/// As JSON is often sent: the type with its parameters, numbers and flags as texts.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_is_the_same_said_otherwise_is_taken(#[case] dialect: Dialect) {
    let api = Api::start(dialect);
    let project = api.project("one");
    let tasks = format!("/api/v1/projects/{project}/tasks");
    for kind in
        ["application/json; charset=utf-8", "Application/JSON", "application/merge-patch+json"]
    {
        let body = r#"{"title":"one","priority":"7","dependencies":[]}"#;
        let answer = api.service.send("POST", &tasks, &[("Content-Type", kind)], body);
        assert_eq!((answer.status, &answer.json()["priority"]), (201, &json!(7)), "{answer:?}");
    }
    let answer = json!({ "task_id": "1", "approved": "true" });
    let made = api.done("POST", &format!("/projects/{project}/approvals"), &answer);
    assert_eq!((&made["task_id"], &made["approved"]), (&json!(1), &json!(true)));
    // No body is an empty object, and needs no type.
    let answer = api.service.send("POST", &format!("{tasks}/1/approve"), &[], "");
    assert_eq!((answer.status, &answer.json()["message"]), (200, &json!("Task 1 approved")));
    assert_eq!(api.service.send("POST", &tasks, &[], "").faults(), ["missing body.title"]);
}

/// The longest texts that are allowed are kept, to the character.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn the_longest_is_kept_to_the_character(#[case] dialect: Dialect) {
    let api = Api::start(dialect);
    let project = api.project("one");
    for (route, schema, case) in with_bodies(&api, project) {
        let (object, _) = object(&schema);
        let mut fields = fields(&case.body);
        let mut longest = Vec::new();
        for (name, schema) in object["properties"].as_object().unwrap() {
            if let Some(most) = schema["maxLength"].as_u64().filter(|_| name != "pass_criteria") {
                let text = "\u{1f980}".repeat(usize::try_from(most).unwrap());
                fields.insert(name.clone(), json!(text));
                longest.push(text);
            }
        }
        let (method, path) = (route.method, case.path(route.path));
        let answer = api.ask(method, &path, &like(&case.body, fields));
        assert_eq!(answer.status, case.status, "{method} {path}: {answer:?}");
        let mut rows = api.rows(project).join("\n");
        if path == "/projects" {
            rows = api.rows(answer.json()["id"].as_i64().unwrap()).join("\n");
        }
        for text in longest {
            assert!(rows.contains(&text), "{method} {path}");
        }
    }
}

/// A misspelt filter would list what nobody asked for.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_query_is_what_the_document_says(#[case] dialect: Dialect) {
    let api = Api::start(dialect);
    let project = api.project("one");
    let mut lists = 0;

    for (_, path, operation) in document(&api).into_iter().filter(|one| one.0 == "GET") {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let parameters: Vec<_> = parameters.filter(|one| one["in"] == "query").collect();
        let asked = path.replace("{project_id}", &project.to_string());
        for parameter in &parameters {
            let name = parameter["name"].as_str().unwrap();
            let is_word = parameter["schema"].get("enum").is_some();
            let (other, none) =
                if is_word { ("enum", "enum") } else { ("int_parsing", "greater_than_equal") };
            for (value, fault) in
                [("x", other), ("", other), ("%00", other), ("%ff", other), ("-1", none)]
            {
                let answer = api.get(&format!("{asked}?{name}={value}"));
                assert_eq!(answer.faults(), [format!("{fault} query.{name}")], "{asked}");
            }
            if name == "limit" {
                let answer = api.get(&format!("{asked}?limit=1001"));
                assert_eq!(answer.faults(), ["less_than_equal query.limit"]);
                for limit in ["1", "1000", "%31"] {
                    assert_eq!(api.get(&format!("{asked}?limit={limit}")).status, 200);
                }
                let answer = api.get(&format!("{asked}?limit=x&limt=1&after=0"));
                let faults = [
                    "extra_forbidden query.limt",
                    "greater_than_equal query.after",
                    "int_parsing query.limit",
                ];
                assert_eq!(answer.faults(), faults);
                assert_eq!(
                    api.get(&format!("{asked}?skip=1")).faults(),
                    ["extra_forbidden query.skip"]
                );
                lists += 1;
            }
        }
    }
    assert_eq!(lists, 6);
}
