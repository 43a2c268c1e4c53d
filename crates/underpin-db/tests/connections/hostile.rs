//! Leases under whatever strangers set for the role or the database, or put into a schema of its path.

use std::fmt::Write as _;

use diesel_async::SimpleAsyncConnection as _;
use rstest::rstest;
use underpin_db::{ConnectError, ConnectOptions, Db, DbError, Hold, Lease, PoolOptions};
use underpin_testkit::{Level, REFUSED, SETTINGS, TestDb, block_on};

/// Two who want it, one after the other.
fn taken_in_turn(db: &TestDb) -> Result<[bool; 5], String> {
    let connect = |error: ConnectError| crate::said(&error);
    let refused = |error: DbError| error.to_string();
    let url = db.database_url();
    block_on(async || {
        let mut first = Lease::open(&url, "leader").await.map_err(connect)?;
        let mut second = Lease::open(&url, "leader").await.map_err(connect)?;
        let mut held = [false; 5];
        held[0] = first.hold(Hold::Alone).await.map_err(refused)?;
        held[1] = first.hold(Hold::Alone).await.map_err(refused)?;
        held[2] = second.hold(Hold::Alone).await.map_err(refused)?;
        first.release().await;
        held[3] = second.hold(Hold::Shared).await.map_err(refused)?;
        held[4] = first.hold(Hold::Shared).await.map_err(refused)?;
        Ok(held)
    })
}

const IN_TURN: [bool; 5] = [true, true, false, true, true];

#[rstest]
fn a_lease_is_held_whatever_a_session_starts_with_postgres(
    #[values(Level::Role, Level::Database)] level: Level,
) {
    let mut wrong = String::new();
    for (name, value) in SETTINGS {
        let db = TestDb::with_login();
        db.start_with(level, name, value);
        let held = taken_in_turn(&db);
        let right = match &held {
            Err(said) => name == REFUSED && said.contains("ALTER ROLE ... RESET"),
            Ok(held) => name != REFUSED && *held == IN_TURN,
        };
        if !right {
            let _infallible = writeln!(wrong, "{name} = {value}: {held:?}");
        }
    }
    assert_eq!(wrong, "");
}

#[rstest]
#[case("public, pg_catalog")]
#[case("public")]
fn nothing_in_the_path_stands_in_for_the_servers_own_postgres(#[case] path: &str) {
    let db = TestDb::with_login();
    db.start_with(Level::Role, "search_path", path);
    db.poison_public();

    let held = taken_in_turn(&db);

    assert_eq!(db.poisonings(), 0, "{held:?}");
    assert_eq!(held, Ok(IN_TURN));
}

/// What the server says of `SHOW` on a connection of the engine and on one of a pool.
fn shown(db: &TestDb, name: &str) -> [Option<String>; 2] {
    let (url, show) = (db.database_url(), format!("SHOW {name}"));
    block_on(async || {
        let mut alone = url.connect(&ConnectOptions::default()).await.unwrap();
        alone.own().await.unwrap();
        let alone = alone.text(&show).await.unwrap();
        let Db::Postgres { pool, .. } = Db::connect(&url, &PoolOptions::default()).await.unwrap()
        else {
            panic!("a pool of another dialect")
        };
        // A failed cast is how a simple query says what it found.
        let ask = format!("SELECT pg_catalog.current_setting('{name}')::pg_catalog.int4");
        let said = pool.get().await.unwrap().batch_execute(&ask).await.unwrap_err().to_string();
        [alone, said.split('"').nth(1).map(str::to_owned)]
    })
}

#[rstest]
#[case::off_is_not_believed("off", "on")]
#[case::on_a_standby("remote_apply", "remote_apply")]
#[case::on_this_disk_alone("local", "local")]
fn a_commit_is_on_the_disk_whatever_a_session_starts_with_postgres(
    #[case] value: &str,
    #[case] expected: &str,
    #[values(Level::Role, Level::Database)] level: Level,
) {
    let db = TestDb::with_login();
    db.start_with(level, "synchronous_commit", value);

    assert_eq!(
        shown(&db, "synchronous_commit"),
        [Some(expected.to_owned()), Some(expected.to_owned())]
    );
}
