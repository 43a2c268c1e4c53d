//! Settings of role and database, and what strangers put into a schema of the path: the service starts, writes,
//! reads and takes events all the same.

use std::{
    fmt::Write as _,
    io::{Read as _, Write as _},
    net::TcpStream,
    panic::{AssertUnwindSafe, catch_unwind},
};

use rstest::rstest;
use serde_json::{Value, json};
use underpin_testkit::{Level, REFUSED, SETTINGS, TestDb};

use crate::{
    chat,
    replica::Replica,
    stage::{Mode, Stage},
};

/// The code and the body of an answer.
fn ask(replica: &Replica, method: &str, path: &str, body: &str) -> (u16, Value) {
    let log = replica.log();
    let address =
        log.split("listening on http://").nth(1).unwrap().split([' ', '"']).next().unwrap();
    let address = address.trim_end_matches(':');
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap_or_default())
}

/// Starts a replica and does all that it is for, as the first one on its database or as one of many.
fn works(stage: &Stage, round: usize) {
    let mut replica = stage.replica();
    let bus = stage.bus();
    bus.wait_for_service();
    if round == 1 {
        chat::join(stage, &bus);
    }
    chat::say(&bus, round * 3 - 2..=round * 3);
    chat::assert_all(stage, round * 3);
    bus.publish("stats.user_count", &json!({ "chat_count": 5, "connected_count": 6 }));
    bus.publish(
        "status.update",
        &json!({ "status_data": { "bot_connected": true, "current_chat_users": 2 } }),
    );
    bus.publish("user.left", &json!({ "username": "nobody" }));
    stage.settle(&bus);
    for query in ["query.channel_stats", "query.user_stats"] {
        bus.ask(query, &json!({ "username": chat::USER, "limit": 10 }));
    }
    let text = json!({ "name": format!("it's \\'; -- {round}") }).to_string();
    let (status, project) = ask(&replica, "POST", "/api/v1/projects", &text);
    assert_eq!(status, 201, "{project}");
    let tasks = format!("/api/v1/projects/{}/tasks", project["id"]);
    let (status, task) = ask(&replica, "POST", &tasks, r#"{"title":"a \\ 'b'"}"#);
    assert_eq!((status, &task["title"]), (201, &json!("a \\ 'b'")), "{task}");
    let pages =
        ["/api/v1/projects", &tasks, "/api/stats", "/health", "/ready", "/metrics", "/projects"];
    for path in pages.iter().chain([&format!("{tasks}/{}", task["id"]).as_str()]) {
        let (status, body) = ask(&replica, "GET", path, "");
        assert!(matches!(status, 200 | 404), "{path}: {status} {body}");
    }
    assert_eq!(ask(&replica, "GET", "/ready", ""), (200, json!({ "ready": true })));
    let (status, archived) =
        ask(&replica, "DELETE", &format!("/api/v1/projects/{}", project["id"]), "");
    assert!(status < 300, "{archived}");
    assert_eq!(replica.stop(), Some(0), "{}", replica.log());
    replica.assert_silent("ERROR");
}

#[rstest]
fn the_service_works_whatever_a_session_starts_with_postgres(
    #[values(Level::Role, Level::Database)] level: Level,
) {
    works(&Stage::on(TestDb::with_login(), Mode::Core), 1);
    let mut wrong = String::new();
    for (name, value) in SETTINGS.into_iter().filter(|(name, _)| *name != REFUSED) {
        let stage = Stage::on(TestDb::with_login(), Mode::Core);
        stage.db.start_with(level, name, value);
        if catch_unwind(AssertUnwindSafe(|| works(&stage, 1))).is_err() {
            let _infallible = writeln!(wrong, "{name} = {value}");
        }
    }
    assert_eq!(wrong, "");
}

#[test]
fn the_service_does_not_start_where_no_foreign_key_works_postgres() {
    let stage = Stage::on(TestDb::with_login(), Mode::Core);
    stage.db.start_with(Level::Role, REFUSED, "replica");
    let mut replica = Replica::spawn(stage.command());

    assert_eq!(replica.end(), Some(1));
    let log = replica.log();
    assert!(log.contains(REFUSED) && log.contains("ALTER ROLE ... RESET"), "{log}");
}

#[rstest]
#[case::in_another_schema("app, public, pg_catalog")]
#[case::beside_its_tables("public")]
fn nothing_in_the_path_stands_in_for_the_servers_own_postgres(#[case] path: &str) {
    let db = TestDb::with_login();
    if path.starts_with("app") {
        db.batch(&format!("CREATE SCHEMA app AUTHORIZATION {}", db.login().unwrap()));
        db.start_with(Level::Role, "search_path", "app, public");
    }
    let stage = Stage::on(db, Mode::Core);
    works(&stage, 1);
    stage.db.poison_public();
    stage.db.start_with(Level::Role, "search_path", path);

    let worked = catch_unwind(AssertUnwindSafe(|| works(&stage, 2)));

    assert_eq!(stage.db.poisonings(), 0);
    assert!(worked.is_ok());
}
