//! A project whose schema is behind: brought up to date by whom may, and the log has the command
//! otherwise.

use std::thread;

use rstest::rstest;
use serde_json::json;
use underpin::{Engine, Goal, Options};
use underpin_db::ConnectOptions;
use underpin_migrations::{CODE, project};
use underpin_testkit::{Dialect, block_on};

use crate::api::Api;

/// As the command `underpin` does it.
fn migrate(api: &Api, id: i64, goal: &Goal) {
    let url = api.url(id);
    let engine = Engine::new(project(url.dialect()), CODE, &url, Options::default()).unwrap();
    block_on(async || engine.migrate(goal).await.unwrap());
}

/// The first column of what `query` finds in the database of a project.
fn texts(api: &Api, id: i64, query: &str) -> Vec<String> {
    let url = api.url(id);
    let options = ConnectOptions::default();
    block_on(async || url.connect(&options).await.unwrap().texts(query).await.unwrap())
}

/// How often the newest migration was applied to a project.
fn upgrades(api: &Api, id: i64) -> usize {
    let head = project(api.url(id).dialect()).head().unwrap().version.to_string();
    let query = format!(
        "SELECT action FROM underpin_history WHERE version = '{head}' AND action = 'upgrade'"
    );
    texts(api, id, &query).len()
}

/// A service that was restarted so, with a project that is one migration behind and has a task, and
/// another one at head.
fn behind(dialect: Dialect, arguments: &[&str]) -> (Api, i64, i64) {
    let mut api = Api::start(dialect);
    let (old, other) = (api.project("old"), api.project("other"));
    api.task(old, "Choir");
    api.service.kill();
    migrate(&api, old, &Goal::Down(1));
    api.service.restart(arguments);
    (api, old, other)
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn it_is_brought_up_to_date_once_when_it_is_first_asked_for(#[case] dialect: Dialect) {
    let (api, old, _) = behind(dialect, &["--migrate"]);
    assert_eq!(upgrades(&api, old), 1);
    // A list opens none.
    let before = api.seen("/projects")[0]["head"].clone();
    assert_eq!(upgrades(&api, old), 1);

    let titles = thread::scope(|scope| {
        let path = format!("/projects/{old}/tasks");
        let ask = |number: usize| {
            let (api, path) = (&api, path.clone());
            scope.spawn(move || match number % 2 {
                0 => api.seen(&path)[0]["title"].clone(),
                _ => api.done("POST", &path, &json!({ "title": number.to_string() }))["title"]
                    .clone(),
            })
        };
        let asked: Vec<_> = (0..10).map(ask).collect();
        asked.into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>()
    });

    assert_eq!(titles, ["Choir", "1", "Choir", "3", "Choir", "5", "Choir", "7", "Choir", "9"]);
    assert_eq!(upgrades(&api, old), 2);
    let head = project(dialect).head().unwrap().version.to_string();
    assert_eq!(api.seen(&format!("/projects/{old}"))["head"], json!(head));
    assert_eq!(before, json!(head));
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn without_leave_it_is_refused_and_the_log_has_the_command_that_helps(#[case] dialect: Dialect) {
    let (api, old, other) = behind(dialect, &[]);
    let path = format!("/projects/{old}");
    let url = api.url(old);
    let command = format!("underpin --set project --database-url '{url}' upgrade");
    let detail = format!(
        "the schema of project {old} is behind by 1 migrations: the log of the service has the command \
         that brings it up to date"
    );

    for (method, last, body) in [
        ("GET", "", json!({})),
        ("GET", "/tasks", json!({})),
        ("POST", "/tasks", json!({ "title": "one" })),
        ("PATCH", "", json!({ "description": "x" })),
    ] {
        api.ask(method, &format!("{path}{last}"), &body).refuses(503, &detail);
    }
    let log = api.service.log();
    assert!(log.contains(&format!("is behind by 1 migrations: run `{command}`")), "{log}");
    assert_eq!(upgrades(&api, old), 1);
    // Others are served, and so is the list.
    api.task(other, "Nave");
    assert_eq!(api.seen("/projects").as_array().unwrap().len(), 2);

    // What the command does.
    migrate(&api, old, &Goal::Head);

    assert_eq!(api.seen(&format!("{path}/tasks"))[0]["title"], "Choir");
    assert_eq!(api.task(old, "Nave"), 2);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn it_can_be_put_aside_although_it_cannot_be_opened(#[case] dialect: Dialect) {
    let (api, old, other) = behind(dialect, &[]);
    let path = format!("/projects/{old}");
    assert_eq!(api.get(&path).status, 503);

    api.done("DELETE", &path, &json!({}));

    let archived = api.seen("/projects?state=archived");
    assert_eq!(archived.as_array().unwrap().len(), 1);
    assert_eq!((&archived[0]["id"], &archived[0]["state"]), (&json!(old), &json!("archived")));
    assert_eq!(api.seen("/projects?state=ready")[0]["id"], json!(other));
    let log = api.service.log();
    let told = format!("nobody is told that project {old} is gone: the schema of project {old} is");
    assert!(log.contains(&told), "{log}");
}

/// Of a project that newer software has changed nothing is touched, and others are served.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn one_that_is_newer_than_the_program_is_not_served(#[case] dialect: Dialect) {
    let mut api = Api::start(dialect);
    let (new, other) = (api.project("new"), api.project("other"));
    texts(
        &api,
        new,
        "INSERT INTO __diesel_schema_migrations (version) VALUES ('20991231000000') RETURNING version",
    );
    api.service.restart(&["--migrate"]);
    let rows = api.rows(new);

    let answer = api.post(&format!("/projects/{new}/tasks"), &json!({ "title": "one" }));

    let detail = format!("project {new} cannot be served: the log of the service says why");
    answer.refuses(500, &detail);
    assert!(api.service.log().contains("20991231000000"), "{}", api.service.log());
    assert_eq!(api.rows(new), rows);
    api.task(other, "Nave");
}
