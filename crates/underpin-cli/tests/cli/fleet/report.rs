//! The report for people, and what is told of many failures.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
};

use rstest::rstest;
use underpin_testkit::Dialect;

use super::{file, fleet, targets};
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

/// A report is its owner's alone, replaces an older one whole, and nothing that is no file.
#[test]
fn html_replaces_a_file_and_nothing_else() {
    let db = targets(Dialect::Sqlite, 1);
    folder(&db, 1);
    let at = |name: &str| db.dir().join(name);
    assert!(fleet(&db, &["upgrade"]).output().unwrap().status.success());
    fs::write(at("old.html"), "older").unwrap();
    symlink("old.html", at("link.html")).unwrap();
    symlink("nothing.html", at("dangling.html")).unwrap();
    fs::create_dir(at("directory.html")).unwrap();
    let write = |name: &str| fleet(&db, &["report", "--html", name]).output().unwrap();

    for name in ["new.html", "link.html"] {
        assert!(write(name).status.success(), "{name}");
        let mode = fs::metadata(at(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    for name in ["dangling.html", "directory.html", "no/where.html"] {
        let text = said(&write(name));
        assert!(text.contains(&format!("cannot write `{name}`")), "{text}");
    }

    assert!(fs::read_to_string(at("old.html")).unwrap().contains("Run 1"));
    assert!(
        fs::symlink_metadata(at("link.html")).unwrap().is_symlink() && !at("nothing.html").exists()
    );
    let names = fs::read_dir(db.dir()).unwrap().map(|one| one.unwrap().file_name());
    assert!(!names.into_iter().any(|name| name.to_string_lossy().ends_with(".new")));
}
