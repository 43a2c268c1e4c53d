//! The projects of the service.

use std::fs;

use rstest::rstest;
use underpin_testkit::{Dialect, TestDb};

use super::{each, files, json, targets};
use crate::{said, succeed, underpin};

/// Three projects that are behind, and an archived one; on SQLite, files below `data`.
fn projects(dialect: Dialect) -> TestDb {
    let db = targets(dialect, 3);
    succeed(&db, &["--set", "registry", "upgrade"]);
    for (id, state) in [(1, "READY"), (2, "READY"), (3, "READY"), (4, "ARCHIVED")] {
        db.batch(&format!(
            "INSERT INTO registered_projects (id, name, target, state, created_at, updated_at) \
             VALUES ({id}, 'name {id}', 'project_{id}', '{state}', '2026-11-21 10:00:00', \
             '2026-11-21 10:00:00')"
        ));
    }
    db
}

const FLAGS: [&str; 3] = ["--from-registry", "--set", "project"];

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn the_ready_projects_are_migrated(#[case] dialect: Dialect) {
    let db = projects(dialect);

    let report = json(underpin(&db, &[&["fleet", "upgrade"], &FLAGS[..]].concat()), 0);

    assert_eq!(each(&report, "id"), ["1", "2", "3"]);
    assert_eq!(each(&report, "state"), ["done", "done", "done"]);
    assert!(report["source"].as_str().unwrap().starts_with("the registry in "), "{report:#}");
    let status = json(underpin(&db, &[&["fleet", "status"], &FLAGS[..]].concat()), 0);
    assert_eq!(status["counts"]["current"], 3);
}

#[test]
fn the_files_are_where_the_service_keeps_them() {
    let db = projects(Dialect::Sqlite);
    fs::rename(db.dir().join("data"), db.dir().join("elsewhere")).unwrap();
    let before = files(db.dir());

    let here = json(underpin(&db, &[&["fleet", "plan"], &FLAGS[..]].concat()), 1);
    let mut command = underpin(&db, &[&["fleet", "plan"], &FLAGS[..]].concat());
    command.env("DATA_DIR", "elsewhere");
    let there = json(command, 0);

    assert!(here["targets"][0]["error"].as_str().unwrap().contains("`--data-dir`"), "{here:#}");
    let all = underpin_migrations::project(Dialect::Sqlite).migrations().len();
    assert_eq!(there["targets"][2]["report"]["steps"].as_array().unwrap().len(), all);
    assert_eq!(files(db.dir()), before);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_registry_that_is_behind_is_refused(#[case] dialect: Dialect) {
    let db = targets(dialect, 1);
    succeed(&db, &["--set", "registry", "upgrade", "+1"]);

    let output = underpin(&db, &[&["fleet", "upgrade"], &FLAGS[..]].concat()).output().unwrap();

    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(said(&output).contains("run `underpin --set registry upgrade`"), "{}", said(&output));
}
