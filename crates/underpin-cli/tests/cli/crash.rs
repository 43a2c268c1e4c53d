//! A run that dies at any of its steps: the next one comes to the same end.

use std::{fs, time::Duration};

use rstest::rstest;
use underpin_testkit::{Dialect, TestDb};

use crate::{State, fixture, folder, said, state, succeed, underpin, write_migration};

#[cfg(not(feature = "failpoints"))]
compile_error!(
    "these tests need fail points: `scripts/test`, or `--features underpin-cli/failpoints`"
);

/// Kills itself, as by `kill -9`, when it has passed `steps` of its numbered steps.
fn dies_after(db: &TestDb, steps: usize, args: &[&str]) -> bool {
    let mut command = underpin(db, args);
    command.env("FAILPOINTS", format!("underpin::step={steps}*off->panic"));
    let output = command.output().unwrap();
    let died = output.status.code().is_none();
    assert!(died || output.status.success(), "after {steps}: {}", said(&output));
    died
}

/// [`state`] without the times at which a migration ran.
fn timeless(db: &TestDb) -> State {
    let (mut tables, versions) = state(db);
    for row in tables.get_mut("api_tokens").into_iter().flatten() {
        if let Some((start, rest)) = row.split_once("\"revoked_at\":") {
            let value = rest.find([',', '}']).unwrap();
            let kept = if rest[..value].to_lowercase().contains("null") { "no" } else { "yes" };
            *row = format!("{start}\"revoked_at\":{kept}{}", &rest[value..]);
        }
    }
    (tables, versions)
}

/// Prepares a database, kills `args` after each of its steps in turn, and expects of `again` that
/// it comes to where the undisturbed run came.
fn survive(prepare: impl Fn() -> TestDb, args: &[&str], again: &[&str]) {
    let undisturbed = prepare();
    succeed(&undisturbed, args);
    let expected = timeless(&undisturbed);
    let mut steps = 0;
    loop {
        let db = prepare();
        if !dies_after(&db, steps, args) {
            break;
        }
        succeed(&db, again);
        assert_eq!(timeless(&db), expected, "after {steps} steps");
        succeed(&db, &[&args[..2], &["check"]].concat());
        steps += 1;
    }
    assert!(steps > 3, "only {steps} steps: are the fail points there?");
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn building_an_empty_database(#[case] dialect: Dialect) {
    let prepare = || {
        let db = TestDb::new(dialect);
        folder(&db, 2);
        db
    };
    let upgrade = ["--migrations", "migrations", "upgrade"];
    survive(prepare, &upgrade, &upgrade);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn upgrading_a_live_database(#[case] dialect: Dialect) {
    let prepare = || {
        let db = TestDb::new(dialect);
        folder(&db, 3);
        succeed(&db, &["--migrations", "migrations", "upgrade", "+1"]);
        db
    };
    let upgrade = ["--migrations", "migrations", "upgrade"];
    survive(prepare, &upgrade, &upgrade);
}

/// A downgrade that died is finished by saying where it went, not by taking one more back.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn taking_migrations_back(#[case] dialect: Dialect) {
    let prepare = || {
        let db = TestDb::new(dialect);
        folder(&db, 3);
        succeed(&db, &["--migrations", "migrations", "upgrade"]);
        db
    };
    let undisturbed = prepare();
    let down = ["--migrations", "migrations", "downgrade", "0001"];
    succeed(&undisturbed, &down);
    let expected = state(&undisturbed);
    let mut steps = 0;
    loop {
        let db = prepare();
        if !dies_after(&db, steps, &down) {
            break;
        }
        succeed(&db, &down);
        assert_eq!(state(&db), expected, "after {steps} steps");
        steps += 1;
    }
    assert!(steps > 3);
}

/// Adopting, mapping and rebuilding a real file.
#[test]
fn adopting_and_upgrading_a_file_of_the_original_bot() {
    let prepare = || TestDb::copy_of(&fixture("rosey_v050.db"));
    let upgrade = ["--set", "bot", "upgrade"];
    survive(prepare, &upgrade, &upgrade);
}

#[test]
fn adopting_and_upgrading_a_file_of_the_original_project_program() {
    let prepare = || TestDb::copy_of(&fixture("cdd_project_1.db"));
    let upgrade = ["--set", "project", "upgrade"];
    survive(prepare, &upgrade, &upgrade);
}

/// Before the code, within it, and between it and the history.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_migration_that_runs_code(#[case] dialect: Dialect) {
    let prepare = || {
        let db = TestDb::new(dialect);
        succeed(&db, &["--set", "bot", "upgrade", "20261121090100"]);
        db.batch(
            "INSERT INTO api_tokens (token, created_at, is_active)
             VALUES ('a token in clear', 1, TRUE), ('and one revoked', 2, FALSE);
             UPDATE channel_stats SET last_updated = 1; UPDATE current_status SET last_updated = 1",
        );
        db
    };
    let upgrade = ["--set", "bot", "upgrade"];
    survive(prepare, &upgrade, &upgrade);
}

/// Outside a transaction a run that died is named, and goes on with `--resume`; statements that can
/// be repeated make the end the same wherever it died.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_script_outside_a_transaction(#[case] dialect: Dialect) {
    let prepare = || {
        let db = TestDb::new(dialect);
        let dir = folder(&db, 1);
        let concurrently = if dialect == Dialect::Postgres { "CONCURRENTLY" } else { "" };
        let up = format!(
            "CREATE INDEX {concurrently} IF NOT EXISTS a ON t1 (text);\n\
             CREATE INDEX {concurrently} IF NOT EXISTS b ON t1 (text, id);\n"
        );
        write_migration(&dir, "0002_indexes", &up, "DROP INDEX a; DROP INDEX b;");
        fs::write(dir.join("0002_indexes/metadata.toml"), "run_in_transaction = false\n").unwrap();
        succeed(&db, &["--migrations", "migrations", "upgrade", "+1"]);
        db
    };
    let upgrade = ["--migrations", "migrations", "upgrade"];
    survive(prepare, &upgrade, &["--migrations", "migrations", "upgrade", "--resume"]);
}

/// At any time, not only at our steps.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn killed_at_random_times(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    folder(&db, 300);
    let upgrade = ["--migrations", "migrations", "upgrade"];
    let mut milliseconds = (1_u64..).map(|round| round * 7 % 40);
    let mut killed = 0;
    succeed(&db, &["--migrations", "migrations", "upgrade", "+1"]);
    for _ in 0..12 {
        let mut child =
            underpin(&db, &upgrade).stdout(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds.next().unwrap()));
        killed += usize::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        let (tables, versions) = state(&db);
        assert_eq!(tables.len(), versions.len(), "a script and its history part");
        assert!(tables.values().all(|rows| rows.len() == 1));
    }

    succeed(&db, &upgrade);

    assert!(killed > 3, "only {killed} were killed");
    assert_eq!(state(&db).1.len(), 300);
    succeed(&db, &["--migrations", "migrations", "check"]);
}

/// The whole migration is with the server already, commit included, when its runner dies.
#[test]
fn the_server_does_not_go_on_for_a_runner_that_was_killed() {
    let db = TestDb::new(Dialect::Postgres);
    let dir = folder(&db, 1);
    succeed(&db, &["--migrations", "migrations", "upgrade"]);
    write_migration(&dir, "0002_slow", "CREATE TABLE slow (id INTEGER); SELECT pg_sleep(4);", "");
    let mut child = underpin(&db, &["--migrations", "migrations", "upgrade"]).spawn().unwrap();
    std::thread::sleep(Duration::from_secs(1));
    child.kill().unwrap();
    child.wait().unwrap();

    std::thread::sleep(Duration::from_secs(5));

    assert_eq!(state(&db).1, ["0001"]);
    assert_eq!(db.dump().len(), 1);
}

/// A killed writer leaves a journal, and whoever only reads must not fail over it.
#[test]
fn a_file_with_a_journal_left_behind_can_be_read() {
    let db = TestDb::new(Dialect::Sqlite);
    folder(&db, 1);
    succeed(&db, &["--migrations", "migrations", "upgrade"]);
    // What a crash in the middle of a transaction leaves: the old pages in the journal, new ones in
    // the file. Both are copied while the writer is at work.
    let copy = TestDb::new(Dialect::Sqlite);
    let writer = "PRAGMA cache_size = 1; BEGIN; WITH RECURSIVE c (n) AS (SELECT 2 UNION ALL \
                  SELECT n + 1 FROM c WHERE n < 2000) INSERT INTO t1 SELECT n, hex(zeroblob(500)) FROM c;";
    let shell = format!(
        "{writer}\n.shell cp {0} {1}\n.shell cp {0}-journal {1}-journal\n",
        db.file().display(),
        copy.file().display()
    );
    let script = db.dir().join("writer.sql");
    fs::write(&script, shell).unwrap();
    let mut sqlite3 = std::process::Command::new("sqlite3");
    let status = sqlite3.arg(db.file()).stdin(fs::File::open(&script).unwrap()).status();
    assert!(status.unwrap().success());
    assert!(copy.file().with_extension("db-journal").exists());
    folder(&copy, 1);

    let output = succeed(&copy, &["--migrations", "migrations", "current"]);

    assert_eq!(output, "0001 (head)\n");
    assert_eq!(copy.texts("SELECT CAST(count(*) AS TEXT) FROM t1"), ["1"]);
}
