//! How far a run goes, and what it says.

use rstest::rstest;
use underpin::{Goal, Options, Version};
use underpin_testkit::{Dialect, TestDb};

use crate::{applied, catalog, migrate, migration, own_tables, ran, table, tables, with_engine};

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn every_goal_runs_what_it_names_and_nothing_else(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    let catalog = tables(dialect, 5);
    let version = |text: &str| text.parse().unwrap();
    let cases: [(Goal, &[&str]); 9] = [
        (Goal::Up(2), &["0001", "0002"]),
        (Goal::UpTo(version("0003")), &["0003"]),
        (Goal::UpTo(version("0002")), &[]),
        (Goal::Head, &["0004", "0005"]),
        (Goal::Head, &[]),
        (Goal::Down(1), &["0005"]),
        (Goal::DownTo(version("0002")), &["0004", "0003"]),
        (Goal::Down(9), &["0002", "0001"]),
        (Goal::Base, &[]),
    ];

    for (goal, expected) in cases {
        let announced = with_engine(&db, &catalog, Options::default(), async |engine| {
            engine.dry_run(&goal).await.unwrap()
        });
        let report = migrate(&db, &catalog, &goal).unwrap();

        assert_eq!(ran(&report), expected, "{goal:?}");
        assert_eq!(ran(&announced), expected, "{goal:?}");
        assert_eq!(
            (&announced.head, announced.single_transaction),
            (&report.head, report.single_transaction),
            "{goal:?}"
        );
        let head = applied(&db).pop();
        assert_eq!(head.as_deref(), report.head.as_ref().map(Version::as_str));
    }
    assert!(own_tables(&db).is_empty());
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn down_then_up_reaches_the_same_schema_and_rows(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    let catalog = tables(dialect, 4);
    migrate(&db, &catalog, &Goal::Head).unwrap();
    let before = db.dump();

    migrate(&db, &catalog, &Goal::Base).unwrap();
    assert!(own_tables(&db).is_empty());
    migrate(&db, &catalog, &Goal::Head).unwrap();

    assert_eq!(db.dump(), before);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_migration_without_a_down_script_is_not_taken_back(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    let catalog = catalog(
        dialect,
        vec![migration(1, "one_way", "CREATE TABLE a (id INTEGER)", ""), table(2)],
    );
    migrate(&db, &catalog, &Goal::Head).unwrap();

    let error = migrate(&db, &catalog, &Goal::Base).unwrap_err();

    assert_eq!(
        error.to_string(),
        "nothing was run: migration 0001 has no `down.sql`: write one, or restore a backup"
    );
    assert_eq!(own_tables(&db), ["a", "t2"]);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn three_hundred_migrations_are_no_different(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    let catalog = tables(dialect, 300);

    let report = migrate(&db, &catalog, &Goal::Head).unwrap();

    assert_eq!(report.steps.len(), 300);
    let status = with_engine(&db, &catalog, Options::default(), async |engine| {
        engine.status().await.unwrap()
    });
    assert!(status.is_current());
    assert_eq!(own_tables(&db).len(), 300);
}

/// A script that does nothing is recorded like any other.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_script_that_does_nothing_is_applied_and_taken_back(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    let catalog =
        catalog(dialect, vec![table(1), migration(2, "nothing", "SELECT 1", "SELECT 1;")]);

    migrate(&db, &catalog, &Goal::Head).unwrap();
    assert_eq!(applied(&db), ["0001", "0002"]);
    migrate(&db, &catalog, &Goal::Down(1)).unwrap();

    assert_eq!(applied(&db), ["0001"]);
}
