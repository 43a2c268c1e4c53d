//! A bot that was killed leaves sessions open: they end at its last sign of life.

use rstest::rstest;
use serde_json::json;
use underpin_testkit::Dialect;

use crate::stage::{Mode, Stage};

/// Two users who are there since 10,000 s, seen 5,000 s ago; the bot's status and its count are of
/// `status` and `count` seconds ago.
fn open_sessions(stage: &Stage, status: i64, count: i64) -> i64 {
    let now = stage.count(match stage.db.dialect() {
        Dialect::Sqlite => "SELECT unixepoch()",
        Dialect::Postgres => "SELECT floor(extract(epoch FROM now()))::bigint",
    });
    let (start, seen, status, count) = (now - 10_000, now - 5_000, now - status, now - count);
    stage.db.batch(&format!(
        "INSERT INTO user_stats (username, first_seen, last_seen, total_chat_lines, \
         total_time_connected, current_session_start) VALUES ('a', 1, {seen}, 0, 7, {start}), \
         ('b', 1, {seen}, 0, 0, {start}), ('gone', 1, 2, 3, 4, NULL); \
         UPDATE current_status SET last_updated = {status}; \
         INSERT INTO user_count_history (timestamp, chat_users, connected_users) \
         VALUES ({count}, 2, 2)"
    ));
    now
}

/// Name, seconds connected, seconds since last seen, whether the session is open.
fn users(stage: &Stage, now: i64) -> Vec<String> {
    stage.db.texts(&format!(
        "SELECT username || ' ' || CAST(total_time_connected AS TEXT) || ' ' || \
         CAST({now} - last_seen AS TEXT) || CASE WHEN current_session_start IS NULL THEN '' \
         ELSE ' open' END FROM user_stats WHERE username IN ('a', 'b') ORDER BY username"
    ))
}

#[rstest]
#[case::sqlite(Dialect::Sqlite, Mode::Core)]
#[case::postgres(Dialect::Postgres, Mode::Core)]
#[case::sqlite_stream(Dialect::Sqlite, Mode::Stream)]
#[case::postgres_stream(Dialect::Postgres, Mode::Stream)]
fn they_end_when_the_bot_speaks_again(#[case] dialect: Dialect, #[case] mode: Mode) {
    for (status, count, ended_before) in [(4_000, 4_500, 4_000), (4_500, 3_000, 3_000)] {
        let stage = Stage::new(dialect, mode).with("SESSION_SILENCE_SECONDS", "2000");
        let mut replica = stage.replica();
        let bus = stage.bus();
        let now = open_sessions(&stage, status, count);

        bus.publish("message.log", &json!({ "username": "gone", "message": "hello" }));
        stage.settle(&bus);

        let time = 10_000 - ended_before;
        let expected =
            [format!("a {} {ended_before}", time + 7), format!("b {time} {ended_before}")];
        assert_eq!(users(&stage, now), expected);
        assert_eq!(
            stage.count("SELECT total_time_connected FROM user_stats WHERE username = 'gone'"),
            4
        );
        replica.wait_for("the bot was silent: 2 sessions ended");
    }
}

/// The bot spoke less than the silence ago, to whichever replica.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn they_go_on_when_the_bot_was_not_silent_for_long(#[case] dialect: Dialect) {
    let stage = Stage::new(dialect, Mode::Core).with("SESSION_SILENCE_SECONDS", "2000");
    let mut replica = stage.replica();
    let bus = stage.bus();
    let now = open_sessions(&stage, 1_000, 5_000);

    bus.publish("message.log", &json!({ "username": "gone", "message": "hello" }));
    stage.settle(&bus);

    assert_eq!(users(&stage, now), ["a 7 5000 open", "b 0 5000 open"]);
    assert!(!replica.log().contains("the bot was silent"));
    assert_eq!(replica.stop(), Some(0));
    let total = stage.count("SELECT total_time_connected FROM user_stats WHERE username = 'b'");
    assert!((10_000..10_100).contains(&total), "credited up to the end: {total}");
}

/// A silent bot is dead, and the last replica does not credit anybody with the time since then.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn the_end_of_the_service_credits_no_silence(#[case] dialect: Dialect) {
    let stage = Stage::new(dialect, Mode::Core).with("SESSION_SILENCE_SECONDS", "2000");
    let mut replica = stage.replica();
    let now = open_sessions(&stage, 4_000, 4_500);

    assert_eq!(replica.stop(), Some(0));

    assert_eq!(users(&stage, now), ["a 6007 4000", "b 6000 4000"]);
    assert!(replica.log().contains("the last replica goes: 2 sessions ended"), "{}", replica.log());
}
