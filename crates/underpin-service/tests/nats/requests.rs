//! What each request is answered, to the key and the type.

use rstest::rstest;
use serde_json::{Value, json};
use underpin_testkit::Dialect;

use crate::{
    replica::assert_said,
    stage::{Mode, Stage},
};

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn chat_is_told_oldest_first(#[case] dialect: Dialect) {
    let stage = Stage::new(dialect, Mode::Core);
    let _replica = stage.replica();
    let bus = stage.bus();
    assert_eq!(bus.ask("stats.recent_chat.get", &json!({})), json!([]));
    stage.db.batch(&(0..60).fold(String::new(), |all, number| {
        // Three lines of each second: the order within one is that of their arrival.
        let second = 1_763_000_000 + number / 3;
        all + &format!(
            "INSERT INTO recent_chat (timestamp, username, message) VALUES ({second}, 'u', 'm{number}');"
        )
    }));

    let told = |limit: Value| {
        let lines = bus.ask("stats.recent_chat.get", &limit);
        let lines = lines.as_array().unwrap().clone();
        lines.iter().map(|line| line["message"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let numbers = |from: usize| (from..60).map(|number| format!("m{number}")).collect::<Vec<_>>();
    assert_eq!(told(json!({})), numbers(10));
    assert_eq!(told(json!({ "limit": 4, "more": "ignored" })), numbers(56));
    assert_eq!(told(json!({ "limit": 0 })), numbers(60));
    assert_eq!(told(json!({ "limit": -1 })), numbers(0));
    assert_eq!(
        bus.ask("stats.recent_chat.get", &json!({ "limit": 1 })),
        json!([{ "timestamp": 1_763_000_019, "username": "u", "message": "m59" }])
    );
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn messages_are_handed_out_when_their_time_has_come(#[case] dialect: Dialect) {
    let stage = Stage::new(dialect, Mode::Core);
    let _replica = stage.replica();
    let bus = stage.bus();
    assert_eq!(bus.ask("messages.outbound.get", &json!({})), json!([]));
    let id = bus.ask("messages.outbound.enqueue", &json!({ "message": "fresh" }))["id"].clone();
    let now = stage.count("SELECT max(timestamp) FROM outbound_messages");
    // Attempt, seconds since then.
    for (retries, since) in [(1, 100), (1, 130), (2, 130), (2, 250), (3, 10_000)] {
        let last = now - since;
        stage.db.batch(&format!(
            "INSERT INTO outbound_messages (timestamp, message, retry_count, error_message, last_attempt) \
             VALUES ({last}, '{retries} {since}', {retries}, 'why', {last})"
        ));
    }

    let told = |question: Value| {
        let found = bus.ask("messages.outbound.get", &question);
        let found = found.as_array().unwrap().iter();
        found.map(|one| one["message"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(told(json!({})), ["2 250", "1 130", "fresh"]);
    assert_eq!(told(json!({ "limit": 1 })), ["2 250"]);
    assert_eq!(told(json!({ "max_retries": 2 })), ["1 130", "fresh"]);
    assert_eq!(told(json!({ "max_retries": 4 })), ["3 10000", "2 250", "1 130", "fresh"]);
    let all = ["2 250", "1 130", "2 130", "1 100", "fresh"];
    assert_eq!(told(json!({ "bypass_backoff": true, "limit": -5 })), all);
    let wire = bus.ask("messages.outbound.get", &json!({ "bypass_backoff": 1 }));
    assert_eq!(
        wire[4],
        json!({ "id": id, "timestamp": now, "message": "fresh", "retry_count": 0, "last_error": null })
    );
    assert_eq!(wire[0]["last_error"], "why");
    assert_eq!(wire[0].as_object().unwrap().len(), 5);
}

/// The original's reply carried a count where the time belongs, and the names of columns where the
/// users' names belong.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn the_channel_is_described_with_names_and_times(#[case] dialect: Dialect) {
    let stage = Stage::new(dialect, Mode::Core);
    let _replica = stage.replica();
    let bus = stage.bus();
    let empty = json!({
        "high_water_mark": { "users": 0, "timestamp": null },
        "high_water_connected": { "users": 0, "timestamp": null },
        "top_chatters": [],
        "total_users_seen": 0,
        "success": true,
    });
    assert_eq!(bus.ask("query.channel_stats", &json!({})), empty);
    stage.db.batch(
        "UPDATE channel_stats SET max_users = 6, max_users_timestamp = 1763000010, max_connected = 12, \
         max_connected_timestamp = 1763000011",
    );
    stage.db.batch(&(0..12).fold(String::new(), |all, number| {
        all + &format!(
            "INSERT INTO user_stats (username, first_seen, last_seen, total_chat_lines, \
             total_time_connected) VALUES ('user{number}', 1, 1, {number}, 0);"
        )
    }));

    let top: Vec<_> = (2..12)
        .rev()
        .map(|number| json!({ "username": format!("user{number}"), "chat_lines": number }))
        .collect();
    let expected = json!({
        "high_water_mark": { "users": 6, "timestamp": 1_763_000_010 },
        "high_water_connected": { "users": 12, "timestamp": 1_763_000_011 },
        "top_chatters": top,
        "total_users_seen": 12,
        "success": true,
    });
    for payload in [&b"{}"[..], b"", b"not JSON", b"[1]", b"\xff"] {
        assert_eq!(bus.ask_bytes("query.channel_stats", payload.to_vec()), expected);
    }
    stage.db.batch("DELETE FROM channel_stats; DELETE FROM user_stats");
    assert_eq!(bus.ask("query.channel_stats", &json!({})), empty);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn users_are_described_exactly_by_name(#[case] dialect: Dialect) {
    let stage = Stage::new(dialect, Mode::Core);
    let _replica = stage.replica();
    let bus = stage.bus();
    stage
        .db
        .batch("INSERT INTO user_stats VALUES ('Ünï', 1, 2, 3, 4, NULL), ('ünï', 5, 6, 7, 8, 9)");

    let told = |name: &str| bus.ask("query.user_stats", &json!({ "username": name }));
    let user = |name: &str, numbers: [Value; 5]| {
        let [first, last, lines, time, start] = numbers;
        json!({
            "username": name, "first_seen": first, "last_seen": last, "total_chat_lines": lines,
            "total_time_connected": time, "current_session_start": start, "success": true,
            "found": true,
        })
    };
    assert_eq!(told("Ünï"), user("Ünï", [1.into(), 2.into(), 3.into(), 4.into(), Value::Null]));
    assert_eq!(told("ünï"), user("ünï", [5, 6, 7, 8, 9].map(Value::from)));
    let nobody = json!({
        "username": "ÜNÏ'", "success": true, "found": false,
        "message": "No statistics found for user 'ÜNÏ''",
    });
    assert_eq!(told("ÜNÏ'"), nobody);
}

const SECRET: &str = "hunter2";

/// A request that cannot be understood, and the warning and the reply that it gets.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_is_not_understood_gets_the_fallback_and_one_warning(#[case] dialect: Dialect) {
    let stage = Stage::new(dialect, Mode::Core);
    let replica = stage.replica();
    let bus = stage.bus();
    let broken = |error: &str| json!({ "success": false, "error": error });
    let object = "expected a JSON object, found";
    let mut expected = Vec::new();
    let deep = format!("{}{SECRET}", "[".repeat(10_000)).into_bytes();
    let not_objects: [(&[u8], &str); 8] = [
        (b"", "an empty message"),
        (b"{\"hunter2\"", "something that is not JSON"),
        (b"\xff\xfe", "something that is not JSON"),
        (b"[\"hunter2\"]", "a list"),
        (b"\"hunter2\"", "text"),
        (b"null", "null"),
        (b"42", "an integer"),
        (&deep, "something that is not JSON"),
    ];
    for (payload, found) in not_objects {
        for (subject, fallback) in [
            ("messages.outbound.get", json!([])),
            ("stats.recent_chat.get", json!([])),
            ("query.user_stats", broken("Invalid request format")),
            ("messages.outbound.enqueue", broken(&format!("{object} {found}"))),
        ] {
            assert_eq!(bus.ask_bytes(subject, payload.to_vec()), fallback, "{subject} {found}");
            expected.push((subject, format!("{object} {found}")));
        }
    }
    let number = |name: &str, found: &str| format!("`{name}`: expected an integer, found {found}");
    let none = |name: &str| format!("`{name}`: expected a value, found none");
    let missing = "Missing username in request";
    let long = "n".repeat(256);
    for (subject, payload, reason, fallback) in [
        ("messages.outbound.get", json!({ "limit": SECRET }), number("limit", "text"), json!([])),
        ("messages.outbound.get", json!({ "limit": null }), none("limit"), json!([])),
        (
            "messages.outbound.get",
            json!({ "max_retries": 1.5 }),
            number("max_retries", "a fraction"),
            json!([]),
        ),
        (
            "messages.outbound.get",
            json!({ "bypass_backoff": 2 }),
            "`bypass_backoff`: expected `true`, `false`, 1 or 0, found an integer".to_owned(),
            json!([]),
        ),
        ("stats.recent_chat.get", json!({ "limit": "2" }), number("limit", "text"), json!([])),
        (
            "stats.recent_chat.get",
            json!({ "limit": true }),
            number("limit", "a truth value"),
            json!([]),
        ),
        (
            "stats.recent_chat.get",
            json!({ "limit": u64::MAX }),
            number("limit", "a number beyond 64 bits"),
            json!([]),
        ),
        ("query.user_stats", json!({}), none("username"), broken(missing)),
        ("query.user_stats", json!({ "username": "" }), none("username"), broken(missing)),
        ("query.user_stats", json!({ "username": null }), none("username"), broken(missing)),
        (
            "query.user_stats",
            json!({ "username": 5 }),
            "`username`: expected text, found an integer".to_owned(),
            broken("`username`: expected text, found an integer"),
        ),
        (
            "query.user_stats",
            json!({ "username": long }),
            "`username`: expected at most 255 characters, found more".to_owned(),
            broken("`username`: expected at most 255 characters, found more"),
        ),
        (
            "messages.outbound.enqueue",
            json!({ "message": "" }),
            none("message"),
            broken(&none("message")),
        ),
        (
            "messages.outbound.enqueue",
            json!({ "message": "hunter2\0" }),
            "`message`: expected text, found text with a NUL character".to_owned(),
            broken("`message`: expected text, found text with a NUL character"),
        ),
    ] {
        assert_eq!(bus.ask(subject, &payload), fallback, "{subject} {payload}");
        expected.push((subject, reason));
    }
    let texts = expected.iter();
    let texts: Vec<_> = texts
        .map(|(subject, reason)| format!("a request of `{subject}` got its fallback: {reason}"))
        .collect();
    assert_said(&replica.told("WARN", texts.len()), &texts);
    let subjects = replica.lines("WARN").into_iter().map(|line| line["fields"]["subject"].clone());
    assert!(subjects.eq(expected.iter().map(|(subject, _)| Value::from(*subject))));
    assert!(!replica.log().contains(SECRET) && !replica.log().contains(&long));
    assert_eq!(stage.count("SELECT count(*) FROM outbound_messages"), 0);
}

/// Asked for the whole chat, more than one message of NATS can carry.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_reply_that_nats_would_not_carry_is_the_fallback(#[case] dialect: Dialect) {
    let stage = Stage::new(dialect, Mode::Core);
    let replica = stage.replica();
    let bus = stage.bus();
    let message = "x".repeat(900_000);
    bus.publish("message.log", &json!({ "username": "a", "message": message }));
    bus.publish("message.log", &json!({ "username": "b", "message": message }));
    stage.settle(&bus);

    assert_eq!(bus.ask("stats.recent_chat.get", &json!({})), json!([]));
    let lines = bus.ask("stats.recent_chat.get", &json!({ "limit": 1 }));
    assert_eq!(lines[0]["message"].as_str().unwrap().len(), 900_000);
    let warnings = replica.told("WARN", 1);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    let bytes = "a reply of `stats.recent_chat.get` has 1800";
    assert!(
        warnings[0].starts_with(bytes) && warnings[0].ends_with("ask for fewer"),
        "{warnings:?}"
    );
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_request_without_an_inbox_is_dropped(#[case] dialect: Dialect) {
    let stage = Stage::new(dialect, Mode::Core);
    let replica = stage.replica();
    let bus = stage.bus();

    bus.publish("messages.outbound.enqueue", &json!({ "message": SECRET }));
    bus.publish("query.channel_stats", &json!({}));
    bus.flush();

    let mut warnings = replica.told("WARN", 2);
    warnings.sort();
    let of =
        |subject| format!("a request of `{subject}` was dropped: it names no inbox for a reply");
    assert_eq!(warnings, [of("messages.outbound.enqueue"), of("query.channel_stats")]);
    assert!(!replica.log().contains(SECRET));
    assert_eq!(bus.ask("query.channel_stats", &json!({}))["success"], true);
    assert_eq!(stage.count("SELECT count(*) FROM outbound_messages"), 0);
}

/// What is wrong with the database is for the log.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_database_that_refuses_gives_the_fallback(#[case] dialect: Dialect) {
    let stage = Stage::new(dialect, Mode::Core);
    let replica = stage.replica();
    let bus = stage.bus();
    stage.db.batch(
        "ALTER TABLE user_stats RENAME TO gone1; ALTER TABLE recent_chat RENAME TO gone2; \
         ALTER TABLE outbound_messages RENAME TO gone3",
    );

    let broken = json!({ "success": false, "error": "internal error" });
    let all = [
        ("messages.outbound.get", json!([])),
        ("stats.recent_chat.get", json!([])),
        ("messages.outbound.enqueue", broken.clone()),
        ("query.channel_stats", broken.clone()),
        ("query.user_stats", broken),
    ];
    for (number, (subject, fallback)) in (1..).zip(all) {
        let payload = json!({ "username": SECRET, "message": SECRET });
        assert_eq!(bus.ask(subject, &payload), fallback, "{subject}");
        let said = replica.told("ERROR", number).pop().unwrap();
        assert!(
            said.starts_with(&format!("a request of `{subject}` got its fallback: ")),
            "{said}"
        );
    }
    assert_eq!(replica.said("ERROR").len(), 5);
    assert!(!replica.log().contains(SECRET));
}

/// Two bots on one NATS server, each with a prefix, a database and a service of its own.
#[rstest]
#[case::sqlite(Dialect::Sqlite, Mode::Core)]
#[case::postgres(Dialect::Postgres, Mode::Stream)]
fn another_prefix_is_another_bot(#[case] dialect: Dialect, #[case] mode: Mode) {
    let stage = Stage::new(dialect, mode).with("NATS_SUBJECT_PREFIX", "one.two-3");
    let _replica = stage.replica();
    let (bus, other) = (stage.bus(), crate::bus::Bus::connect(&stage.nats.url(), "rosey.db"));

    other.publish("user.joined", &json!({ "username": "elsewhere" }));
    other.flush();
    bus.publish("user.joined", &json!({ "username": "here" }));
    stage.settle(&bus);

    assert_eq!(stage.db.texts("SELECT username FROM user_stats"), ["here"]);
    assert_eq!(bus.ask("query.user_stats", &json!({ "username": "here" }))["found"], true);
    let streams = bus.with(async |client| {
        let context = async_nats::jetstream::new(client.clone());
        context.get_stream("ONE_TWO-3").await.map(|stream| stream.cached_info().state.messages)
    });
    assert_eq!(streams.ok(), (mode == Mode::Stream).then_some(2));
}
