//! What is not answered with events, and leaves nothing behind.

use std::time::Duration;

use rstest::rstest;
use serde_json::json;
use tungstenite::Message;
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
    let registry = || service.db.dump().remove("registered_projects").unwrap();
    let before = registry();
    for (id, status, detail) in [
        (7, 404, "Project 7 not found".to_owned()),
        (i32::MAX, 404, format!("Project {} not found", i32::MAX)),
        (id, 409, format!("project {id} is archived: expected one that is ready")),
    ] {
        let stream = service.get(&format!("/api/v1/projects/{id}/events"));
        let detail = json!({ "detail": detail });
        assert_eq!((stream.status, stream.json()), (status, detail.clone()), "{stream:?}");
        let socket = Socket::from_page(&service, &format!("/ws/projects/{id}"), None);
        let (refused, body) = socket.err().unwrap();
        assert_eq!(refused, status, "{id}");
        assert!(body.is_null() || body == detail, "{body}");
    }

    assert_eq!(registry(), before);
    let files = std::fs::read_dir(service.db.dir().join("data")).into_iter().flatten();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    assert!(!names.into_iter().any(|name| name.contains("project_7")));
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_is_no_number_is_said_with_its_place(#[case] dialect: Dialect) {
    let service = Service::start(dialect);
    let elsewhere = Elsewhere::new(&service.db);
    let id = elsewhere.create("one");
    let events = format!("/api/v1/projects/{id}/events");
    let (text, below) = ("found something else", "found -1");

    for (path, last, kind, place, found) in [
        (
            "/api/v1/projects/one/events",
            "",
            "int_parsing",
            ["path", "project_id"],
            "found other text",
        ),
        (&*format!("{events}?after=x"), "", "int_parsing", ["query", "after"], text),
        (&*format!("{events}?after="), "", "int_parsing", ["query", "after"], text),
        (&*format!("{events}?after=-1"), "", "greater_than_equal", ["query", "after"], below),
        (&*format!("{events}?after=1"), "1.5", "int_parsing", ["header", "last-event-id"], text),
    ] {
        let answer = service.send("GET", path, &[("Last-Event-ID", last)], "");
        let body = answer.json();
        let fault = &body["detail"][0];
        assert_eq!((answer.status, &fault["type"]), (422, &json!(kind)), "{path}: {body}");
        assert_eq!(fault["loc"], json!(place), "{body}");
        assert!(fault["msg"].as_str().unwrap().ends_with(found), "{body}");
    }
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
    assert!(talker.ends_within(PATIENCE));
}

/// Messages that may come within ten seconds.
const MOST: usize = 100;

#[rstest]
fn one_that_says_too_much_is_told_so_and_let_go(
    #[values(Dialect::Sqlite, Dialect::Postgres)] dialect: Dialect,
    #[values(
        Message::text("ping"),
        Message::text(""),
        Message::text("x".repeat(1_000)),
        Message::binary(vec![0; 1_000]),
        Message::Ping(vec![1].into()),
        Message::Pong(vec![1].into())
    )]
    message: Message,
) {
    let service = Service::start(dialect);
    let id = Elsewhere::new(&service.db).create("one");
    for path in ["/ws".to_owned(), format!("/ws/projects/{id}")] {
        let mut other = Socket::open(&service, &path);
        let mut socket = Socket::open(&service, &path);
        for _ in 0..MOST - 1 {
            socket.send(message.clone());
        }
        socket.say("ping");
        let pongs = if message == Message::text("ping") { MOST } else { 1 };
        for _ in 0..pongs {
            assert_eq!(socket.text(), "pong", "so much may be said");
        }

        socket.send(message.clone());

        let (texts, end) = socket.rest();
        let end = end.unwrap();
        assert_eq!(
            (u16::from(end.code), end.reason.as_str()),
            (1008, "too many messages: say less")
        );
        assert_eq!(texts, 0);
        other.say("ping");
        assert_eq!(other.text(), "pong", "others are served");
    }
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn as_much_may_be_said_again_after_ten_seconds(#[case] dialect: Dialect) {
    let service = Service::start(dialect);
    let mut socket = Socket::open(&service, "/ws");
    for _ in 0..2 {
        for _ in 0..MOST {
            socket.say("ping");
            assert_eq!(socket.text(), "pong");
        }
        std::thread::sleep(Duration::from_millis(10_100));
    }
    socket.say("ping");
    assert_eq!(socket.text(), "pong");
}
