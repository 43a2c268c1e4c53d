//! Which hosts the service answers to, and which pages it obeys.

use rstest::rstest;
use serde_json::json;
use underpin_testkit::Dialect;

use crate::{
    document::every_route,
    service::{Answer, Service},
};

/// Sends a request that has these lines and no others.
fn ask(service: &Service, first: &str, lines: &[&str]) -> Answer {
    let lines: Vec<_> = lines.iter().map(|line| format!("{line}\r\n")).collect();
    let lines = lines.concat();
    let request = format!("{first}\r\n{lines}Connection: close\r\nContent-Length: 0\r\n\r\n");
    service.raw(request.as_bytes())
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn no_route_answers_to_a_host_that_is_none_of_ours(#[case] dialect: Dialect) {
    let service = Service::with(dialect, &[("HTTP_HOSTS", "data.example,other.example")]);
    let port = service.address.split_once(':').unwrap().1.to_owned();
    let socket = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"];
    let socket = [&socket[..], &["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]].concat();

    for (method, path) in every_route(&service) {
        let first = format!("{method} {path} HTTP/1.1");
        let more = if path.starts_with("/ws") { &socket[..] } else { &[] };
        let status = |host: &str, more: &[&str]| {
            let lines = [&[host][..], more].concat();
            ask(&service, &first, &lines).status
        };
        for (name, expected) in [("evil.example", 421), ("user@localhost", 400), ("", 400)] {
            let host = format!("Host: {name}:{port}");
            assert_eq!(status(&host, more), expected, "{first} {host}");
            let origin = format!("Origin: http://{name}:{port}");
            let more = [more, &[&origin]].concat();
            assert_eq!(status(&host, &more), expected, "{first} {host}");
        }
        let absolute = format!("{method} http://evil.example:{port}{path} HTTP/1.1");
        assert_eq!(ask(&service, &absolute, &["Host: localhost"]).status, 421, "{absolute}");
        let twice = ["Host: localhost", "Host: localhost"];
        assert_eq!(ask(&service, &first, &twice).status, 400, "{first}");
        assert_eq!(ask(&service, &first, &[]).status, 400, "{first}");
    }
    assert_eq!(service.get("/api/v1/projects").json(), json!([]));
    for name in ["127.0.0.1", "[::1]", "LOCALHOST", "localhost.", "data.example", "Other.Example."]
    {
        let host = format!("Host: {name}:{port}");
        assert_eq!(ask(&service, "GET /api/v1/projects HTTP/1.1", &[&host]).status, 200, "{host}");
    }
    assert_eq!(ask(&service, "GET /ready HTTP/1.0", &[]).status, 200);
    let answer = ask(&service, "GET /api/stats HTTP/1.1", &["Host: evil.example"]);
    answer.fails(421, "wrong_host", None);
    let answer = ask(&service, "GET /api/v1/projects HTTP/1.1", &["Host: evil.example"]);
    assert!(answer.json()["detail"].as_str().unwrap().contains("`HTTP_HOSTS`"), "{answer:?}");
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn no_route_obeys_a_page_of_somebody_else(#[case] dialect: Dialect) {
    let service = Service::start(dialect);
    let own = format!("Origin: http://{}", service.address);
    let host = format!("Host: {}", service.address);

    let changes = every_route(&service).into_iter().filter(|(method, _)| method != "GET");
    for (method, path) in changes.collect::<Vec<_>>() {
        let first = format!("{method} {path} HTTP/1.1");
        for foreign in [
            &["Origin: http://evil.example"][..],
            &["Origin: null"],
            &["Origin: http://localhost:1"],
            &["Sec-Fetch-Site: cross-site"],
            &[&own, "Sec-Fetch-Site: cross-site"],
            &[&own, &own],
        ] {
            let lines = [&[host.as_str()][..], foreign].concat();
            assert_eq!(ask(&service, &first, &lines).status, 403, "{first} {foreign:?}");
        }
        for good in [&[][..], &[own.as_str()], &["Sec-Fetch-Site: same-origin"]] {
            let lines = [&[host.as_str()][..], good].concat();
            assert_ne!(ask(&service, &first, &lines).status, 403, "{first} {good:?}");
        }
    }
}
