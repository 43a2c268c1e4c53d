//! What is announced is then done, and announcing changes no byte.

use std::path::PathBuf;

use rstest::rstest;
use serde_json::Value;
use underpin_testkit::{Dialect, TestDb};

use super::{each, files, fleet, json, on_target, targets};
use crate::folder;

/// All that a dry run could change.
fn look(db: &TestDb) -> (Vec<(PathBuf, u64)>, Vec<String>) {
    let inside = match db.dialect() {
        Dialect::Sqlite => Vec::new(),
        // Every table with the number of rows that were ever written.
        Dialect::Postgres => db.texts(
            "SELECT n.nspname || '.' || c.relname || ' ' || c.relfilenode || ' ' || \
             pg_relation_size(c.oid) FROM pg_class AS c \
             JOIN pg_namespace AS n ON n.oid = c.relnamespace \
             WHERE n.nspname LIKE 'project%' ORDER BY 1",
        ),
    };
    (files(db.dir()), inside)
}

/// Four targets: base, one of three, head, and one that fails.
fn mixed(dialect: Dialect) -> TestDb {
    let db = targets(dialect, 4);
    folder(&db, 3);
    json(fleet(&db, &["upgrade", "+1"]), 0);
    on_target(&db, 4, "CREATE TABLE project_4.t2 (other INTEGER)");
    json(fleet(&db, &["upgrade", "--continue-on-error"]), 1);
    on_target(
        &db,
        1,
        "DROP TABLE project_1.t1; DROP TABLE project_1.t2; DROP TABLE project_1.t3; \
         DROP TABLE project_1.underpin_history; DROP TABLE project_1.__diesel_schema_migrations",
    );
    on_target(&db, 4, "DROP TABLE project_4.t2; CREATE TABLE project_4.t3 (other INTEGER)");
    db
}

/// Version and number of steps of each, where a document of `plan` and one of a run have them.
fn ends(document: &Value) -> Vec<(Option<String>, usize)> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let one = |target: &Value| match &target["report"] {
        Value::Null => {
            let steps = target["steps"].as_u64().unwrap_or(0);
            (text(&target["version_after"]), usize::try_from(steps).unwrap())
        }
        report => (text(&report["head"]), report["steps"].as_array().unwrap().len()),
    };
    document["targets"].as_array().unwrap().iter().map(one).collect()
}

#[rstest]
#[case::up(&["upgrade"])]
#[case::one_more(&["upgrade", "+1"])]
#[case::to_a_version(&["upgrade", "0002"])]
#[case::down(&["downgrade", "-1", "--yes"])]
#[case::base(&["downgrade", "base", "--yes"])]
fn it_announces_what_is_then_done(
    #[values(Dialect::Sqlite, Dialect::Postgres)] dialect: Dialect,
    #[case] args: &[&str],
) {
    let db = mixed(dialect);
    // What shows only when a script runs is not announced.
    on_target(&db, 4, "DROP TABLE project_4.t3");
    let before = look(&db);

    let announced = json(fleet(&db, &[args, &["--dry-run"]].concat()), 0);

    assert_eq!(look(&db), before);
    let done = json(fleet(&db, args), 0);
    assert_eq!(ends(&announced), ends(&done), "{announced:#}");
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn plan_is_the_dry_run_of_upgrade(#[case] dialect: Dialect) {
    let db = mixed(dialect);
    on_target(&db, 1, "CREATE TABLE project_1.strange (id INTEGER)");
    let before = look(&db);

    let plan = json(fleet(&db, &["plan"]), 1);

    assert_eq!(look(&db), before);
    assert_eq!(plan, json(fleet(&db, &["upgrade", "--dry-run"]), 1));
    assert_eq!(each(&plan, "before"), ["-", "0003", "0003", "0001"]);
    let reason = plan["targets"][0]["error"].as_str().unwrap();
    assert!(reason.contains("`strange` is not known"), "{reason}");
    let done = json(fleet(&db, &["upgrade", "--continue-on-error"]), 1);
    assert_eq!(each(&done, "state"), ["failed", "unchanged", "unchanged", "failed"]);
}
