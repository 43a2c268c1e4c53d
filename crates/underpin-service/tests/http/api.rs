//! `/api`: the shapes that the old program's callers know.

use rstest::rstest;
use serde_json::{Value, json};
use underpin_testkit::Dialect;

use crate::service::{Service, now};

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn stats_of_an_empty_database_are_zeros(#[case] dialect: Dialect) {
    let service = Service::start(dialect);

    let answer = service.get("/api/stats");

    let nothing = json!({ "count": 0, "timestamp": null });
    let expected = json!({
        "high_water_marks": { "chat": nothing, "connected": nothing },
        "total_users_seen": 0,
        "top_chatters": [],
    });
    assert_eq!((answer.status, answer.json()), (200, expected));
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn stats_name_the_marks_and_the_ten_who_talk_most(#[case] dialect: Dialect) {
    let service = Service::start(dialect);
    for number in 0..12 {
        service.db.batch(&format!(
            "INSERT INTO user_stats (username, first_seen, last_seen, total_chat_lines, \
             total_time_connected) VALUES ('user{number:02}', 1, 2, {number}, 0)"
        ));
    }
    service.db.batch(
        "DELETE FROM channel_stats; INSERT INTO channel_stats (id, max_users, max_users_timestamp, \
         max_connected, max_connected_timestamp, last_updated) VALUES (1, 7, 100, 9, 200, 300)",
    );

    let answer = service.get("/api/stats");

    let chatters: Vec<_> = (2..12)
        .rev()
        .map(|number| json!({ "username": format!("user{number:02}"), "messages": number }))
        .collect();
    let expected = json!({
        "high_water_marks": {
            "chat": { "count": 7, "timestamp": 100 },
            "connected": { "count": 9, "timestamp": 200 },
        },
        "total_users_seen": 12,
        "top_chatters": chatters,
    });
    assert_eq!((answer.status, answer.json()), (200, expected));
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn history_goes_back_the_hours_and_a_week_at_most(#[case] dialect: Dialect) {
    let service = Service::start(dialect);
    let now = now();
    let (recent, older, oldest) = (now - 60, now - 3 * 3_600, now - 169 * 3_600);
    for (timestamp, chat) in [(recent, 3), (older, 2), (oldest, 1)] {
        service.db.batch(&format!(
            "INSERT INTO user_count_history (timestamp, chat_users, connected_users) \
             VALUES ({timestamp}, {chat}, 5)"
        ));
    }
    let row = |timestamp: i64, chat: i64| json!({ "timestamp": timestamp, "chat_users": chat, "connected_users": 5 });

    assert_eq!(
        service.get("/api/history/2").json(),
        json!({ "hours": 2, "data": [row(recent, 3)] })
    );
    let week = json!({ "hours": 168, "data": [row(older, 2), row(recent, 3)] });
    assert_eq!(service.get("/api/history/168").json(), week);
    assert_eq!(service.get("/api/history/500").json(), week);
    for many in ["9223372036854775807", "9223372036854775808", "99999999999999999999"] {
        assert_eq!(service.get(&format!("/api/history/{many}")).json(), week, "{many}");
    }
    for wrong in [
        "0",
        "-1",
        "-99999999999999999999",
        "1.5",
        "x",
        "%00",
        "1%2F2",
        "99999999999999999999x",
        "+99999999999999999999",
        "099999999999999999999",
    ] {
        service.get(&format!("/api/history/{wrong}")).fails(400, "invalid", Some("hours"));
    }
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_user_is_found_by_the_exact_name(#[case] dialect: Dialect) {
    let service = Service::start(dialect);
    for name in ["Ann", "größe/'\"% <b>", "..", "a+b"] {
        let name = name.replace('\'', "''");
        service.db.batch(&format!(
            "INSERT INTO user_stats (username, first_seen, last_seen, total_chat_lines, \
             total_time_connected, current_session_start) VALUES ('{name}', 1, 2, 3, 4, 5)"
        ));
    }
    let user = |name: &str| {
        json!({
            "username": name, "first_seen": 1, "last_seen": 2, "total_chat_lines": 3,
            "total_time_connected": 4, "current_session_start": 5,
        })
    };

    for (path, name) in [
        ("Ann", "Ann"),
        ("gr%C3%B6%C3%9Fe%2F'%22%25%20%3Cb%3E", "größe/'\"% <b>"),
        ("%2e%2e", ".."),
        ("a+b", "a+b"),
    ] {
        let answer = service.get(&format!("/api/user/{path}"));
        assert_eq!((answer.status, answer.json()), (200, user(name)), "{path}");
    }
    service.get("/api/user/ann").fails(404, "not_found", None);
    service.get("/api/user/%25").fails(404, "not_found", None);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn current_gives_the_status_and_the_chat_of_twenty_minutes(#[case] dialect: Dialect) {
    let service = Service::start(dialect);
    let now = now();
    service.db.batch(&format!(
        "UPDATE current_status SET bot_name = 'Rosey', bot_rank = 2.5, bot_afk = false, \
         channel_name = 'films', current_chat_users = 3, current_connected_users = 4, \
         playlist_items = 5, current_media_title = 'M', bot_start_time = 6, bot_connected = true, \
         last_updated = {now};
         INSERT INTO recent_chat (timestamp, username, message) VALUES ({}, 'a', 'long ago'), \
         ({now}, 'a', 'hello'), ({now}, 'b', 'hi')",
        now - 21 * 60
    ));

    let answer = service.get("/api/current");

    let expected = json!({
        "status": {
            "bot_name": "Rosey", "bot_rank": 2.5, "bot_afk": false, "channel_name": "films",
            "current_chat_users": 3, "current_connected_users": 4, "playlist_items": 5,
            "current_media_title": "M", "current_media_duration": null, "bot_start_time": 6,
            "bot_connected": true, "last_updated": now,
        },
        "recent_chat": [
            { "timestamp": now, "username": "a", "message": "hello" },
            { "timestamp": now, "username": "b", "message": "hi" },
        ],
    });
    assert_eq!((answer.status, answer.json()), (200, expected));
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn current_without_a_row_is_all_null(#[case] dialect: Dialect) {
    let service = Service::start(dialect);
    service.db.batch("DELETE FROM current_status");

    let answer = service.get("/api/current").json();

    let status = answer["status"].as_object().unwrap();
    assert_eq!((status.len(), status.values().all(Value::is_null)), (12, true));
    assert_eq!(answer["recent_chat"], json!([]));
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_is_to_be_said_is_trimmed_and_queued(#[case] dialect: Dialect) {
    let service = Service::start(dialect);
    let token = service.token();
    let before = now();

    let first = service.say(&token, r#"{"message":"  hello \ud83d\ude00 \n","other":1}"#);
    let second = service.say(&token, r#"{"message":"again"}"#);

    let (first_id, second_id) = (first.json()["id"].clone(), second.json()["id"].clone());
    assert_eq!(first.json(), json!({ "queued": true, "id": first_id }));
    assert!(first_id.as_i64() < second_id.as_i64());
    let messages = service.get("/api/outbound/recent").json();
    assert_eq!(messages["messages"][0]["id"], second_id);
    let message = &messages["messages"][1];
    let timestamp = message["timestamp"].as_i64().unwrap();
    assert!((before..=now()).contains(&timestamp));
    let expected = json!({
        "id": first_id, "timestamp": timestamp, "message": "hello 😀", "sent": false,
        "sent_timestamp": null, "retry_count": 0, "last_error": null,
        "message_preview": "hello 😀", "status": "queued",
    });
    assert_eq!(*message, expected);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_cannot_be_said_is_refused_and_not_queued(#[case] dialect: Dialect) {
    let service = Service::start(dialect);
    let token = service.token();

    for body in [
        r#"{"message":""}"#,
        r#"{"message":" \n\t\u2003"}"#,
        r#"{"message":null}"#,
        r#"{"message":5}"#,
        r#"{"message":["a"]}"#,
        r#"{"message":"a\u0000b"}"#,
        "{}",
    ] {
        service.say(&token, body).fails(400, "invalid", Some("message"));
    }
    for body in ["", "{", "null", "[]", r#"["hello"]"#, r#""text""#, r#"{"message":"\ud800"}"#] {
        let answer = service.say(&token, body);
        assert_eq!(
            (answer.status, &answer.json()["error"]["code"]),
            (400, &json!("invalid")),
            "{body}"
        );
    }
    let text = [("X-API-Token", token.as_str()), ("Content-Type", "text/plain")];
    let answer = service.send("POST", "/api/say", &text, r#"{"message":"a"}"#);
    answer.fails(415, "unsupported_media_type", None);
    let body = b"{\"message\":\"\xff\"}";
    let head = format!(
        "POST /api/say HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-API-Token: {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    service.raw(&[head.as_bytes(), body].concat()).fails(400, "invalid", None);
    assert_eq!(service.get("/api/outbound/recent").json(), json!({ "messages": [] }));
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn outbound_tells_what_became_of_each_message(#[case] dialect: Dialect) {
    let service = Service::start(dialect);
    let long = "ä".repeat(101);
    service.db.batch(&format!(
        "INSERT INTO outbound_messages (timestamp, message, sent, sent_timestamp, retry_count, \
         error_message, failed_at) VALUES \
         (1, 'queued', false, NULL, 0, NULL, NULL), \
         (2, 'retrying', false, NULL, 2, 'later', NULL), \
         (3, 'sent', true, 9, 1, 'kept', NULL), \
         (4, 'failed', false, NULL, 1, 'never', 9), \
         (5, '{long}', false, NULL, 3, 'no', NULL)"
    ));

    let answer = service.get("/api/outbound/recent").json();

    let messages = answer["messages"].as_array().unwrap();
    let states: Vec<_> = messages.iter().map(|one| one["status"].as_str().unwrap()).collect();
    assert_eq!(states, ["abandoned", "failed", "sent", "retrying", "queued"]);
    assert_eq!(messages[0]["message_preview"], format!("{}...", "ä".repeat(100)));
    assert_eq!(messages[0]["message"], long);
    assert_eq!(messages[2]["last_error"], "kept");
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn outbound_gives_twenty_or_as_many_as_asked_up_to_a_hundred(#[case] dialect: Dialect) {
    let service = Service::start(dialect);
    let rows: Vec<_> = (0..120).map(|number| format!("({number}, 'm')")).collect();
    let rows = rows.join(", ");
    service.db.batch(&format!("INSERT INTO outbound_messages (timestamp, message) VALUES {rows}"));
    let many = |query: &str| {
        let answer = service.get(&format!("/api/outbound/recent{query}")).json();
        answer["messages"].as_array().unwrap().len()
    };

    let counts = ["", "?limit=3", "?limit=100", "?limit=5000"].map(many);

    assert_eq!(counts, [20, 3, 100, 100]);
    for wrong in ["0", "-1", "x", "", "%00", "2.5"] {
        let answer = service.get(&format!("/api/outbound/recent?limit={wrong}"));
        answer.fails(400, "invalid", Some("limit"));
    }
    service.get("/api/outbound/recent?limit=1&limit=2").fails(400, "invalid", None);
}
