//! Processes behind a pooler, where a session's lock is nobody's: one works, and one that was stopped
//! or killed is replaced and can do no harm.

use std::{
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rstest::rstest;
use underpin_testkit::{Dialect, PgBouncer, Settings, TestDb};

use crate::{folder, said, state, underpin, write_migration};

fn upgrade(db: &TestDb, url: &str) -> Child {
    let mut command = underpin(db, &["--migrations", "migrations", "upgrade"]);
    command.env("DATABASE_URL", url).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

#[rstest]
fn one_behind_the_pooler_applies_and_all_succeed_postgres(
    #[values(2, 5)] count: usize,
    #[values(Settings::Refused, Settings::Ignored)] settings: Settings,
) {
    let db = TestDb::new(Dialect::Postgres);
    let bouncer = PgBouncer::start(&db, settings);
    folder(&db, 20);

    let starters: Vec<_> = (0..count).map(|_| upgrade(&db, &bouncer.url(&db))).collect();

    let mut applied = 0;
    for starter in starters {
        let output = starter.wait_with_output().unwrap();
        let text = said(&output);
        assert_eq!(output.status.code(), Some(0), "{text}");
        assert!(output.stderr.is_empty(), "{text}");
        applied += text.matches("applied ").count();
    }
    assert_eq!(applied, 20);
    let (tables, versions) = state(&db);
    assert_eq!((tables.len(), versions.len()), (20, 20));
    assert!(tables.values().all(|rows| rows.len() == 1));
}

fn signal(process: &Child, signal: &str) {
    let status = Command::new("kill").args([signal, &process.id().to_string()]).status();
    assert!(status.unwrap().success());
}

/// A process that has applied a few of thirty migrations, each of which takes a moment.
fn under_way(db: &TestDb, bouncer: &PgBouncer) -> Child {
    let folder = db.dir().join("migrations");
    write_migration(&folder, "0000_first", "CREATE TABLE first (id INTEGER)", "");
    let first = upgrade(db, db.url()).wait_with_output().unwrap();
    assert!(first.status.success(), "{}", said(&first));
    for number in 1..=30 {
        let up = format!("CREATE TABLE t{number} (id INTEGER); SELECT pg_sleep(0.1)");
        write_migration(&folder, &format!("{number:04}_create_t{number}"), &up, "");
    }
    let process = upgrade(db, &bouncer.url(db));
    let limit = Instant::now() + Duration::from_secs(30);
    while state(db).1.len() < 4 {
        assert!(Instant::now() < limit, "it does not get on");
        thread::sleep(Duration::from_millis(50));
    }
    process
}

/// The next runner does the rest, as soon as the lease has run out.
fn replaced(db: &TestDb, url: &str) {
    let start = Instant::now();
    let next = upgrade(db, url).wait_with_output().unwrap();
    assert_eq!(next.status.code(), Some(0), "{}", said(&next));
    assert!(start.elapsed() < Duration::from_secs(40), "{:?}", start.elapsed());
    let (tables, versions) = state(db);
    assert_eq!((tables.len(), versions.len()), (31, 31));
}

#[rstest]
#[case::behind_the_pooler_postgres(true)]
#[case::direct_postgres(false)]
fn a_process_that_was_stopped_is_fenced(#[case] behind: bool) {
    let db = TestDb::new(Dialect::Postgres);
    let bouncer = PgBouncer::start(&db, Settings::Refused);
    let stopped = under_way(&db, &bouncer);
    signal(&stopped, "-STOP");
    let url = if behind { bouncer.url(&db) } else { db.url().to_owned() };

    replaced(&db, &url);
    signal(&stopped, "-CONT");

    let output = stopped.wait_with_output().unwrap();
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("the migration lock was lost"), "{text}");
    let (tables, versions) = state(&db);
    assert_eq!((tables.len(), versions.len()), (31, 31));
}

#[test]
fn a_process_that_was_killed_is_replaced_postgres() {
    let db = TestDb::new(Dialect::Postgres);
    let bouncer = PgBouncer::start(&db, Settings::Ignored);
    let killed = under_way(&db, &bouncer);
    signal(&killed, "-KILL");

    replaced(&db, &bouncer.url(&db));

    drop(killed.wait_with_output().unwrap());
}

#[rstest]
#[case::refused_postgres(Settings::Refused)]
#[case::ignored_postgres(Settings::Ignored)]
fn the_schema_in_the_url_is_the_one_that_is_migrated(#[case] settings: Settings) {
    let db = TestDb::new(Dialect::Postgres);
    let bouncer = PgBouncer::start(&db, settings);
    folder(&db, 3);
    db.batch("CREATE SCHEMA app");
    let url = format!("{}?options=-csearch_path%3Dapp", bouncer.url(&db));
    let run = |arguments: &[&str]| {
        let mut command = underpin(&db, &[&["--migrations", "migrations"], arguments].concat());
        let output = command.env("DATABASE_URL", &url).output().unwrap();
        (output.status.code(), said(&output))
    };

    assert_eq!(run(&["upgrade"]).0, Some(0));
    assert_eq!(run(&["check"]).0, Some(0));
    assert_eq!(run(&["downgrade", "-1", "--yes"]).0, Some(0));
    assert_eq!(run(&["check"]).0, Some(4));

    assert!(run(&["current"]).1.contains("0002"));
    assert_eq!(run(&["history"]).1.matches("create_t").count(), 3);
    let tables =
        "SELECT count(*)::text FROM pg_tables WHERE schemaname = 'app' AND tablename LIKE 't_'";
    assert_eq!(db.texts(tables), ["2"]);
    assert!(db.tables().is_empty());
}
