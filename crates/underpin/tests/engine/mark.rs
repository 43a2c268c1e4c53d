//! What the header of an SQLite file tells of its history.

use std::collections::BTreeMap;

use rstest::rstest;
use underpin::{Catalog, Goal, Marks, Options};
use underpin_testkit::{Dialect, TestDb};

use crate::{catalog, migrate, migration, table, tables, with_engine};

/// The versions that the header tells; `None` when the history has to be read.
fn told(db: &TestDb, catalog: &Catalog) -> Option<Vec<String>> {
    let history = Marks::new(catalog).history(&db.file()).unwrap()?;
    Some(history.applied.keys().map(ToString::to_string).collect())
}

/// A file with two of three migrations.
fn two_of_three() -> (TestDb, Catalog) {
    let db = TestDb::new(Dialect::Sqlite);
    let catalog = tables(Dialect::Sqlite, 3);
    migrate(&db, &catalog, &Goal::Up(2)).unwrap();
    (db, catalog)
}

#[rstest]
#[case::sqlite_up(Goal::Head, Some(vec!["0001", "0002", "0003"]))]
#[case::sqlite_down(Goal::Down(1), Some(vec!["0001"]))]
#[case::sqlite_nothing(Goal::UpTo("0002".parse().unwrap()), Some(vec!["0001", "0002"]))]
#[case::sqlite_base(Goal::Base, None)]
fn the_header_goes_with_the_history(#[case] goal: Goal, #[case] expected: Option<Vec<&str>>) {
    let (db, catalog) = two_of_three();

    migrate(&db, &catalog, &goal).unwrap();

    assert_eq!(
        told(&db, &catalog),
        expected.map(|all| all.iter().map(ToString::to_string).collect())
    );
}

/// The header's history is the one in the tables, checksums included.
#[test]
fn sqlite_the_header_tells_checksums() {
    let (db, catalog) = two_of_three();

    let told = Marks::new(&catalog).history(&db.file()).unwrap().unwrap();

    let read = with_engine(&db, &catalog, Options::default(), async |engine| engine.log().await);
    assert_eq!(told, read.unwrap().history);
    let edited = [table(1), migration(2, "create_t2", "CREATE TABLE t2 (other TEXT)", "")];
    assert_eq!(self::told(&db, &self::catalog(Dialect::Sqlite, edited.to_vec())), None);
}

#[rstest]
#[case::sqlite_a_table("CREATE TABLE mine (id INTEGER)", None)]
#[case::sqlite_an_index("CREATE INDEX mine ON t1 (id)", None)]
#[case::sqlite_a_change_of_another_tool(
    "DROP TABLE t2; DELETE FROM __diesel_schema_migrations WHERE version = '0002'",
    None
)]
#[case::sqlite_rows("INSERT INTO t1 VALUES (77)", Some(2))]
fn a_schema_that_others_changed_is_looked_at(
    #[case] change: &str,
    #[case] expected: Option<usize>,
) {
    let (db, catalog) = two_of_three();

    db.batch(change);

    assert_eq!(told(&db, &catalog).map(|versions| versions.len()), expected);
}

/// Another tool wrote the version in a way in which the engine takes no row back.
#[test]
fn sqlite_a_row_that_stays_is_told() {
    let (db, catalog) = two_of_three();
    db.batch("UPDATE __diesel_schema_migrations SET version = '00-02' WHERE version = '0002'");

    migrate(&db, &catalog, &Goal::Down(1)).unwrap();

    let rows = db.texts("SELECT version FROM __diesel_schema_migrations ORDER BY 1");
    assert_eq!(rows, ["00-02", "0001"]);
    assert_ne!(told(&db, &catalog), Some(vec!["0001".to_owned()]));
}

#[test]
fn sqlite_what_a_journal_may_change_is_looked_at() {
    let (db, catalog) = two_of_three();
    for end in ["-wal", "-journal"] {
        let journal = format!("{}{end}", db.file().display());
        std::fs::write(&journal, "").unwrap();
        assert!(told(&db, &catalog).is_some(), "an empty {end}");
        std::fs::write(&journal, "something").unwrap();
        assert_eq!(told(&db, &catalog), None, "{end}");
        std::fs::remove_file(&journal).unwrap();
    }
}

#[test]
fn sqlite_a_number_of_the_application_stays() {
    let (db, catalog) = two_of_three();
    db.batch("PRAGMA user_version = 7");

    migrate(&db, &catalog, &Goal::Head).unwrap();

    assert_eq!(db.texts("SELECT CAST(user_version AS TEXT) FROM pragma_user_version"), ["7"]);
    assert_eq!(told(&db, &catalog), None);
}

#[test]
fn sqlite_a_failed_migration_leaves_the_mark() {
    let (db, _) = two_of_three();
    let failing = migration(3, "fails", "CREATE TABLE t3 (id INTEGER); SELECT nonsense", "");
    let catalog = catalog(Dialect::Sqlite, vec![table(1), table(2), failing]);

    migrate(&db, &catalog, &Goal::Head).unwrap_err();

    assert_eq!(told(&db, &catalog).unwrap(), ["0001", "0002"]);
}

/// What has to be looked at has no mark: an interrupted script, and two sets in one file.
#[test]
fn sqlite_an_interrupted_script_has_no_mark() {
    let (db, _) = two_of_three();
    let mut stepwise = migration(3, "stepwise", "INSERT INTO t1 VALUES (9); SELECT nonsense", "");
    stepwise.metadata.run_in_transaction = false;
    let catalog = catalog(Dialect::Sqlite, vec![table(1), table(2), stepwise]);

    migrate(&db, &catalog, &Goal::Head).unwrap_err();

    assert_eq!(told(&db, &catalog), None);
}

#[test]
fn sqlite_two_sets_in_one_file_have_no_mark() {
    let (db, first) = two_of_three();
    let other = migration(1000, "other", "CREATE TABLE other (id INTEGER)", "");
    let second = Catalog::new("second", Dialect::Sqlite, vec![other]).unwrap();

    migrate(&db, &second, &Goal::Head).unwrap();

    assert_eq!(told(&db, &first), None);
    assert_eq!(told(&db, &second), None);
}

#[test]
fn sqlite_what_is_stamped_or_adopted_is_marked() {
    let catalog = tables(Dialect::Sqlite, 2);
    let mut marks = BTreeMap::new();
    for how in ["stamped", "adopted"] {
        let db = TestDb::new(Dialect::Sqlite);
        db.batch("CREATE TABLE t1 (id INTEGER NOT NULL PRIMARY KEY)");
        let first = "0001".parse().unwrap();
        with_engine(&db, &catalog, Options::default(), async |engine| match how {
            "stamped" => engine.stamp(Some(&first), false).await.map(drop),
            _ => engine.adopt().await.map(drop),
        })
        .unwrap();
        marks.insert(how, told(&db, &catalog));
    }
    assert!(marks.values().all(|told| told.as_deref() == Some(&["0001".to_owned()])), "{marks:?}");
}
