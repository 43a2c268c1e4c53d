//! What each verb says, as text and as JSON, the same on both dialects.

use rstest::rstest;
use underpin_testkit::{Dialect, TestDb};

use crate::{assert_said, fixture, folder, succeed, underpin, write_migration};

/// Every verb in the order in which a person would meet them.
const SESSION: [(&str, &[&str]); 17] = [
    ("check_pending", &["check"]),
    ("upgrade_dry_run", &["upgrade", "--dry-run"]),
    ("upgrade_one", &["upgrade", "+1"]),
    ("current_behind", &["current"]),
    ("upgrade", &["upgrade"]),
    ("upgrade_again", &["upgrade"]),
    ("current", &["current"]),
    ("check", &["check"]),
    ("history", &["history"]),
    ("heads", &["heads"]),
    ("redo", &["redo"]),
    ("downgrade_dry_run", &["downgrade", "-2", "--dry-run"]),
    ("downgrade", &["downgrade", "-1"]),
    ("stamp_refused", &["stamp", "0003"]),
    ("stamp", &["stamp", "0002"]),
    ("base_unasked", &["downgrade", "base"]),
    ("base", &["downgrade", "base", "--yes"]),
];

#[rstest]
fn every_verb(
    #[values(Dialect::Sqlite, Dialect::Postgres)] dialect: Dialect,
    #[values("text", "json")] form: &str,
) {
    let db = TestDb::new(dialect);
    db.batch("SELECT 1");
    folder(&db, 3);

    for (name, args) in SESSION {
        let json = (form == "json").then_some("--json");
        let args: Vec<_> =
            args.iter().copied().chain(["--migrations", "migrations"]).chain(json).collect();
        assert_said(&db, &format!("{form}_{name}"), underpin(&db, &args));
    }
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn an_edited_script_and_its_repair(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    let dir = folder(&db, 2);
    succeed(&db, &["upgrade", "--migrations", "migrations"]);
    let ran = std::fs::read_to_string(dir.join("0002_create_t2/up.sql")).unwrap();
    write_migration(&dir, "0002_create_t2", &format!("-- as it was\n{ran}"), "DROP TABLE t2");

    let run = |name: &str, args: &[&str]| {
        let args = [args, &["--migrations", "migrations"]].concat();
        assert_said(&db, &format!("edited_{name}"), underpin(&db, &args));
    };
    run("check", &["check"]);
    run("upgrade", &["upgrade"]);
    run("repair_without_reason", &["repair", "0002"]);
    run("repair", &["repair", "0002", "--reason", "the table is the same"]);
    run("check_after", &["check"]);
    run("repair_again", &["repair", "0002", "--reason", "once more"]);
    write_migration(&dir, "0002_create_t2", &format!("{ran} CREATE TABLE z (a INTEGER);"), "");
    run("repair_of_a_change", &["repair", "0002", "--reason", "the table comes by itself"]);
    run("check_of_a_change", &["check"]);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_script_that_fails(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    let dir = folder(&db, 1);
    succeed(&db, &["upgrade", "--migrations", "migrations"]);
    write_migration(&dir, "0002_more", "CREATE TABLE more (id INTEGER);", "DROP TABLE more;");
    write_migration(&dir, "0003_broken", "\nSELECT 1;\nINSERT INTO t1 VALUES (1, 'twice');", "");

    assert_said(&db, "failed", underpin(&db, &["upgrade", "--migrations", "migrations"]));
    // On an empty target all of them share a transaction.
    let empty = TestDb::new(dialect);
    let mut first = underpin(&empty, &["upgrade", "--migrations"]);
    first.arg(&dir);
    assert_said(&empty, "failed_first", first);
}

#[test]
fn a_database_is_adopted() {
    let db = TestDb::copy_of(&fixture("rosey_v050.db"));
    db.batch("ALTER TABLE outbound_messages DROP COLUMN last_error");

    for (name, args) in [
        ("dry_run", &["adopt", "--dry-run", "--set", "bot"][..]),
        ("json", &["adopt", "--dry-run", "--json", "--set", "bot"]),
        ("adopt", &["adopt", "--set", "bot"]),
        ("again", &["adopt", "--set", "bot"]),
        ("other_set", &["adopt", "--set", "project"]),
    ] {
        assert_said(&db, &format!("adopt_{name}"), underpin(&db, args));
    }
}

/// A closed pipe, as with `underpin history | head -1`, is no error.
#[test]
fn a_closed_pipe_is_no_error() {
    let db = TestDb::new(Dialect::Sqlite);
    folder(&db, 3);
    succeed(&db, &["upgrade", "--migrations", "migrations"]);
    let mut command = underpin(&db, &["history", "--migrations", "migrations"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);

    let output = command.stdout(writer).output().unwrap();

    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
}

/// Data on standard output, everything else on standard error.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn logs_go_to_standard_error(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    folder(&db, 2);

    let output = underpin(&db, &["-vv", "--json", "--migrations", "migrations", "upgrade"])
        .output()
        .unwrap();

    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.contains("applied 0001 create_t1 in "), "{log}");
    let data = String::from_utf8(output.stdout).unwrap();
    assert!(data.starts_with('{') && data.ends_with("}\n"), "{data}");
}

/// What a signal leaves is said, and is what is there.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_signal_ends_it_with_a_word(
    #[case] dialect: Dialect,
    #[values(("INT", 130), ("TERM", 143))] (signal, code): (&str, i32),
) {
    let db = TestDb::new(dialect);
    let dir = folder(&db, 1);
    succeed(&db, &["upgrade", "--migrations", "migrations"]);
    let slow = match dialect {
        Dialect::Postgres => "SELECT pg_sleep(60);",
        Dialect::Sqlite => {
            "WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 900000000) \
             SELECT max(n) FROM c;"
        }
    };
    write_migration(&dir, "0002_slow", &format!("CREATE TABLE more (id INTEGER); {slow}"), "");
    let mut command = underpin(&db, &["upgrade", "--migrations", "migrations"]);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let process = command.spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1500));

    let pid = process.id().to_string();
    assert!(
        std::process::Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success()
    );

    let output = process.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains("one that was under way in its transaction is rolled back"), "{said}");
    let begun = std::time::Instant::now();
    while dialect == Dialect::Postgres && begun.elapsed().as_secs() < 10 {
        // The server notices within a second or two that its client is gone.
        let busy = "SELECT count(*)::text FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()";
        if db.texts(busy) == ["0"] {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert_eq!(db.dump().into_keys().collect::<Vec<_>>(), ["t1"]);
}
