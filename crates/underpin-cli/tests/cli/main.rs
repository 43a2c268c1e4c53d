//! The `underpin` program, as a person or a script meets it.
//!
//! Snapshots are files in `snapshots/`; both dialects share one, because they say the same. After a
//! change that is meant, run the tests with `INSTA_UPDATE=always` and read the difference.

#![expect(clippy::unwrap_used, reason = "a test ends where its ground is missing")]

mod closed;
mod code;
mod crash;
mod dry_run;
mod fleet;
mod help;
mod mistakes;
mod output;
mod pooler;
mod revision;
mod script;
mod starters;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use underpin_testkit::TestDb;

/// The program without anything that the tests' own environment says.
fn bare(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_underpin"));
    command.args(args).env_clear();
    command
}

/// The program on `db`.
fn underpin(db: &TestDb, args: &[&str]) -> Command {
    let mut command = bare(args);
    command.env("DATABASE_URL", db.url()).current_dir(db.dir());
    command
}

/// Runs it, and expects it to succeed.
fn succeed(db: &TestDb, args: &[&str]) -> String {
    let output = underpin(db, args).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// What a test compares: tables and rows, without the engine's own, and the versions applied.
type State = (BTreeMap<String, Vec<String>>, Vec<String>);

fn state(db: &TestDb) -> State {
    let known = db.tables().iter().any(|table| table == "__diesel_schema_migrations");
    let versions = "SELECT version FROM __diesel_schema_migrations ORDER BY version";
    (db.dump(), if known { db.texts(versions) } else { Vec::new() })
}

/// A folder of `count` migrations, each a table with a row, below the directory of `db`.
fn folder(db: &TestDb, count: usize) -> PathBuf {
    let dir = db.dir().join("migrations");
    for number in 1..=count {
        let up = format!(
            "CREATE TABLE t{number} (id INTEGER NOT NULL PRIMARY KEY, text TEXT);\n\
             INSERT INTO t{number} VALUES ({number}, 'a; b');\n"
        );
        write_migration(
            &dir,
            &format!("{number:04}_create_t{number}"),
            &up,
            &format!("DROP TABLE t{number};"),
        );
    }
    dir
}

fn write_migration(dir: &Path, name: &str, up: &str, down: &str) {
    let path = dir.join(name);
    fs::create_dir_all(&path).unwrap();
    fs::write(path.join("up.sql"), up).unwrap();
    fs::write(path.join("down.sql"), down).unwrap();
}

/// What the original bot wrote.
fn fixture(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "../underpin-migrations/tests/data", name].iter().collect()
}

/// Compares the exit code and all that a command says with the snapshot `name`.
fn assert_said(db: &TestDb, name: &str, command: Command) {
    assert_said_with(&settings(db), name, command);
}

fn assert_said_with(settings: &insta::Settings, name: &str, mut command: Command) {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = format!(
        "exit code {}\n--- stdout\n{}--- stderr\n{}",
        output.status.code().unwrap(),
        text(&output.stdout),
        text(&output.stderr)
    );
    settings.bind(|| insta::assert_snapshot!(name, said));
}

/// Replaces what differs from run to run.
fn settings(db: &TestDb) -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.add_filter(&db.dir().display().to_string(), "[DIR]");
    settings.add_filter(r"sqlite:\[DIR\]/test\.db|postgres://[^ ]+/test_[0-9_]+", "[URL]");
    settings.add_filter(r"\(\d+ ms\)", "([TIME])");
    settings.add_filter(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "[WHEN]");
    settings.add_filter(r"\[WHEN\], \d+ ms, by \S+ on \S+", "[WHEN], [TIME], by [WHO]");
    settings.add_filter(r#""(duration_ms|elapsed_ms)": \d+"#, r#""$1": "[TIME]""#);
    settings.add_filter(r#""(actor|host)": "[^"]+""#, r#""$1": "[WHO]""#);
    settings.add_filter(r"(?m)^  because: .*(UNIQUE|unique).*$", "  because: [UNIQUE]");
    settings.add_filter(r#""dialect": "\w+""#, r#""dialect": "[DIALECT]""#);
    settings
}
