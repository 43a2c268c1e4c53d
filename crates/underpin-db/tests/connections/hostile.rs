//! Leases under whatever strangers set for the role or the database, or put into a schema of its path.

use std::fmt::Write as _;

use rstest::rstest;
use underpin_db::{ConnectError, DbError, Hold, Lease};
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
