//! What is no file for a database, and names that a terminal would obey.

use std::{
    fs,
    os::unix::{
        fs::{PermissionsExt as _, symlink},
        net::UnixListener,
    },
    process::Command,
    time::{Duration, Instant},
};

use rstest::rstest;
use underpin_testkit::{Dialect, TestDb};

use super::{each, file, fleet, json, targets};
use crate::{folder, said, underpin};

/// Makes something else in the place of target 2.
fn put(db: &TestDb, kind: &str) -> Option<UnixListener> {
    let path = file(db, 2);
    fs::remove_file(&path).unwrap();
    match kind {
        "pipe" => {
            assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        }
        "socket" => return Some(UnixListener::bind(&path).unwrap()),
        "directory" => fs::create_dir(&path).unwrap(),
        "device" => symlink("/dev/zero", &path).unwrap(),
        "terminal" => symlink("/dev/ptmx", &path).unwrap(),
        "dangling link" => symlink("nothing", &path).unwrap(),
        "link to itself" => symlink(path.file_name().unwrap(), &path).unwrap(),
        "text" => fs::write(&path, "a text, whatever its name says").unwrap(),
        other => panic!("{other}"),
    }
    None
}

/// It is named, and nothing waits for it: the others are done, or the limit stops the run.
#[rstest]

fn what_is_no_file_is_named_and_the_others_are_done(
    #[values(
        "pipe",
        "socket",
        "directory",
        "device",
        "terminal",
        "dangling link",
        "link to itself",
        "text"
    )]
    kind: &str,
) {
    let db = targets(Dialect::Sqlite, 3);
    folder(&db, 2);
    let _held = put(&db, kind);
    let start = Instant::now();

    let status = json(fleet(&db, &["status"]), 0);
    let plan = json(fleet(&db, &["plan"]), 1);
    let limited = json(fleet(&db, &["upgrade"]), 1);
    let done = json(fleet(&db, &["upgrade", "--continue-on-error"]), 1);
    let retried = json(fleet(&db, &["retry-failed"]), 1);

    assert_eq!(status["targets"][1]["state"], "broken", "{kind}: {status:#}");
    assert!(
        status["targets"][1]["reason"].as_str().unwrap().contains("project_2.db"),
        "{status:#}"
    );
    assert!(plan["targets"][1]["error"].as_str().unwrap().contains("project_2.db"), "{plan:#}");
    assert_eq!(each(&limited, "state"), ["waiting", "failed", "waiting"], "{kind}");
    assert_eq!(each(&done, "state"), ["done", "failed", "done"], "{kind}: {done:#}");
    assert_eq!(each(&retried, "state"), ["failed"], "{kind}: {retried:#}");
    assert!(start.elapsed() < Duration::from_secs(40), "{kind}: {:?}", start.elapsed());
}

/// For root every file is readable, so this is a file of another user only for another user.
#[test]
fn a_file_without_rights_is_named() {
    let db = targets(Dialect::Sqlite, 3);
    folder(&db, 1);
    fs::set_permissions(file(&db, 2), fs::Permissions::from_mode(0o000)).unwrap();

    let done = json(fleet(&db, &["upgrade", "--continue-on-error"]), 1);

    assert_eq!(each(&done, "state"), ["done", "failed", "done"], "{done:#}");
}

/// A report, a journal and a list are files.
#[rstest]
#[case::a_report(&["upgrade", "--sqlite", "data/project_*.db", "--html", "pipe"])]
#[case::a_journal(&["upgrade", "--sqlite", "data/project_*.db", "--journal", "pipe"])]
#[case::an_old_journal(&["report", "--journal", "pipe"])]
#[case::a_list(&["plan", "--targets", "pipe"])]
fn nothing_waits_for_a_pipe(#[case] args: &[&str]) {
    let db = targets(Dialect::Sqlite, 1);
    folder(&db, 1);
    assert!(Command::new("mkfifo").arg(db.dir().join("pipe")).status().unwrap().success());

    let all = [&["fleet"], args, &["--migrations", "migrations"]].concat();
    let output = underpin(&db, &all).output().unwrap();

    let text = said(&output);
    assert!([Some(1), Some(2)].contains(&output.status.code()), "{text}");
    assert!(text.contains("pipe") && !text.contains("panicked"), "{text}");
}

/// A pattern begins in the working directory, whose name is a name and no pattern.
#[test]
fn a_working_directory_may_be_called_like_a_pattern() {
    let db = targets(Dialect::Sqlite, 1);
    folder(&db, 1);
    let odd = db.dir().join("[1] ?*");
    fs::create_dir(&odd).unwrap();
    for name in ["data", "migrations"] {
        fs::rename(db.dir().join(name), odd.join(name)).unwrap();
    }
    let mut command = fleet(&db, &["upgrade"]);
    command.current_dir(&odd);

    assert_eq!(each(&json(command, 0), "state"), ["done"]);
}

/// Names with escapes, ends of lines and turned directions.
const ODD: [&str; 4] = ["a\u{1b}[31mb", "a\nb", "a\rb", "a\u{202e}b"];

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn no_output_obeys_a_name(#[case] dialect: Dialect) {
    let db = targets(dialect, 0);
    folder(&db, 1);
    for name in ODD {
        match dialect {
            // One is a target that fails, one is skipped.
            Dialect::Sqlite => {
                fs::write(
                    db.dir().join(format!("data/project_{name}.db")),
                    "a text of some length",
                )
                .unwrap();
            }
            Dialect::Postgres => db.batch(&format!(
                "CREATE SCHEMA \"project_{name}\"; CREATE TABLE \"project_{name}\".t1 (other TEXT)"
            )),
        }
    }
    fs::write(db.dir().join("data/project_1.db"), "").unwrap();
    if dialect == Dialect::Postgres {
        db.batch("CREATE SCHEMA project_1");
    }
    let any: &[&str] = &["--any-name", "--continue-on-error", "--html", "report.html"];
    for args in [
        &["status"][..],
        &["status", "--any-name"],
        &["plan", "--any-name"],
        &[&["upgrade"], any].concat(),
        &["report"],
        &["retry-failed", "--any-name"],
    ] {
        let output = fleet(&db, args).output().unwrap();
        let text = said(&output);
        let odd = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!text.contains(odd), "{args:?}: {text:?}");
        let names = text.contains("a\\u{1b}[31mb") && text.contains("a\\nb");
        // What is alike is told together.
        let together = args.contains(&"status") || args.contains(&"plan");
        assert!(names || together, "{args:?}: {text}");
        assert!(
            !text.lines().any(|line| line.starts_with("b.db") || line == "b"),
            "{args:?}: {text}"
        );
    }
    let page = fs::read_to_string(db.dir().join("report.html")).unwrap();
    assert!(!page.contains(['\u{1b}', '\r', '\u{202e}']) && page.contains("a\\nb"), "{page}");
}
