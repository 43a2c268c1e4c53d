//! What is not answered with events, and leaves nothing behind.

use rstest::rstest;
use serde_json::json;
use underpin_testkit::Dialect;

use crate::{
    client::{PATIENCE, Socket},
    elsewhere::{Elsewhere, now},
    service::Service,
};

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_project_that_is_not_there_is_not_made(#[case] dialect: Dialect) {
    let service = Service::start(dialect);
    let elsewhere = Elsewhere::new(&service.db);
    let id = elsewhere.create("one");
    elsewhere.run(elsewhere.projects.archive(id, now())).unwrap();
    let before = service.db.dump();
    let missing = |id: &str| json!({ "detail": format!("Project {id} not found") });

    for id in [id.to_string().as_str(), "7", "0", "-1", "2147483648", "99999999999999999999"] {
        let stream = service.get(&format!("/api/v1/projects/{id}/events"));
        assert_eq!((stream.status, stream.json()), (404, missing(id)), "{stream:?}");
        let socket = Socket::from_page(&service, &format!("/ws/projects/{id}"), None);
        assert_eq!(socket.err().unwrap().0, 404, "{id}");
    }

    assert_eq!(service.db.dump(), before);
    let files = std::fs::read_dir(service.db.dir().join("data")).into_iter().flatten();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    assert!(!names.into_iter().any(|name| name.contains("project_7")));
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_is_no_number_is_said_as_the_original_program_did(#[case] dialect: Dialect) {
    let service = Service::start(dialect);
    let elsewhere = Elsewhere::new(&service.db);
    let id = elsewhere.create("one");
    let integer = "Input should be a valid integer, unable to parse string as an integer";
    let events = format!("/api/v1/projects/{id}/events");

    for (path, last, kind, place, input) in [
        ("/api/v1/projects/one/events", "", "int_parsing", ["path", "project_id"], "one"),
        (&*format!("{events}?after=x"), "", "int_parsing", ["query", "after"], "x"),
        (&*format!("{events}?after="), "", "int_parsing", ["query", "after"], ""),
        (&*format!("{events}?after=-1"), "", "greater_than_equal", ["query", "after"], "-1"),
        (&*format!("{events}?after=1"), "1.5", "int_parsing", ["header", "last-event-id"], "1.5"),
    ] {
        let answer = service.send("GET", path, &[("Last-Event-ID", last)], "");
        let message = match kind {
            "int_parsing" => integer,
            _ => "Input should be greater than or equal to 0",
        };
        let detail = json!([{ "type": kind, "loc": place, "msg": message, "input": input }]);
        assert_eq!((answer.status, answer.json()), (422, json!({ "detail": detail })), "{path}");
    }
    let twice = service.get(&format!("{events}?after=1&after=2"));
    assert_eq!(
        (twice.status, &twice.json()["detail"][0]["loc"]),
        (422, &json!(["query", "after"]))
    );
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_page_of_somebody_else_may_not_listen(#[case] dialect: Dialect) {
    let service = Service::with(dialect, &[("CORS_ORIGINS", "http://localhost:3000")]);
    let elsewhere = Elsewhere::new(&service.db);
    let id = elsewhere.create("one");
    let own = format!("http://{}", service.address);

    for path in ["/ws".to_owned(), format!("/ws/projects/{id}")] {
        for origin in ["http://evil.example", "http://localhost:3001", "null"] {
            let (status, body) = Socket::from_page(&service, &path, Some(origin)).err().unwrap();
            assert_eq!(status, 403, "{origin}");
            assert!(body["detail"].as_str().unwrap().contains("`CORS_ORIGINS`"), "{body}");
        }
        for origin in [own.as_str(), "http://localhost:3000"] {
            let mut socket = Socket::from_page(&service, &path, Some(origin)).unwrap();
            socket.say("ping");
            assert_eq!(socket.text(), "pong");
        }
    }
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_is_no_socket_is_told_so(#[case] dialect: Dialect) {
    let service = Service::start(dialect);

    let answer = service.get("/ws");

    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(answer.json()["detail"].as_str().unwrap().starts_with("expected a WebSocket: "));
    // Whoever has more to say than `ping` is let go.
    let mut talker = Socket::open(&service, "/ws");
    talker.say(&"x".repeat(2_000));
    assert!(talker.is_gone(PATIENCE));
}
