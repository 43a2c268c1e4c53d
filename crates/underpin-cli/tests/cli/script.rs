//! `--sql`: the database's own client comes to the same end, history rows included.

use std::process::{Command, Stdio};

use rstest::rstest;
use underpin_testkit::{Dialect, Level, TestDb};

use crate::{folder, said, state, succeed, underpin};

/// Runs a script with `sqlite3` or `psql`.
fn client(db: &TestDb, script: &str) {
    let mut command = match db.dialect() {
        Dialect::Sqlite => {
            let mut command = Command::new("sqlite3");
            command.arg("-batch").arg(db.file());
            command
        }
        Dialect::Postgres => {
            let mut command = Command::new("psql");
            command.args(["-X", "-q", "-f", "-", db.url()]);
            command
        }
    };
    let file = db.dir().join("script.sql");
    std::fs::write(&file, script).unwrap();
    let input = std::fs::File::open(&file).unwrap();
    let output = command.stdin(Stdio::from(input)).output().unwrap();
    assert!(output.status.success(), "{}\n{script}", said(&output));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{script}");
}

/// The history without what differs from run to run.
fn history(db: &TestDb) -> Vec<String> {
    db.texts(
        "SELECT set_name || version || name || action || checksum || outcome FROM underpin_history \
         ORDER BY id",
    )
}

#[rstest]
#[case::bot_from_nothing("bot", None, &["upgrade", "20261121090100"])]
#[case::bot_from_the_first("bot", Some("+1"), &["upgrade", "20261121090100"])]
#[case::bot_down("bot", Some("head"), &["downgrade", "-1"])]
#[case::bot_to_base("bot", Some("head"), &["downgrade", "base"])]
#[case::project_from_nothing("project", None, &["upgrade"])]
#[case::project_from_the_second("project", Some("+2"), &["upgrade"])]
#[case::project_down("project", Some("head"), &["downgrade", "-2"])]
fn the_client_comes_to_the_same_end(
    #[values(Dialect::Sqlite, Dialect::Postgres)] dialect: Dialect,
    #[case] set: &str,
    #[case] start: Option<&str>,
    #[case] args: &[&str],
) {
    let (ours, theirs) = (TestDb::new(dialect), TestDb::new(dialect));
    for db in [&ours, &theirs] {
        if let Some(start) = start {
            succeed(db, &["--set", set, "upgrade", start]);
        }
    }
    let script = succeed(&theirs, &[args, &["--set", set, "--sql"]].concat());

    client(&theirs, &script);
    let yes: &[&str] = if args.contains(&"base") { &["--yes"] } else { &[] };
    succeed(&ours, &[args, yes, &["--set", set]].concat());

    // Seeded rows carry the time at which they were made.
    let rows = |db: &TestDb| {
        let (tables, versions) = state(db);
        (tables.into_iter().map(|(name, rows)| (name, rows.len())).collect::<Vec<_>>(), versions)
    };
    assert_eq!(rows(&theirs), rows(&ours));
    assert_eq!(history(&theirs), history(&ours));
    succeed(&theirs, &["--set", set, "downgrade", "base", "--yes"]);
    succeed(&theirs, &["--set", set, "upgrade"]);
    succeed(&theirs, &["--set", set, "check"]);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_client_that_meets_an_error_stops_and_keeps_nothing(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    let dir = folder(&db, 1);
    succeed(&db, &["--migrations", "migrations", "upgrade"]);
    crate::write_migration(
        &dir,
        "0002_broken",
        "CREATE TABLE lost (id INTEGER); SELECT * FROM nothing",
        "",
    );
    let script = succeed(&db, &["--migrations", "migrations", "upgrade", "--sql"]);
    let before = state(&db);

    let file = db.dir().join("script.sql");
    std::fs::write(&file, script).unwrap();
    let mut command = match dialect {
        Dialect::Sqlite => {
            let mut command = Command::new("sqlite3");
            command.arg("-bail").arg(db.file()).stdin(std::fs::File::open(&file).unwrap());
            command
        }
        Dialect::Postgres => {
            let mut command = Command::new("psql");
            command.args(["-X", "-q", "-f"]).arg(&file).arg(db.url());
            command
        }
    };
    let output = command.output().unwrap();

    assert!(!output.status.success());
    assert_eq!(state(&db), before);
    let again = underpin(&db, &["--migrations", "migrations", "current"]).output().unwrap();
    assert_eq!(again.status.code(), Some(0), "{}", said(&again));
}

/// What a migration leaves in the client's session, and what the role starts with, changes nothing of what
/// follows.
#[test]
fn each_migration_of_it_is_alone_with_its_session_postgres() {
    let (ours, theirs) = (TestDb::with_login(), TestDb::with_login());
    for db in [&ours, &theirs] {
        db.start_with(Level::Role, "default_transaction_read_only", "on");
        db.start_with(Level::Role, "standard_conforming_strings", "off");
        db.batch(&format!("GRANT pg_monitor TO {}", db.login().unwrap()));
        let dir = folder(db, 1);
        let leaves = "CREATE TEMPORARY TABLE t1 (id INTEGER, text TEXT); PREPARE mine AS SELECT 1; \
             SET search_path TO pg_temp, public; SET lock_timeout = 77; SET ROLE pg_monitor";
        let looks = "INSERT INTO t1 VALUES (7, 'a\\'); CREATE TABLE seen AS SELECT current_user = session_user \
             AS same, current_setting('lock_timeout') = '77ms' AS kept, current_setting('search_path') AS path, \
             (SELECT count(*) FROM pg_prepared_statements) AS prepared";
        crate::write_migration(&dir, "0002_leaves", leaves, "");
        crate::write_migration(&dir, "0003_looks", looks, "");
        crate::write_migration(&dir, "0004_outside", leaves, "");
        let metadata = dir.join("0004_outside").join("metadata.toml");
        std::fs::write(metadata, "run_in_transaction = false\n").unwrap();
        crate::write_migration(
            &dir,
            "0005_looks",
            &looks.replace("seen", "seen_later").replace("(7,", "(8,"),
            "",
        );
    }
    let all = ["--migrations", "migrations", "upgrade"];
    let apart = [&all[..], &["--transaction-per-migration"]].concat();
    let script = succeed(&theirs, &[&apart[..], &["--sql"]].concat());

    client(&theirs, &script);
    succeed(&ours, &apart);

    let (tables, versions) = state(&theirs);
    assert_eq!((&tables, &versions), (&state(&ours).0, &state(&ours).1), "{script}");
    assert_eq!(versions.len(), 5);
    assert_eq!(tables["t1"].len(), 3, "{tables:?}");
}

/// How far a script outside a transaction came is recorded in its own session, whatever role it has taken there
/// and whether or not it is in a transaction of its own.
#[test]
fn a_script_with_another_role_is_recorded_outside_a_transaction_postgres() {
    let (ours, theirs) = (TestDb::with_login(), TestDb::with_login());
    for db in [&ours, &theirs] {
        db.batch(&format!("GRANT pg_monitor TO {}", db.login().unwrap()));
        let dir = folder(db, 1);
        let script = "SET ROLE pg_monitor; BEGIN; RESET ROLE; CREATE TABLE t2 (id INTEGER); \
             SET LOCAL ROLE pg_monitor; COMMIT; SET ROLE pg_monitor; SET lock_timeout = 77; RESET ROLE; \
             CREATE TABLE t3 AS SELECT current_setting('lock_timeout') AS kept";
        crate::write_migration(&dir, "0002_roles", script, "");
        let metadata = dir.join("0002_roles").join("metadata.toml");
        std::fs::write(metadata, "run_in_transaction = false\n").unwrap();
    }
    let all = ["--migrations", "migrations", "upgrade"];
    let script = succeed(&theirs, &[&all[..], &["--sql"]].concat());

    client(&theirs, &script);
    succeed(&ours, &all);

    assert_eq!(state(&theirs), state(&ours), "{script}");
    assert_eq!(history(&theirs), history(&ours), "{script}");
}

/// `sqlite3` has one session for all of a script, and the engine gives each migration its own.
#[rstest]
#[case::a_table("CREATE TEMP TABLE t1 (id INTEGER, text TEXT)", "the temporary table `t1`")]
#[case::a_database("ATTACH ':memory:' AS other", "an attached database")]
#[case::a_setting("PRAGMA recursive_triggers = ON", "`PRAGMA recursive_triggers`")]
fn what_would_reach_the_next_migration_of_it_is_refused_sqlite(
    #[case] leaves: &str,
    #[case] told: &str,
) {
    let db = TestDb::new(Dialect::Sqlite);
    let dir = folder(&db, 1);
    crate::write_migration(&dir, "0002_leaves", &format!("CREATE TABLE t2 (id);\n{leaves}"), "");
    if leaves.starts_with("ATTACH") {
        let metadata = dir.join("0002_leaves").join("metadata.toml");
        std::fs::write(metadata, "run_in_transaction = false\n").unwrap();
    }
    crate::write_migration(&dir, "0003_goes_on", "INSERT INTO t1 VALUES (7, 'a')", "");
    let all = ["--migrations", "migrations", "upgrade"];

    let output = underpin(&db, &[&all[..], &["--sql"]].concat()).output().unwrap();

    let text = said(&output);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(output.stdout.is_empty(), "{text}");
    for part in ["migration 0002", "line 2", told, "`underpin upgrade`"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // One that is the last of its script reaches nobody.
    for _ in 0..3 {
        let one = succeed(&db, &["--migrations", "migrations", "upgrade", "+1", "--sql"]);
        client(&db, &one);
    }
    let other = TestDb::new(Dialect::Sqlite);
    std::fs::rename(&dir, other.dir().join("migrations")).unwrap();
    succeed(&other, &all);
    assert_eq!(state(&db), state(&other));
}
