//! What is proven of a transaction before it is committed.

use rstest::rstest;
use underpin::{Catalog, Error, Goal, Options, Report};
use underpin_testkit::{Dialect, TestDb};

use crate::{applied, catalog, migrate, migration, own_tables, table, with_engine};

/// Migrates, and proves schema and rows.
fn prove(db: &TestDb, catalog: &Catalog, goal: &Goal) -> Result<Report, Error> {
    with_engine(db, catalog, Options::default(), async |engine| {
        let proof = engine.proof().await?;
        engine.proving(&proof, true).migrate(goal).await
    })
}

/// Two tables with a row each, and a third migration with this script.
fn third(dialect: Dialect, up: &str) -> (TestDb, Catalog) {
    let db = TestDb::new(dialect);
    let down = "DELETE FROM t1 WHERE id = 8";
    let catalog = catalog(dialect, vec![table(1), table(2), migration(3, "third", up, down)]);
    migrate(&db, &catalog, &Goal::Up(2)).unwrap();
    (db, catalog)
}

/// Deleting from `t1` empties `t2`.
fn tie(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "CREATE TRIGGER tie AFTER DELETE ON t1 BEGIN DELETE FROM t2; END;",
        Dialect::Postgres => {
            "CREATE FUNCTION tie() RETURNS trigger LANGUAGE plpgsql AS \
             'BEGIN DELETE FROM t2; RETURN NULL; END'; \
             CREATE TRIGGER tie AFTER DELETE ON t1 FOR EACH ROW EXECUTE FUNCTION tie();"
        }
    }
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_is_right_is_committed(#[case] dialect: Dialect) {
    let up =
        "ALTER TABLE t1 ADD COLUMN text TEXT; DELETE FROM t1; INSERT INTO t1 (id) VALUES (7), (8)";
    let (db, catalog) = third(dialect, up);

    prove(&db, &catalog, &Goal::Head).unwrap();
    assert_eq!(applied(&db), ["0001", "0002", "0003"]);

    migrate(&TestDb::new(dialect), &catalog, &Goal::Head).unwrap();
    let fresh = TestDb::new(dialect);
    prove(&fresh, &catalog, &Goal::Head).unwrap();
    prove(&fresh, &catalog, &Goal::Base).unwrap_err();
    assert_eq!(applied(&fresh), ["0001", "0002", "0003"], "the way down leaves the column");
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_schema_that_is_not_what_the_scripts_build_is_rolled_back(#[case] dialect: Dialect) {
    let (db, catalog) = third(dialect, "CREATE TABLE t3 (id INTEGER)");
    db.batch("CREATE INDEX by_hand ON t1 (id)");

    let error = prove(&db, &catalog, &Goal::Head).unwrap_err();

    let text = underpin::exit::explain(&error);
    assert!(text.contains("index `by_hand` of `t1` is not known"), "{text}");
    assert!(text.contains("rolled back"), "{text}");
    assert_eq!(applied(&db), ["0001", "0002"]);
    assert_eq!(own_tables(&db), ["t1", "t2"]);
    // Without a proof it is no matter.
    migrate(&db, &catalog, &Goal::Head).unwrap();
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn rows_that_no_script_names_stay(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    let tied = migration(2, "tied", &format!("{}; {}", table(2).up, tie(dialect)), "");
    let catalog =
        |up: &str| catalog(dialect, vec![table(1), tied.clone(), migration(3, "third", up, "")]);
    migrate(&db, &catalog(""), &Goal::Up(2)).unwrap();
    let rows = || db.texts("SELECT CAST(count(*) AS TEXT) FROM t2");

    let error = prove(&db, &catalog("DELETE FROM t1"), &Goal::Head).unwrap_err();

    let text = underpin::exit::explain(&error);
    assert!(text.contains("`t2`, which no script names, had 1 rows and would have 0"), "{text}");
    assert_eq!((rows(), applied(&db).len()), (vec!["1".to_owned()], 2));
    // A script that names the table means it.
    prove(&db, &catalog("DELETE FROM t1; -- and t2 with it"), &Goal::Head).unwrap();
    assert_eq!(rows(), ["0"]);
}

/// The snapshot of the transaction does not hold what others write meanwhile.
#[test]
fn postgres_rows_that_others_write_meanwhile_do_not_count() {
    let (db, catalog) =
        third(Dialect::Postgres, "SELECT pg_sleep(2); CREATE TABLE t3 (id INTEGER)");
    std::thread::scope(|scope| {
        let run = scope.spawn(|| prove(&db, &catalog, &Goal::Head));
        std::thread::sleep(std::time::Duration::from_secs(1));
        db.batch("INSERT INTO t2 VALUES (77)");
        run.join().unwrap().unwrap();
    });
    assert_eq!(applied(&db), ["0001", "0002", "0003"]);
}
