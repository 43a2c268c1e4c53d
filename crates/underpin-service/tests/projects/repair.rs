//! The service finishes or takes back what one that died over it had begun to make.

use std::{
    thread,
    time::{Duration, Instant},
};

use rstest::rstest;
use serde_json::json;
use underpin_testkit::Dialect;

use crate::{api::Api, uploads::upload};

/// Long before anybody is taken for dead.
const LONG_AGO: &str = "'2020-01-01 00:00:00'";

/// Kills the service, leaves this in its database, and starts it anew when the job is due.
fn die(api: &mut Api, leaving: &str) {
    api.service.kill();
    // A last run of 1970 would make the clock of today one to be doubted.
    let an_hour_ago = match api.service.db.dialect() {
        Dialect::Sqlite => "CAST(strftime('%s', 'now') AS INTEGER) - 3600",
        Dialect::Postgres => "CAST(extract(epoch FROM now()) AS BIGINT) - 3600",
    };
    api.service.db.batch(&format!(
        "{leaving}; DELETE FROM job_runs; \
         INSERT INTO job_runs (job, last_run) VALUES ('repair', {an_hour_ago})"
    ));
    api.service.restart(&["--migrate"]);
}

/// Waits until no project is half made.
fn repaired(api: &Api) {
    let started = Instant::now();
    let half = ["creating", "failed"].map(|state| format!("/projects?state={state}"));
    while half.iter().any(|half| api.seen(half) != json!([])) {
        assert!(started.elapsed() < Duration::from_secs(30), "{}", api.service.log());
        thread::sleep(Duration::from_millis(50));
    }
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_project_that_was_never_finished_gives_its_name_back(#[case] dialect: Dialect) {
    let mut api = Api::start(dialect);
    let row = format!("('half', 'project_1', 'CREATING', {LONG_AGO}, {LONG_AGO})");
    let columns = "name, target, state, created_at, updated_at";
    die(&mut api, &format!("INSERT INTO registered_projects ({columns}) VALUES {row}"));

    repaired(&api);

    assert_eq!(api.seen("/projects"), json!([]));
    let made = api.project("half");
    assert_eq!((made, api.task(made, "Choir")), (2, 1));
    let log = api.service.log();
    assert!(log.contains("project 1 was never finished: it is forgotten"), "{log}");
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_project_that_was_made_and_never_announced_is_ready(#[case] dialect: Dialect) {
    let mut api = Api::start(dialect);
    let project = api.project("whole");
    api.task(project, "Choir");
    let state = format!("SET state = 'CREATING', updated_at = {LONG_AGO}");
    die(&mut api, &format!("UPDATE registered_projects {state} WHERE id = {project}"));

    repaired(&api);

    assert_eq!(api.seen("/projects")[0]["state"], "ready");
    assert_eq!(api.seen(&format!("/projects/{project}/tasks"))[0]["title"], "Choir");
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_deletion_that_did_not_end_takes_the_contents_along(#[case] dialect: Dialect) {
    let mut api = Api::start(dialect);
    let project = api.project("gone");
    let made = upload(&api, project, &[("artifact_type", "log")], "a.txt", b"hello");
    assert_eq!(made.status, 201, "{made:?}");
    let contents = api.service.db.dir().join(format!("data/artifacts/project_{project}"));
    assert!(contents.is_dir());
    api.done("DELETE", &format!("/projects/{project}"), &json!({}));
    let state = format!("SET state = 'FAILED', updated_at = {LONG_AGO}");
    die(&mut api, &format!("UPDATE registered_projects {state} WHERE id = {project}"));

    repaired(&api);

    api.get(&format!("/projects/{project}")).is_refused(404);
    assert!(!contents.exists());
    let log = api.service.log();
    assert!(log.contains("the deletion of project 1 did not end: it has ended now"), "{log}");
}
