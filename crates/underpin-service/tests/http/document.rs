//! The document of the API, and the viewer that comes with it.

use rstest::rstest;
use serde_json::Value;
use underpin_testkit::Dialect;

use crate::service::{ADMIN, Service};

#[test]
fn the_document_of_the_api() {
    let service = Service::start(Dialect::Sqlite);

    let mut document = service.get("/openapi.json").json();

    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    document["info"]["version"] = "[VERSION]".into();
    insta::assert_snapshot!(serde_json::to_string_pretty(&document).unwrap());
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn every_answer_is_one_that_the_document_names(#[case] dialect: Dialect) {
    let service = Service::start(dialect);
    let document = service.get("/openapi.json").json();

    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let asked = with_parameters(path);
            let answer = service.admin(&method.to_uppercase(), &asked, "{}");
            let responses = &operation["responses"];
            let response = responses.get(answer.status.to_string()).or(responses.get("default"));
            let content = &response.unwrap_or(&Value::Null)["content"];
            let kind = answer.header("content-type").unwrap();
            let kind = kind.split(';').next().unwrap();
            assert!(content.get(kind).is_some(), "{method} {path}: {kind}: {answer:?}");
            assert!(!answer.body.contains("no such route"), "{method} {path}: {answer:?}");
        }
    }
}

#[test]
fn every_operation_has_a_name_of_its_own() {
    let service = Service::start(Dialect::Sqlite);
    let document = service.get("/openapi.json").json();

    let operations = document["paths"].as_object().unwrap().values();
    let operations = operations.flat_map(|item| item.as_object().unwrap().values());
    let names: Vec<_> = operations.map(|one| one["operationId"].as_str().unwrap()).collect();

    assert!(names.contains(&"get_api_v1_projects_project_id_tasks"), "{names:?}");
    let distinct: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!(distinct.len(), names.len(), "{names:?}");
}

/// `path` with something in the place of each parameter; a number where one is asked for.
fn with_parameters(path: &str) -> String {
    let made_up = |part: &str| match part {
        "{name}" | "{prefix}" => "a".to_owned(),
        part if part.starts_with('{') => "1".to_owned(),
        part => part.to_owned(),
    };
    path.split('/').map(made_up).collect::<Vec<_>>().join("/")
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn the_viewer_needs_nothing_from_elsewhere(#[case] dialect: Dialect) {
    let service = Service::with(dialect, &[("ADMIN_TOKEN", ADMIN)]);

    let redirect = service.get("/docs");
    let index = service.get("/docs/");

    assert_eq!((redirect.status, redirect.header("location")), (303, Some("/docs/")));
    assert_eq!((index.status, index.header("content-type")), (200, Some("text/html")));
    let policy = index.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'self';") && !policy.contains("http"), "{policy}");
    // All that it takes from elsewhere, it takes with one of these words.
    let words = ["src=\"", "href=\""].map(|word| index.body.split(word).skip(1));
    let files = words.into_iter().flatten().filter_map(|text| text.split('"').next());
    let files: Vec<_> = files.collect();
    assert!(files.len() >= 4, "{}", index.body);
    for file in files {
        assert!(!file.contains("//"), "{file}");
        let answer = service.get(&format!("/docs/{}", file.trim_start_matches("./")));
        assert_eq!(answer.status, 200, "{file}");
    }
    let start = service.get("/docs/swagger-initializer.js").body;
    assert!(
        start.contains("/openapi.json") && start.contains(r#""validatorUrl": "none""#),
        "{start}"
    );
}

/// Every method and path that is answered: those of the document, of old, of the pages and of WebSockets.
pub(crate) fn every_route(service: &Service) -> Vec<(String, String)> {
    let document = service.get("/openapi.json").json();
    let mut routes = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            routes.push((method.to_uppercase(), with_parameters(path)));
        }
    }
    assert!(routes.len() > 60, "{routes:?}");
    let others = [
        ("GET", "/ /projects /projects/1 /ws /ws/projects/1 /docs/ /openapi.json /no/such/route"),
        (
            "GET",
            "/api/projects/ /api/projects/1 /api/tasks/1 /api/tasks/1/versions \
             /api/change-requests/1 /api/artifacts/1 /api/artifacts/1/download \
             /api/artifacts/1/content /api/gates/task/1",
        ),
        (
            "POST",
            "/api/projects/ /api/tasks/ /api/tasks/merge /api/tasks/1/approve /api/tasks/1/split \
             /api/change-requests/ /api/change-requests/1/submit /api/artifacts/ \
             /api/artifacts/upload",
        ),
        ("PATCH", "/api/projects/1 /api/tasks/1"),
        ("DELETE", "/api/projects/1 /api/tasks/1 /api/artifacts/1"),
        ("PUT", "/api/gates/task/1"),
    ];
    for (method, paths) in others {
        routes.extend(paths.split(' ').map(|path| (method.to_owned(), path.to_owned())));
    }
    routes
}
