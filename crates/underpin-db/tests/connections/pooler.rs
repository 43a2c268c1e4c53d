//! A pooler in between: it is recognised, and settings hold all the same.

use std::time::Duration;

use rstest::rstest;
use underpin_db::{Conn, ConnectOptions, DatabaseUrl};
use underpin_testkit::{Dialect, PgBouncer, Settings, TestDb, block_on};

use crate::{
    proxy::{Authority, Proxy},
    ways::parts,
};

async fn connect(url: &DatabaseUrl) -> Conn {
    let options = ConnectOptions {
        lock_timeout: Some(Duration::from_millis(123)),
        ..ConnectOptions::default()
    };
    url.connect(&options).await.unwrap()
}

#[rstest]
#[case::plain_postgres("disable", false)]
#[case::no_tls_postgres("prefer", false)]
#[case::tls_postgres("prefer", true)]
#[case::tls_required_postgres("require", true)]
fn a_server_announces_the_process_that_answers(#[case] mode: &str, #[case] tls: bool) {
    let db = TestDb::new(Dialect::Postgres);
    let (user, upstream, name) = parts(&db);
    let authority = Authority::new();
    let proxy = Proxy::start(&upstream, tls.then_some((&authority, "localhost")));
    let url = format!("postgres://{user}@localhost:{}/{name}?sslmode={mode}", proxy.port);
    let url = url.parse().unwrap();

    block_on(async || {
        let mut conn = connect(&url).await;
        conn.meet().await.unwrap();
        assert!(!conn.is_pooled());
    });
}

const HELD: &str =
    "SELECT current_setting('lock_timeout') || ' ' || current_setting('search_path')";

#[rstest]
#[case::refused_postgres(Settings::Refused)]
#[case::ignored_postgres(Settings::Ignored)]
fn settings_hold_behind_a_pooler_in_each_transaction(#[case] settings: Settings) {
    let db = TestDb::new(Dialect::Postgres);
    db.batch("CREATE SCHEMA one; CREATE SCHEMA two");
    let bouncer = PgBouncer::start(&db, settings);
    let url: DatabaseUrl = bouncer.url(&db).parse().unwrap();
    let url = url.in_schema("one");

    block_on(async || {
        let mut conn = connect(&url).await;
        conn.meet().await.unwrap();
        assert!(conn.is_pooled() && conn.begins_otherwise());
        let held = async |conn: &mut Conn| conn.text(HELD).await.unwrap().unwrap();
        assert_eq!(held(&mut conn).await, "123ms one");
        // What is set inside a transaction holds until it ends.
        conn.batch("BEGIN; SET LOCAL search_path TO two").await.unwrap();
        assert_eq!(held(&mut conn).await, "123ms two");
        conn.batch("SAVEPOINT s; ROLLBACK TO s").await.unwrap();
        assert_eq!(held(&mut conn).await, "123ms two");
        conn.batch("COMMIT").await.unwrap();
        assert_eq!(held(&mut conn).await, "123ms one");
        // A transaction that failed takes nothing but its end.
        let error =
            conn.batch("BEGIN; SET LOCAL search_path TO two;\nSELECT 1/0").await.unwrap_err();
        assert_eq!(error.completed, Some(2));
        assert_eq!(conn.batch("SELECT 1").await.unwrap_err().sqlstate.unwrap(), "25P02");
        conn.batch("ROLLBACK").await.unwrap();
        assert_eq!(held(&mut conn).await, "123ms one");
        // Places are those of the text that was given.
        let error = conn.batch("SELECT 1; SELECT nothing").await.unwrap_err();
        assert_eq!((error.position, error.completed), (Some(18), Some(1)));
        // What was set for the session is nobody's.
        conn.batch("SET search_path TO two").await.unwrap();
        assert_eq!(held(&mut conn).await, "123ms one");
        let answers = conn.answers("SELECT 'a'; SELECT 'b'; SELECT 'c'", &[0, 2]).await.unwrap();
        assert_eq!(answers, [(0, Some("a".to_owned())), (2, Some("c".to_owned()))]);
        conn.batch_alone("VACUUM").await.unwrap();
    });
}
