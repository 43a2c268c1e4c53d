//! Several runners, and others who use the tables.

use std::time::Duration;

use rstest::rstest;
use underpin::{Error, Goal, Options};
use underpin_testkit::{Dialect, TestDb, block_on};

use crate::{applied, catalog, migrate, migration, own_tables, ran, table, tables, with_engine};

/// Holds the migration lock by a migration that does not end.
fn slow(dialect: Dialect) -> underpin::Migration {
    let up = match dialect {
        Dialect::Postgres => "SELECT pg_sleep(3)",
        Dialect::Sqlite => {
            "WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 30000000) \
             SELECT max(n) FROM c"
        }
    };
    migration(1, "slow", up, "")
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_wait_that_runs_out_names_who_has_the_lock(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    let slow = catalog(dialect, vec![slow(dialect)]);
    std::thread::scope(|scope| {
        scope.spawn(|| migrate(&db, &slow, &Goal::Head).unwrap());
        std::thread::sleep(Duration::from_millis(500));
        let options = Options { lock_wait: Duration::from_millis(200), ..Options::default() };

        let error = with_engine(&db, &slow, options, async |engine| {
            engine.migrate(&Goal::Head).await.unwrap_err()
        });

        let Error::Locked { holder, .. } = &error else { panic!("{error:?}") };
        let pid = std::process::id().to_string();
        match dialect {
            Dialect::Sqlite => assert!(holder.contains(&pid), "{holder}"),
            Dialect::Postgres => assert!(holder.contains("underpin"), "{holder}"),
        }
        assert_eq!(underpin::exit::code(&error), underpin::exit::LOCKED);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn runners_in_one_process_apply_each_migration_once(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    let catalog = tables(dialect, 5);

    let counts = std::thread::scope(|scope| {
        let runners: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| ran(&migrate(&db, &catalog, &Goal::Head).unwrap()).len()))
            .collect();
        runners.into_iter().map(|runner| runner.join().unwrap()).collect::<Vec<_>>()
    });

    assert_eq!(counts.iter().sum::<usize>(), 5, "{counts:?}");
    assert_eq!(own_tables(&db).len(), 5);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn nothing_pending_takes_no_lock(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    let (done, slow) = (
        tables(dialect, 1),
        catalog(
            dialect,
            vec![table(1), {
                let mut slow = slow(dialect);
                slow.version = "0002".parse().unwrap();
                slow
            }],
        ),
    );
    migrate(&db, &done, &Goal::Head).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| migrate(&db, &slow, &Goal::Head).unwrap());
        std::thread::sleep(Duration::from_millis(300));
        let options = Options { lock_wait: Duration::ZERO, ..Options::default() };

        let report =
            with_engine(&db, &done, options, async |engine| engine.migrate(&Goal::Head).await);

        assert!(report.is_ok_and(|report| report.steps.is_empty()));
    });
}

/// A table that others use: the migration gives way, tries again, and gets in when they are done.
#[test]
fn a_lock_timeout_is_tried_again_until_the_table_is_free() {
    let db = TestDb::new(Dialect::Postgres);
    let catalog = catalog(
        Dialect::Postgres,
        vec![table(1), migration(2, "alter", "ALTER TABLE t1 ADD COLUMN a INTEGER", "")],
    );
    migrate(&db, &catalog, &Goal::Up(1)).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| db.batch("BEGIN; SELECT * FROM t1; SELECT pg_sleep(1.5); COMMIT"));
        std::thread::sleep(Duration::from_millis(300));
        let options = Options { lock_timeout: Duration::from_millis(200), ..Options::default() };

        let report =
            with_engine(&db, &catalog, options, async |engine| engine.migrate(&Goal::Head).await);

        assert_eq!(ran(&report.unwrap()), ["0002"]);
    });
}

#[test]
fn a_lock_that_never_comes_free_ends_the_run_and_names_its_holder() {
    let db = TestDb::new(Dialect::Postgres);
    let catalog = catalog(
        Dialect::Postgres,
        vec![table(1), migration(2, "alter", "ALTER TABLE t1 ADD COLUMN a INTEGER", "")],
    );
    migrate(&db, &catalog, &Goal::Up(1)).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| db.batch("BEGIN; SELECT * FROM t1; SELECT pg_sleep(3); COMMIT"));
        std::thread::sleep(Duration::from_millis(300));
        let options = Options {
            lock_timeout: Duration::from_millis(100),
            lock_retries: 1,
            ..Options::default()
        };

        let error = with_engine(&db, &catalog, options, async |engine| {
            engine.migrate(&Goal::Head).await.unwrap_err()
        });

        let text = error.to_string();
        assert!(text.contains("it waited for a lock held by process "), "{text}");
    });
    assert_eq!(applied(&db), ["0001"]);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn the_engine_leaves_no_lock_behind(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);

    migrate(&db, &tables(dialect, 1), &Goal::Head).unwrap();
    let broken =
        catalog(dialect, vec![table(1), migration(2, "broken", "SELECT * FROM nothing", "")]);
    migrate(&db, &broken, &Goal::Head).unwrap_err();

    match dialect {
        Dialect::Sqlite => {
            let left: Vec<_> = std::fs::read_dir(db.dir()).unwrap().collect();
            assert_eq!(left.len(), 1, "{left:?}");
        }
        Dialect::Postgres => {
            let held = "SELECT count(*)::text FROM pg_locks WHERE locktype = 'advisory' AND \
                        database = (SELECT oid FROM pg_database WHERE datname = current_database())";
            let gone = || block_on(async || db.texts(held) == ["0"]);
            assert!((0..20).any(|_| gone() || {
                std::thread::sleep(Duration::from_millis(50));
                false
            }));
        }
    }
}
