//! The report for people, and what is told of many failures.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
};

use rstest::rstest;
use underpin_testkit::Dialect;

use super::{file, files, fleet, targets};
use crate::{folder, said};

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn html_is_written_after_a_run_and_later(#[case] dialect: Dialect) {
    let db = targets(dialect, 3);
    folder(&db, 2);

    let run = fleet(&db, &["upgrade", "--html", "now.html"]).output().unwrap();
    let later = fleet(&db, &["report", "--html", "later.html"]).output().unwrap();

    assert!(run.status.success() && later.status.success(), "{}{}", said(&run), said(&later));
    let now = fs::read_to_string(db.dir().join("now.html")).unwrap();
    assert!(now.contains("Run 1: upgrade head") && now.contains("0002"), "{now}");
    assert_eq!(now, fs::read_to_string(db.dir().join("later.html")).unwrap());
}

#[test]
fn html_that_cannot_be_written_can_be_had_later() {
    let db = targets(Dialect::Sqlite, 1);
    folder(&db, 1);

    let output = fleet(&db, &["upgrade", "--html", "no/where.html"]).output().unwrap();

    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("run 1: upgrade head"), "the summary comes first: {text}");
    assert!(text.contains("`underpin fleet report 1 --html FILE` tries again"), "{text}");
}

/// Twenty are told; where the rest is, too.
#[test]
fn many_failures_are_told_in_part() {
    let db = targets(Dialect::Sqlite, 1);
    folder(&db, 1);
    for number in 2..=30 {
        fs::write(file(&db, number), "no database, but a text of some length").unwrap();
    }

    let output = fleet(&db, &["upgrade", "--max-failures", "29"]).output().unwrap();

    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(text.matches("is not an SQLite database").count(), 20, "{text}");
    let rest = "and 9 more: underpin fleet report 1 --sqlite 'data/project_*.db' --json";
    assert!(text.contains(rest), "{text}");
}

/// The journal alone tells: no target is looked at, and none has to be there.
#[test]
fn a_report_needs_only_the_journal() {
    let db = targets(Dialect::Sqlite, 2);
    folder(&db, 1);
    let run = fleet(&db, &["upgrade", "--journal", "kept"]).output().unwrap();
    fs::remove_dir_all(db.dir().join("data")).unwrap();

    let output = crate::underpin(&db, &["fleet", "report", "--journal", "kept"]).output().unwrap();

    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(output.stdout, run.stdout);
}

/// A report is its owner's alone, and replaces an older one whole, also behind a link.
#[test]
fn html_replaces_a_report() {
    let db = targets(Dialect::Sqlite, 1);
    folder(&db, 1);
    let at = |name: &str| db.dir().join(name);
    assert!(fleet(&db, &["upgrade", "--html", "old.html"]).output().unwrap().status.success());
    folder(&db, 2);
    assert!(fleet(&db, &["upgrade"]).output().unwrap().status.success());
    symlink("old.html", at("link.html")).unwrap();
    let write = |name: &str| fleet(&db, &["report", "--html", name]).output().unwrap();

    for name in ["new.html", "link.html", "new.html"] {
        let output = write(name);
        assert!(output.status.success(), "{name}: {}", said(&output));
        let mode = fs::metadata(at(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let text = said(&write("no/where.html"));
    assert!(text.contains("cannot write `no/where.html`"), "{text}");

    assert!(fs::read_to_string(at("old.html")).unwrap().contains("Run 2"));
    assert!(fs::symlink_metadata(at("link.html")).unwrap().is_symlink());
    let names = fs::read_dir(db.dir()).unwrap().map(|one| one.unwrap().file_name());
    assert!(!names.into_iter().any(|name| name.to_string_lossy().ends_with(".new")));
}

/// Whatever else is there stays, and nothing has begun when that is told.
#[rstest]
#[case::a_database("data/project_1.db", "an SQLite database")]
#[case::the_journal("data/underpin-fleet.journal", "an SQLite database")]
#[case::a_link_to_a_database("link.html", "an SQLite database")]
#[case::a_new_database("empty.html", "an empty file")]
#[case::a_page_of_somebody("page.html", "a file that is no report")]
#[case::a_directory("data", "a directory")]
#[case::a_link_to_nothing("dangling.html", "a link to nothing")]
fn html_replaces_nothing_else(#[case] name: &str, #[case] what: &str) {
    let db = targets(Dialect::Sqlite, 2);
    folder(&db, 1);
    let at = |name: &str| db.dir().join(name);
    assert!(fleet(&db, &["upgrade"]).output().unwrap().status.success());
    folder(&db, 2);
    symlink("data/project_1.db", at("link.html")).unwrap();
    symlink("nothing.html", at("dangling.html")).unwrap();
    fs::write(at("empty.html"), "").unwrap();
    fs::write(at("page.html"), "<!DOCTYPE html><title>Run 1</title>").unwrap();
    let look = || (files(&at("data")), fs::read(at(name)).ok(), at("nothing.html").exists());
    let before = look();

    for verb in ["upgrade", "report"] {
        let output = fleet(&db, &[verb, "--html", name]).output().unwrap();

        let text = said(&output);
        assert_eq!(output.status.code(), Some(2), "{verb}: {text}");
        assert!(text.contains(&format!("`--html {name}` would replace {what}")), "{text}");
        assert!(output.stdout.is_empty(), "{text}");
        assert_eq!(look(), before, "{verb}");
    }
}

/// The journal of a first run is made after the look at where the report is to go.
#[test]
fn html_replaces_no_journal_that_the_run_made() {
    let db = targets(Dialect::Sqlite, 1);
    folder(&db, 1);
    let journal = "data/underpin-fleet.journal";

    let output = fleet(&db, &["upgrade", "--html", journal]).output().unwrap();

    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("something else is there by now"), "{text}");
    let report = super::json(fleet(&db, &["report"]), 0);
    assert_eq!(report["counts"]["done"], 1, "{report:#}");
}
