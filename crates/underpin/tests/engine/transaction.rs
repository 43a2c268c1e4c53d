//! A script and its history row commit together or not at all.

use rstest::rstest;
use underpin::{
    Catalog, Error, Goal, Grouping, Left, Migration, Options, StepCause, Version, exit::explain,
};
use underpin_testkit::{Dialect, TestDb};

use crate::{
    applied, catalog, migrate, migration, own_tables, ran, stepwise::outside, table, tables,
    with_engine,
};

/// Fails in its second statement.
fn broken(version: u32) -> underpin::Migration {
    migration(
        version,
        "broken",
        "CREATE TABLE lost (id INTEGER);\n-- and then\nINSERT INTO no_such_table VALUES (1);",
        "",
    )
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_script_that_fails_in_its_second_statement_leaves_nothing(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    migrate(&db, &tables(dialect, 1), &Goal::Head).unwrap();
    let catalog = catalog(dialect, vec![table(1), table(2), broken(3), table(4)]);

    let error = migrate(&db, &catalog, &Goal::Head).unwrap_err();

    let Error::Step(step) = &error else { panic!("{error:?}") };
    assert_eq!(step.left, Left::Nothing);
    assert_eq!(step.kept.iter().map(Version::as_str).collect::<Vec<_>>(), ["0002"]);
    let place = step.place.as_ref().unwrap();
    assert_eq!((place.statement, place.line), (2, 3), "{error}");
    assert!(
        matches!(&step.cause, StepCause::Database(cause) if cause.message.contains("no_such_table"))
    );
    assert_eq!(
        error.to_string(),
        "migration 0003 broken failed (up script, statement 2 at line 3, `INSERT INTO no_such_table \
         VALUES (1)`); it was rolled back and left nothing; 0002 before it is done and stays"
    );
    assert_eq!(own_tables(&db), ["t1", "t2"]);
    assert_eq!(applied(&db), ["0001", "0002"]);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn an_empty_target_is_built_whole_or_not_at_all(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    let catalog = catalog(dialect, vec![table(1), table(2), broken(3)]);

    let error = migrate(&db, &catalog, &Goal::Head).unwrap_err();

    assert!(matches!(&error, Error::Step(step) if step.kept.is_empty()), "{error}");
    assert!(db.tables().is_empty(), "{:?}", db.tables());
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn one_transaction_for_the_run_keeps_nothing_of_a_run_that_fails(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    migrate(&db, &tables(dialect, 1), &Goal::Head).unwrap();
    let catalog = catalog(dialect, vec![table(1), table(2), broken(3)]);
    let options = Options { grouping: Grouping::Together, ..Options::default() };

    let error = with_engine(&db, &catalog, options, async |engine| {
        engine.migrate(&Goal::Head).await.unwrap_err()
    });

    assert!(matches!(&error, Error::Step(step) if step.kept.is_empty()), "{error}");
    assert_eq!(own_tables(&db), ["t1"]);
    assert_eq!(applied(&db), ["0001"]);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_script_that_ends_the_transaction_is_refused_before_anything_runs(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    let sly = migration(
        2,
        "sly",
        "CREATE TABLE a (id INTEGER);\nCOMMIT;\nCREATE TABLE b (id INTEGER)",
        "",
    );
    let catalog = catalog(dialect, vec![table(1), sly]);

    let error = migrate(&db, &catalog, &Goal::Head).unwrap_err();

    assert!(error.to_string().contains("migration 0002, up script, line 2: "), "{error}");
    assert!(db.tables().is_empty());
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_down_script_that_fails_leaves_the_migration_applied(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    let stuck = migration(2, "stuck", "CREATE TABLE a (id INTEGER)", "DROP TABLE a; DROP TABLE b");
    let catalog = catalog(dialect, vec![table(1), stuck]);
    migrate(&db, &catalog, &Goal::Head).unwrap();

    let error = migrate(&db, &catalog, &Goal::Down(1)).unwrap_err();

    assert!(error.to_string().starts_with("migration 0002 stuck failed (down script"), "{error}");
    assert_eq!(own_tables(&db), ["a", "t1"]);
    assert_eq!(applied(&db), ["0001", "0002"]);
}

/// `ON CONFLICT ROLLBACK` ends the transaction in SQLite's hands, so what follows would run on its
/// own.
#[test]
fn a_statement_that_rolls_back_by_itself_leaves_nothing() {
    let db = TestDb::new(Dialect::Sqlite);
    migrate(&db, &tables(Dialect::Sqlite, 1), &Goal::Head).unwrap();
    let rolls = "CREATE TABLE a (id INTEGER); INSERT OR ROLLBACK INTO t1 VALUES (1); CREATE TABLE b (id INTEGER)";
    let catalog = catalog(Dialect::Sqlite, vec![table(1), migration(2, "rolls", rolls, "")]);

    let error = migrate(&db, &catalog, &Goal::Head).unwrap_err();

    assert!(error.to_string().contains("it was rolled back and left nothing"), "{error}");
    assert_eq!(own_tables(&db), ["t1"]);
    assert_eq!(applied(&db), ["0001"]);
}

/// <https://github.com/diesel-rs/diesel/issues/4729>
#[test]
fn a_script_may_change_the_search_path_and_the_next_starts_afresh() {
    let db = TestDb::new(Dialect::Postgres);
    let moves = "CREATE SCHEMA other; SET search_path = other; CREATE TABLE a (id INTEGER)";
    let catalog = catalog(
        Dialect::Postgres,
        vec![table(1), migration(2, "moves", moves, "DROP SCHEMA other CASCADE"), table(3)],
    );
    migrate(&db, &tables(Dialect::Postgres, 1), &Goal::Head).unwrap();

    let report = migrate(&db, &catalog, &Goal::Head).unwrap();

    assert_eq!(ran(&report), ["0002", "0003"]);
    assert_eq!(own_tables(&db), ["t1", "t3"]);
    assert_eq!(applied(&db), ["0001", "0002", "0003"]);
    assert_eq!(ran(&migrate(&db, &catalog, &Goal::Base).unwrap()), ["0003", "0002", "0001"]);
}

/// A new label of an enum cannot be used before it is committed.
#[test]
fn a_label_added_to_an_enum_can_be_used_by_the_next_migration_of_the_run() {
    let db = TestDb::new(Dialect::Postgres);
    let catalog = catalog(
        Dialect::Postgres,
        vec![
            migration(1, "type", "CREATE TYPE mood AS ENUM ('ok'); CREATE TABLE m (mood mood)", ""),
            migration(2, "label", "ALTER TYPE mood ADD VALUE 'glad'", ""),
            migration(3, "use", "INSERT INTO m VALUES ('glad')", ""),
        ],
    );

    migrate(&db, &catalog, &Goal::Head).unwrap();

    assert_eq!(db.texts("SELECT mood FROM m"), ["glad"]);
}

/// The server says that the label is to be committed; how, the message says.
#[rstest]
#[case::in_the_script("ALTER TYPE mood ADD VALUE 'glad'; INSERT INTO m VALUES ('glad')")]
#[case::in_a_definition(
    "ALTER TYPE mood ADD VALUE 'glad'; ALTER TABLE m ALTER mood SET DEFAULT 'glad'"
)]
#[case::added_in_code(
    "DO $$ BEGIN EXECUTE 'ALTER TYPE mood ADD VALUE ''glad'''; END $$; INSERT INTO m VALUES ('glad')"
)]
fn a_label_that_its_own_script_uses_says_what_to_do_postgres(
    #[case] script: &str,
    #[values(Grouping::PerMigration, Grouping::Together)] grouping: Grouping,
) {
    let db = TestDb::new(Dialect::Postgres);
    let mood = "CREATE TYPE mood AS ENUM ('ok'); CREATE TABLE m (mood mood)";
    let first = migration(1, "type", mood, "");
    migrate(&db, &catalog(Dialect::Postgres, vec![first.clone()]), &Goal::Head).unwrap();
    let both = |two: Migration| catalog(Dialect::Postgres, vec![first.clone(), two, table(3)]);
    let options = Options { grouping, ..Options::default() };
    let run = |all: &Catalog| {
        with_engine(&db, all, options.clone(), async |engine| engine.migrate(&Goal::Head).await)
    };

    let error = run(&both(migration(2, "label", script, ""))).unwrap_err();

    let text = explain(&error);
    assert!(text.contains("use it in a later migration"), "{text}");
    assert!(text.contains("set `run_in_transaction = false`"), "{text}");
    assert!(!text.contains("must be committed"), "{text}");
    assert_eq!(applied(&db), ["0001"]);
    // And so it is.
    run(&both(outside(2, script, ""))).unwrap();
    assert_eq!(applied(&db), ["0001", "0002", "0003"]);
}

/// Where another migration of the same transaction uses it, a transaction for each does.
#[rstest]
#[case::when_they_may_part(Grouping::Together)]
#[case::when_they_may_not(Grouping::Single)]
fn a_label_that_a_migration_beside_it_uses_takes_a_transaction_each_postgres(
    #[case] grouping: Grouping,
) {
    let db = TestDb::new(Dialect::Postgres);
    let mood = "CREATE TYPE mood AS ENUM ('ok'); CREATE TABLE m (mood mood)";
    let add = "DO $$ BEGIN EXECUTE 'ALTER TYPE mood ADD VALUE ''glad'''; END $$";
    let all = vec![
        migration(1, "type", mood, ""),
        migration(2, "label", add, ""),
        migration(3, "use", "INSERT INTO m VALUES ('glad')", ""),
    ];
    let all = catalog(Dialect::Postgres, all);
    migrate(&db, &all, &Goal::Up(1)).unwrap();
    let options = Options { grouping, ..Options::default() };

    let result = with_engine(&db, &all, options, async |engine| engine.migrate(&Goal::Head).await);

    match (grouping, result) {
        (Grouping::Single, result) => {
            let text = explain(&result.unwrap_err());
            assert!(text.contains("run each in a transaction of its own"), "{text}");
            assert!(!text.contains("use it in a later migration"), "{text}");
            assert_eq!(applied(&db), ["0001"]);
        }
        (_, result) => {
            result.unwrap();
            assert_eq!(applied(&db), ["0001", "0002", "0003"]);
        }
    }
}
