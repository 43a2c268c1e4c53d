//! Projects that are put aside and taken back.

use rstest::rstest;
use serde_json::Value;
use underpin_testkit::Dialect;

use crate::{client::Socket, service::Service};

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn that_a_project_goes_and_comes_back_is_told(#[case] dialect: Dialect) {
    let service = Service::with(dialect, &[]);
    let ask = |method: &str, path: &str, body: &str| {
        let answer = service.send(method, path, &[("Content-Type", "application/json")], body);
        assert!(answer.status < 300, "{answer:?}");
    };
    let mut all = Socket::open(&service, "/ws");
    ask("POST", "/api/v1/projects", r#"{"name":"one"}"#);
    let mut one = Socket::open(&service, "/ws/projects/1");

    ask("DELETE", "/api/v1/projects/1", "");
    ask("POST", "/api/v1/projects/1/restore", "");

    let told = |text: String| {
        let event: Value = serde_json::from_str(&text).unwrap();
        (event["number"].as_i64().unwrap(), event["event_type"].as_str().unwrap().to_owned())
    };
    let expected = [(1, "project_created"), (2, "project_deleted"), (3, "project_restored")]
        .map(|(number, name)| (number, name.to_owned()));
    assert_eq!([(); 3].map(|()| told(all.text())), expected);
    assert_eq!(told(one.text()), expected[1]);
}
