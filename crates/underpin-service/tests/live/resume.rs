//! Going on where one stopped.

use std::sync::Arc;

use rstest::rstest;
use serde_json::json;
use underpin_testkit::Dialect;

use crate::{
    client::{Stream, eventually},
    elsewhere::Elsewhere,
    service::Service,
};

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_stream_goes_on_after_the_last_number(#[case] dialect: Dialect) {
    let service = Service::start(dialect);
    let elsewhere = Elsewhere::new(&service.db);
    let id = elsewhere.create("one");
    elsewhere.tasks(id, 9);

    assert_eq!(Stream::open(&service, id, "?after=7", None).numbers(3), [8, 9, 10]);
    assert_eq!(Stream::open(&service, id, "", Some(8)).numbers(2), [9, 10]);
    // What a browser says itself is newer than what the page's address says.
    assert_eq!(Stream::open(&service, id, "?after=2", Some(9)).numbers(1), [10]);
    let mut at_the_end = Stream::open(&service, id, "?after=10", None);
    elsewhere.tasks(id, 1);
    assert_eq!(at_the_end.numbers(1), [11]);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn nothing_is_lost_over_a_crash_of_the_service(#[case] dialect: Dialect) {
    let service = Service::start(dialect);
    let db = Arc::clone(&service.db);
    let elsewhere = Elsewhere::new(&db);
    let id = elsewhere.create("one");
    let mut stream = Stream::open(&service, id, "?after=0", None);
    elsewhere.tasks(id, 3);
    let mut seen = stream.numbers(2);

    // Killed, while events are on their way.
    elsewhere.tasks(id, 3);
    drop(service);
    elsewhere.tasks_untold(id, 3);
    let mut service = Service::on(&db, &[]);
    let mut stream = Stream::open(&service, id, "", seen.last().copied());
    seen.extend(stream.numbers(4));
    elsewhere.tasks(id, 1);
    seen.extend(stream.numbers(4));

    // Stopped in peace.
    service.stop();
    let service = Service::on(&db, &[]);
    let mut stream = Stream::open(&service, id, "", seen.last().copied());
    elsewhere.tasks(id, 2);
    seen.extend(stream.numbers(3));
    assert_eq!(seen, (1..=13).collect::<Vec<_>>());
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn whoever_was_away_too_long_learns_where_to_begin(#[case] dialect: Dialect) {
    let settings = [("RETENTION_INTERVAL_SECONDS", "1"), ("RETENTION_EVENT_DAYS", "7")];
    let service = Service::with(dialect, &settings);
    let elsewhere = Elsewhere::new(&service.db);
    // Registered, and its database is not there.
    service.db.batch(
        "INSERT INTO registered_projects (name, target, state) VALUES ('broken', 'nowhere', 'READY')",
    );
    let id = elsewhere.create("one");
    elsewhere.tasks(id, 3);
    let ask = |after: i64| service.get(&format!("/api/v1/projects/{id}/events?after={after}"));

    let old = "UPDATE events SET created_at = '2026-01-01 00:00:00' WHERE number <= 3";
    elsewhere.batch(&service.db, id, old);
    let kept = || elsewhere.texts(&service.db, id, "SELECT CAST(number AS TEXT) FROM events");
    eventually("old events are deleted", || kept() == ["4"]);

    let gone = ask(0);
    let detail = "the events after 0 are not there: begin after 3";
    assert_eq!((gone.status, gone.json()), (410, json!({ "detail": detail })), "{gone:?}");
    assert_eq!(Stream::open(&service, id, "?after=3", None).numbers(1), [4]);
    // A number that this project has not come to, as after a restore.
    let ahead = ask(i64::MAX);
    let detail = format!("the events after {} are not there: begin after 4", i64::MAX);
    assert_eq!((ahead.status, ahead.json()), (410, json!({ "detail": detail })), "{ahead:?}");
    elsewhere.batch(&service.db, id, "DELETE FROM events");
    assert_eq!(ask(3).json()["detail"], "the events after 3 are not there: begin after 4");
    let log = service.log();
    assert!(log.contains("project 1 keeps its old events"), "{log}");
}
