//! Events of all subjects are applied in the order in which they were published, and each of them
//! by one replica.

use rstest::rstest;
use serde_json::{Value, json};
use underpin_testkit::Dialect;

use crate::{
    chat,
    replica::{Replica, eventually},
    stage::{Mode, Stage},
};

/// 400 users in groups of four who talk across each other, five events each. Whoever is not known
/// yet is not counted, so a line that overtakes its join shows.
fn script() -> Vec<(&'static str, Value)> {
    let events = (0..400).step_by(4).flat_map(|first| {
        (0..5).flat_map(move |step| {
            (first..first + 4).map(move |user| {
                let username = format!("user{user}");
                match step {
                    0 => ("user.joined", json!({ "username": username })),
                    3 => ("user.left", json!({ "username": username })),
                    _ => {
                        let message = format!("{user} {step}");
                        ("message.log", json!({ "username": username, "message": message }))
                    }
                }
            })
        })
    });
    events.collect()
}

fn assert_played(stage: &Stage) {
    let script = script();
    assert_eq!(script.len(), 2_000);
    let said = script.iter().filter(|(subject, _)| *subject == "message.log");
    let said: Vec<_> = said.map(|(_, line)| line["message"].as_str().unwrap().to_owned()).collect();
    eventually("all lines", || chat::kept(stage) >= said.len());
    assert_eq!(stage.db.texts("SELECT message FROM recent_chat ORDER BY id"), said);
    let users = stage.db.texts(
        "SELECT CAST(total_chat_lines AS TEXT) || ' ' || CASE WHEN current_session_start IS NULL \
         THEN 'gone' ELSE 'here' END || ' ' || CAST(count(*) AS TEXT) FROM user_stats \
         GROUP BY total_chat_lines, current_session_start",
    );
    assert_eq!(users, ["3 gone 400"]);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite, Mode::Core)]
#[case::postgres(Dialect::Postgres, Mode::Core)]
#[case::sqlite_stream(Dialect::Sqlite, Mode::Stream)]
#[case::postgres_stream(Dialect::Postgres, Mode::Stream)]
fn no_line_overtakes_its_join(#[case] dialect: Dialect, #[case] mode: Mode) {
    let stage = Stage::new(dialect, mode);
    let _replica = stage.replica();
    let bus = stage.bus();

    for (subject, payload) in script() {
        bus.publish(subject, &payload);
    }
    bus.flush();

    assert_played(&stage);
}

/// Of two replicas the one that reads dies half-way.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_fail_over_keeps_the_order(#[case] dialect: Dialect) {
    let stage = Stage::new(dialect, Mode::Stream);
    let mut first = stage.replica();
    first.wait_for("this replica leads");
    let mut second = stage.replica();
    let bus = stage.bus();

    for (number, (subject, payload)) in script().into_iter().enumerate() {
        bus.publish(subject, &payload);
        if number == 1_000 {
            bus.flush();
            eventually("the first lines", || chat::kept(&stage) > 0);
            first.kill();
        }
    }
    bus.flush();

    second.wait_for("this replica leads");
    assert_played(&stage);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite, Mode::Core)]
#[case::postgres(Dialect::Postgres, Mode::Core)]
#[case::sqlite_stream(Dialect::Sqlite, Mode::Stream)]
#[case::postgres_stream(Dialect::Postgres, Mode::Stream)]
fn two_replicas_apply_each_event_once(#[case] dialect: Dialect, #[case] mode: Mode) {
    let stage = Stage::new(dialect, mode);
    let mut replicas: [Replica; 2] = [stage.replica(), stage.replica()];
    let bus = stage.bus();
    chat::join(&stage, &bus);

    chat::say(&bus, 1..=5_000);

    chat::assert_all(&stage, 5_000);
    // What a replica still held would be applied now.
    for replica in &mut replicas {
        assert_eq!(replica.stop(), Some(0));
        replica.assert_silent("ERROR");
    }
    chat::assert_all(&stage, 5_000);
    if mode == Mode::Stream {
        chat::assert_in_order(&stage, 5_000);
    }
}
