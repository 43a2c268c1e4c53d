//! A path of the original that names no project means the first one, whatever other projects there are:
//! each route, with each way in which the first project and another one can have the row or not.

use rstest::rstest;
use serde_json::{Value, json};
use underpin_testkit::Dialect;

use crate::{
    api::Api,
    service::{Answer, Service},
};

/// What is asked about, in whichever project.
const ROW: i64 = 2;

/// What a request that names no project does where the first project is not there or has no such row.
#[derive(Clone, Copy, PartialEq)]
enum Without {
    /// The answer is an empty list.
    Nothing,
    /// The row is not found: its kind.
    Missing(&'static str),
    /// The original wants a project here.
    Refused,
}

use Without::{Missing, Nothing, Refused};

/// Each route with a row or a list, in an order in which each finds what it needs: method, path, body,
/// what happens without a project, and the status where the first project has the row.
#[rustfmt::skip]
fn routes() -> Vec<(&'static str, &'static str, Value, Without, u16)> {
    let none = Value::Null;
    let split = json!({ "task1_title": "a", "task2_title": "b" });
    let merge = json!({ "task_ids": [1, ROW], "merged_title": "both" });
    let draft = json!({ "task_id": ROW, "phase": "coder", "content": "c" });
    vec![
        ("GET", "/tasks/", none.clone(), Nothing, 200),
        ("GET", "/change-requests/", none.clone(), Nothing, 200),
        ("GET", "/change-requests/?task_id=2", none.clone(), Nothing, 200),
        ("GET", "/artifacts/", none.clone(), Nothing, 200),
        ("GET", "/gates/task/2", none.clone(), Nothing, 200),
        ("GET", "/tasks/2/versions", none.clone(), Missing("Task"), 200),
        ("GET", "/change-requests/2", none.clone(), Missing("Change request"), 200),
        ("GET", "/artifacts/2", none.clone(), Missing("Artifact"), 200),
        ("GET", "/artifacts/2/download", none.clone(), Missing("Artifact"), 200),
        ("GET", "/artifacts/2/content", none.clone(), Missing("Artifact"), 200),
        ("POST", "/change-requests/", draft, Missing("Task"), 200),
        ("POST", "/change-requests/2/submit", none.clone(), Missing("Change request"), 200),
        ("POST", "/change-requests/2/approve", none.clone(), Missing("Change request"), 200),
        ("POST", "/change-requests/2/reject", none.clone(), Missing("Change request"), 409),
        ("DELETE", "/artifacts/2", none.clone(), Missing("Artifact"), 200),
        ("GET", "/tasks/2", none.clone(), Refused, 422),
        ("PATCH", "/tasks/2", json!({ "title": "x" }), Refused, 422),
        ("POST", "/tasks/2/approve", none.clone(), Refused, 422),
        ("POST", "/tasks/2/advance", none.clone(), Refused, 422),
        ("POST", "/tasks/2/split", split, Refused, 422),
        ("POST", "/tasks/merge", merge, Refused, 422),
        ("PUT", "/gates/task/2", json!([]), Refused, 422),
        ("DELETE", "/tasks/2", none, Refused, 422),
    ]
}

/// How the first project stands.
#[derive(Clone, Copy, Debug, PartialEq)]
enum First {
    HasTheRow,
    HasNoRow,
    /// It is registered, and its database is away.
    Fails,
    Archived,
    NotThere,
}

struct Stage {
    api: Api,
    others: [i64; 2],
}

impl Stage {
    /// Two other projects are open and have the row, or none of them.
    fn set(dialect: Dialect, first: First, others_have_it: bool) -> Self {
        let mut api = Api::start(dialect);
        let [one, two, three] = ["one", "two", "three"].map(|name| api.project(name));
        assert_eq!(one, 1);
        if first == First::HasTheRow {
            fill(&api, one);
        }
        for other in [two, three].into_iter().filter(|_| others_have_it) {
            fill(&api, other);
        }
        let path = "/projects/1";
        match first {
            First::HasTheRow | First::HasNoRow => {}
            First::Fails => {
                api.service.kill();
                put_away(&api);
                api.service.restart(&["--migrate"]);
            }
            First::Archived => drop(api.done("DELETE", path, &json!({}))),
            First::NotThere => {
                api.done("DELETE", path, &json!({}));
                api.done("POST", "/projects/1/purge", &json!({}));
            }
        }
        let stage = Self { api, others: [two, three] };
        // Which projects are open makes no difference.
        for other in stage.others {
            stage.api.seen(&format!("/projects/{other}"));
        }
        stage
    }

    fn rows(&self) -> [Vec<String>; 2] {
        self.others.map(|other| self.api.rows(other))
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Answer {
        ask(&self.api.service, method, path, body)
    }
}

fn ask(service: &Service, method: &str, path: &str, body: &Value) -> Answer {
    let json = [("Content-Type", "application/json")];
    let body = if body.is_null() { String::new() } else { body.to_string() };
    service.send(method, &format!("/api{path}"), &json, &body)
}

/// Two tasks, change requests and artifacts with a content.
fn fill(api: &Api, project: i64) {
    for _ in 0..ROW {
        let task = api.task(project, &format!("of {project}"));
        api.change_request(project, task);
        let form = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n\
            text\r\n--b\r\nContent-Disposition: form-data; name=\"artifact_type\"\r\n\r\nlog\r\n--b--\r\n";
        let kind = [("Content-Type", "multipart/form-data; boundary=b")];
        let path = format!("/api/v1/projects/{project}/artifacts/upload");
        let sent = api.service.send("POST", &path, &kind, form);
        assert_eq!(sent.status, 201, "{sent:?}");
    }
}

/// Takes away the database of the first project.
fn put_away(api: &Api) {
    let db = &api.service.db;
    match db.dialect() {
        Dialect::Sqlite => {
            let file = db.dir().join("data/project_1.db");
            std::fs::rename(&file, file.with_extension("away")).unwrap();
        }
        Dialect::Postgres => db.batch("ALTER SCHEMA project_1 RENAME TO away"),
    }
}

#[rstest]
fn a_request_without_a_project_means_the_first_one(
    #[values(Dialect::Sqlite, Dialect::Postgres)] dialect: Dialect,
    #[values(First::HasTheRow, First::HasNoRow, First::Fails, First::Archived, First::NotThere)]
    first: First,
    #[values(true, false)] others_have_it: bool,
) {
    let stage = Stage::set(dialect, first, others_have_it);
    let before = stage.rows();

    for (method, path, body, without, with) in routes() {
        let answer = stage.ask(method, path, &body);

        let what = format!("{method} {path} {first:?}: {answer:?}");
        match (first, without) {
            (_, Refused) => assert_eq!(answer.faults(), ["missing query.project_id"], "{what}"),
            (First::HasTheRow, _) => assert_eq!(answer.status, with, "{what}"),
            (First::Fails, _) => {
                assert!(matches!(answer.status, 500 | 503), "an error is not `not there`: {what}");
            }
            (_, Nothing) => assert_eq!((answer.status, answer.json()), (200, json!([])), "{what}"),
            (_, Missing(kind)) => answer.refuses(404, &format!("{kind} {ROW} not found")),
        }
    }

    assert_eq!(stage.rows(), before, "nothing of the other projects has changed");
}

/// The same routes with `project_id`: the project that is named, and no other.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_request_with_a_project_means_that_one(#[case] dialect: Dialect) {
    let stage = Stage::set(dialect, First::HasTheRow, true);
    let others = || [stage.api.rows(1), stage.api.rows(3)];
    let before = others();

    for (method, path, body, without, with) in routes() {
        let named = |project: i64| {
            let join = if path.contains('?') { '&' } else { '?' };
            stage.ask(method, &format!("{path}{join}project_id={project}"), &body)
        };

        let (nowhere, there) = (named(9), named(2));

        // A task that was split has come to its end.
        let ended = ["/tasks/merge"].contains(&path);
        let with = if ended {
            409
        } else if without == Refused {
            200
        } else {
            with
        };
        assert_eq!(there.status, with, "{method} {path}: {there:?}");
        nowhere.is_refused(404);
    }

    assert_eq!(others(), before, "nothing of the other projects has changed");
}

/// A client that gets no answer asks again.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn deleting_again_deletes_nothing_else(#[case] dialect: Dialect) {
    let stage = Stage::set(dialect, First::HasTheRow, true);
    let before = stage.rows();

    assert_eq!(stage.ask("DELETE", "/artifacts/2", &Value::Null).status, 200);
    for _ in 0..3 {
        let again = stage.ask("DELETE", "/artifacts/2", &Value::Null);
        again.refuses(404, "Artifact 2 not found");
    }

    assert_eq!(stage.rows(), before);
}
