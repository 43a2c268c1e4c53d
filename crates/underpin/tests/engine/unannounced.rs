//! Where nobody says which process works for a connection, a pooler may be in between: it is treated as one.

use rstest::rstest;
use underpin::{Access, DatabaseUrl, Engine, Goal, Options};
use underpin_testkit::{Announced, Dialect, Relay, TestDb, block_on};

use crate::{applied, table, tables};

#[rstest]
#[case::nothing_postgres(Announced::Nothing)]
#[case::zero_postgres(Announced::Zero)]
fn what_does_not_say_which_process_works_is_a_pooler(#[case] announced: Announced) {
    let db = TestDb::new(Dialect::Postgres);
    let relay = Relay::start(&db, announced);
    let url: DatabaseUrl = relay.url(&db).parse().unwrap();
    let three = tables(Dialect::Postgres, 3);
    let moves =
        crate::migration(4, "moves", "SET search_path TO pg_catalog; SET lock_timeout = 7", "");
    let moved = crate::catalog(Dialect::Postgres, (1..=3).map(table).chain([moves]).collect());

    let pooled = block_on(async || {
        let engine = Engine::new(&three, &[], &url, Options::default()).unwrap();
        engine.migrate(&Goal::Head).await.unwrap();
        engine.migrate(&Goal::Down(1)).await.unwrap();
        let mut conn = engine.connect(Access::ReadWrite).await.unwrap();
        conn.meet().await.unwrap();
        let engine = Engine::new(&moved, &[], &url, Options::default()).unwrap();
        engine.migrate_in(&mut conn, "public", &Goal::Head).await.unwrap();
        (conn.is_pooled(), conn.text("SHOW lock_timeout").await.unwrap())
    });

    assert!(pooled.0);
    assert_ne!(pooled.1.as_deref(), Some("7ms"));
    assert_eq!(applied(&db), ["0001", "0002", "0003", "0004"]);
    // The lock was the lease, three times.
    assert_eq!(
        db.texts("SELECT count(*) FROM underpin_lease WHERE token > 0 AND holder IS NULL"),
        ["1"]
    );
}

/// The same way to the server, where the process is announced.
#[test]
fn a_server_that_says_it_is_no_pooler_postgres() {
    let db = TestDb::new(Dialect::Postgres);
    let url = db.database_url();
    let one = tables(Dialect::Postgres, 1);
    block_on(async || {
        let engine = Engine::new(&one, &[], &url, Options::default()).unwrap();
        engine.migrate(&Goal::Head).await.unwrap();
        let mut conn = engine.connect(Access::ReadWrite).await.unwrap();
        conn.meet().await.unwrap();
        assert!(!conn.is_pooled());
    });
    assert_eq!(db.texts("SELECT to_regclass('underpin_lease')::text"), [""; 0]);
}
