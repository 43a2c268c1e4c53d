//! Wrong input: one clear message, the right exit code, nothing lost, no password.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use rstest::rstest;
use underpin_testkit::{Dialect, TestDb};

use crate::{bare, fixture, folder, said, state, succeed, underpin};

#[rstest]
#[case::nothing("", 2, "no database given")]
#[case::no_url("nonsense", 2, "expected a database URL, found no scheme")]
#[case::another_database(
    "mysql://me:hunter2@h/x",
    2,
    "expected a database URL, found the scheme `mysql`"
)]
#[case::a_secret_without_a_scheme("hunter2@h/x", 2, "expected a database URL, found no scheme")]
#[case::a_port_out_of_range(
    "postgres://me:hunter2@h:99999/x",
    2,
    "invalid value for option `port`"
)]
#[case::no_such_mode("postgres://me:hunter2@h/x?sslmode=foo", 2, "expected `sslmode` disable")]
#[case::nobody_there(
    "postgres://me:hunter2@127.0.0.1:1/x",
    1,
    "cannot reach PostgreSQL at me@127.0.0.1:1/x"
)]
#[case::no_such_host("postgres://me:hunter2@no-such-host.invalid/x", 1, "cannot reach PostgreSQL")]
#[case::no_such_socket("postgres://me:hunter2@%2Fno%2Fsuch%2Fdir/x", 1, "cannot reach PostgreSQL")]
#[case::no_directory("sqlite:no/such/dir/x.db", 2, "no/such/dir")]
#[case::no_file(
    "sqlite:missing.db",
    2,
    "no database `missing.db`: create it with `underpin upgrade`"
)]
#[case::a_directory("sqlite:.", 2, "`.` is a directory")]
#[case::an_option("sqlite:x.db?mode=ro", 2, "`?mode=ro` is not understood")]
fn a_wrong_url(#[case] url: &str, #[case] code: i32, #[case] message: &str) {
    let db = TestDb::new(Dialect::Sqlite);
    let mut command = bare(&["--set", "bot", "current"]);
    command.current_dir(db.dir());
    if !url.is_empty() {
        command.env("DATABASE_URL", url);
    }

    let output = command.output().unwrap();

    let text = said(&output);
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(text.starts_with("error: ") && text.contains(message), "{text}");
    assert!(!text.contains("hunter2") && !text.contains("panicked"), "{text}");
    assert!(output.stdout.is_empty());
    assert_eq!(fs::read_dir(db.dir()).unwrap().count(), 0, "nothing was created");
}

#[rstest]
#[case::no_migrations(&["upgrade"], "no migrations given")]
#[case::no_folder(&["--migrations", "nowhere", "upgrade"], "no folder `nowhere`")]
#[case::no_such_version(&["--set", "bot", "upgrade", "99"], "no migration of set `bot` begins with `99`")]
#[case::two_versions(&["--set", "bot", "upgrade", "2026"], "give more digits")]
#[case::up_with_minus(&["--set", "bot", "upgrade", "--", "-1"], "expected head, +N or a version, found `-1`")]
#[case::down_with_plus(&["--set", "bot", "downgrade", "+1"], "expected -N, base or a version, found `+1`")]
#[case::no_number(&["--set", "bot", "upgrade", "+many"], "expected head, +N or a version, found `+many`")]
#[case::no_such_set(&["--set", "cat", "upgrade"], "invalid value 'cat'")]
#[case::set_and_folder(&["--set", "bot", "--migrations", "x", "upgrade"], "cannot be used with")]
#[case::no_message(&["--set", "bot", "revision"], "--message <TEXT>")]
#[case::an_empty_message(&["--migrations", ".", "revision", "-m", "!!"], "expected letters or digits")]
fn wrong_usage(#[case] args: &[&str], #[case] message: &str) {
    let db = TestDb::new(Dialect::Sqlite);
    db.batch("SELECT 1");

    let output = underpin(&db, args).output().unwrap();

    let text = said(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains(message), "{text}");
}

#[test]
fn a_wrong_password_and_a_missing_database_are_told_apart() {
    let db = TestDb::new(Dialect::Postgres);
    let missing = format!("{}_missing", db.url());
    for (url, message) in [
        (missing, "_missing\" does not exist"),
        (
            db.url()
                .replacen("postgres://", "postgres://nobody_of_that_name:hunter2@", 1)
                .replacen(&db.url()["postgres://".len()..=db.url().find('@').unwrap()], "", 1),
            "nobody_of_that_name",
        ),
    ] {
        let output = bare(&["--set", "bot", "upgrade"]).env("DATABASE_URL", url).output().unwrap();

        let text = said(&output);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains("refused the connection") && text.contains(message), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
}

/// Root may write anything, so the program runs as somebody else when the tests run as root.
fn as_nobody(command: std::process::Command) -> std::process::Command {
    use std::os::unix::fs::MetadataExt as _;
    if fs::metadata("/proc/self").is_ok_and(|own| own.uid() != 0) {
        return command;
    }
    let mut other = std::process::Command::new("setpriv");
    other.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
    other.arg(command.get_program()).args(command.get_args()).env_clear();
    other.envs(command.get_envs().filter_map(|(key, value)| Some((key, value?))));
    other.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    other.current_dir(command.get_current_dir().unwrap());
    other
}

fn allow(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_file_that_may_not_be_written() {
    let db = TestDb::copy_of(&fixture("rosey_v050.db"));
    let program = db.dir().join("underpin");
    fs::copy(env!("CARGO_BIN_EXE_underpin"), &program).unwrap();
    allow(&program, 0o755);
    allow(db.dir(), 0o755);
    allow(&db.file(), 0o444);
    let before = fs::read(db.file()).unwrap();
    let run = |args: &[&str]| {
        let mut command = std::process::Command::new(&program);
        command.args(args).env_clear().env("DATABASE_URL", db.url()).current_dir(db.dir());
        as_nobody(command).output().unwrap()
    };

    let output = run(&["--set", "bot", "upgrade"]);

    let text = said(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("test.db` is read-only: allow writing, or use another copy"), "{text}");
    assert_eq!(fs::read(db.file()).unwrap(), before);
    let reading = run(&["--set", "bot", "current"]);
    assert_eq!(reading.status.code(), Some(0), "reading is allowed: {}", said(&reading));
}

#[rstest]
#[case::text(b"this is not a database, but it is long enough to be looked at as one".as_slice())]
#[case::a_truncated_header(b"SQLite format 3\0".as_slice())]
fn a_file_that_is_no_database(#[case] content: &[u8]) {
    let db = TestDb::new(Dialect::Sqlite);
    fs::write(db.file(), content).unwrap();

    let output = underpin(&db, &["--set", "bot", "upgrade"]).output().unwrap();

    let text = said(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("test.db` is not an SQLite database"), "{text}");
    assert_eq!(fs::read(db.file()).unwrap(), content);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_run_that_was_killed_leaves_a_database_that_the_next_run_finishes(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    folder(&db, 400);
    succeed(&db, &["--migrations", "migrations", "upgrade", "+1"]);
    let mut child = underpin(&db, &["--migrations", "migrations", "upgrade"]).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(60));
    child.kill().unwrap();
    child.wait().unwrap();
    let (tables, versions) = state(&db);
    assert_eq!(tables.len(), versions.len());

    succeed(&db, &["--migrations", "migrations", "upgrade"]);

    assert_eq!(state(&db).1.len(), 400);
}

/// Taking the last one back is going to base, whatever it is called.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_takes_everything_back_asks_first(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    folder(&db, 2);
    succeed(&db, &["--migrations", "migrations", "upgrade"]);

    let output =
        underpin(&db, &["--migrations", "migrations", "downgrade", "-99"]).output().unwrap();

    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert_eq!(state(&db).1.len(), 2);
    succeed(&db, &["--migrations", "migrations", "downgrade", "-1"]);
    succeed(&db, &["--migrations", "migrations", "downgrade", "-1", "--yes"]);
    assert!(state(&db).1.is_empty());
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn redo_applies_what_it_took_back(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    let dir = folder(&db, 3);
    fs::rename(dir.join("0002_create_t2"), db.dir().join("late")).unwrap();
    succeed(&db, &["--migrations", "migrations", "upgrade"]);
    fs::rename(db.dir().join("late"), dir.join("0002_create_t2")).unwrap();

    succeed(&db, &["--migrations", "migrations", "redo"]);

    assert_eq!(state(&db).1, ["0001", "0003"]);
}

/// A script that reads JSON gets JSON, however the run ends.
#[test]
fn with_json_an_error_is_a_document_as_well() {
    let db = TestDb::new(Dialect::Sqlite);

    let output = underpin(&db, &["--set", "bot", "--json", "current"]).output().unwrap();

    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["exit"], 2);
    assert!(document["error"].as_str().unwrap().starts_with("no database "), "{document}");
}

/// Something that accepts and never answers.
#[test]
fn a_server_that_says_nothing_is_not_waited_for_without_end() {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = format!("postgres://me@127.0.0.1:{port}/x?connect_timeout=1");

    let output = bare(&["--set", "bot", "current"]).env("DATABASE_URL", url).output().unwrap();

    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("no answer in 1 s"), "{}", said(&output));
}

#[test]
fn what_a_wrong_word_holds_is_not_obeyed_by_a_terminal() {
    for words in [["current", "\u{1b}[31m"], ["\u{202e}heads", "x"], ["--set", "\u{9b}31m"]] {
        let output = bare(&words).output().unwrap();

        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said:?}");
        assert!(
            said.contains("\\u{") && !said.contains(['\u{1b}', '\u{9b}', '\u{202e}']),
            "{said:?}"
        );
    }
}
