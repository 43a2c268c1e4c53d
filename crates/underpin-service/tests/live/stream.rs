//! Server-sent events of one project.

use rstest::rstest;
use serde_json::json;
use underpin_testkit::Dialect;

use crate::{client::Stream, elsewhere::Elsewhere, service::Service};

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn every_event_comes_once_and_in_order(#[case] dialect: Dialect) {
    let service = Service::start(dialect);
    let elsewhere = Elsewhere::new(&service.db);
    let id = elsewhere.create("one");
    elsewhere.tasks(id, 120);
    let mut from_the_start = Stream::open(&service, id, "?after=0", None);
    let mut from_now_on = Stream::open(&service, id, "", None);

    elsewhere.many(id, 8, 25);

    assert_eq!(from_the_start.numbers(321), (1..=321).collect::<Vec<_>>());
    assert_eq!(from_now_on.numbers(200), (122..=321).collect::<Vec<_>>());
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn an_event_has_the_form_that_the_original_program_gave_it(#[case] dialect: Dialect) {
    let service = Service::start(dialect);
    let elsewhere = Elsewhere::new(&service.db);
    let id = elsewhere.create("one");
    elsewhere.tasks(id, 1);

    let mut stream = Stream::open(&service, id, "?after=1", None);
    let event = stream.event();

    assert!(stream.head.starts_with("HTTP/1.0 200 OK"), "{}", stream.head);
    for header in
        ["content-type: text/event-stream", "cache-control: no-cache", "x-accel-buffering: no"]
    {
        assert!(stream.head.contains(header), "{}", stream.head);
    }
    assert_eq!((event.id, event.name.as_str()), (2, "task_created"));
    let timestamp = event.data["timestamp"].as_str().unwrap();
    let read = chrono::NaiveDateTime::parse_from_str(timestamp, "%Y-%m-%dT%H:%M:%S%.6f").unwrap();
    assert!((crate::elsewhere::now() - read).num_seconds() < 60, "{timestamp}");
    assert_eq!(timestamp.len(), 26);
    let data = event.data["data"].clone();
    assert_eq!(data["title"], "task 0");
    let expected = json!({
        "event_type": "task_created", "project_id": id, "number": 2, "task_id": 1,
        "data": data, "timestamp": timestamp,
    });
    assert_eq!(event.data, expected);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_project_hears_nothing_of_another(#[case] dialect: Dialect) {
    let service = Service::start(dialect);
    let elsewhere = Elsewhere::new(&service.db);
    let (one, other) = (elsewhere.create("one"), elsewhere.create("other"));
    let mut stream = Stream::open(&service, one, "", None);

    elsewhere.tasks(other, 3);
    elsewhere.tasks(one, 1);

    let event = stream.event();
    assert_eq!((event.id, event.data["project_id"].as_i64()), (2, Some(one.into())));
}
