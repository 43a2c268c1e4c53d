//! What nobody should send, and what nobody hopes for.

use std::time::{Duration, Instant};

use rstest::rstest;
use underpin_db::{ConnectOptions, DatabaseUrl};
use underpin_testkit::{Dialect, block_on};

use crate::service::{ADMIN, Service};

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_is_not_there_fails_in_the_same_form(#[case] dialect: Dialect) {
    let service = Service::start(dialect);

    for path in [
        "/api",
        "/api/",
        "/api/stats/",
        "/api/user",
        "/api/user/",
        "/api/user/../stats",
        "/../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "//",
        "/api/stats%00",
        "/%ff",
        "/docs/../Cargo.toml",
        "/docs/none.js",
        "/docs/%2e%2e%2fCargo.toml",
        "/api/tokens/",
        "/api/outbound",
        "*",
    ] {
        service.get(path).fails(404, "not_found", None);
    }
    for (method, path, allow) in [
        ("POST", "/api/stats", "GET,HEAD"),
        ("DELETE", "/api/history/3", "GET,HEAD"),
        ("GET", "/api/say", "POST"),
        ("GET", "/api/tokens/x", "DELETE"),
        ("PUT", "/api/tokens", "GET,HEAD,POST"),
        ("OPTIONS", "/health", "GET,HEAD"),
        ("BREW", "/", "GET,HEAD"),
        ("POST", "/docs/", "GET,HEAD"),
    ] {
        let answer = service.send(method, path, &[], "");
        answer.fails(405, "method_not_allowed", None);
        assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
    }
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn names_that_no_user_has_do_no_harm(#[case] dialect: Dialect) {
    let service = Service::start(dialect);

    let long = "x".repeat(10_000);
    let long_escapes = "%F0%9F%98%80".repeat(2_500);
    for name in [
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e",
        "'%20OR%201=1%20--",
        "%22;DROP%20TABLE%20user_stats",
        "$1",
        "%25%5f",
        "%EF%BF%BF",
        "%E2%80%AE",
        "%3Cscript%3E",
        &long,
        &long_escapes,
    ] {
        service.get(&format!("/api/user/{name}")).fails(404, "not_found", None);
    }
    for name in ["%00", "a%00b", "%ff", "%C3%28", "%ED%A0%80"] {
        service.get(&format!("/api/user/{name}")).fails(400, "invalid", Some("name"));
    }
    // What is no request at all is refused before there is a route.
    assert_eq!(service.get("/api/user/<b>").status, 400);
    assert_eq!(service.get(&format!("/api/user/{}", "x".repeat(70_000))).status, 414);
    assert_eq!(service.get("/api/stats").status, 200);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_body_has_a_size_that_is_enough(#[case] dialect: Dialect) {
    let settings = [("ADMIN_TOKEN", ADMIN), ("HTTP_BODY_LIMIT_BYTES", "1000")];
    let service = Service::with(dialect, &settings);
    let token = service.token();
    let body = |bytes: usize| format!(r#"{{"message":"{}"}}"#, "x".repeat(bytes - 14));

    assert_eq!(service.say(&token, &body(1_000)).status, 200);
    service.say(&token, &body(1_001)).fails(413, "body_too_large", None);
    let head = format!(
        "POST /api/say HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-API-Token: {token}\r\n\
         Content-Type: application/json\r\n"
    );
    // Only announced, and never said how much.
    let announced = format!("{head}Content-Length: 99999999999\r\n\r\n{}", body(2_000));
    service.raw(announced.as_bytes()).fails(413, "body_too_large", None);
    let chunk = format!("{head}Transfer-Encoding: chunked\r\n\r\n7d0\r\n{}\r\n", body(2_000));
    service.raw(chunk.as_bytes()).fails(413, "body_too_large", None);
    // Who may not speak is told so first.
    service.say("wrong", &body(2_000)).fails(401, "unauthorized", None);
    assert_eq!(service.db.texts("SELECT message FROM outbound_messages").len(), 1);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_body_that_does_not_come_is_not_waited_for(#[case] dialect: Dialect) {
    let settings = [("ADMIN_TOKEN", ADMIN), ("HTTP_TIMEOUT_SECONDS", "1")];
    let service = Service::with(dialect, &settings);
    let token = service.token();
    let start = Instant::now();

    let answer = service.raw(
        format!(
            "POST /api/say HTTP/1.1\r\nHost: localhost\r\nX-API-Token: {token}\r\n\
             Content-Type: application/json\r\nContent-Length: 20\r\n\r\n{{\"mess"
        )
        .as_bytes(),
    );

    answer.fails(408, "body_too_slow", None);
    assert!((Duration::from_secs(1)..Duration::from_secs(5)).contains(&start.elapsed()));
    assert!(!service.log().contains("ERROR"));
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_database_that_is_busy_is_not_waited_for(#[case] dialect: Dialect) {
    let settings = [("ADMIN_TOKEN", ADMIN), ("HTTP_TIMEOUT_SECONDS", "1")];
    let service = Service::with(dialect, &settings);
    let token = service.token();
    let lock = match dialect {
        Dialect::Sqlite => "BEGIN IMMEDIATE",
        Dialect::Postgres => "BEGIN; LOCK TABLE api_tokens, outbound_messages",
    };
    let url = service.db.database_url();

    block_on(async || {
        let mut conn = url.connect(&ConnectOptions::default()).await.unwrap();
        conn.batch(lock).await.unwrap();
        service.say(&token, r#"{"message":"hello"}"#).fails(503, "timeout", None);
        assert_eq!(service.get("/api/stats").status, 200);
        conn.batch("COMMIT").await.unwrap();
    });
    assert_eq!(service.say(&token, r#"{"message":"hello"}"#).status, 200);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_the_database_says_goes_to_the_log_once_and_to_nobody_else(#[case] dialect: Dialect) {
    let service = Service::start(dialect);
    service.db.batch("DROP TABLE user_stats");

    let answer = service.get("/api/user/somebody");

    answer.fails(500, "internal", None);
    assert!(!answer.body.contains("user_stats"), "{answer:?}");
    let log = service.log();
    // Jobs look at the table as well, and say so of themselves.
    let told: Vec<_> = log.lines().filter(|line| line.contains("/api/user/")).collect();
    assert_eq!(told.len(), 1, "{log}");
    assert!(told[0].contains("ERROR GET /api/user/{name} failed: "), "{log}");
    assert!(told[0].contains("user_stats"), "{log}");
    assert_eq!(service.get("/health").status, 200);
}

#[test]
fn without_its_database_postgres_every_route_says_so() {
    let settings = [("ADMIN_TOKEN", ADMIN), ("DB_POOL_WAIT_SECONDS", "1")];
    let service = Service::with(Dialect::Postgres, &settings);
    let (server, name) = service.db.url().rsplit_once('/').unwrap();
    let elsewhere: DatabaseUrl = format!("{server}/postgres").parse().unwrap();
    block_on(async || {
        let mut conn = elsewhere.connect(&ConnectOptions::default()).await.unwrap();
        conn.batch(&format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
    });

    for path in
        ["/api/stats", "/api/history/1", "/api/user/x", "/api/current", "/api/outbound/recent"]
    {
        let answer = service.get(path);
        answer.fails(503, "database_unavailable", None);
        assert!(!answer.body.contains(name), "{answer:?}");
    }
    service.say("token", r#"{"message":"a"}"#).fails(503, "database_unavailable", None);
    service.admin("GET", "/api/tokens", "").fails(503, "database_unavailable", None);
    let page = service.get("/");
    assert_eq!(page.status, 503);
    assert!(page.body.contains("database unreachable") && !page.body.contains(name), "{page:?}");
    let numbers = service.get("/metrics").body;
    for unknown in [
        "underpin_schema_up_to_date 0\n",
        "underpin_schema_pending NaN\n",
        "underpin_outbound_messages{state=\"queued\"} NaN\n",
    ] {
        assert!(numbers.contains(unknown), "{unknown}: {numbers}");
    }
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn fifty_at_once_are_all_answered(#[case] dialect: Dialect) {
    let service = Service::start(dialect);
    let token = service.token();

    let ids = std::thread::scope(|scope| {
        let ask = |number: usize| {
            let (service, token) = (&service, &token);
            scope.spawn(move || {
                if number.is_multiple_of(2) {
                    let path =
                        ["/api/stats", "/api/current", "/health", "/metrics", "/"][number / 2 % 5];
                    assert_eq!(service.get(path).status, 200, "{path}");
                    return None;
                }
                let said = service.say(token, &format!(r#"{{"message":"{number}"}}"#));
                assert_eq!(said.status, 200, "{said:?}");
                said.json()["id"].as_i64()
            })
        };
        let asked: Vec<_> = (0..50).map(ask).collect();
        let ids = asked.into_iter().filter_map(|one| one.join().unwrap());
        ids.collect::<std::collections::BTreeSet<_>>()
    });

    assert_eq!(ids.len(), 25);
    assert_eq!(service.db.texts("SELECT message FROM outbound_messages").len(), 25);
}
