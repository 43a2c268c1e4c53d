//! Contents of artifacts: sent, downloaded, read; and what is too large, lies or climbs out.

use std::{
    io::{Read as _, Write as _},
    time::{Duration, Instant},
};

use rstest::rstest;
use serde_json::{Value, json};
use underpin_testkit::Dialect;

use crate::{
    api::Api,
    service::{Answer, Service},
};

/// Bytes of a content at most, in these tests.
const LIMIT: usize = 100_000;
/// The SHA-256 of `hello`.
const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

fn start(dialect: Dialect) -> Api {
    Api::with(dialect, &[("ARTIFACT_LIMIT_BYTES", &LIMIT.to_string())])
}

/// A form with these values and, last, a file.
fn form(values: &[(&str, &str)], name: &str, content: &[u8]) -> Vec<u8> {
    let mut form = String::new();
    for (name, value) in values {
        form += "--limit\r\nContent-Disposition: form-data; name=\"";
        form += &[name, "\"\r\n\r\n", value, "\r\n"].concat();
    }
    form += "--limit\r\nContent-Disposition: form-data; name=\"file\"; filename=\"";
    form += &[name, "\"\r\nContent-Type: text/plain\r\n\r\n"].concat();
    [form.as_bytes(), content, b"\r\n--limit--\r\n"].concat()
}

/// A request with `body` as one of `length` bytes.
fn request(path: &str, body: &[u8], length: usize) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: multipart/form-data; boundary=limit\r\nContent-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn send(service: &Service, path: &str, body: &[u8], length: usize) -> Answer {
    service.raw(&request(path, body, length))
}

pub(crate) fn upload(
    api: &Api,
    project: i64,
    values: &[(&str, &str)],
    name: &str,
    content: &[u8],
) -> Answer {
    let body = form(values, name, content);
    let path = format!("/api/v1/projects/{project}/artifacts/upload");
    send(&api.service, &path, &body, body.len())
}

/// What is in the store, as paths below it.
fn files(api: &Api) -> Vec<String> {
    let root = api.service.db.dir().join("data/artifacts");
    let (mut files, mut dirs) = (Vec::new(), vec![root.clone()]);
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                files.push(path.strip_prefix(&root).unwrap().display().to_string());
            }
        }
    }
    files.sort();
    files
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_file_comes_back_as_it_was_sent(#[case] dialect: Dialect) {
    let api = start(dialect);
    let project = api.project("one");
    let task = api.approved(project, "a task");
    let (task, run) = (task.to_string(), api.run(project, task).to_string());
    let values =
        [("artifact_type", "log"), ("task_id", &*task), ("run_id", &*run), ("sha256", HELLO)];

    let answer = upload(&api, project, &values, "out/räport 1.txt", b"hello");

    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.header("location"), Some("/api/v1/projects/1/artifacts/1"));
    let mut artifact = answer.json();
    artifact["created_at"] = Value::Null;
    let expected = json!({
        "id": 1, "project_id": 1, "task_id": 1, "run_id": 1, "artifact_type": "log",
        "name": "räport 1.txt", "file_path": "out/räport 1.txt",
        "storage_path": "artifacts/project_1/artifact_1/räport 1.txt", "sha256": HELLO,
        "file_size": 5, "extra_data": r#"{"content_type":"text/plain","original_filename":"out/räport 1.txt"}"#, "created_at": null,
    });
    assert_eq!(artifact, expected);
    let path = "/projects/1/artifacts/1";
    let file = api.get(&format!("{path}/download"));
    assert_eq!((file.status, &*file.body), (200, "hello"));
    assert_eq!(file.header("content-type"), Some("application/octet-stream"));
    assert_eq!(file.header("content-length"), Some("5"));
    let name = "attachment; filename*=UTF-8''r%C3%A4port%201.txt";
    assert_eq!(file.header("content-disposition"), Some(name));
    let text = json!({ "content": "hello", "file_path": "out/räport 1.txt", "type": "log" });
    assert_eq!(api.seen(&format!("{path}/content")), text);

    api.done("DELETE", path, &json!({}));

    assert_eq!(files(&api), [""; 0]);
    api.get(&format!("{path}/download")).refuses(404, "Artifact 1 not found");
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_is_too_large_or_lies_leaves_nothing(#[case] dialect: Dialect) {
    let api = start(dialect);
    let project = api.project("one");
    let rows = api.rows(project);
    let values = [("artifact_type", "log")];
    let path = format!("/api/v1/projects/{project}/artifacts/upload");

    upload(&api, project, &values, "a", &vec![b'x'; LIMIT + 1]).is_refused(413);
    let body = form(&values, "a", b"hello");
    // The body says that it is longer than it is, and the connection ends.
    let short = std::net::TcpStream::connect(&api.service.address).unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; \
         boundary=limit\r\nContent-Length: {}\r\n\r\n",
        body.len() + 1_000
    );
    std::io::Write::write_all(&mut &short, &[head.as_bytes(), &body[..body.len() - 20]].concat())
        .unwrap();
    drop(short);
    // The body says that it is shorter than it is.
    send(&api.service, &path, &body, body.len() - 30).is_refused(400);
    let wrong = [("artifact_type", "log"), ("sha256", &*"00".repeat(32))];
    let wrong = upload(&api, project, &wrong, "a", b"hello");
    assert_eq!(wrong.faults(), ["value_error body.sha256"]);
    let odd = [("artifact_type", "log"), ("task_id", &*"9".repeat(10_000))];
    assert_eq!(upload(&api, project, &odd, "a", b"hello").faults(), ["too_long body"]);
    let answer = upload(&api, project, &[("artifact_type", "x"), ("a", "b")], "a", b"hello");
    assert_eq!(answer.faults(), ["enum body.artifact_type", "extra_forbidden body.a"]);
    let none = b"--limit\r\nContent-Disposition: form-data; name=\"artifact_type\"\r\n\r\nlog\r\n--limit--\r\n";
    let none = send(&api.service, &path, none, none.len());
    assert_eq!(none.faults(), ["missing body.file"]);
    let gone = upload(&api, project, &[("artifact_type", "log"), ("task_id", "9")], "a", b"x");
    gone.refuses(404, "Task 9 not found");
    upload(&api, 99, &values, "a", b"hello").refuses(404, "Project 99 not found");
    api.ask("POST", &format!("/projects/{project}/artifacts/upload"), &json!({})).is_refused(415);

    for _ in 0..100 {
        if files(&api).is_empty() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_eq!(files(&api), [""; 0]);
    assert_eq!(api.rows(project), rows);
    assert!(!api.service.db.dir().join("data/artifacts/project_99").exists());
}

/// Sends a file whose part has these parameters after its name.
fn upload_as(api: &Api, path: &str, parameters: &[u8]) -> Answer {
    let values = [("artifact_type", "other"), ("project_id", "1")];
    let values = if path.contains("/v1/") { &values[..1] } else { &values[..] };
    let body = form(values, "", b"hello");
    let empty = b"; filename=\"\"";
    let at = body.windows(empty.len()).position(|part| part == empty).unwrap();
    let body = [&body[..at], parameters, &body[at + empty.len()..]].concat();
    send(&api.service, path, &body, body.len())
}

const ROUTES: [&str; 2] = ["/api/v1/projects/1/artifacts/upload", "/api/artifacts/upload"];

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_name_is_kept_in_whichever_form_it_is_sent(#[case] dialect: Dialect) {
    let api = start(dialect);
    api.project("one");
    let names: [(&[u8], &str, &str); 5] = [
        (b"; filename*=utf-8''na%C3%AFve.txt", "naïve.txt", "naïve.txt"),
        (b"; filename*=ISO-8859-1'en'na%EFve.txt", "naïve.txt", "naïve.txt"),
        (b"; filename=\"plain.txt\"; filename*=UTF-8''na%C3%AFve.txt", "naïve.txt", "naïve.txt"),
        (b"; filename*=UTF-8''..%2F..%2Fetc%2Fpass%0Awd", "../../etc/pass\nwd", "passwd"),
        ("; filename=\"naïve.txt\"".as_bytes(), "naïve.txt", "naïve.txt"),
    ];
    for path in ROUTES {
        for (parameters, sent, kept) in &names {
            let answer = upload_as(&api, path, parameters);

            assert!([200, 201].contains(&answer.status), "{answer:?}");
            let artifact = answer.json();
            assert_eq!((&artifact["file_path"], &artifact["name"]), (&json!(sent), &json!(kept)));
            let extra: Value =
                serde_json::from_str(artifact["extra_data"].as_str().unwrap()).unwrap();
            assert_eq!(extra["original_filename"], *sent);
        }
    }
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_name_that_cannot_be_read_is_refused(#[case] dialect: Dialect) {
    let api = start(dialect);
    let project = api.project("one");
    let rows = api.rows(project);
    let cases: [(&[u8], &str); 9] = [
        (b"", "missing body.file"),
        (b"; filename=\"\"", "missing body.file"),
        (b"; filename*=utf-8''", "missing body.file"),
        (b"; filename=\"na\xefve.txt\"", "string_unicode body.file"),
        (b"; filename*=utf-8''na%EFve.txt", "string_unicode body.file"),
        (b"; filename*=windows-1252''a.txt", "string_unicode body.file"),
        (b"; filename=\"a.txt\"; filename*=utf-8''a%", "string_unicode body.file"),
        (b"; filename*=a.txt", "string_unicode body.file"),
        (b"; filename*=utf-8''a%00.txt", "value_error body.file"),
    ];
    for path in ROUTES {
        for (parameters, fault) in cases {
            let said = String::from_utf8_lossy(parameters);
            assert_eq!(upload_as(&api, path, parameters).faults(), [fault], "{path} {said}");
        }
    }
    assert_eq!(files(&api), [""; 0]);
    assert_eq!(api.rows(project), rows);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_name_cannot_climb_out(#[case] dialect: Dialect) {
    let api = start(dialect);
    let project = api.project("one");
    let names = [
        ("../../../etc/passwd", "passwd"),
        ("/etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("..", "file"),
        (".htaccess", "htaccess"),
        ("a;b'c", "a;b'c"),
    ];

    for (at, (sent, kept)) in names.iter().enumerate() {
        let values = [("artifact_type", "other")];
        let answer = upload(&api, project, &values, sent, b"hello");

        assert_eq!(answer.status, 201, "{sent}: {answer:?}");
        let stored = format!("artifacts/project_1/artifact_{}/{kept}", at + 1);
        assert_eq!(answer.json()["storage_path"], stored, "{sent}");
        assert!(api.service.db.dir().join("data").join(&stored).is_file());
    }
    assert_eq!(files(&api).len(), names.len());
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_cannot_be_read_is_told(#[case] dialect: Dialect) {
    let api = Api::start(dialect);
    let project = api.project("one");
    let values = [("artifact_type", "log")];
    let path = |id: i64, what: &str| format!("/projects/{project}/artifacts/{id}/{what}");
    let made = |content: &[u8]| {
        upload(&api, project, &values, "a", content).json()["id"].as_i64().unwrap()
    };
    let (long, binary, damaged, gone) =
        (made(&vec![b'x'; 1024 * 1024 + 1]), made(b"\xff\xfe"), made(b"hello"), made(b"hello"));
    let body = json!({ "artifact_type": "log", "name": "a", "file_path": "/etc/passwd" });
    let elsewhere = api.made(&format!("/projects/{project}/artifacts"), &body);
    let file = |id: i64| {
        api.service.db.dir().join(format!("data/artifacts/project_{project}/artifact_{id}/a"))
    };
    std::fs::write(file(damaged), "hellO").unwrap();
    std::fs::remove_file(file(gone)).unwrap();

    api.get(&path(long, "content")).is_refused(400);
    api.get(&path(binary, "content")).is_refused(400);
    for what in ["content", "download"] {
        api.get(&path(damaged, what)).is_refused(500);
        api.get(&path(gone, what)).is_refused(404);
        api.get(&path(elsewhere, what)).is_refused(404);
    }
    assert_eq!(api.get(&path(long, "download")).body.len(), 1024 * 1024 + 1);
    let log = api.service.log();
    assert!(log.contains("is damaged: expected"), "{log}");

    api.done("DELETE", &format!("/projects/{project}"), &json!({}));
    api.done("POST", &format!("/projects/{project}/purge"), &json!({}));

    assert_eq!(files(&api), [""; 0]);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_project_whose_contents_cannot_be_deleted_can_be_purged_again(#[case] dialect: Dialect) {
    let api = start(dialect);
    let project = api.project("one");
    let path = format!("/projects/{project}");
    // A file in the place of the directory, which nobody can delete as one.
    let store = api.service.db.dir().join("data/artifacts");
    let in_the_way = store.join(format!("project_{project}"));
    std::fs::create_dir_all(&store).unwrap();
    std::fs::write(&in_the_way, "").unwrap();
    api.done("DELETE", &path, &json!({}));

    api.post(&format!("{path}/purge"), &json!({})).is_refused(500);

    assert_eq!(api.seen("/projects?state=failed")[0]["id"], project);
    let log = api.service.log();
    assert!(log.contains(&format!("cannot delete `{}`", in_the_way.display())), "{log}");

    std::fs::remove_file(&in_the_way).unwrap();
    api.done("POST", &format!("{path}/purge"), &json!({}));

    api.get(&path).refuses(404, &format!("Project {project} not found"));
}

/// How many there may be, and how many of them from one address.
#[rstest]
fn more_uploads_at_a_time_than_there_may_be_are_told_to_come_later(
    #[values(Dialect::Sqlite, Dialect::Postgres)] dialect: Dialect,
    #[values((1, 1), (2, 1), (3, 2), (8, 4))] (most, of_address): (usize, usize),
) {
    let api = Api::with(dialect, &[("HTTP_MAX_UPLOADS", &most.to_string())]);
    let project = api.project("one");
    let body = form(&[("artifact_type", "log")], "a.txt", b"hello");
    let of_old = form(&[("artifact_type", "log"), ("project_id", "1")], "a.txt", b"hello");
    let (new, old) = ("/api/v1/projects/1/artifacts/upload", "/api/artifacts/upload");
    let mut half = Vec::new();
    for number in 0..of_address {
        let mut stream = api.service.connect();
        let (path, body) = if number == 0 { (new, &body) } else { (old, &of_old) };
        stream.write_all(&request(path, &body[..body.len() - 5], body.len())).unwrap();
        half.push((stream, body));
        eventually("it is received", || files(&api).len() == number + 1);
    }

    for (path, body) in [(new, &body), (old, &of_old)] {
        send(&api.service, path, body, body.len())
            .refuses(503, "too many uploads at the moment: try again later");
    }

    assert_eq!(files(&api).len(), of_address, "nothing is left of what was refused");
    let refused = "underpin_http_refused_total{what=\"uploads\"} 2";
    assert!(api.service.get("/metrics").body.contains(refused));
    assert_eq!(api.service.log().matches("too many uploads: ").count(), 1);
    assert_eq!(api.get(&format!("/projects/{project}/artifacts")).status, 200);
    for (mut stream, body) in half {
        stream.write_all(&body[body.len() - 5..]).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
    }
    assert_eq!(send(&api.service, new, &body, body.len()).status, 201);
    assert_eq!(files(&api).len(), of_address + 1);
}

/// An upload that is given up gives its place back.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn the_place_of_an_upload_that_is_given_up_is_free(#[case] dialect: Dialect) {
    let api = Api::with(dialect, &[("HTTP_MAX_UPLOADS", "1")]);
    let project = api.project("one");
    let values = [("artifact_type", "log")];
    let body = form(&values, "a.txt", b"hello");
    let mut stream = api.service.connect();
    let path = format!("/api/v1/projects/{project}/artifacts/upload");
    stream.write_all(&request(&path, &body[..body.len() - 5], body.len())).unwrap();
    eventually("it is received", || files(&api).len() == 1);
    assert_eq!(upload(&api, project, &values, "a.txt", b"hello").status, 503);

    drop(stream);

    eventually("a place", || upload(&api, project, &values, "a.txt", b"hello").status == 201);
    assert_eq!(files(&api).len(), 1);
}

fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is() {
        assert!(start.elapsed() < Duration::from_secs(15), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
