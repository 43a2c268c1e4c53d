//! An event that the database refuses for what it says: it alone becomes a dead letter.

use rstest::rstest;
use serde_json::json;
use underpin_testkit::Dialect;

use crate::{
    chat,
    replica::eventually,
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
            "CREATE TABLE names (name TEXT CHECK (name <> 'bad')); \
             CREATE TRIGGER refuse BEFORE INSERT ON recent_chat \
             BEGIN INSERT INTO names VALUES (NEW.username); END"
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
    let start = "an event of `message.log` became a dead letter, for the database refuses it: ";
    assert!(said.starts_with(start), "{said}");
    assert_eq!(errors[0]["fields"]["subject"], "message.log");
    // After the join and 500 lines.
    let sequence = if mode == Mode::Stream { 502 } else { 0 };
    assert_eq!(errors[0]["fields"]["sequence"], sequence);
    assert!(!replica.log().contains("hunter2"));
    let letters = stage.db.texts(
        "SELECT stream || ' ' || CAST(sequence AS TEXT) || ' ' || subject || ' ' || payload || ' ' || code \
         FROM dead_letters WHERE outcome IS NULL",
    );
    let stream = if mode == Mode::Stream { "ROSEY_DB" } else { "" };
    let payload = json!({ "username": "bad", "message": "hunter2" });
    let code = if dialect == Dialect::Sqlite { "SQLite 275" } else { "23514" };
    assert_eq!(letters, [format!("{stream} {sequence} message.log {payload} {code}")]);
}

/// A counter that is full refuses the event, as PostgreSQL does by itself; SQLite would go on with a fraction.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn an_event_for_which_a_counter_has_no_room_becomes_one(#[case] dialect: Dialect) {
    let stage = Stage::new(dialect, Mode::Stream);
    let mut replica = stage.replica();
    let bus = stage.bus();
    chat::join(&stage, &bus);
    let max = i64::MAX;
    stage.db.batch(&format!(
        "UPDATE user_stats SET total_chat_lines = {max}, total_time_connected = {max}, \
         current_session_start = 1; \
         INSERT INTO outbound_messages (id, timestamp, message, retry_count) VALUES (7, 1, 'a', {max})"
    ));

    bus.publish("message.log", &chat::line(1));
    bus.publish("user.left", &json!({ "username": chat::USER }));
    bus.publish("messages.outbound.mark_failed", &json!({ "message_id": 7, "error": "no" }));
    stage.settle(&bus);

    let code = if dialect == Dialect::Sqlite { "SQLite 1299" } else { "22003" };
    let letters = stage.db.texts("SELECT subject || ' ' || code FROM dead_letters ORDER BY id");
    let subjects = ["message.log", "user.left", "messages.outbound.mark_failed"];
    assert_eq!(letters, subjects.map(|subject| format!("{subject} {code}")));
    let kept = stage.db.texts(
        "SELECT CAST(total_chat_lines AS TEXT) || ' ' || CAST(total_time_connected AS TEXT) || ' ' || \
         CAST(current_session_start AS TEXT) || ' ' || CAST(retry_count AS TEXT) \
         FROM user_stats, outbound_messages",
    );
    assert_eq!(kept, [format!("{max} {max} 1 {max}")]);
    assert_eq!(chat::kept(&stage), 0);
    assert_eq!(replica.stop(), Some(0));
}

/// The operator looks at it, tries it again, and has it applied once nothing refuses it any more.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_dead_letter_is_applied_again_or_dropped(#[case] dialect: Dialect) {
    let stage = Stage::new(dialect, Mode::Stream);
    let mut replica = stage.replica();
    let bus = stage.bus();
    chat::join(&stage, &bus);
    let (refuse, allow) = match dialect {
        Dialect::Sqlite => (
            "CREATE TABLE names (name TEXT CHECK (name = '')); \
             CREATE TRIGGER refuse BEFORE INSERT ON recent_chat \
             BEGIN INSERT INTO names VALUES (NEW.username); END",
            "DROP TRIGGER refuse",
        ),
        Dialect::Postgres => (
            "ALTER TABLE recent_chat ADD CONSTRAINT refuse CHECK (username = '')",
            "ALTER TABLE recent_chat DROP CONSTRAINT refuse",
        ),
    };
    stage.db.batch(refuse);
    chat::say(&bus, 1..=2);
    eventually("two letters", || stage.count("SELECT count(*) FROM dead_letters") == 2);
    let letters = |arguments: &[&str]| {
        let output = stage.command().arg("dead-letters").args(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };

    let (code, listed, _) = letters(&["list"]);
    assert_eq!((code, listed.lines().count()), (Some(0), 2), "{listed}");
    assert!(listed.contains(r#""state":"waiting""#) && listed.contains("counter"), "{listed}");
    let (code, _, error) = letters(&["apply", "1", "--by", "ada"]);
    assert_eq!(code, Some(1));
    assert!(error.contains("the database still refuses dead letter 1"), "{error}");

    stage.db.batch(allow);
    assert_eq!(letters(&["apply", "1", "--by", "ada"]).0, Some(0));
    assert_eq!(letters(&["drop", "2", "--by", "ada"]).0, Some(0));

    chat::assert_all(&stage, 1);
    let (code, _, error) = letters(&["apply", "2", "--by", "eve"]);
    assert_eq!(code, Some(1));
    assert!(error.contains("dead letter 2 was dropped already"), "{error}");
    let settled = "SELECT outcome || ' ' || settled_by FROM dead_letters ORDER BY id";
    assert_eq!(stage.db.texts(settled), ["APPLIED ada", "DROPPED ada"]);
    assert_eq!(letters(&["list"]).1, "");
    assert_eq!(letters(&["list", "--include-settled"]).1.lines().count(), 2);
    assert_eq!(replica.stop(), Some(0));
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
