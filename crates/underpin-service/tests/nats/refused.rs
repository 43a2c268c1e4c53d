//! An event that the database refuses: it alone is given up.

use rstest::rstest;
use serde_json::json;
use underpin_testkit::Dialect;

use crate::{
    chat,
    stage::{Mode, Stage},
};

#[rstest]
#[case::sqlite(Dialect::Sqlite, Mode::Core)]
#[case::postgres(Dialect::Postgres, Mode::Core)]
#[case::sqlite_stream(Dialect::Sqlite, Mode::Stream)]
#[case::postgres_stream(Dialect::Postgres, Mode::Stream)]
fn the_others_of_its_group_are_applied(#[case] dialect: Dialect, #[case] mode: Mode) {
    let stage = Stage::new(dialect, mode);
    let mut replica = stage.replica();
    let bus = stage.bus();
    chat::join(&stage, &bus);
    stage.db.batch(match dialect {
        Dialect::Sqlite => {
            "CREATE TRIGGER refuse BEFORE INSERT ON recent_chat WHEN NEW.username = 'bad' \
             BEGIN SELECT RAISE(ABORT, 'not him'); END"
        }
        Dialect::Postgres => {
            "ALTER TABLE recent_chat ADD CONSTRAINT refuse CHECK (username <> 'bad')"
        }
    });

    for number in 1..=1_000 {
        bus.publish("message.log", &chat::line(number));
        if number == 500 {
            bus.publish("message.log", &json!({ "username": "bad", "message": "hunter2" }));
        }
    }
    bus.flush();

    chat::assert_all(&stage, 1_000);
    chat::assert_in_order(&stage, 1_000);
    assert_eq!(replica.stop(), Some(0));
    let errors = replica.lines("ERROR");
    assert_eq!(errors.len(), 1, "{errors:?}");
    let said = errors[0]["fields"]["message"].as_str().unwrap();
    let start = "an event of `message.log` was given up, for the database refuses it: ";
    assert!(said.starts_with(start), "{said}");
    assert_eq!(errors[0]["fields"]["subject"], "message.log");
    // After the join and 500 lines.
    let sequence = if mode == Mode::Stream { 502 } else { 0 };
    assert_eq!(errors[0]["fields"]["sequence"], sequence);
    assert!(!replica.log().contains("hunter2"));
}

/// The table that is at fault has nothing to do with the events: they wait, even those that were not
/// understood and that nobody would miss.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn no_event_is_given_up_when_the_position_cannot_move(#[case] dialect: Dialect) {
    let stage = Stage::new(dialect, Mode::Stream);
    let mut replica = stage.replica();
    let bus = stage.bus();
    chat::join(&stage, &bus);
    let (refuse, allow) = match dialect {
        Dialect::Sqlite => (
            "CREATE TRIGGER refuse BEFORE UPDATE ON event_positions \
             BEGIN SELECT RAISE(ABORT, 'not now'); END",
            "DROP TRIGGER refuse",
        ),
        Dialect::Postgres => (
            "ALTER TABLE event_positions ADD CONSTRAINT refuse CHECK (sequence < 2)",
            "ALTER TABLE event_positions DROP CONSTRAINT refuse",
        ),
    };
    for publish in [
        (|bus| bus.publish("message.log", &json!("not understood"))) as fn(&crate::bus::Bus),
        |bus| bus.publish("message.log", &chat::line(1)),
    ] {
        stage.db.batch(refuse);
        let before = replica.lines("WARN").len();
        publish(&bus);
        let warnings = replica.told("WARN", before + 4);
        assert!(warnings.last().unwrap().starts_with("events wait "), "{warnings:?}");
        stage.db.batch(allow);
    }

    chat::assert_all(&stage, 1);
    assert_eq!(replica.stop(), Some(0));
    replica.assert_silent("ERROR");
}
