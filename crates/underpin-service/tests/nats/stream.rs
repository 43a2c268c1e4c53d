//! The stream itself: read from where the database stands, whatever happens to it.

use rstest::rstest;
use serde_json::json;
use underpin_testkit::Dialect;

use crate::{
    chat,
    replica::eventually,
    stage::{Mode, Stage},
};

/// What was published while nobody listened is applied by the next one, and nothing again.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn events_wait_for_the_service(#[case] dialect: Dialect) {
    let stage = Stage::new(dialect, Mode::Stream);
    let bus = stage.bus();
    let mut replica = stage.replica();
    chat::join(&stage, &bus);
    assert_eq!(replica.stop(), Some(0));

    for round in 0..2 {
        chat::say(&bus, round * 1_500 + 1..=round * 1_500 + 1_500);
        let mut replica = stage.replica();
        chat::assert_all(&stage, round * 1_500 + 1_500);
        assert_eq!(replica.stop(), Some(0));
        replica.assert_silent("WARN");
    }
    chat::assert_in_order(&stage, 3_000);
}

/// A stream that was deleted and made anew counts from 1 again.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_stream_that_is_made_anew_is_read_from_its_start(#[case] dialect: Dialect) {
    let stage = Stage::new(dialect, Mode::Stream);
    let _replica = stage.replica();
    let bus = stage.bus();
    chat::join(&stage, &bus);
    chat::say(&bus, 1..=100);
    chat::assert_all(&stage, 100);
    for round in 1..=2 {
        bus.delete_stream("ROSEY_DB");
        // The service makes it anew, and the bot publishes until it is told that its event is kept.
        for number in round * 100 + 1..=round * 100 + 100 {
            bus.put("message.log", &chat::line(number), &number.to_string());
        }
        chat::assert_all(&stage, round * 100 + 100);
    }
    chat::assert_in_order(&stage, 300);
}

/// Somebody deletes the consumer: it is made again after what was applied.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_consumer_that_was_deleted_is_made_again(#[case] dialect: Dialect) {
    let stage = Stage::new(dialect, Mode::Stream);
    let mut replica = stage.replica();
    let bus = stage.bus();
    chat::join(&stage, &bus);
    for round in 0..3 {
        bus.with(async |client| {
            let context = async_nats::jetstream::new(client.clone());
            let stream = context.get_stream("ROSEY_DB").await.unwrap();
            stream.delete_consumer("underpin").await.unwrap();
        });
        chat::say(&bus, round * 300 + 1..=round * 300 + 300);
        chat::assert_all(&stage, round * 300 + 300);
    }
    chat::assert_in_order(&stage, 900);
    replica.wait_for("the event stream is read anew");
}

/// The server has lost the end of its stream and gives its numbers to other events.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_stream_that_lost_its_end_goes_on(#[case] dialect: Dialect) {
    let stage = Stage::new(dialect, Mode::Stream);
    let mut replica = stage.replica();
    let bus = stage.bus();
    chat::join(&stage, &bus);
    assert_eq!(replica.stop(), Some(0));
    stage.db.batch("UPDATE event_positions SET sequence = 50");

    let mut replica = stage.replica();
    replica.wait_for("the stream `ROSEY_DB` ends at 1, yet 50 was applied");
    chat::say(&bus, 1..=100);

    chat::assert_all(&stage, 100);
    assert_eq!(replica.said("ERROR").len(), 1);
}

/// Events that were removed before anybody read them are missed, and that is told.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn events_that_were_removed_unread_are_told(#[case] dialect: Dialect) {
    let stage = Stage::new(dialect, Mode::Stream);
    let mut replica = stage.replica();
    let bus = stage.bus();
    chat::join(&stage, &bus);
    assert_eq!(replica.stop(), Some(0));
    bus.publish("user.joined", &json!({ "username": "removed" }));
    bus.flush();
    bus.with(async |client| {
        let context = async_nats::jetstream::new(client.clone());
        context.get_stream("ROSEY_DB").await.unwrap().purge().await.unwrap();
    });

    let mut replica = stage.replica();
    replica.wait_for("1 events were removed before anybody read them");
    chat::say(&bus, 1..=10);

    chat::assert_all(&stage, 10);
    assert_eq!(stage.count("SELECT count(*) FROM user_stats"), 1);
}

/// The database was put back to an older state: what came after it is applied again.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_database_that_was_restored_catches_up(#[case] dialect: Dialect) {
    let stage = Stage::new(dialect, Mode::Stream);
    let mut replica = stage.replica();
    let bus = stage.bus();
    chat::join(&stage, &bus);
    chat::say(&bus, 1..=200);
    chat::assert_all(&stage, 200);
    replica.kill();
    // After the join and 100 lines.
    stage.db.batch(
        "DELETE FROM recent_chat WHERE CAST(message AS INTEGER) > 100; \
         UPDATE user_stats SET total_chat_lines = 100; UPDATE event_positions SET sequence = 101",
    );

    let _replica = stage.replica();

    eventually("the lines that were taken back", || chat::kept(&stage) == 200);
    chat::assert_in_order(&stage, 200);
    chat::assert_all(&stage, 200);
}
