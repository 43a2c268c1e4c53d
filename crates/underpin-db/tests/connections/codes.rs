//! Errors of units of work carry the code of their database, and the code tells whose fault it is.

use diesel_async::SimpleAsyncConnection as _;
use futures_util::FutureExt as _;
use underpin_db::{Db, DbConn, DbError, PoolOptions};
use underpin_testkit::{Dialect, TestDb, block_on};

/// What a database says to `statements`, which run in one transaction.
async fn error(db: &Db, statements: &str) -> DbError {
    let text = statements.to_owned();
    let done = db.transaction(move |conn| {
        async move {
            match conn {
                DbConn::Postgres(conn) => conn.batch_execute(&text).await?,
                DbConn::Sqlite(conn) => conn.batch_execute(&text).await?,
            }
            Ok(())
        }
        .boxed()
    });
    let Err(error) = done.await else { panic!("{statements} was taken") };
    error
}

async fn open(db: &TestDb) -> Db {
    Db::connect(&db.database_url(), &PoolOptions { size: 1, ..PoolOptions::default() })
        .await
        .unwrap()
}

/// Of every class that PostgreSQL has, and whether an event is at fault.
const CODES: [(&str, bool); 32] = [
    ("08006", false),
    ("0A000", false),
    ("22001", true),
    ("22003", true),
    ("22007", true),
    ("22012", true),
    ("22021", true),
    ("22P02", true),
    ("22P05", true),
    ("23000", true),
    ("23001", true),
    ("23502", true),
    ("23503", true),
    ("23505", true),
    ("23514", true),
    ("23P01", true),
    ("25006", false),
    ("26000", false),
    ("28000", false),
    ("40001", false),
    ("40P01", false),
    ("42501", false),
    ("42703", false),
    ("42P01", false),
    ("44000", false),
    ("53100", false),
    ("53200", false),
    ("54000", false),
    ("55P03", false),
    ("57014", false),
    ("58030", false),
    ("P0001", false),
];

#[test]
fn every_sqlstate_of_postgres_comes_through_and_is_judged() {
    let ground = TestDb::new(Dialect::Postgres);
    block_on(async || {
        let db = open(&ground).await;
        for (code, of_data) in CODES {
            let raise = format!("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{code}'; END $$");
            let said = error(&db, &raise).await;
            assert_eq!((said.sqlstate.as_deref(), said.is_of_data()), (Some(code), of_data));
            assert_eq!(said.code().as_deref(), Some(code));
        }
    });
}

/// Also when only the end of the transaction finds it, and never the code of an error before.
#[test]
fn the_code_is_of_the_error_that_is_told() {
    let ground = TestDb::new(Dialect::Postgres);
    ground.batch(
        "CREATE TABLE t (id int UNIQUE DEFERRABLE INITIALLY DEFERRED); INSERT INTO t VALUES (1)",
    );
    block_on(async || {
        let db = open(&ground).await;
        assert_eq!(error(&db, "SELECT 1 / 0").await.sqlstate.as_deref(), Some("22012"));
        let late = error(&db, "INSERT INTO t VALUES (1)").await;
        assert_eq!((late.sqlstate.as_deref(), late.is_of_data()), (Some("23505"), true));
        let own = db.transaction(|_| {
            async { Err::<(), _>(DbError { message: "ours".to_owned(), ..DbError::default() }) }
                .boxed()
        });
        assert_eq!(own.await.unwrap_err().code(), None);
        // No text of the server is needed: its language is whatever it is.
        let local = "SET LOCAL lc_messages = 'C'; SELECT 'x'::int";
        assert_eq!(error(&db, local).await.sqlstate.as_deref(), Some("22P02"));
    });
}

#[test]
fn every_kind_of_error_of_sqlite_is_judged() {
    let ground = TestDb::new(Dialect::Sqlite);
    ground.batch(
        "CREATE TABLE parent (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE CHECK (name <> ''));
         CREATE TABLE child (parent INTEGER REFERENCES parent);
         CREATE TABLE late (parent INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
         CREATE TABLE strict (id INTEGER PRIMARY KEY, number INTEGER) STRICT;
         CREATE TABLE guarded (name TEXT);
         CREATE TRIGGER guard BEFORE INSERT ON guarded WHEN NEW.name = 'bad'
             BEGIN SELECT RAISE(ABORT, 'it''s not allowed'); END;
         INSERT INTO parent VALUES (1, 'one')",
    );
    let cases: [(&str, Option<i32>, bool); 15] = [
        ("INSERT INTO parent VALUES (1, 'two')", Some(2067), true),
        ("INSERT INTO parent VALUES (2, 'one')", Some(2067), true),
        ("INSERT INTO parent VALUES (3, NULL)", Some(1299), true),
        ("INSERT INTO parent VALUES (4, '')", Some(275), true),
        ("INSERT INTO child VALUES (9)", Some(787), true),
        ("INSERT INTO late VALUES (9)", Some(787), true),
        ("INSERT INTO strict VALUES (1, 'text')", Some(3091), true),
        ("INSERT INTO parent VALUES ('x', 'three')", Some(20), true),
        ("INSERT INTO guarded VALUES ('bad')", Some(1811), false),
        ("SELECT length(zeroblob(2000000000))", Some(18), true),
        ("INSERT INTO nothing VALUES (1)", None, false),
        ("INSERT INTO parent (nothing) VALUES (1)", None, false),
        ("INSERT INTO", None, false),
        ("SELECT abs(-9223372036854775808)", None, false),
        (
            "PRAGMA max_page_count = 1; CREATE TABLE large (a); \
             INSERT INTO large VALUES (zeroblob(100000))",
            Some(13),
            false,
        ),
    ];
    block_on(async || {
        let db = open(&ground).await;
        for (statements, code, of_data) in cases {
            let said = error(&db, statements).await;
            assert_eq!(
                (said.result_code, said.is_of_data()),
                (code, of_data),
                "{statements}: {said}"
            );
        }
    });
}

#[test]
fn what_is_the_matter_with_a_file_of_sqlite_is_no_fault_of_data() {
    let ground = TestDb::new(Dialect::Sqlite);
    ground.batch("CREATE TABLE t (a)");
    block_on(async || {
        let db = open(&ground).await;
        let only_reading = error(&db, "PRAGMA query_only = ON; INSERT INTO t VALUES (1)").await;
        assert_eq!((only_reading.result_code, only_reading.is_of_data()), (Some(8), false));
    });
}
