//! Scripts outside a transaction: what they leave behind is named, and can be gone on with.

use rstest::rstest;
use underpin::{Catalog, Error, Goal, Left, Migration, Options, Policy, Refusal, exit};
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

/// Where nothing else has begun a transaction, a savepoint does.
#[rstest]
#[case::one("INSERT INTO t1 VALUES (7); SAVEPOINT a; SELECT 1", Some(2))]
#[case::another_is_released("SAVEPOINT a; SAVEPOINT b; RELEASE b", Some(1))]
#[case::rolled_back_to("SAVEPOINT a; ROLLBACK TO a", Some(1))]
#[case::after_one_that_is_ended("SAVEPOINT a; RELEASE a; SAVEPOINT [b c]", Some(3))]
#[case::after_a_transaction("BEGIN; SAVEPOINT a; COMMIT; SAVEPOINT a", Some(4))]
#[case::of_one_name_twice("SAVEPOINT a; SAVEPOINT a; RELEASE a", Some(1))]
#[case::in_a_transaction("BEGIN; SAVEPOINT a; RELEASE a", Some(1))]
#[case::released("SAVEPOINT a; INSERT INTO t1 VALUES (7); RELEASE SAVEPOINT \"A\"", None)]
#[case::released_with_those_in_it("SAVEPOINT a; SAVEPOINT b; RELEASE a", None)]
#[case::committed("SAVEPOINT a; INSERT INTO t1 VALUES (7); COMMIT", None)]
#[case::rolled_back("SAVEPOINT a; SELECT 1; ROLLBACK", None)]
fn a_savepoint_that_a_script_leaves_open_is_refused_sqlite(
    #[case] up: &str,
    #[case] begun: Option<usize>,
) {
    let db = TestDb::new(Dialect::Sqlite);
    let up = up.replace("; ", ";\n");
    let catalog = catalog(Dialect::Sqlite, vec![table(1), outside(2, &up, "")]);

    let result = migrate(&db, &catalog, &Goal::Head);

    let Some(line) = begun else {
        result.unwrap();
        assert_eq!(applied(&db), ["0001", "0002"]);
        return;
    };
    let error = result.unwrap_err();
    assert_eq!(exit::code(&error), exit::REFUSED, "{error}");
    let text = error.to_string();
    assert!(text.contains(&format!("line {line}: this begins a transaction")), "{text}");
    assert!(own_tables(&db).is_empty(), "nothing runs");
}

/// What a transaction must be told before its first query, and what keeps the engine's record out of it: nothing
/// runs, and the message has the way out.
#[rstest]
#[case::level(
    "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
    "`BEGIN ISOLATION LEVEL SERIALIZABLE`"
)]
#[case::level_as_a_setting(
    "SET LOCAL transaction_isolation = 'serializable'",
    "`BEGIN ISOLATION LEVEL SERIALIZABLE`"
)]
#[case::snapshot("SET TRANSACTION SNAPSHOT '00000003-1'", "before the first query")]
#[case::deferrable("SET TRANSACTION DEFERRABLE", "before the first query")]
#[case::read_only("SET TRANSACTION READ ONLY", "leave `READ ONLY` out")]
#[case::read_only_as_a_setting("SET transaction_read_only = on", "leave `READ ONLY` out")]
#[case::encoding("SET client_encoding = 'LATIN1'", "save the script as UTF-8")]
#[case::names("SET NAMES 'LATIN1'", "save the script as UTF-8")]
#[case::encoding_by_a_function(
    "SELECT set_config('client_encoding', 'LATIN1', true)",
    "save the script as UTF-8"
)]
fn what_the_engine_cannot_stand_beside_is_refused_postgres(
    #[case] set: &str,
    #[case] told: &str,
    #[values("", "BEGIN; {}; INSERT INTO t1 VALUES (7); COMMIT", "START TRANSACTION; {}; COMMIT")]
    around: &str,
) {
    let db = TestDb::new(Dialect::Postgres);
    let step = match around {
        "" => migration(2, "inside", set, ""),
        around => outside(2, &around.replace("{}", set), ""),
    };

    let error =
        migrate(&db, &catalog(Dialect::Postgres, vec![table(1), step]), &Goal::Head).unwrap_err();

    assert_eq!(exit::code(&error), exit::REFUSED, "{error}");
    assert!(error.to_string().contains(told), "{error}");
    assert!(own_tables(&db).is_empty(), "nothing runs");
}

#[rstest]
#[case("BEGIN READ ONLY; SELECT 1; COMMIT")]
#[case("START TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE; SELECT 1; COMMIT")]
fn a_transaction_that_begins_read_only_is_refused_postgres(#[case] up: &str) {
    let db = TestDb::new(Dialect::Postgres);
    let catalog = catalog(Dialect::Postgres, vec![table(1), outside(2, up, "")]);

    let error = migrate(&db, &catalog, &Goal::Head).unwrap_err();

    assert_eq!(exit::code(&error), exit::REFUSED, "{error}");
    assert!(error.to_string().contains("leave `READ ONLY` out"), "{error}");
}

/// The ways out that the refusals name, and what means nothing else than what is so.
#[rstest]
#[case::begin("BEGIN ISOLATION LEVEL SERIALIZABLE; {}; COMMIT", "serializable")]
#[case::start(
    "START TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ WRITE; {}; COMMIT",
    "repeatable read"
)]
#[case::of_the_session(
    "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE; BEGIN; {}; COMMIT",
    "serializable"
)]
#[case::the_level_that_is(
    "BEGIN; SET TRANSACTION ISOLATION LEVEL READ COMMITTED; {}; COMMIT",
    "read committed"
)]
#[case::in_code(
    "DO $$ BEGIN COMMIT; SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; {}; END $$",
    "serializable"
)]
#[case::utf8("SET client_encoding = 'UTF8'; {}", "read committed")]
#[case::unicode("SET NAMES 'unicode'; {}", "read committed")]
fn a_level_is_set_where_a_transaction_begins_postgres(#[case] up: &str, #[case] level: &str) {
    let db = TestDb::new(Dialect::Postgres);
    let is = "CREATE TABLE level AS SELECT current_setting('transaction_isolation') AS is_at";
    let up = up.replace("{}", is);
    let catalog = catalog(Dialect::Postgres, vec![table(1), outside(2, &up, "")]);

    migrate(&db, &catalog, &Goal::Head).unwrap();

    assert_eq!(db.texts("SELECT is_at FROM level"), [level]);
}

/// Nothing takes back what such a script left, so what is wrong with it is told in any case, also when the history
/// does not take it.
#[rstest]
#[case::something_dangles(
    "CREATE VIEW v AS SELECT id FROM t1",
    "DROP TABLE t1",
    "it would leave behind what does not work any more"
)]
#[case::rows_are_lost(
    "INSERT INTO t1 VALUES (7)",
    "CREATE TABLE n (id INTEGER NOT NULL PRIMARY KEY); DROP TABLE t1; ALTER TABLE n RENAME TO t1",
    "table `t1` had 2 rows and would have 0"
)]
fn what_is_wrong_is_told_when_it_cannot_be_recorded_sqlite(
    #[case] before: &str,
    #[case] up: &str,
    #[case] told: &str,
) {
    let db = TestDb::new(Dialect::Sqlite);
    let catalog = catalog(Dialect::Sqlite, vec![table(1), outside(2, up, "")]);
    migrate(&db, &catalog, &Goal::Up(1)).unwrap();
    db.batch(&format!(
        "{before}; CREATE TRIGGER full BEFORE INSERT ON underpin_history WHEN NEW.reason LIKE '%\"fault\"%' \
         BEGIN SELECT RAISE(ABORT, 'the history is full'); END"
    ));

    let error = migrate(&db, &catalog, &Goal::Head).unwrap_err();

    let text = exit::explain(&error);
    assert!(text.contains(told), "{text}");
    assert!(text.contains("the history could not be told that"), "{text}");
    assert!(text.ends_with("because: the history is full"), "{text}");
    assert_eq!(applied(&db), ["0001"]);
}
