//! Directories as the original's script met them: what it stamped unseen is looked at here.

use std::fs;

use underpin_testkit::{Dialect, TestDb};

use super::{each, files, fleet, json, targets};
use crate::{fixture, said, underpin};

const FLAGS: [&str; 4] = ["--sqlite", "data/project_*.db", "--set", "project"];

fn on_projects(db: &TestDb, args: &[&str]) -> std::process::Command {
    underpin(db, &[&["fleet"], args, &FLAGS].concat())
}

fn oddities() -> TestDb {
    let db = targets(Dialect::Sqlite, 0);
    let put = |name: &str, fixture_name: &str| {
        fs::copy(fixture(fixture_name), db.dir().join("data").join(name)).unwrap();
    };
    put("project_1.db", "cdd_project_1.db");
    put("project_2.db", "cdd_project_2.db");
    put("project_3.db", "cdd_project_3.db");
    put("project_4.db", "cdd_project_4_stamped.db");
    put("project_3_bak.db", "cdd_project_3.db");
    put("project_007.db", "cdd_project_1.db");
    put("project_9.db", "cdd_project_4_stamped.db");
    let write = |name: &str, content: &str| {
        fs::write(db.dir().join("data").join(name), content).unwrap();
    };
    write("project_5.db", "");
    write("project_8.db", "this is not a database, but long enough to be looked at");
    let batch = |number: usize, statements: &str| {
        db.batch(&format!("ATTACH '{}' AS it; {statements}", super::file(&db, number).display()));
    };
    batch(6, "CREATE TABLE it.strangers (id INTEGER)");
    batch(7, "CREATE TABLE it.alembic_version (version_num VARCHAR(32) NOT NULL)");
    batch(9, "UPDATE it.alembic_version SET version_num = 'ffffffffffff'");
    fs::create_dir(super::file(&db, 10)).unwrap();
    db
}

#[test]
fn the_good_ones_are_migrated_and_the_bad_ones_refused() {
    let db = oddities();
    let untouched = |path: &std::path::Path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        ["project_3_bak.db", "project_007.db", "project_6.db", "project_8.db"].contains(&name)
    };
    let mut before = files(db.dir());
    before.retain(|(path, _)| untouched(path));

    let report = json(on_projects(&db, &["upgrade", "--continue-on-error"]), 1);

    let ids = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"];
    let skipped = ["project_007.db", "project_3_bak.db"];
    assert_eq!(each(&report, "id"), [&ids[..], &skipped].concat());
    let good = "done done done done done failed done failed done failed skipped skipped";
    assert_eq!(each(&report, "state").join(" "), good, "{report:#}");
    let mut after = files(db.dir());
    after.retain(|(path, _)| untouched(path));
    assert_eq!(after, before);
    let status = json(on_projects(&db, &["status"]), 0);
    assert_eq!(status["counts"]["current"], 7, "{status:#}");
    assert_eq!(status["counts"]["broken"], 2, "{status:#}");
    assert_eq!(status["counts"]["unknown"], 1, "{status:#}");
    let messages = each(&report, "message");
    for (index, part) in [
        (5, "`strangers` is not known"),
        (7, "is not an SQLite database"),
        (9, "is a directory"),
        (10, "`007` is not how 7 is written: `--any-name` takes it"),
        (11, "`3_bak` is no number"),
    ] {
        assert!(messages[index].contains(part), "{part} in {}", messages[index]);
    }
}

/// By default the first failure stops the run, before anything was touched.
#[test]
fn the_first_failure_stops_the_run() {
    let db = oddities();
    let before = files(&db.dir().join("data"));

    let report = json(on_projects(&db, &["upgrade"]), 1);

    assert_eq!(report["outcome"], "stopped");
    assert_eq!(report["counts"]["done"], 0);
    let mut after = files(&db.dir().join("data"));
    after.retain(|(path, _)| !path.to_string_lossy().contains("underpin-fleet"));
    assert_eq!(after, before);
}

#[test]
fn adopting_stamps_what_is_proven_and_nothing_else() {
    let db = oddities();

    let report = json(on_projects(&db, &["adopt", "--continue-on-error"]), 1);

    let expected =
        "done done done done unchanged failed unchanged failed done failed skipped skipped";
    assert_eq!(each(&report, "state").join(" "), expected, "{report:#}");
    let status = json(on_projects(&db, &["status"]), 0);
    assert_eq!(each(&status, "version")[5..8], ["-", "-", "-"]);
    assert_eq!(each(&status, "version")[3], "20261121100000");
}

/// A copy of each file, before it is changed, and of no other.
#[test]
fn a_backup_is_the_file_before_the_run() {
    let db = targets(Dialect::Sqlite, 2);
    crate::folder(&db, 2);
    json(fleet(&db, &["upgrade", "+1"]), 0);
    let before = fs::read(super::file(&db, 1)).unwrap();

    let report = json(fleet(&db, &["upgrade", "--backup", "copies"]), 0);

    let mut copies = files(&db.dir().join("copies"));
    copies.retain(|(path, _)| !path.ends_with(".underpin-copies"));
    assert_eq!(copies.len(), 2);
    assert_eq!(copies[0].0.file_name().unwrap(), "1-project_1.db");
    let run = copies[0].0.parent().unwrap();
    assert_eq!(report["copies"].as_str().unwrap(), run.to_str().unwrap());
    let told = said(&fleet(&db, &["report"]).output().unwrap());
    assert!(told.contains(&format!("copies    in `{}`", run.display())), "{told}");
    let of = |bytes: &[u8]| {
        let copy = TestDb::new(Dialect::Sqlite);
        fs::write(copy.file(), bytes).unwrap();
        crate::state(&copy)
    };
    assert_eq!(of(&fs::read(&copies[0].0).unwrap()), of(&before));
}
