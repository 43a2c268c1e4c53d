//! What each event does, with each of its defaults.

use std::time::{SystemTime, UNIX_EPOCH};

use rstest::rstest;
use serde_json::json;
use underpin_testkit::Dialect;

use crate::stage::{Mode, Stage};

/// Whether a time that was written is the time of now, in Unix seconds.
fn is_now(seconds: i64) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    (i64::try_from(now).unwrap() - 120..=i64::try_from(now).unwrap()).contains(&seconds)
}

#[rstest]
#[case::sqlite(Dialect::Sqlite, Mode::Core)]
#[case::postgres(Dialect::Postgres, Mode::Core)]
#[case::sqlite_stream(Dialect::Sqlite, Mode::Stream)]
#[case::postgres_stream(Dialect::Postgres, Mode::Stream)]
fn users_come_talk_and_leave(#[case] dialect: Dialect, #[case] mode: Mode) {
    let stage = Stage::new(dialect, mode);
    let _replica = stage.replica();
    let bus = stage.bus();
    bus.publish("user.joined", &json!({ "username": "alice" }));
    bus.publish("user.joined", &json!({ "username": "Ünï o'b\"; --" }));
    bus.publish("user.joined", &json!({ "username": "Server" }));
    for message in ["one", "two 🎬\n", "three"] {
        bus.publish("message.log", &json!({ "username": "alice", "message": message }));
    }
    bus.publish("message.log", &json!({ "username": "Server", "message": "counted, not kept" }));
    bus.publish("message.log", &json!({ "username": "ghost", "message": "kept, not counted" }));
    bus.publish("user.left", &json!({ "username": "alice" }));
    bus.publish("user.left", &json!({ "username": "nobody" }));
    stage.settle(&bus);

    let users = stage.db.texts(
        "SELECT username || ' ' || CAST(total_chat_lines AS TEXT) || ' ' || \
         CASE WHEN current_session_start IS NULL THEN 'gone' ELSE 'here' END FROM user_stats",
    );
    let mut users = users;
    users.sort();
    assert_eq!(users, ["Server 1 here", "alice 3 gone", "Ünï o'b\"; -- 0 here"]);
    let lines = stage.db.texts("SELECT username || ': ' || message FROM recent_chat ORDER BY id");
    assert_eq!(
        lines,
        ["alice: one", "alice: two 🎬\n", "alice: three", "ghost: kept, not counted"]
    );
    for column in ["min(first_seen)", "max(last_seen)", "min(current_session_start)"] {
        assert!(is_now(stage.count(&format!("SELECT {column} FROM user_stats"))), "{column}");
    }
    assert!(is_now(stage.count("SELECT min(timestamp) FROM recent_chat")));
    // An open session goes on, and its time is counted when it ends.
    stage.db.batch("UPDATE user_stats SET current_session_start = current_session_start - 1000");
    bus.publish("user.joined", &json!({ "username": "Server" }));
    bus.publish("user.left", &json!({ "username": "Server" }));
    stage.settle(&bus);
    let time = "SELECT total_time_connected FROM user_stats WHERE username = 'Server'";
    assert!((1_000..1_100).contains(&stage.count(time)));
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn counts_are_kept_and_the_highest_ones_marked(#[case] dialect: Dialect) {
    let stage = Stage::new(dialect, Mode::Core);
    let _replica = stage.replica();
    let bus = stage.bus();
    for payload in [
        json!({}),
        json!({ "chat_count": 3 }),
        json!({ "connected_count": 4 }),
        json!({ "chat_count": 5, "connected_count": 6, "more": "ignored" }),
    ] {
        bus.publish("stats.user_count", &payload);
    }
    stage.settle(&bus);
    let counts = stage.db.texts(
        "SELECT CAST(chat_users AS TEXT) || ' ' || CAST(connected_users AS TEXT) \
         FROM user_count_history ORDER BY id",
    );
    assert_eq!(counts, ["0 0", "3 0", "0 4", "5 6"]);
    assert!(is_now(stage.count("SELECT min(timestamp) FROM user_count_history")));

    let marks = || {
        let marks = stage.db.texts(
            "SELECT CAST(max_users AS TEXT) || ' ' || CAST(max_connected AS TEXT) || ' ' || \
             CASE WHEN max_users_timestamp IS NULL THEN '-' ELSE 'x' END || \
             CASE WHEN max_connected_timestamp IS NULL THEN '-' ELSE 'x' END FROM channel_stats",
        );
        marks.concat()
    };
    for (payload, expected) in [
        (json!({}), "0 0 --"),
        (json!({ "chat_count": 7 }), "7 0 x-"),
        (json!({ "chat_count": 6, "connected_count": null }), "7 0 x-"),
        (json!({ "chat_count": 2, "connected_count": 9 }), "7 9 xx"),
        (json!({ "chat_count": 8, "connected_count": 8 }), "8 9 xx"),
    ] {
        bus.publish("stats.high_water", &payload);
        stage.settle(&bus);
        assert_eq!(marks(), expected, "{payload}");
    }
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn the_status_takes_over_what_is_said(#[case] dialect: Dialect) {
    let stage = Stage::new(dialect, Mode::Core);
    let _replica = stage.replica();
    let bus = stage.bus();
    let status = || {
        let columns = [
            "status",
            "bot_name",
            "bot_rank",
            "CASE WHEN bot_afk THEN 'true' WHEN NOT bot_afk THEN 'false' END",
            "channel_name",
            "current_chat_users",
            "current_connected_users",
            "playlist_items",
            "current_media_title",
            "current_media_duration",
            "bot_start_time",
            "CASE WHEN bot_connected THEN 'true' WHEN NOT bot_connected THEN 'false' END",
        ];
        let texts = columns.map(|one| format!("coalesce(CAST({one} AS TEXT), '-')"));
        stage
            .db
            .texts(&format!("SELECT {} FROM current_status", texts.join(" || ' ' || ")))
            .concat()
    };
    let update = |data: serde_json::Value| {
        bus.publish("status.update", &json!({ "status_data": data }));
        stage.settle(&bus);
        status()
    };
    let before = status();

    assert_eq!(update(json!({ "unknown": 1 })), before, "an unknown name is passed over");
    let all = update(json!({
        "bot_name": "Rosey", "bot_rank": 2.5, "bot_afk": 0, "channel_name": "here",
        "current_chat_users": 3, "current_connected_users": 2, "playlist_items": 42,
        "current_media_title": "La Conversazione — 1974", "current_media_duration": 6780,
        "bot_start_time": 1_763_000_000, "bot_connected": 1, "unknown": [1],
    }));
    assert_eq!(
        all,
        "online Rosey 2.5 false here 3 2 42 La Conversazione — 1974 6780 1763000000 true"
    );
    let some =
        update(json!({ "bot_afk": true, "current_media_title": null, "playlist_items": null,
        "current_media_duration": null }));
    assert_eq!(some, "online Rosey 2.5 true here 3 2 0 - - 1763000000 true");
    let gone = update(json!({ "bot_connected": false, "bot_rank": 3 }));
    assert_eq!(gone.replace("3.0", "3"), "offline Rosey 3 true here 3 2 0 - - 1763000000 false");
    assert!(is_now(stage.count("SELECT last_updated FROM current_status")));
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn commands_are_written_down(#[case] dialect: Dialect) {
    let stage = Stage::new(dialect, Mode::Core);
    let _replica = stage.replica();
    let bus = stage.bus();
    for more in [
        json!({}),
        json!({ "args": "", "result": "success", "error": null, "timestamp": 1_763_000_450 }),
        json!({ "args": "a, b", "result": null, "error": "too late" }),
        json!({ "args": "x", "result": "", "timestamp": null }),
    ] {
        let mut command = json!({ "username": "bob", "command": "stats" });
        command.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        bus.publish("action.pm_command", &command);
    }
    stage.settle(&bus);

    let actions = stage.db.texts(
        "SELECT username || ' ' || action_type || ' ' || details FROM user_actions ORDER BY id",
    );
    assert_eq!(
        actions,
        [
            "bob pm_command cmd=stats, result: unknown",
            "bob pm_command cmd=stats, result: success",
            "bob pm_command cmd=stats, args: a, b, error: too late",
            "bob pm_command cmd=stats, args: x",
        ]
    );
    let times = stage.db.texts("SELECT CAST(timestamp AS TEXT) FROM user_actions ORDER BY id");
    assert_eq!(times[1], "1763000450");
    assert!(is_now(times[0].parse().unwrap()) && is_now(times[3].parse().unwrap()));
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn queued_messages_are_said_or_not(#[case] dialect: Dialect) {
    let stage = Stage::new(dialect, Mode::Core);
    let _replica = stage.replica();
    let bus = stage.bus();
    let ids: Vec<_> = (0..5)
        .map(|number| {
            let reply =
                bus.ask("messages.outbound.enqueue", &json!({ "message": number.to_string() }));
            assert_eq!(reply, json!({ "id": reply["id"].as_i64().unwrap() }));
            reply["id"].clone()
        })
        .collect();
    bus.publish("messages.outbound.mark_sent", &json!({ "message_id": ids[0] }));
    bus.publish("messages.outbound.mark_sent", &json!({ "message_id": 0 }));
    let failed = |id: usize, more: serde_json::Value| {
        let mut payload = json!({ "message_id": ids[id], "error": "muted" });
        payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        bus.publish("messages.outbound.mark_failed", &payload);
    };
    failed(1, json!({}));
    failed(2, json!({ "permanent": true }));
    failed(3, json!({ "permanent": null }));
    failed(3, json!({ "permanent": 0 }));
    stage.settle(&bus);

    let rows = stage.db.texts(
        "SELECT message || ' ' || CASE WHEN sent THEN 'sent' ELSE 'unsent' END || ' ' || \
         CAST(retry_count AS TEXT) || ' ' || coalesce(error_message, '-') || \
         CASE WHEN failed_at IS NULL THEN '' ELSE ' for good' END FROM outbound_messages ORDER BY id",
    );
    assert_eq!(
        rows,
        [
            "0 sent 0 -",
            "1 unsent 1 muted",
            "2 unsent 1 muted for good",
            "3 unsent 2 muted",
            "4 unsent 0 -"
        ]
    );
    for column in ["sent_timestamp", "last_attempt", "failed_at"] {
        assert!(is_now(stage.count(&format!("SELECT max({column}) FROM outbound_messages"))));
    }
}
