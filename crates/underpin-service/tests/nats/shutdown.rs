//! The end: what was published before it is applied, and the last one to go ends the sessions.

use rstest::rstest;
use serde_json::json;
use underpin_testkit::Dialect;

use crate::{
    chat,
    replica::eventually,
    stage::{Mode, Stage},
};

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_was_published_before_is_applied(#[case] dialect: Dialect) {
    let stage = Stage::new(dialect, Mode::Core).with("SHUTDOWN_SECONDS", "60");
    let bus = stage.bus();
    let mut last = 0;
    for round in 0..3 {
        let mut replica = stage.replica();
        if round == 0 {
            chat::join(&stage, &bus);
        }
        chat::say(&bus, last + 1..=last + 2_000);
        last += 2_000;

        assert_eq!(replica.stop(), Some(0));

        chat::assert_all(&stage, last);
        replica.assert_silent("WARN");
    }
    chat::assert_in_order(&stage, last);
}

/// Requests that came before the end are answered.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_was_asked_before_is_answered(#[case] dialect: Dialect) {
    let stage = Stage::new(dialect, Mode::Core).with("SHUTDOWN_SECONDS", "60");
    let mut replica = stage.replica();
    let bus = stage.bus();
    let inbox = "replies";
    let mut replies = bus.listen(inbox);

    for number in 0..200 {
        bus.publish_request(
            "messages.outbound.enqueue",
            &json!({ "message": number.to_string() }),
            inbox,
        );
    }
    bus.flush();
    assert_eq!(replica.stop(), Some(0));

    let got = bus.received(&mut replies, 200);
    assert!(got.iter().all(|reply| reply["id"].is_i64()), "{got:?}");
    assert_eq!(stage.count("SELECT count(*) FROM outbound_messages"), 200);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite, Mode::Core)]
#[case::postgres(Dialect::Postgres, Mode::Core)]
#[case::sqlite_stream(Dialect::Sqlite, Mode::Stream)]
#[case::postgres_stream(Dialect::Postgres, Mode::Stream)]
fn the_last_replica_ends_the_sessions(#[case] dialect: Dialect, #[case] mode: Mode) {
    let stage = Stage::new(dialect, mode);
    let (mut first, mut second) = (stage.replica(), stage.replica());
    chat::join(&stage, &stage.bus());
    stage.db.batch("UPDATE user_stats SET current_session_start = current_session_start - 1000");

    assert_eq!(first.stop(), Some(0));
    assert_eq!(stage.count("SELECT count(current_session_start) FROM user_stats"), 1);
    assert_eq!(stage.count("SELECT total_time_connected FROM user_stats"), 0);
    assert!(!first.log().contains("the last replica goes"));
    assert_eq!(second.stop(), Some(0));

    assert_eq!(stage.count("SELECT count(current_session_start) FROM user_stats"), 0);
    let time = stage.count("SELECT total_time_connected FROM user_stats");
    assert!((1_000..1_100).contains(&time), "{time}");
    assert!(second.log().contains("the last replica goes: 1 sessions ended"), "{}", second.log());
}

/// With a server that is gone there is nothing to wait for.
#[rstest]
#[case::sqlite(Dialect::Sqlite, Mode::Core)]
#[case::postgres(Dialect::Postgres, Mode::Core)]
#[case::sqlite_stream(Dialect::Sqlite, Mode::Stream)]
#[case::postgres_stream(Dialect::Postgres, Mode::Stream)]
fn a_lost_nats_server_does_not_hold_up_the_end(#[case] dialect: Dialect, #[case] mode: Mode) {
    let mut stage = Stage::new(dialect, mode).with("SHUTDOWN_SECONDS", "60");
    let mut replica = stage.replica();
    let bus = stage.bus();
    chat::join(&stage, &bus);
    chat::say(&bus, 1..=500);
    chat::assert_all(&stage, 500);
    stage.nats.kill();
    replica.wait_for("NATS, for events: disconnected");

    assert_eq!(replica.stop(), Some(0));

    assert!(!replica.log().contains("work was still open"), "{}", replica.log());
    eventually("no session", || {
        stage.count("SELECT count(current_session_start) FROM user_stats") == 0
    });
}
