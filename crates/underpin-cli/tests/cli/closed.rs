//! Whoever reads a command may go at any time: the command goes on to its end, and ends as it would have.

use std::process::{Command, Stdio};

use rstest::rstest;
use underpin_testkit::{Dialect, TestDb};

use crate::{bare, folder, state, underpin, write_migration};

/// Every verb, with what succeeds, what is refused and what fails.
const SESSION: [&[&str]; 24] = [
    &["check"],
    &["upgrade", "--dry-run"],
    &["upgrade", "--sql"],
    &["upgrade", "+1"],
    &["upgrade"],
    &["upgrade"],
    &["current"],
    &["check"],
    &["history"],
    &["heads"],
    &["redo"],
    &["adopt"],
    &["repair", "0001", "--reason", "none"],
    &["stamp", "0001"],
    &["downgrade", "-2", "--dry-run"],
    &["downgrade", "-1"],
    &["downgrade", "base"],
    &["downgrade", "base", "--yes"],
    &["upgrade", "0009"],
    &["nonsense"],
    &["--help"],
    &["upgrade", "--help"],
    &["--version"],
    &["revision", "-m", "one more"],
];

/// A pipe whose other end is closed already.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

/// A pipe whose reader takes one line and goes, as `head -1` does.
fn one_line() -> Stdio {
    use std::io::BufRead as _;
    let (reader, writer) = std::io::pipe().unwrap();
    std::thread::spawn(move || {
        let mut line = String::new();
        std::io::BufReader::with_capacity(1, reader).read_line(&mut line).unwrap();
    });
    writer.into()
}

type Ends = fn(&mut Command);

const WAYS: [Ends; 3] = [
    |command| {
        command.stderr(closed());
    },
    |command| {
        command.stdout(closed()).stderr(closed());
    },
    |command| {
        command.stdout(one_line()).stderr(one_line());
    },
];

/// The exit codes of the session, and the database after each command.
fn session(
    dialect: Dialect,
    form: &[&str],
    ends: Ends,
) -> Vec<(i32, impl PartialEq + std::fmt::Debug)> {
    let db = TestDb::new(dialect);
    db.batch("SELECT 1");
    let dir = folder(&db, 4);
    write_migration(&dir, "0005_broken", "SELECT * FROM nowhere;", "");
    let run = |args: &&[&str]| {
        let all = [&["--migrations", "migrations"], form, args].concat();
        let mut command = underpin(&db, &all);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        ends(&mut command);
        let status = command.status().unwrap();
        (status.code().unwrap_or(-1), state(&db))
    };
    SESSION.iter().map(run).collect()
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_command_ends_as_it_does_when_somebody_reads_it(#[case] dialect: Dialect) {
    for form in [&["-v"][..], &["-vv", "--json"]] {
        let read = session(dialect, form, |_| ());
        for (number, ends) in WAYS.into_iter().enumerate() {
            let unread = session(dialect, form, ends);
            for ((args, read), unread) in SESSION.iter().zip(&read).zip(unread) {
                assert_eq!(*read, unread, "{form:?} {args:?}, way {number}");
            }
        }
    }
}

/// What was asked for is done, and that nobody can be told is an error of its own.
#[test]
fn a_full_disk_behind_standard_output_is_told() {
    let db = TestDb::new(Dialect::Sqlite);
    folder(&db, 2);
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();

    let mut command = underpin(&db, &["--migrations", "migrations", "upgrade"]);
    let output = command.stdout(full).output().unwrap();

    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("the command is done, but what it has to say could not be written"));
    assert_eq!(state(&db).1, ["0001", "0002"]);
}

/// A script that reads JSON gets JSON, also when it is called wrongly.
#[rstest]
#[case::no_command(&["--json"])]
#[case::no_such_command(&["--json", "upgrad"])]
#[case::no_such_flag(&["upgrade", "--json", "--dry"])]
#[case::a_value_that_is_none(&["--json", "--lock-wait", "soon", "upgrade"])]
#[case::two_that_exclude_each_other(&["--json", "upgrade", "--sql"])]
#[case::too_much(&["current", "--json", "now"])]
#[case::a_value_that_is_missing(&["--json", "repair", "0001"])]
#[case::in_a_fleet(&["fleet", "--json", "nonsense"])]
fn with_json_a_wrong_call_is_a_document_as_well(#[case] args: &[&str]) {
    let output = bare(args).output().unwrap();

    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &document["exit"]), (Some(2), &serde_json::json!(2)));
    let text = document["error"].as_str().unwrap();
    assert!(!text.is_empty() && !text.starts_with("error"), "{text}");
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("error: "), "{text}");
}
