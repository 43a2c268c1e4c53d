//! Who may use projects, when there are tokens.

use base64::{Engine as _, prelude::*};
use rstest::rstest;
use serde_json::Value;
use underpin_testkit::Dialect;

use crate::{
    browser,
    document::every_route,
    service::{Answer, Service},
};

const READ: &str = "a token to read with";
const WRITE: &str = "a token to write with";
/// Routes below these are of projects.
const PROJECTS: [&str; 7] = [
    "/api/v1/",
    "/api/projects",
    "/api/tasks",
    "/api/change-requests",
    "/api/artifacts",
    "/api/gates",
    "/ws",
];

fn start(dialect: Dialect) -> Service {
    Service::with(dialect, &[("PROJECT_READ_TOKEN", READ), ("PROJECT_WRITE_TOKEN", WRITE)])
}

/// Asks with this header, and none where it is empty.
fn ask(service: &Service, method: &str, path: &str, authorization: &str) -> Answer {
    let socket = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let mut headers = if path.starts_with("/ws") { socket.to_vec() } else { Vec::new() };
    if !authorization.is_empty() {
        headers.push(("Authorization", authorization));
    }
    let length = if method == "GET" { Vec::new() } else { vec![("Content-Length", "0")] };
    let lines = [headers, length].concat();
    let lines: Vec<_> = lines.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let lines = lines.concat();
    let close = if path.starts_with("/ws") { "" } else { "Connection: close\r\n" };
    let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{close}{lines}\r\n");
    service.head(request.as_bytes())
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn each_route_of_projects_wants_the_token_that_opens_it(#[case] dialect: Dialect) {
    let service = start(dialect);
    let basic = |text: &str| format!("Basic {}", BASE64_STANDARD.encode(format!("me:{text}")));

    for (method, path) in every_route(&service) {
        let is_page = path.starts_with("/projects");
        let of_projects = is_page || PROJECTS.iter().any(|prefix| path.starts_with(prefix));
        let status = |authorization: &str| ask(&service, &method, &path, authorization).status;
        if !of_projects {
            assert_ne!(status("Bearer of nothing at all"), 403, "{method} {path}");
            continue;
        }
        for unknown in ["", "Bearer a token of nothing", "Bearer ", "Basic !", &basic("nothing")] {
            let answer = ask(&service, &method, &path, unknown);
            assert_eq!(answer.status, 401, "{method} {path} {unknown}: {answer:?}");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{answer:?}");
        }
        let reads = method == "GET";
        for read in [format!("Bearer {READ}"), basic(READ)] {
            let status = status(&read);
            assert_eq!(status == 403, !reads, "{method} {path}: {status}");
            assert_ne!(status, 401, "{method} {path}");
        }
        for write in [format!("Bearer {WRITE}"), basic(WRITE)] {
            let status = status(&write);
            assert!(![401, 403].contains(&status), "{method} {path}: {status}");
        }
    }
    let log = service.log();
    assert!(!log.contains(READ) && !log.contains(WRITE), "{log}");
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_page_elsewhere_names_the_token_as_a_protocol_of_its_websocket(#[case] dialect: Dialect) {
    let service = start(dialect);
    for (token, status) in [(READ, 101), (WRITE, 101), ("a token of nothing", 401)] {
        let token = BASE64_URL_SAFE_NO_PAD.encode(token);
        let request = format!(
            "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: underpin, underpin.token.{token}\r\n\r\n"
        );
        let answer = service.head(request.as_bytes());
        assert_eq!(answer.status, status, "{answer:?}");
        let protocol = (status == 101).then_some("underpin");
        assert_eq!(answer.header("sec-websocket-protocol"), protocol, "{answer:?}");
    }
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_preflight_needs_no_token(#[case] dialect: Dialect) {
    let origin = "http://localhost:3000";
    let settings = [("PROJECT_WRITE_TOKEN", WRITE), ("CORS_ORIGINS", origin)];
    let service = Service::with(dialect, &settings);
    let headers = [
        ("Origin", origin),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "authorization,content-type"),
    ];

    let answer = service.send("OPTIONS", "/api/v1/projects", &headers, "");

    assert_eq!(answer.status, 200, "{answer:?}");
    let allowed = answer.header("access-control-allow-headers").unwrap();
    assert!(allowed.contains("authorization"), "{allowed}");
    // Reading is open, and changing is not.
    assert_eq!(service.get("/api/v1/projects").status, 200);
    let refused = service.send("POST", "/api/v1/projects", &[("Origin", origin)], "");
    assert_eq!(refused.status, 401, "{refused:?}");
    assert_eq!(refused.header("access-control-allow-origin"), Some(origin), "{refused:?}");
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_service_that_is_open_to_others_says_so_at_its_start(#[case] dialect: Dialect) {
    let everywhere = ("HTTP_ADDR", "0.0.0.0:0");
    let warning = "WHOEVER REACHES";
    for (settings, expected) in [
        (&[everywhere][..], Some("READ AND CHANGE EVERY PROJECT")),
        (&[everywhere, ("PROJECT_WRITE_TOKEN", WRITE)], Some("MAY READ EVERY PROJECT")),
        (&[everywhere, ("PROJECT_WRITE_TOKEN", WRITE), ("PROJECT_READ_TOKEN", READ)], None),
        (&[("HTTP_ADDR", "127.0.0.1:0")], None),
    ] {
        let service = Service::with(dialect, settings);
        assert_eq!(service.start.contains(warning), expected.is_some(), "{}", service.start);
        assert!(service.start.contains(expected.unwrap_or_default()), "{}", service.start);
    }
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_browser_that_has_the_token_shows_the_pages(#[case] dialect: Dialect) {
    let service = start(dialect);
    let headers = [("Authorization", format!("Bearer {WRITE}"))];
    let headers = [("Authorization", headers[0].1.as_str()), ("Content-Type", "application/json")];
    let made = service.send("POST", "/api/v1/projects", &headers, r#"{"name":"Cathedral"}"#);
    assert_eq!(made.status, 201, "{made:?}");
    let token: String = form_urlencoded::byte_serialize(READ.as_bytes()).collect();
    let login = format!("http://me:{}@{}", token.replace('+', "%20"), service.address);

    let seen = browser::dom(&format!("{login}/projects"), service.db.dir());
    assert!(seen.contains("Cathedral"), "{seen}");
    let unseen = browser::dom(&format!("http://{}/projects", service.address), service.db.dir());
    assert!(!unseen.contains("Cathedral"), "{unseen}");
    let document: Value = service.get("/openapi.json").json();
    assert!(document["components"]["securitySchemes"]["project_token"].is_object());
}
