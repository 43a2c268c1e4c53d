//! Runs that die: whoever goes on comes to the end of a run that did not.

use std::{process::Stdio, thread, time::Duration};

use rstest::rstest;
use serde_json::Value;
use underpin_testkit::{Dialect, TestDb};

use super::{fleet, json, on_target, targets};
use crate::{folder, said};

/// What one target holds: its own tables, how many rows each has, and what is applied.
fn target(db: &TestDb, number: usize) -> (Vec<String>, Vec<String>) {
    let schema = format!("project_{number}");
    let (known, versions) = match db.dialect() {
        Dialect::Sqlite => {
            let one = TestDb::copy_of(&super::file(db, number));
            assert_eq!(one.texts("PRAGMA integrity_check"), ["ok"]);
            let versions = "SELECT version FROM __diesel_schema_migrations ORDER BY version";
            return (one.dump().into_keys().collect(), one.texts(versions));
        }
        Dialect::Postgres => (
            format!("SELECT tablename FROM pg_tables WHERE schemaname = '{schema}' ORDER BY 1"),
            format!("SELECT version FROM {schema}.__diesel_schema_migrations ORDER BY version"),
        ),
    };
    let mut tables = db.texts(&known);
    tables.retain(|table| table.starts_with('t'));
    (tables, db.texts(&versions))
}

/// In every target the tables are those of its history.
fn assert_whole(db: &TestDb, count: usize) {
    for number in 1..=count {
        let (mut tables, versions) = target(db, number);
        let mut told: Vec<_> =
            versions.iter().map(|one| format!("t{}", one.parse::<u32>().unwrap())).collect();
        tables.sort();
        told.sort();
        assert_eq!(tables, told, "a script and its history part in target {number}");
    }
}

/// So many targets with a row of somebody, at the first of twelve migrations.
fn prepared(dialect: Dialect, count: usize) -> TestDb {
    let db = targets(dialect, count);
    folder(&db, 12);
    json(fleet(&db, &["upgrade", "+1"]), 0);
    for number in 1..=count {
        on_target(&db, number, &format!("INSERT INTO project_{number}.t1 VALUES (77, 'mine');"));
    }
    db
}

fn rows_of_somebody(db: &TestDb, number: usize) -> Vec<String> {
    match db.dialect() {
        Dialect::Sqlite => {
            TestDb::copy_of(&super::file(db, number)).texts("SELECT text FROM t1 WHERE id = 77")
        }
        Dialect::Postgres => {
            db.texts(&format!("SELECT text FROM project_{number}.t1 WHERE id = 77"))
        }
    }
}

fn outcome(db: &TestDb) -> String {
    json(fleet(db, &["report"]), 0)["outcome"].as_str().unwrap().to_owned()
}

/// Fifty times at any moment; runs go up and down in turns, and each is gone on with until it is done.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn killed_at_random_times(#[case] dialect: Dialect) {
    const TARGETS: usize = 16;
    let db = prepared(dialect, TARGETS);
    let runs = [["upgrade", "head"], ["downgrade", "0001"]];
    let mut turns = runs.iter().cycle();
    let mut killed = 0;
    let mut open = false;
    // A number without a common divisor visits all times in an order that looks like none.
    for round in 0_u64.. {
        if killed == 50 {
            break;
        }
        assert!(round < 1_000, "only {killed} were killed");
        let args: &[&str] = if open { &["resume"] } else { turns.next().unwrap() };
        let mut command = fleet(&db, &[args, &["--jobs", "3"]].concat());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        thread::sleep(Duration::from_millis(5 + round * 37 % 113));
        let died = child.try_wait().unwrap().is_none();
        child.kill().unwrap();
        let status = child.wait().unwrap();
        assert!(died || status.success(), "{args:?}: {status}");
        killed += u32::from(died);
        // It may have died before it was written down.
        open = outcome(&db) == "running";
        if killed % 10 == 0 {
            assert_whole(&db, TARGETS);
        }
    }
    if open {
        json(fleet(&db, &["resume"]), 0);
    }

    assert_whole(&db, TARGETS);
    let report = json(fleet(&db, &["upgrade"]), 0);

    let counts = &report["counts"];
    let sum = counts["done"].as_u64().unwrap() + counts["unchanged"].as_u64().unwrap();
    assert_eq!((report["outcome"].as_str(), sum), (Some("done"), TARGETS as u64));
    for number in 1..=TARGETS {
        assert_eq!(target(&db, number).1.len(), 12);
        assert_eq!(rows_of_somebody(&db, number), ["mine"]);
        assert_eq!(report["targets"][number - 1]["version_after"], "0012");
    }
    // The journal tells of every run what came of it, and each came to its end or made room.
    let runs = report["number"].as_i64().unwrap();
    for number in 1..runs {
        let told = json(fleet(&db, &["report", &number.to_string()]), 0);
        let outcome = told["outcome"].as_str().unwrap().to_owned();
        assert!(outcome == "done" || outcome == "abandoned", "{told:#}");
    }
}

/// After each of the steps of the run and of the engine in turn.
#[rstest]
#[case::sqlite(Dialect::Sqlite, "fleet::step")]
#[case::postgres(Dialect::Postgres, "fleet::step")]
#[case::sqlite_in_the_engine(Dialect::Sqlite, "underpin::step")]
#[case::postgres_in_the_engine(Dialect::Postgres, "underpin::step")]
fn killed_after_each_step(#[case] dialect: Dialect, #[case] point: &str) {
    let mut steps = 0;
    loop {
        let db = targets(dialect, 2);
        folder(&db, 3);
        json(fleet(&db, &["upgrade"]), 0);
        let mut command = fleet(&db, &["downgrade", "-1", "--jobs", "1"]);
        command.env("FAILPOINTS", format!("{point}={steps}*off->panic"));
        let output = command.output().unwrap();
        if output.status.code().is_some() {
            assert!(output.status.success(), "after {steps}: {}", said(&output));
            break;
        }
        assert_whole(&db, 2);
        if outcome(&db) == "running" {
            let resumed: Value = json(fleet(&db, &["resume"]), 0);
            assert_eq!(resumed["counts"]["done"], 2, "after {steps}: {resumed:#}");
        }
        for number in 1..=2 {
            // One back, and never two.
            assert_eq!(target(&db, number).1, ["0001", "0002"], "after {steps}");
        }
        steps += 1;
    }
    assert!(steps > 3, "only {steps} steps: are the fail points there?");
}
