//! Clients that mean harm, each in its way, and what others notice of it.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::{Duration, Instant},
};

use rstest::rstest;
use serde_json::json;
use underpin_testkit::Dialect;

use crate::service::{Answer, Service};

/// How long an attack lasts.
const SIEGE: Duration = Duration::from_secs(3);
/// How long others may wait meanwhile, also on a machine that runs other tests.
const PATIENCE: Duration = Duration::from_secs(4);
/// Bytes of the content that is asked for.
const CONTENT: usize = 8 * 1024 * 1024;
/// More connections than one address may have.
const MANY: usize = 250;

/// Less of everything than usual, so that an attack need not be large.
const SETTINGS: [(&str, &str); 5] = [
    ("HTTP_MAX_CONNECTIONS", "200"),
    ("HTTP_MAX_CONNECTIONS_PER_ADDRESS", "150"),
    ("HTTP_MAX_LISTENERS", "60"),
    ("HTTP_MAX_LISTENERS_PER_ADDRESS", "50"),
    ("HTTP_TIMEOUT_SECONDS", "5"),
];

#[derive(Debug, Clone, Copy)]
enum Attack {
    HalfOpenHeads,
    SlowHeads,
    HalfOpenBodies,
    SlowBodies,
    Downloads,
    Uploads,
    ManyParts,
    EndlessPartHead,
    Listeners,
    Pipelined,
    Connections,
    ManyParameters,
    ManyFaults,
}

fn start(dialect: Dialect, settings: &[(&str, &str)]) -> Service {
    let service = Service::with(dialect, settings);
    let json = [("Content-Type", "application/json")];
    let made = service.send("POST", "/api/v1/projects", &json, r#"{"name":"one"}"#);
    assert_eq!(made.status, 201, "{made:?}");
    service
}

/// Sends a form of these bytes.
fn send_form(service: &Service, form: &[u8]) -> Answer {
    let head = format!(
        "POST /api/v1/projects/1/artifacts/upload HTTP/1.1\r\nHost: localhost\r\n\
         Content-Type: multipart/form-data; boundary=B\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        form.len()
    );
    service.raw(&[head.as_bytes(), form].concat())
}

fn upload(service: &Service, content: &[u8]) -> Answer {
    let head =
        b"--B\r\nContent-Disposition: form-data; name=\"artifact_type\"\r\n\r\nlog\r\n--B\r\n\
        Content-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n";
    send_form(service, &[head, content, b"\r\n--B--\r\n"].concat())
}

/// So many connections that have sent this.
fn connections(service: &Service, count: usize, request: &str) -> Vec<TcpStream> {
    let connect = |_| {
        let mut stream = TcpStream::connect(&service.address).ok()?;
        stream.set_nonblocking(true).ok()?;
        stream.write_all(request.as_bytes()).ok()?;
        Some(stream)
    };
    (0..count).filter_map(connect).collect()
}

impl Attack {
    /// Attacks until `over`.
    fn run(self, service: &Service, over: &AtomicBool) {
        let head = "GET /ready HTTP/1.1\r\nHost: localhost\r\nX-A: ";
        let body = "POST /api/v1/projects/1/tasks HTTP/1.1\r\nHost: localhost\r\n\
            Content-Type: application/json\r\nContent-Length: 60000\r\n\r\n{\"title\":\"";
        let upload = "POST /api/v1/projects/1/artifacts/upload HTTP/1.1\r\nHost: localhost\r\n\
            Content-Type: multipart/form-data; boundary=B\r\nContent-Length: 60000000\r\n\r\n\
            --B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nx";
        let download =
            "GET /api/v1/projects/1/artifacts/1/download HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let events = "GET /api/v1/projects/1/events?after=0 HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let mut open = match self {
            Self::HalfOpenHeads | Self::SlowHeads => connections(service, MANY, head),
            Self::HalfOpenBodies | Self::SlowBodies => connections(service, MANY, body),
            Self::Downloads => connections(service, MANY, download),
            Self::Uploads => connections(service, MANY, upload),
            Self::Listeners => connections(service, MANY, events),
            Self::Pipelined => {
                let one = "GET /projects/1 HTTP/1.1\r\nHost: localhost\r\n\r\n";
                connections(service, 20, &one.repeat(1_000))
            }
            _ => Vec::new(),
        };
        while !over.load(Relaxed) {
            match self {
                Self::SlowHeads | Self::SlowBodies => {
                    open.retain_mut(|stream| stream.write_all(b"x").is_ok());
                    std::thread::sleep(Duration::from_millis(100));
                }
                Self::ManyParts => assert_eq!(send_form(service, &many_parts(20_000)).status, 422),
                Self::EndlessPartHead => {
                    assert_eq!(send_form(service, &endless_head(4_000_000)).status, 400);
                }
                Self::Connections => drop(connections(service, 50, "")),
                Self::ManyParameters => {
                    let query = "a=1&".repeat(15_000);
                    let answer = service.get(&format!("/api/v1/projects/1/tasks?{query}"));
                    assert_eq!(answer.status, 422, "{answer:?}");
                }
                Self::ManyFaults => {
                    let fields = (0..6_000).map(|at| (format!("a{at}"), json!(1)));
                    let body = serde_json::Value::Object(fields.collect()).to_string();
                    let json = [("Content-Type", "application/json")];
                    let answer = service.send("POST", "/api/v1/projects/1/tasks", &json, &body);
                    assert!(answer.status == 422 && answer.body.len() < 20_000, "{answer:?}");
                }
                _ => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }
}

fn many_parts(count: usize) -> Vec<u8> {
    let part = |at| format!("--B\r\nContent-Disposition: form-data; name=\"f{at:06}\"\r\n\r\n\r\n");
    let mut form: Vec<u8> = (0..count).flat_map(|at| part(at).into_bytes()).collect();
    form.extend(b"--B--\r\n");
    form
}

fn endless_head(bytes: usize) -> Vec<u8> {
    let head = b"--B\r\nContent-Disposition: form-data; name=\"".to_vec();
    [head, vec![b'x'; bytes], b"\"\r\n\r\n\r\n--B--\r\n".to_vec()].concat()
}

/// The longest that an answer to `ask` took while the attack lasts, asked again and again.
fn worst(over: &AtomicBool, ask: impl Fn() -> Answer, expected: u16) -> Duration {
    let mut worst = Duration::ZERO;
    while !over.load(Relaxed) {
        let start = Instant::now();
        let answer = ask();
        assert_eq!(answer.status, expected, "{answer:?}");
        worst = worst.max(start.elapsed());
        std::thread::sleep(Duration::from_millis(20));
    }
    worst
}

#[rstest]
fn others_are_served_meanwhile(
    #[values(
        Attack::HalfOpenHeads,
        Attack::SlowHeads,
        Attack::HalfOpenBodies,
        Attack::SlowBodies,
        Attack::Downloads,
        Attack::Uploads,
        Attack::ManyParts,
        Attack::EndlessPartHead,
        Attack::Listeners,
        Attack::Pipelined,
        Attack::Connections,
        Attack::ManyParameters,
        Attack::ManyFaults
    )]
    attack: Attack,
    #[values(Dialect::Sqlite, Dialect::Postgres)] dialect: Dialect,
) {
    let service = start(dialect, &SETTINGS);
    assert_eq!(upload(&service, &vec![7; CONTENT]).status, 201);
    let before = service.peak_memory();
    let over = AtomicBool::new(false);

    let json = [("Content-Type", "application/json")];
    let task = r#"{"title":"one"}"#;
    let write = || service.send("POST", "/api/v1/projects/1/tasks", &json, task);
    let (ready, write) = std::thread::scope(|scope| {
        let attacker = scope.spawn(|| attack.run(&service, &over));
        let ready = scope.spawn(|| worst(&over, || service.get("/ready"), 200));
        let write = scope.spawn(|| worst(&over, write, 201));
        std::thread::sleep(SIEGE);
        over.store(true, Relaxed);
        attacker.join().unwrap();
        (ready.join().unwrap(), write.join().unwrap())
    });

    let more = service.peak_memory() - before;
    println!("{attack:?} on {dialect:?}: ready {ready:?}, write {write:?}, {more} MiB more");
    assert!(ready < PATIENCE && write < PATIENCE, "{attack:?}: ready {ready:?}, write {write:?}");
    assert!(more < 60, "{attack:?}: {more} MiB");
    let log = service.log();
    assert!(!log.contains("panic"), "{log}");
}

/// Whether the other side has closed.
fn is_closed(stream: &mut TcpStream) -> bool {
    let mut bytes = [0; 4_096];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != ErrorKind::WouldBlock,
        }
    }
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn who_keeps_the_service_waiting_is_cut_off_and_the_log_says_so(#[case] dialect: Dialect) {
    let settings = [("HTTP_TIMEOUT_SECONDS", "1"), ("HTTP_KEEP_ALIVE_SECONDS", "1")];
    let service = start(dialect, &settings);
    assert_eq!(upload(&service, &vec![7; CONTENT]).status, 201);

    for (request, what) in [
        ("", "head"),
        ("GET /ready HTTP/1.1\r\nHo", "head"),
        ("GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n", "idle"),
        ("GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\nGET /re", "idle or head"),
        (
            "GET /api/v1/projects/1/artifacts/1/download HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "answer",
        ),
    ] {
        let mut held = connections(&service, 1, request);
        std::thread::sleep(Duration::from_secs(5));
        if what == "answer" {
            // What the system keeps for a peer that takes nothing is there; the rest is not.
            let mut found = Vec::new();
            held[0].set_nonblocking(false).unwrap();
            drop(held[0].read_to_end(&mut found));
            assert!(found.len() < CONTENT, "{what}: {}", found.len());
        } else {
            assert!(is_closed(&mut held[0]), "{what}: {request:?}");
        }
    }
    let metrics = service.get("/metrics").body;
    for reason in ["head", "idle", "answer"] {
        let line = format!("underpin_http_connections_cut_total{{reason=\"{reason}\"}}");
        assert!(metrics.contains(&line), "{line}: {metrics}");
    }
    let log = service.log();
    assert!(log.contains("connections were cut off"), "{log}");
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_body_that_comes_slowly_but_comes_is_taken(#[case] dialect: Dialect) {
    let service = start(dialect, &[("HTTP_TIMEOUT_SECONDS", "1")]);
    let body = format!("{{\"title\":\"one\",\"description\":\"{}\"}}", "x".repeat(40_000));
    let mut stream = service.connect();
    let head = format!(
        "POST /api/v1/projects/1/tasks HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();

    for piece in body.as_bytes().chunks(4_000) {
        stream.write_all(piece).unwrap();
        std::thread::sleep(Duration::from_millis(300));
    }

    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn too_many_listeners_are_told_so(#[case] dialect: Dialect) {
    let settings = [("HTTP_MAX_LISTENERS", "3"), ("HTTP_MAX_LISTENERS_PER_ADDRESS", "2")];
    let service = start(dialect, &settings);
    let events = "GET /api/v1/projects/1/events HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let held = connections(&service, 2, events);
    std::thread::sleep(Duration::from_millis(500));

    let refused = service.get("/api/v1/projects/1/events");

    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.body.contains("too many listeners at the moment"), "{refused:?}");
    assert!(service.log().contains("too many listeners: 1 refused"), "{}", service.log());
    let metrics = service.get("/metrics").body;
    assert!(metrics.contains("underpin_http_refused_total{what=\"listeners\"} 1"), "{metrics}");
    drop(held);
    let start = Instant::now();
    loop {
        let mut stream = connections(&service, 1, events).remove(0);
        std::thread::sleep(Duration::from_millis(200));
        let mut bytes = [0; 12];
        if stream.read(&mut bytes).is_ok() && &bytes == b"HTTP/1.1 200" {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(20));
    }
}
