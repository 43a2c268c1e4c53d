//! Pools: their settings hold.

use std::time::{Duration, Instant};

use diesel_async::{RunQueryDsl as _, SimpleAsyncConnection as _};
use futures_util::FutureExt as _;
use rstest::rstest;
use underpin_db::{ConnectError, Db, DbConn, DbError, PoolOptions, PoolState};
use underpin_testkit::{Dialect, TestDb, block_on};

fn options() -> PoolOptions {
    PoolOptions { size: 1, wait: Duration::from_secs(2), ..PoolOptions::default() }
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_pool_gives_a_sign_of_life_again_and_again(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    db.batch("CREATE TABLE t (id INTEGER)");

    block_on(async || {
        let pool = Db::connect(&db.database_url(), &options()).await.unwrap();
        for _ in 0..20 {
            pool.ping().await.unwrap();
        }
    });
}

/// Whoever finds every connection taken waits as long as it was told to, and no longer.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_wait_for_a_connection_ends(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    db.batch("CREATE TABLE t (id INTEGER)");

    block_on(async || {
        let pool = Db::connect(&db.database_url(), &options()).await.unwrap();
        let start = Instant::now();
        match &pool {
            Db::Postgres { pool, .. } => {
                let _taken = pool.get().await.unwrap();
                assert!(matches!(pool.get().await, Err(bb8::RunError::TimedOut)));
            }
            Db::Sqlite { writer, .. } => {
                let _taken = writer.get().await.unwrap();
                assert!(matches!(writer.get().await, Err(bb8::RunError::TimedOut)));
            }
        }
        assert!(start.elapsed() >= Duration::from_secs(2));
    });
}

/// A unit of work comes to its end, and its connection goes back to the pool free.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn work_goes_on_when_its_caller_stops_waiting(#[case] dialect: Dialect) {
    async fn insert(conn: &mut DbConn) -> Result<(), DbError> {
        match conn {
            DbConn::Postgres(conn) => conn.batch_execute("INSERT INTO t VALUES (1)").await?,
            DbConn::Sqlite(conn) => conn.batch_execute("INSERT INTO t VALUES (1)").await?,
        }
        Ok(())
    }
    let db = TestDb::new(dialect);
    db.batch("CREATE TABLE t (id INTEGER)");

    block_on(async || {
        let pool = Db::connect(&db.database_url(), &options()).await.unwrap();
        // Opens the connections, which is nothing that the work waits for then.
        pool.write(|conn| insert(conn).boxed()).await.unwrap();
        let work = pool.transaction(|conn| {
            async move {
                insert(conn).await?;
                tokio::time::sleep(Duration::from_millis(1_500)).await;
                insert(conn).await
            }
            .boxed()
        });
        assert!(tokio::time::timeout(Duration::from_millis(500), work).await.is_err());
        assert_eq!(db.texts("SELECT id FROM t").len(), 1);
        pool.ping().await.unwrap();
        pool.write(|conn| insert(conn).boxed()).await.unwrap();
        let busy: u32 = pool.pools().iter().map(|PoolState { size, idle, .. }| size - idle).sum();
        assert_eq!(busy, 0);
    });

    assert_eq!(db.texts("SELECT id FROM t").len(), 4);
}

#[test]
fn only_the_writer_writes_to_sqlite_and_readers_see_it() {
    let db = TestDb::new(Dialect::Sqlite);
    db.batch("CREATE TABLE t (id INTEGER)");

    block_on(async || {
        let pool = Db::connect(&db.database_url(), &options()).await.unwrap();
        let Db::Sqlite { writer, readers } = pool else { panic!("not SQLite") };
        writer.get().await.unwrap().batch_execute("INSERT INTO t VALUES (7)").await.unwrap();
        let mut reader = readers.get().await.unwrap();
        let query = diesel::dsl::sql::<diesel::sql_types::Integer>("SELECT id FROM t");
        assert_eq!(query.get_result::<i32>(&mut *reader).await.unwrap(), 7);
        let error = reader.batch_execute("INSERT INTO t VALUES (8)").await.unwrap_err();
        assert!(error.to_string().contains("readonly"), "{error}");
    });
}

/// A connection that the server has ended is noticed before it is handed out.
#[test]
fn a_connection_that_died_is_replaced() {
    let db = TestDb::new(Dialect::Postgres);

    block_on(async || {
        let pool = Db::connect(&db.database_url(), &options()).await.unwrap();
        pool.ping().await.unwrap();
        db.batch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
        pool.ping().await.unwrap();
    });
}

/// What is wrong is said when the pool is opened, and not by the first request.
#[test]
fn a_database_that_cannot_be_had_is_an_error_at_once() {
    let db = TestDb::new(Dialect::Sqlite);

    let error = block_on(async || Db::connect(&db.database_url(), &options()).await.err());

    assert!(matches!(error, Some(ConnectError::NoFile(_))), "{error:?}");
}
