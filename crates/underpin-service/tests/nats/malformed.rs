//! Events that cannot be understood: each is a dead letter with one warning, and everything else goes on.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use rstest::rstest;
use serde_json::{Value, json};
use underpin_testkit::Dialect;

use crate::{
    replica::assert_said,
    stage::{Mode, Stage},
};

/// Part of each value that must not reach the log.
const SECRET: &str = "hunter2";

/// A subject, a payload, and what is wrong with it.
type Case = (&'static str, Vec<u8>, String);

const SUBJECTS: [&str; 9] = [
    "user.joined",
    "user.left",
    "message.log",
    "stats.user_count",
    "stats.high_water",
    "status.update",
    "messages.outbound.mark_sent",
    "messages.outbound.mark_failed",
    "action.pm_command",
];

/// What is no object, whatever the subject.
fn not_objects() -> Vec<Case> {
    let deep = format!("{}{SECRET}", "{\"a\":".repeat(10_000));
    let found: [(&[u8], &str); 10] = [
        (b"", "an empty message"),
        (b"hunter2", "something that is not JSON"),
        (b"{\"username\": \"hunter2\"", "something that is not JSON"),
        (b"\xff\xfe\x00", "something that is not JSON"),
        (b"{\"username\": \"\xff\"}", "something that is not JSON"),
        (deep.as_bytes(), "something that is not JSON"),
        (b"[\"hunter2\"]", "a list"),
        (b"\"hunter2\"", "text"),
        (b"null", "null"),
        (b"1.5", "a fraction"),
    ];
    let cases = SUBJECTS.into_iter().flat_map(|subject| {
        found.map(|(payload, found)| {
            (subject, payload.to_vec(), format!("expected a JSON object, found {found}"))
        })
    });
    cases.collect()
}

/// Names that are absent, empty, `null`, of another type, with a NUL, or too long.
fn names() -> Vec<Case> {
    let mut cases = Vec::new();
    for (subject, field) in [
        ("user.joined", "username"),
        ("user.left", "username"),
        ("message.log", "username"),
        ("message.log", "message"),
        ("action.pm_command", "username"),
        ("action.pm_command", "command"),
        ("messages.outbound.mark_failed", "error"),
    ] {
        let with = |value: Option<Value>, reason: &str| {
            let mut payload = json!({ "username": SECRET, "message": SECRET, "command": SECRET,
                "error": SECRET, "message_id": 1 });
            match value {
                Some(value) => payload[field] = value,
                None => drop(payload.as_object_mut().unwrap().remove(field)),
            }
            (subject, payload.to_string().into_bytes(), format!("`{field}`: {reason}"))
        };
        let none = "expected a value, found none";
        cases.extend([
            with(None, none),
            with(Some(Value::Null), none),
            with(Some(json!("")), none),
            with(Some(json!(5)), "expected text, found an integer"),
            with(Some(json!(1.5)), "expected text, found a fraction"),
            with(Some(json!(true)), "expected text, found a truth value"),
            with(Some(json!([SECRET])), "expected text, found a list"),
            with(Some(json!({ SECRET: SECRET })), "expected text, found an object"),
            with(Some(json!("hunter2\0")), "expected text, found text with a NUL character"),
        ]);
        if matches!(field, "username" | "command") {
            let long = "é".repeat(300 - SECRET.len()) + SECRET;
            cases.push(with(Some(json!(long)), "expected at most 255 characters, found more"));
        }
    }
    cases
}

/// Numbers and flags that are of another type, too large or negative.
fn numbers() -> Vec<Case> {
    let mut cases = Vec::new();
    let wrong = [
        (json!("7"), "text"),
        (json!(1.5), "a fraction"),
        (json!(1e300), "a fraction"),
        (json!(true), "a truth value"),
        (json!(u64::MAX), "a number beyond 64 bits"),
        (json!([1]), "a list"),
    ];
    for (subject, field) in [
        ("stats.user_count", "chat_count"),
        ("stats.user_count", "connected_count"),
        ("stats.high_water", "chat_count"),
        ("stats.high_water", "connected_count"),
        ("messages.outbound.mark_sent", "message_id"),
        ("messages.outbound.mark_failed", "message_id"),
        ("action.pm_command", "timestamp"),
    ] {
        let with = |value: Value, reason: String| {
            let mut payload = json!({ "username": SECRET, "command": SECRET, "error": SECRET });
            payload[field] = value;
            (subject, payload.to_string().into_bytes(), format!("`{field}`: {reason}"))
        };
        for (value, found) in &wrong {
            cases.push(with(value.clone(), format!("expected an integer, found {found}")));
        }
        if field.ends_with("_count") {
            cases.push(with(json!(-1), "expected 0 or more, found a negative number".to_owned()));
        }
        if field != "timestamp" && (subject, field) != ("stats.high_water", "connected_count") {
            cases.push(with(Value::Null, "expected a value, found none".to_owned()));
        }
    }
    for (flag, found) in [(json!("yes"), "text"), (json!(2), "an integer")] {
        let payload = json!({ "message_id": 1, "error": SECRET, "permanent": flag }).to_string();
        let reason = format!("`permanent`: expected `true`, `false`, 1 or 0, found {found}");
        cases.push(("messages.outbound.mark_failed", payload.into_bytes(), reason));
    }
    cases
}

/// A status that is absent, empty or none, and fields of it.
fn statuses() -> Vec<Case> {
    let none = "`status_data`: expected a value, found none";
    let cases = [
        (json!({}), none),
        (json!({ "bot_name": SECRET }), none),
        (json!({ "status_data": null }), none),
        (json!({ "status_data": {} }), none),
        (json!({ "status_data": [SECRET] }), "`status_data`: expected an object, found a list"),
        (
            json!({ "status_data": { "bot_name": 5 } }),
            "`bot_name`: expected text, found an integer",
        ),
        (
            json!({ "status_data": { "bot_rank": SECRET } }),
            "`bot_rank`: expected a number, found text",
        ),
        (
            json!({ "status_data": { "bot_afk": SECRET } }),
            "`bot_afk`: expected `true`, `false`, 1 or 0, found text",
        ),
        (
            json!({ "status_data": { "playlist_items": -4 } }),
            "`playlist_items`: expected 0 or more, found a negative number",
        ),
        (
            json!({ "status_data": { "bot_name": SECRET, "bot_start_time": 1.5 } }),
            "`bot_start_time`: expected an integer, found a fraction",
        ),
        (
            json!({ "status_data": { "channel_name": "hunter2\0" } }),
            "`channel_name`: expected text, found text with a NUL character",
        ),
    ];
    let cases = cases.into_iter();
    cases
        .map(|(payload, why)| ("status.update", payload.to_string().into_bytes(), why.into()))
        .collect()
}

#[rstest]
#[case::sqlite(Dialect::Sqlite, Mode::Core)]
#[case::postgres(Dialect::Postgres, Mode::Core)]
#[case::sqlite_stream(Dialect::Sqlite, Mode::Stream)]
#[case::postgres_stream(Dialect::Postgres, Mode::Stream)]
fn each_is_put_aside_with_one_warning_and_changes_nothing_else(
    #[case] dialect: Dialect,
    #[case] mode: Mode,
) {
    let stage = Stage::new(dialect, mode).with("RETENTION_INTERVAL_SECONDS", "0");
    let stage = stage.with("OPTIMIZE_INTERVAL_SECONDS", "0");
    let mut replica = stage.replica();
    let bus = stage.bus();
    stage.settle(&bus);
    let mut before = stage.db.dump();
    let cases = [not_objects(), names(), numbers(), statuses()].concat();

    for (subject, payload, _) in &cases {
        bus.publish_bytes(subject, payload.clone());
    }
    stage.settle(&bus);
    let mut after = stage.db.dump();
    assert_eq!(replica.stop(), Some(0));

    let expected = cases.iter();
    let expected: Vec<_> = expected
        .map(|(subject, _, reason)| {
            format!(
                "a message of `{subject}` became a dead letter, for it cannot be understood: {reason}"
            )
        })
        .collect();
    assert_said(&replica.said("WARN"), &expected);
    let subjects = replica.lines("WARN").into_iter().map(|line| line["fields"]["subject"].clone());
    assert!(subjects.eq(cases.iter().map(|(subject, ..)| Value::from(*subject))));
    replica.assert_silent("ERROR");
    assert!(!replica.log().contains(SECRET), "{}", replica.log());
    for dump in [&mut before, &mut after] {
        dump.remove("event_positions");
        dump.remove("dead_letters");
    }
    assert_eq!(after, before);
    let letters = stage.db.texts(
        "SELECT CAST(sequence AS TEXT) || '|' || subject || '|' || reason || '|' || payload \
         FROM dead_letters WHERE code IS NULL AND outcome IS NULL ORDER BY id",
    );
    // After the event that told that the replica reads.
    let sequence = |number: usize| if mode == Mode::Stream { number + 2 } else { 0 };
    let expected = cases.iter().enumerate().map(|(number, (subject, payload, reason))| {
        let payload = match std::str::from_utf8(payload) {
            Ok(text) if text.len() <= 64 * 1024 => text.to_owned(),
            Ok(text) => format!("{}… {} bytes in all", &text[..64 * 1024], text.len()),
            Err(_) => format!("base64:{}", BASE64_STANDARD.encode(payload)),
        };
        format!("{}|{subject}|{reason}|{payload}", sequence(number))
    });
    assert_eq!(letters, expected.collect::<Vec<_>>());
}

/// Whatever they hold, the operator sees them, cannot apply them, and drops them.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_was_put_aside_is_shown_safely_and_dropped(#[case] dialect: Dialect) {
    let stage = Stage::new(dialect, Mode::Stream);
    let mut replica = stage.replica();
    let bus = stage.bus();
    let payloads = [
        b"\x1b]0;owned\x07\x1b[31mred\x7f".to_vec(),
        "turned \u{202e}round\u{9b}31m".as_bytes().to_vec(),
        b"\xff\x00\x1b".to_vec(),
        vec![b'x'; 900_000],
    ];
    for payload in &payloads {
        bus.publish_bytes("user.joined", payload.clone());
    }
    stage.settle(&bus);
    let letters = |arguments: &[&str]| {
        let output = stage.command().arg("dead-letters").args(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };

    let (code, listed, _) = letters(&["list"]);

    assert_eq!(code, Some(0));
    let obeyed = |letter: char| {
        letter != '\n' && (letter.is_control() || ('\u{202a}'..='\u{202e}').contains(&letter))
    };
    assert!(!listed.contains(obeyed), "{listed:?}");
    let shown: Vec<_> = listed
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["payload"].clone())
        .collect();
    let text = |index: usize| std::str::from_utf8(&payloads[index]).unwrap();
    let cut = format!("{}… 900000 bytes in all", "x".repeat(64 * 1024));
    assert_eq!(shown, [text(0), text(1), "base64:/wAb", &cut]);
    for number in 1..=payloads.len() {
        let id = number.to_string();
        let (code, _, error) = letters(&["apply", &id, "--by", "ada"]);
        assert_eq!(code, Some(1));
        assert!(error.contains("cannot be understood by this release: expected a JSON"), "{error}");
        assert_eq!(letters(&["drop", &id, "--by", "ada"]).0, Some(0));
    }
    assert_eq!(letters(&["list"]).1, "");
    assert_eq!(replica.stop(), Some(0));
}

/// A release that understands more can apply what this one could not; here the payload is mended by hand.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_is_understood_later_is_applied_with_its_time(#[case] dialect: Dialect) {
    let stage = Stage::new(dialect, Mode::Core);
    let mut replica = stage.replica();
    let bus = stage.bus();
    bus.publish("user.joined", &json!({ "username": 5 }));
    stage.settle(&bus);
    stage.db.batch(
        "UPDATE dead_letters SET payload = '{\"username\": \"five\"}', happened_at = 1700000000",
    );

    let applied = stage.command().args(["dead-letters", "apply", "1", "--by", "ada"]).status();

    assert!(applied.unwrap().success());
    let seen = "SELECT CAST(first_seen AS TEXT) FROM user_stats WHERE username = 'five'";
    assert_eq!(stage.db.texts(seen), ["1700000000"]);
    assert_eq!(replica.stop(), Some(0));
}

/// Odd, but understood.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_is_only_odd_is_applied(#[case] dialect: Dialect) {
    let stage = Stage::new(dialect, Mode::Core);
    let mut replica = stage.replica();
    let bus = stage.bus();
    let name = "é".repeat(255);
    let large = "x".repeat(900_000);
    // Of two fields with one name the last one counts, as it always did.
    bus.publish_bytes("user.joined", b" {\"username\": \"x\", \"username\": \"last\"}\n".to_vec());
    bus.publish("user.joined", &json!({ "username": name }));
    bus.publish("message.log", &json!({ "username": name, "message": large, "more": "\0" }));
    bus.publish("stats.user_count", &json!({ "chat_count": i64::MAX }));
    bus.publish("messages.outbound.mark_sent", &json!({ "message_id": i64::MIN }));
    bus.publish("user.joined.elsewhere", &json!("not ours"));
    bus.publish("status", &json!("not ours"));
    stage.settle(&bus);

    let users = stage.db.texts("SELECT username FROM user_stats ORDER BY total_chat_lines");
    assert_eq!(users, ["last", &name]);
    assert_eq!(stage.db.texts("SELECT message FROM recent_chat"), [large]);
    assert_eq!(stage.count("SELECT chat_users FROM user_count_history"), i64::MAX);
    assert_eq!(replica.stop(), Some(0));
    replica.assert_silent("WARN");
    replica.assert_silent("ERROR");
}
