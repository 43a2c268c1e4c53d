//! Wrong usage: one clear message, exit 2, nothing made, no password.

use std::fs;

use rstest::rstest;
use underpin_testkit::{Dialect, TestDb};

use super::{fleet, json, last_line, on_target, targets};
use crate::{bare, folder, said, underpin};

#[rstest]
#[case::no_source(&["status"], "no databases given: use `--sqlite 'data/project_*.db'`")]
#[case::two_sources(&["status", "--sqlite", "x", "--from-registry"], "found `--sqlite` and `--from-registry`")]
#[case::no_directory(&["status", "--sqlite", "nowhere/project_*.db"], "no directory `nowhere`")]
#[case::an_empty_match(&["upgrade", "--sqlite", "data/task_*.db"], "no target found in files `data/task_*.db`")]
#[case::no_wildcard(&["upgrade", "--sqlite", "data/x.db"], "expected one `*`")]
#[case::only_other_names(&["upgrade", "--sqlite", "data/other_*.db"], "(1 skipped; `other_x.db`: `x` is no number: `--any-name` takes it)")]
#[case::a_broken_pattern(&["upgrade", "--sqlite", "data/project_*.[db"], "cannot be used")]
#[case::no_migrations(&["upgrade", "--sqlite", "data/project_*.db"], "no migrations given")]
#[case::schemas_of_sqlite(&["plan", "--postgres-schemas", "project_%"], "needs PostgreSQL")]
#[case::no_list(&["plan", "--targets", "missing"], "the list `missing` cannot be used")]
#[case::an_empty_list(&["plan", "--targets", "empty"], "no target found in the list `empty`")]
#[case::an_unreadable_list(&["plan", "--targets", "list"], "line 2: this PostgreSQL URL cannot be used")]
#[case::a_directory_as_list(&["plan", "--targets", "data"], "the list `data` cannot be used")]
#[case::no_registry(&["plan", "--from-registry"], "no registry of projects in sqlite:")]
#[case::too_many_percent(&["upgrade", "--max-failures", "101%"], "expected a number, or a share from 0% to 100%")]
#[case::no_number(&["upgrade", "--max-failures", "some"], "expected a number, or a share")]
#[case::two_limits(&["upgrade", "--max-failures", "3", "--continue-on-error"], "cannot be used with")]
#[case::no_jobs(&["upgrade", "--jobs", "0"], "0 is not in 1..=256")]
#[case::no_journal(&["report"], "no journal `underpin-fleet.journal`")]
#[case::nothing_to_resume(
    &["resume", "--sqlite", "data/project_*.db", "--set", "project"],
    "no journal `data/underpin-fleet.journal`"
)]
#[case::a_strange_version(
    &["upgrade", "99", "--sqlite", "data/project_*.db", "--set", "project"],
    "no migration of set `project` begins with `99`"
)]
fn wrong_usage(#[case] args: &[&str], #[case] message: &str) {
    let db = targets(Dialect::Sqlite, 2);
    fs::write(db.dir().join("data/other_x.db"), "").unwrap();
    fs::write(db.dir().join("empty"), "# nothing\n\n").unwrap();
    fs::write(db.dir().join("list"), "sqlite:a.db\npostgres://me:hunter2@h:99999/x\n").unwrap();
    let before = super::files(db.dir());

    let output = underpin(&db, &[&["fleet"], args].concat()).output().unwrap();

    let text = said(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains(message), "{text}");
    assert!(!text.contains("hunter2") && !text.contains("panicked"), "{text}");
    assert!(output.stdout.is_empty());
    assert_eq!(super::files(db.dir()), before);
}

#[test]
fn an_empty_match_of_schemas() {
    let db = targets(Dialect::Postgres, 0);
    folder(&db, 1);

    let output = fleet(&db, &["upgrade"]).output().unwrap();

    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("no target found in schemas `project_%` of postgres://"));
}

#[test]
fn no_backup_of_a_schema() {
    let db = targets(Dialect::Postgres, 1);
    folder(&db, 1);

    let output = fleet(&db, &["upgrade", "--backup", "copies"]).output().unwrap();

    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(!db.dir().join("copies").exists());
}

/// A directory and a text with matching names are counted as failed, and stay what they are.
#[test]
fn what_is_no_database_fails_and_is_not_touched() {
    let db = targets(Dialect::Sqlite, 1);
    folder(&db, 1);
    fs::create_dir(super::file(&db, 2)).unwrap();
    fs::write(super::file(&db, 3), "a text\n").unwrap();

    let report = json(fleet(&db, &["upgrade", "--max-failures", "70%"]), 1);

    assert_eq!(super::each(&report, "state"), ["done", "failed", "failed"]);
    assert_eq!(fs::read(super::file(&db, 3)).unwrap(), b"a text\n");
    assert_eq!(fs::read_dir(super::file(&db, 2)).unwrap().count(), 0);
}

#[rstest]
#[case::a_text("a text that is no journal, and long enough to be looked at".as_bytes())]
#[case::another_database(b"")]
fn a_journal_that_is_none(#[case] content: &[u8]) {
    let db = targets(Dialect::Sqlite, 1);
    folder(&db, 1);
    let journal = db.dir().join("journal");
    fs::write(&journal, content).unwrap();
    if content.is_empty() {
        db.batch(&format!("ATTACH '{}' AS j; CREATE TABLE j.x (id INTEGER)", journal.display()));
    }
    let before = fs::read(&journal).unwrap();

    for verb in ["upgrade", "report"] {
        let output = fleet(&db, &[verb, "--journal", "journal"]).output().unwrap();

        let text = said(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("the journal `journal` cannot be used"), "{text}");
        assert_eq!(fs::read(&journal).unwrap(), before);
        assert_eq!(fs::read(super::file(&db, 1)).unwrap(), b"", "the target was not touched");
    }
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_run_that_is_not_in_the_journal(#[case] dialect: Dialect) {
    let db = targets(dialect, 1);
    folder(&db, 1);
    json(fleet(&db, &["upgrade"]), 0);

    let output = fleet(&db, &["report", "9"]).output().unwrap();

    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("no run 9 in the journal"), "{}", said(&output));
    assert!(said(&output).contains("its runs are 1"), "{}", said(&output));
}

/// The next step names what was given, but for a password.
#[test]
fn the_next_step_tells_no_password() {
    let db = targets(Dialect::Postgres, 1);
    folder(&db, 1);
    on_target(&db, 1, "CREATE TABLE project_1.strange (id INTEGER)");
    let (start, rest) = db.url().split_once("://").unwrap();
    let rest = rest.rsplit_once('@').unwrap().1;
    let user = db.url()[start.len() + 3..].split(['@', ':']).next().unwrap();
    let secret = db.url()[start.len() + 3..].split(['@', ':']).nth(1).unwrap();
    let url = format!("postgres://{user}:{secret}@{rest}?application_name=hunter2");
    let args = [
        "fleet",
        "upgrade",
        "--postgres-schemas",
        "project_%",
        "--migrations",
        "migrations",
        "--allow-missing",
        "--continue-on-error",
        "--database-url",
    ];

    let output = bare(&[&args[..], &[&url]].concat()).current_dir(db.dir()).output().unwrap();

    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert_eq!(
        last_line(&output),
        "next: underpin fleet retry-failed --postgres-schemas 'project_%' --database-url … \
         --migrations migrations --allow-missing"
    );
    assert!(!said(&output).contains("hunter2"), "{}", said(&output));
}

/// A list may name databases of any place; none of its passwords is kept or shown.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_list_of_databases(#[case] dialect: Dialect) {
    let (db, other) = (TestDb::new(dialect), TestDb::new(dialect));
    folder(&db, 2);
    for one in [&db, &other] {
        one.batch("SELECT 1");
    }
    if dialect == Dialect::Sqlite {
        for one in [&db, &other] {
            fs::write(one.file(), "").unwrap();
        }
    }
    let list = format!("# all\n{}\n{} # twice\n{}\n", db.url(), db.url(), other.url());
    fs::write(db.dir().join("list"), list).unwrap();
    let args = ["--targets", "list", "--migrations", "migrations"];

    let report = json(underpin(&db, &[&["fleet", "upgrade"], &args[..]].concat()), 0);

    assert_eq!(super::each(&report, "state"), ["done", "done", "skipped"]);
    assert_eq!(crate::state(&other).1, ["0001", "0002"]);
    let user = db.url().split_once("://").and_then(|(_, rest)| rest.split_once('@'));
    let password = user.and_then(|(user, _)| user.split_once(':'));
    if let Some((_, password)) = password {
        let secret = format!(":{password}@");
        let journal = fs::read(db.dir().join("underpin-fleet.journal")).unwrap();
        assert!(!String::from_utf8_lossy(&journal).contains(&secret));
        assert!(!report.to_string().contains(&secret));
    }
}
