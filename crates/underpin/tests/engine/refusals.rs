//! A refusal that another runner may resolve is final only under the lock, and who is at work is told.

use std::{
    fs,
    time::{Duration, Instant},
};

use rstest::rstest;
use underpin::{Catalog, Error, Goal, Migration, Options, Policy, Refusal, exit};
use underpin_catalog::{Checksum, Down};
use underpin_testkit::{Dialect, TestDb};

use crate::{applied, catalog, migrate, migration, table, with_engine};

/// A statement that takes a while.
pub(crate) fn slowly(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => "SELECT pg_sleep(1.5);",
        Dialect::Sqlite => {
            "WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 9000000) \
             SELECT max(n) FROM c;"
        }
    }
}

/// Waits until some runner has the lock.
pub(crate) fn until_at_work(db: &TestDb) {
    let locks = "SELECT count(*)::text FROM pg_locks WHERE locktype = 'advisory' AND granted AND \
                 database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let begun = Instant::now();
    while match db.dialect() {
        Dialect::Sqlite => !fs::exists(db.dir().join("test.db.underpin.lock")).unwrap(),
        Dialect::Postgres => db.texts(locks) == ["0"],
    } {
        assert!(begun.elapsed() < Duration::from_secs(30), "no runner began");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// One refusal: how a database comes to it, who resolves it, and who meets it.
struct Case {
    kind: fn(&Refusal) -> bool,
    before: fn(&TestDb),
    other: (Catalog, Goal, Policy),
    ours: (Catalog, Goal),
    after: &'static [&'static str],
}

const NOTHING: Policy = Policy { allow_out_of_order: false, allow_missing: false, resume: false };

/// Migration `version` as [`table`] makes it, which takes a while in both directions.
fn slow(dialect: Dialect, version: u32) -> Migration {
    let Migration { up, name, .. } = table(version);
    let down = format!("{} DROP TABLE t{version}", slowly(dialect));
    migration(version, &name, &format!("{} {up}", slowly(dialect)), &down)
}

fn outside(mut migration: Migration) -> Migration {
    migration.metadata.run_in_transaction = false;
    migration
}

fn with_code(mut migration: Migration, code: &'static str) -> Migration {
    migration.checksum = Checksum::with_code(&migration.up, code);
    migration.metadata.code = Some(code.into());
    migration
}

fn apply(db: &TestDb, migrations: Vec<Migration>) {
    migrate(db, &catalog(db.dialect(), migrations), &Goal::Head).unwrap();
}

fn case(name: &str, dialect: Dialect) -> Case {
    let slow = |version| slow(dialect, version);
    let catalog = |migrations| catalog(dialect, migrations);
    let two = || vec![table(1), slow(2)];
    let without_down = |down| vec![table(1), Migration { down, ..slow(2) }];
    match name {
        "interrupted" => Case {
            kind: |one| matches!(one, Refusal::Interrupted { .. }),
            before: |db| apply(db, vec![table(1)]),
            other: (catalog(vec![table(1), outside(slow(2))]), Goal::Head, NOTHING),
            ours: (catalog(vec![table(1), outside(slow(2))]), Goal::Head),
            after: &["0001", "0002"],
        },
        "out of order" => Case {
            kind: |one| matches!(one, Refusal::OutOfOrder { .. }),
            before: |db| apply(db, vec![table(1), table(3)]),
            other: (
                catalog(vec![table(1), slow(2), table(3)]),
                Goal::Head,
                Policy { allow_out_of_order: true, ..NOTHING },
            ),
            ours: (catalog(vec![table(1), slow(2), table(3)]), Goal::Head),
            after: &["0001", "0002", "0003"],
        },
        "missing" => Case {
            kind: |one| matches!(one, Refusal::Missing { .. }),
            before: |db| apply(db, vec![table(1), slow_of(db, 2)]),
            other: (catalog(two()), Goal::Down(1), NOTHING),
            ours: (catalog(vec![table(1)]), Goal::Head),
            after: &["0001"],
        },
        "diverged" => Case {
            kind: |one| matches!(one, Refusal::Diverged { .. }),
            before: |db| apply(db, vec![table(1), slow_of(db, 2)]),
            other: (catalog(two()), Goal::Down(1), NOTHING),
            ours: (catalog(vec![table(1), table(2)]), Goal::Head),
            after: &["0001", "0002"],
        },
        "irreversible" => Case {
            kind: |one| matches!(one, Refusal::Irreversible { .. }),
            before: |db| apply(db, vec![table(1), slow_of(db, 2)]),
            other: (catalog(two()), Goal::Down(1), NOTHING),
            ours: (catalog(without_down(Down::None)), Goal::Down(1)),
            after: &[],
        },
        "unreadable" => Case {
            kind: |one| matches!(one, Refusal::Unreadable { .. }),
            before: |db| apply(db, vec![table(1), slow_of(db, 2)]),
            other: (catalog(two()), Goal::Down(1), NOTHING),
            // A directory is no script.
            ours: (catalog(without_down(Down::File("/".into()))), Goal::Down(1)),
            after: &[],
        },
        "unknown code" => Case {
            kind: |one| matches!(one, Refusal::UnknownCode { .. }),
            before: |db| apply(db, vec![table(1)]),
            other: (catalog(vec![table(1), with_code(slow(2), "insert/1")]), Goal::Head, NOTHING),
            ours: (catalog(vec![table(1), with_code(slow(2), "insert/1")]), Goal::Head),
            after: &["0001", "0002"],
        },
        "a script" => {
            let up = format!("BEGIN; COMMIT; {} {}", slowly(dialect), table(2).up);
            let script = || migration(2, "script", &up, "");
            Case {
                kind: |one| matches!(one, Refusal::Script { .. }),
                before: |db| apply(db, vec![table(1)]),
                other: (catalog(vec![table(1), outside(script())]), Goal::Head, NOTHING),
                ours: (catalog(vec![table(1), script()]), Goal::Head),
                after: &["0001", "0002"],
            }
        }
        other => panic!("no case `{other}`"),
    }
}

fn slow_of(db: &TestDb, version: u32) -> Migration {
    slow(db.dialect(), version)
}

#[rstest]
fn another_runner_resolves_it(
    #[values(Dialect::Sqlite, Dialect::Postgres)] dialect: Dialect,
    #[values(
        "interrupted",
        "out of order",
        "missing",
        "diverged",
        "irreversible",
        "unreadable",
        "unknown code",
        "a script"
    )]
    name: &str,
) {
    let db = TestDb::new(dialect);
    let Case { before, other, ours, after, .. } = case(name, dialect);
    before(&db);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            let (catalog, goal, policy) = &other;
            let options = Options { policy: *policy, ..Options::default() };
            with_engine(&db, catalog, options, async |engine| engine.migrate(goal).await)
        });
        until_at_work(&db);
        std::thread::sleep(Duration::from_millis(100));

        let ours = without_code(&db, &ours.0, &ours.1);

        other.join().unwrap().unwrap();
        ours.unwrap();
    });
    assert_eq!(applied(&db), after);
}

#[rstest]
fn without_another_runner_it_is_final(
    #[values(Dialect::Sqlite, Dialect::Postgres)] dialect: Dialect,
    #[values(
        "out of order",
        "missing",
        "diverged",
        "irreversible",
        "unreadable",
        "unknown code",
        "a script"
    )]
    name: &str,
) {
    let db = TestDb::new(dialect);
    let Case { kind, before, ours, .. } = case(name, dialect);
    before(&db);
    let state = (db.dump(), applied(&db));

    let error = without_code(&db, &ours.0, &ours.1).unwrap_err();

    let Error::Refused(refused) = &error else { panic!("{error:?}") };
    assert!(refused.0.iter().all(kind), "{refused}");
    assert_eq!((exit::code(&error), (db.dump(), applied(&db))), (exit::REFUSED, state));
}

/// As a program that brings no code.
fn without_code(db: &TestDb, catalog: &Catalog, goal: &Goal) -> Result<underpin::Report, Error> {
    let url = db.database_url();
    underpin_testkit::block_on(async || {
        underpin::Engine::new(catalog, &[], &url, Options::default()).unwrap().migrate(goal).await
    })
}

/// Whoever only asks takes no lock and does not wait, and learns that somebody is at work.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_runs_is_not_called_interrupted(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    apply(&db, vec![table(1)]);
    // It must still be at work after all the looks at it, on a busy machine as well.
    let up = slowly(dialect).repeat(6) + &table(2).up;
    let catalog = catalog(dialect, vec![table(1), outside(migration(2, "long", &up, ""))]);
    std::thread::scope(|scope| {
        let runner = scope.spawn(|| migrate(&db, &catalog, &Goal::Head));
        until_at_work(&db);
        std::thread::sleep(Duration::from_millis(200));

        with_engine(&db, &catalog, Options::default(), async |engine| {
            let status = engine.status().await.unwrap();
            let [Refusal::Running { holder, .. }] = &status.problems[..] else {
                panic!("{:?}", status.problems)
            };
            assert!(holder.contains("process "), "{holder}");
            let log = engine.log().await.unwrap();
            assert!(log.history.interrupted.unwrap().runner.is_some());
            let goal = &Goal::Head;
            let told =
                [engine.dry_run(goal).await.unwrap_err(), engine.script(goal).await.unwrap_err()];
            for error in told {
                let text = error.to_string();
                assert!(text.contains("migration 0002 is being run by process "), "{text}");
                assert!(!text.contains("--resume"), "{text}");
                assert_eq!(exit::code(&error), exit::LOCKED);
            }
        });
        // Also with the flag nobody else goes on with it.
        let policy = Policy { resume: true, ..NOTHING };
        let options = Options { policy, ..Options::default() };
        with_engine(&db, &catalog, options, async |engine| {
            assert!(matches!(engine.dry_run(&Goal::Head).await, Err(Error::Refused(_))));
        });
        runner.join().unwrap().unwrap();
    });
    with_engine(&db, &catalog, Options::default(), async |engine| {
        assert!(engine.status().await.unwrap().is_current());
    });
}

/// The wait ends as the option says, and names who has the lock.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_refusal_waits_no_longer_than_it_may(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    apply(&db, vec![table(1)]);
    let catalog = catalog(dialect, vec![table(1), outside(slow(dialect, 2))]);
    std::thread::scope(|scope| {
        let runner = scope.spawn(|| migrate(&db, &catalog, &Goal::Head));
        until_at_work(&db);
        std::thread::sleep(Duration::from_millis(200));
        let options = Options { lock_wait: Duration::from_millis(50), ..Options::default() };

        let error = with_engine(&db, &catalog, options, async |engine| {
            engine.migrate(&Goal::Head).await.unwrap_err()
        });

        assert!(matches!(error, Error::Locked { .. }), "{error:?}");
        runner.join().unwrap().unwrap();
    });
}
