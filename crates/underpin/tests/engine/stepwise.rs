//! Scripts outside a transaction: what they leave behind is named, and can be gone on with.

use rstest::rstest;
use underpin::{Catalog, Error, Goal, Left, Migration, Options, Policy, Refusal};
use underpin_testkit::{Dialect, TestDb};

use crate::{applied, catalog, migrate, migration, own_tables, table, with_engine};

pub(crate) fn outside(version: u32, up: &str, down: &str) -> Migration {
    let mut migration = migration(version, "outside", up, down);
    migration.metadata.run_in_transaction = false;
    migration
}

fn resume(db: &TestDb, catalog: &Catalog, goal: &Goal) -> Result<underpin::Report, Error> {
    let policy = Policy { resume: true, ..Policy::default() };
    let options = Options { policy, ..Options::default() };
    with_engine(db, catalog, options, async |engine| engine.migrate(goal).await)
}

#[rstest]
#[case::sqlite(Dialect::Sqlite, "VACUUM")]
#[case::postgres(Dialect::Postgres, "CREATE INDEX CONCURRENTLY i ON t1 (id)")]
fn a_statement_that_no_transaction_allows_runs(#[case] dialect: Dialect, #[case] up: &str) {
    let db = TestDb::new(dialect);
    let catalog = catalog(dialect, vec![table(1), outside(2, up, ""), table(3)]);

    migrate(&db, &catalog, &Goal::Head).unwrap();

    assert_eq!(applied(&db), ["0001", "0002", "0003"]);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite, "VACUUM")]
#[case::postgres(Dialect::Postgres, "CREATE INDEX CONCURRENTLY i ON t1 (id)")]
fn inside_a_transaction_it_is_refused_with_the_remedy(#[case] dialect: Dialect, #[case] up: &str) {
    let db = TestDb::new(dialect);
    let catalog = catalog(dialect, vec![table(1), migration(2, "inside", up, "")]);

    let error = migrate(&db, &catalog, &Goal::Head).unwrap_err();

    assert!(error.to_string().contains("set `run_in_transaction = false`"), "{error}");
    assert!(db.tables().is_empty());
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn an_interrupted_script_is_named_and_resumed_after_what_is_done(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    let up = "CREATE TABLE a (id INTEGER);\nINSERT INTO missing VALUES (1);\nCREATE TABLE b (id INTEGER)";
    let catalog = catalog(dialect, vec![table(1), outside(2, up, "DROP TABLE b; DROP TABLE a")]);

    let error = migrate(&db, &catalog, &Goal::Head).unwrap_err();
    assert!(matches!(&error, Error::Step(step) if step.left == Left::Statements(1)), "{error}");
    assert_eq!(own_tables(&db), ["a", "t1"]);

    let again = migrate(&db, &catalog, &Goal::Head).unwrap_err();
    assert!(
        again.to_string().contains("migration 0002 was interrupted (up script, 1 statements done"),
        "{again}"
    );
    db.batch("CREATE TABLE missing (id INTEGER)");
    resume(&db, &catalog, &Goal::Head).unwrap();

    assert_eq!(own_tables(&db), ["a", "b", "missing", "t1"]);
    assert_eq!(db.texts("SELECT count(*) FROM missing"), ["1"]);
    assert_eq!(applied(&db), ["0001", "0002"]);
    migrate(&db, &catalog, &Goal::Down(1)).unwrap();
    assert_eq!(own_tables(&db), ["missing", "t1"]);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_script_that_was_edited_since_is_not_resumed(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    let began = outside(2, "CREATE TABLE a (id INTEGER); SELECT no_such_thing FROM t1", "");
    let first = catalog(dialect, vec![table(1), began]);
    migrate(&db, &first, &Goal::Head).unwrap_err();
    let edited = catalog(dialect, vec![table(1), outside(2, "CREATE TABLE b (id INTEGER)", "")]);

    let error = resume(&db, &edited, &Goal::Head).unwrap_err();

    let Error::Refused(refused) = error else { panic!("{error:?}") };
    assert!(matches!(&refused.0[..], [Refusal::Rewritten { .. }]), "{refused}");
    assert_eq!(own_tables(&db), ["a", "t1"]);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn an_edited_way_back_is_not_resumed(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    let up = "CREATE TABLE a (id INTEGER); CREATE TABLE b (id INTEGER)";
    let first = catalog(dialect, vec![outside(1, up, "DROP TABLE b; DROP TABLE missing")]);
    migrate(&db, &first, &Goal::Head).unwrap();
    migrate(&db, &first, &Goal::Base).unwrap_err();
    let edited = catalog(dialect, vec![outside(1, up, "DROP TABLE missing; DROP TABLE a")]);

    let error = resume(&db, &edited, &Goal::Base).unwrap_err();

    let Error::Refused(refused) = error else { panic!("{error:?}") };
    assert!(matches!(&refused.0[..], [Refusal::Rewritten { .. }]), "{refused}");
    assert_eq!(own_tables(&db), ["a"]);
}

/// A concurrent build that fails leaves an index that no query uses, and `IF NOT EXISTS` would
/// take it for the real one.
#[test]
fn an_invalid_index_is_built_again() {
    let db = TestDb::new(Dialect::Postgres);
    let up = "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS twice ON d (a)";
    let catalog = catalog(
        Dialect::Postgres,
        vec![
            migration(1, "d", "CREATE TABLE d (a INTEGER); INSERT INTO d VALUES (1), (1)", ""),
            outside(2, up, ""),
        ],
    );
    let error = migrate(&db, &catalog, &Goal::Head).unwrap_err();
    assert!(underpin::exit::explain(&error).contains("could not create unique index"), "{error}");
    let valid = "SELECT indisvalid::text FROM pg_index WHERE indexrelid = 'twice'::regclass";
    assert_eq!(db.texts(valid), ["false"]);
    db.batch("DELETE FROM d WHERE ctid = (SELECT max(ctid) FROM d)");

    resume(&db, &catalog, &Goal::Head).unwrap();

    assert_eq!(db.texts(valid), ["true"]);
}

/// Diesel's own advice for rebuilding an SQLite table, interrupted in its middle.
#[test]
fn a_resumed_script_finds_the_session_as_it_had_set_it() {
    let db = TestDb::new(Dialect::Sqlite);
    let rebuild = "PRAGMA foreign_keys = OFF;
        BEGIN;
        CREATE TABLE np (id INTEGER PRIMARY KEY, n TEXT NOT NULL);
        INSERT INTO np SELECT id, n FROM parent;
        DROP TABLE parent;
        ALTER TABLE np RENAME TO parent;
        COMMIT;
        PRAGMA foreign_keys = ON;";
    let tables = "CREATE TABLE parent (id INTEGER PRIMARY KEY, n TEXT);
        CREATE TABLE child (id INTEGER PRIMARY KEY, p INTEGER REFERENCES parent (id) ON DELETE CASCADE);
        INSERT INTO parent VALUES (1, 'a'), (2, NULL);
        INSERT INTO child VALUES (1, 1), (2, 2);";
    let catalog =
        catalog(Dialect::Sqlite, vec![migration(1, "tables", tables, ""), outside(2, rebuild, "")]);
    let error = migrate(&db, &catalog, &Goal::Head).unwrap_err();
    assert!(matches!(&error, Error::Step(step) if step.left == Left::Statements(1)), "{error}");
    db.batch("UPDATE parent SET n = 'x' WHERE n IS NULL");

    resume(&db, &catalog, &Goal::Head).unwrap();

    assert_eq!(db.texts("SELECT id FROM child ORDER BY id"), ["1", "2"]);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_repaired_script_goes_on_where_it_was_interrupted(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    let first =
        migration(1, "account", "CREATE TABLE a (b INTEGER); INSERT INTO a VALUES (100)", "");
    let began = outside(2, "UPDATE a SET b = b * 100; UPDATE a SET wrong = 1", "");
    migrate(&db, &catalog(dialect, vec![first.clone(), began]), &Goal::Head).unwrap_err();
    let mended = outside(2, "UPDATE a SET b = b * 100; UPDATE a SET b = b + 1", "");
    let mended = catalog(dialect, vec![first, mended]);
    assert!(matches!(resume(&db, &mended, &Goal::Head).unwrap_err(), Error::Refused(_)));

    with_engine(&db, &mended, Options::default(), async |engine| {
        let migration = mended.head().unwrap();
        engine.repair(migration, "a column was misspelt", false).await.unwrap();
    });
    resume(&db, &mended, &Goal::Head).unwrap();

    assert_eq!(db.texts("SELECT CAST(b AS TEXT) FROM a"), ["10001"]);
    migrate(&db, &mended, &Goal::Head).unwrap();
}

#[test]
fn the_search_path_of_one_script_is_not_the_next_ones() {
    let db = TestDb::new(Dialect::Postgres);
    let catalog = catalog(
        Dialect::Postgres,
        vec![
            migration(1, "schema", "CREATE SCHEMA app; CREATE TABLE app.t (x INTEGER)", ""),
            outside(2, "SET search_path TO app; CREATE INDEX CONCURRENTLY ti ON t (x)", ""),
            migration(3, "users", "CREATE TABLE users (id INTEGER)", ""),
        ],
    );

    migrate(&db, &catalog, &Goal::Head).unwrap();

    assert_eq!(own_tables(&db), ["users"]);
}

/// Without the lock two runners would run the script at once.
#[test]
fn a_script_stops_when_the_lock_is_lost() {
    let db = TestDb::new(Dialect::Postgres);
    let up = "SELECT pg_sleep(2); CREATE TABLE late (id INTEGER)";
    let catalog = catalog(Dialect::Postgres, vec![table(1), outside(2, up, "")]);

    let error = std::thread::scope(|scope| {
        let runner = scope.spawn(|| migrate(&db, &catalog, &Goal::Head).unwrap_err());
        std::thread::sleep(std::time::Duration::from_millis(1200));
        db.batch(
            "SELECT pg_terminate_backend(l.pid) FROM pg_locks AS l JOIN pg_database AS d \
             ON d.oid = l.database JOIN pg_stat_activity AS a ON a.pid = l.pid AND a.state = 'idle' \
             WHERE l.locktype = 'advisory' AND d.datname = current_database()",
        );
        runner.join().unwrap()
    });

    let text = underpin::exit::explain(&error);
    assert!(text.contains("the migration lock was lost"), "{text}");
    assert_eq!(own_tables(&db), ["t1"]);
}

/// Between two statements of such a script stands the engine's own record.
#[rstest]
#[case::sqlite(Dialect::Sqlite, "INSERT INTO t1 VALUES (changes())")]
#[case::postgres(Dialect::Postgres, "INSERT INTO t1 VALUES (lastval())")]
fn what_speaks_of_the_statement_before_needs_a_transaction(
    #[case] dialect: Dialect,
    #[case] up: &str,
) {
    let db = TestDb::new(dialect);
    let catalog = catalog(dialect, vec![table(1), outside(2, up, "")]);

    let error = migrate(&db, &catalog, &Goal::Head).unwrap_err().to_string();

    assert!(error.contains("let the script run in a transaction"), "{error}");
    assert!(own_tables(&db).is_empty(), "nothing runs");
}

#[rstest]
fn a_transaction_that_a_script_leaves_open_is_refused(
    #[values(Dialect::Sqlite, Dialect::Postgres)] dialect: Dialect,
    #[values("BEGIN; INSERT INTO t1 VALUES (7)", "BEGIN; COMMIT; BEGIN; SELECT 1")] up: &str,
) {
    let db = TestDb::new(dialect);
    let catalog = catalog(dialect, vec![table(1), outside(2, up, "")]);

    let error = migrate(&db, &catalog, &Goal::Head).unwrap_err().to_string();

    assert!(error.contains("end it with `COMMIT`"), "{error}");
    assert!(own_tables(&db).is_empty(), "nothing runs");
}
