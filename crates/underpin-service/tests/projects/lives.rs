//! A project from its making to its end: names and numbers, put aside, brought back, deleted.

use rstest::rstest;
use serde_json::{Value, json};
use underpin_db::ConnectOptions;
use underpin_testkit::{Dialect, block_on};

use crate::{api::Api, routes::all};

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_name_is_one_projects_and_a_number_is_given_once(#[case] dialect: Dialect) {
    let mut api = Api::start(dialect);
    let first = api.project("Cathedral");
    let task = api.task(first, "Choir");

    let taken = api.post("/projects", &json!({ "name": "Cathedral", "description": "another" }));
    taken.refuses(409, "Project with name 'Cathedral' already exists");
    assert_ne!(api.project("cathedral"), first);
    let newest = api.project("the newest");
    let path = format!("/projects/{newest}");
    api.task(newest, "of the newest");
    api.done("DELETE", &path, &json!({}));
    // An archived project keeps its name.
    let taken = api.post("/projects", &json!({ "name": "the newest" }));
    taken.refuses(409, "Project with name 'the newest' already exists");
    api.done("POST", &format!("{path}/purge"), &json!({}));
    api.get(&path).refuses(404, &format!("Project {newest} not found"));

    let again = api.project("the newest");
    assert!(again > newest, "{again}");
    assert_eq!(api.seen(&format!("/projects/{again}/tasks")), json!([]));
    // Neither is it given again by a service that knows nothing of it.
    api.done("DELETE", &format!("/projects/{again}"), &json!({}));
    api.done("POST", &format!("/projects/{again}/purge"), &json!({}));
    api.service.restart(&["--migrate"]);
    assert!(api.project("the newest") > again);
    assert_eq!(api.seen(&format!("/projects/{first}/tasks"))[0]["id"], task);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn of_many_who_want_a_name_one_gets_it(#[case] dialect: Dialect) {
    let api = Api::start(dialect);

    let statuses = std::thread::scope(|scope| {
        let ask = |_| scope.spawn(|| api.post("/projects", &json!({ "name": "one" })).status);
        let asked: Vec<_> = (0..8).map(ask).collect();
        asked.into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>()
    });

    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [201, 409].contains(status)), "{statuses:?}");
    assert_eq!(api.seen("/projects").as_array().unwrap().len(), 1);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn an_archived_project_is_whole_when_it_comes_back(#[case] dialect: Dialect) {
    let api = Api::start(dialect);
    let project = api.project("one");
    let other = api.project("other");
    let path = format!("/projects/{project}");
    let run = api.run(project, api.approved(project, "Choir"));
    api.done("POST", &format!("{path}/runs/{run}/finish"), &json!({ "status": "failure" }));
    let routes: Vec<_> = all().into_iter().map(|route| route.with_case(&api, project)).collect();
    let (before, rows) = (api.seen(&path), api.rows(project));
    let others = api.rows(other);

    api.done("DELETE", &path, &json!({}));

    let archived = api.seen(&path);
    assert_eq!((&archived["id"], &archived["state"]), (&json!(project), &json!("archived")));
    assert_eq!(archived["name"], "one");
    let state = format!("project {project} is archived: expected one that is ready");
    let mut refused = 0;
    for (route, case) in &routes {
        let asked = case.path(route.path);
        if asked.starts_with(&path)
            && !["/restore", "/purge"].iter().any(|last| asked.ends_with(last))
        {
            if (route.method, asked.as_str()) == ("GET", &path) {
                continue;
            }
            let answer = case.ask(&api, route.method, &asked, &[]);
            answer.refuses(409, &state);
            refused += 1;
        }
    }
    assert!(refused > 30, "{refused}");
    let listed = |query: &str| {
        let rows = api.seen(&format!("/projects{query}"));
        let ids = rows.as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap());
        ids.collect::<Vec<_>>()
    };
    assert!(listed("?state=archived").contains(&project));
    assert!(!listed("?state=ready").contains(&project) && listed("").contains(&project));

    api.done("POST", &format!("{path}/restore"), &json!({}));

    let after = api.seen(&path);
    // That it went and came back are the two events that are new.
    let newest = |project: &Value| project["last_event"].as_i64().unwrap();
    assert_eq!(newest(&after), newest(&before) + 2);
    let same = |mut project: Value| {
        project["updated_at"].take();
        project["last_event"].take();
        project
    };
    assert_eq!(same(after), same(before));
    let without_events = |rows: Vec<String>| {
        let rows = rows.into_iter();
        rows.filter(|row| !row.starts_with("events ") && !row.starts_with("projects "))
            .collect::<Vec<_>>()
    };
    assert_eq!(without_events(api.rows(project)), without_events(rows));
    assert_eq!(api.rows(other), others);
    let state = format!("project {project} is ready: expected one that is archived");
    for last in ["restore", "purge"] {
        api.post(&format!("{path}/{last}"), &json!({})).refuses(409, &state);
    }
    // And it goes on where it was.
    api.task(project, "later");
    assert_eq!(api.service.log().matches("ERROR").count(), 0, "{}", api.service.log());
}

/// One that cannot even note that it goes, for whatever happened to it.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_damaged_project_can_be_put_aside(#[case] dialect: Dialect) {
    let api = Api::start(dialect);
    let project = api.project("one");
    let path = format!("/projects/{project}");
    api.task(project, "Choir");
    let url = api.url(project);
    let options = ConnectOptions::default();
    block_on(async || {
        url.connect(&options).await.unwrap().batch("DROP TABLE events").await.unwrap();
    });
    assert_eq!(api.post(&format!("{path}/tasks"), &json!({ "title": "Nave" })).status, 500);

    api.done("DELETE", &path, &json!({}));

    assert_eq!(api.seen("/projects?state=archived")[0]["id"], json!(project));
    let log = api.service.log();
    assert!(log.contains(&format!("nobody is told that project {project} is gone: ")), "{log}");
}

/// Somebody takes its database away. That is told, and no deletion is answered that did not happen.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_project_whose_database_is_gone_is_not_archived(#[case] dialect: Dialect) {
    let mut api = Api::start(dialect);
    let project = api.project("one");
    api.task(project, "Choir");
    api.service.kill();
    shift(&api, "project_1", "elsewhere");
    api.service.restart(&["--migrate"]);

    let gone =
        "the database of project 1 is gone: the log of the service says where it was expected";
    for path in ["/api/v1/projects/1", "/api/projects/1"] {
        api.service.send("DELETE", path, &[], "").refuses(500, gone);
    }
    for path in ["/api/tasks/", "/api/projects/1", "/api/v1/projects/1/tasks"] {
        api.service.get(path).refuses(500, gone);
    }
    assert_eq!(api.seen("/projects")[0]["state"], "ready");
    let log = api.service.log();
    assert!(log.contains("the database of project 1 is gone, expected at"), "{log}");

    shift(&api, "elsewhere", "project_1");

    assert_eq!(api.seen("/projects/1/tasks")[0]["title"], "Choir");
    api.done("DELETE", "/projects/1", &json!({}));
    assert_eq!(api.seen("/projects")[0]["state"], "archived");
}

/// Gives the database of a project another name, with what SQLite keeps beside it.
fn shift(api: &Api, from: &str, to: &str) {
    let db = &api.service.db;
    if db.dialect() == Dialect::Postgres {
        return db.batch(&format!("ALTER SCHEMA {from} RENAME TO {to}"));
    }
    let path = |name: &str, end: &str| db.dir().join("data").join(format!("{name}.db{end}"));
    for end in ["-wal", "-shm", ""] {
        let from = path(from, end);
        if from.exists() {
            std::fs::rename(from, path(to, end)).unwrap();
        }
    }
}

/// A change of a project moves its time, wherever it is shown and by whichever route it is made.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_change_moves_the_time_of_the_project(#[case] dialect: Dialect) {
    let api = Api::start(dialect);
    let project = api.project("one");
    let path = format!("/projects/{project}");
    let seen = || {
        let (one, listed) = (api.seen(&path), api.seen("/projects"));
        assert_eq!(one["updated_at"], listed[0]["updated_at"]);
        one["updated_at"].as_str().unwrap().to_owned()
    };
    let made = seen();

    let changed = api.done("PATCH", &path, &json!({ "description": "d" }));

    let first = seen();
    assert_eq!(changed["updated_at"], first);
    assert!(first > made, "{made} {first}");
    // What is as it was is no change.
    api.done("PATCH", &path, &json!({ "description": "d" }));
    assert_eq!(seen(), first);
    let kind = [("Content-Type", "application/json")];
    let old = api.service.send("PATCH", "/api/projects/1", &kind, r#"{"description":"e"}"#);
    assert_eq!(old.status, 200, "{old:?}");
    assert!(seen() > first);
}

/// Who works in a project while it is put aside, brought back or made is answered by rule.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn who_comes_while_a_project_comes_and_goes_is_answered(#[case] dialect: Dialect) {
    let api = Api::start(dialect);
    let project = api.project("one");
    let path = format!("/projects/{project}");

    let made = std::thread::scope(|scope| {
        let write = |writer: usize| {
            let (api, path) = (&api, &path);
            scope.spawn(move || {
                let body = |number: usize| json!({ "title": format!("{writer} {number}") });
                let ask = |number| api.post(&format!("{path}/tasks"), &body(number));
                let answers: Vec<_> = (0..40).map(ask).collect();
                let known = |status: u16| [201, 409].contains(&status);
                assert!(answers.iter().all(|answer| known(answer.status)), "{answers:?}");
                answers.iter().filter(|answer| answer.status == 201).count()
            })
        };
        let writers: Vec<_> = (0..4).map(write).collect();
        for _ in 0..4 {
            for (method, last) in [("DELETE", ""), ("POST", "/restore")] {
                let answer = api.ask(method, &format!("{path}{last}"), &json!({}));
                assert_eq!(answer.status, 200, "{answer:?}");
            }
        }
        writers.into_iter().map(|one| one.join().unwrap()).sum::<usize>()
    });

    let tasks = api.seen(&format!("{path}/tasks?limit=1000"));
    assert_eq!(tasks.as_array().unwrap().len(), made);
    assert_eq!(api.service.log().matches("ERROR").count(), 0, "{}", api.service.log());
}
