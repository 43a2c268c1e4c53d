//! The file that the original bot wrote, adopted and served.

use std::path::Path;

use rstest::rstest;
use serde_json::{Value, json};
use underpin_testkit::{Dialect, TestDb};

use crate::stage::{Mode, Stage};

/// The original's file; on PostgreSQL its rows, in the tables of the first version.
fn rosey(dialect: Dialect) -> TestDb {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let file = root.join("crates/underpin-migrations/tests/data/rosey_v050.db");
    let original = TestDb::copy_of(&file);
    if dialect == Dialect::Sqlite {
        return original;
    }
    let db = TestDb::new(dialect);
    let first = "migrations/bot/postgres/2026-11-21-090000_create_bot_schema/up.sql";
    db.batch(&std::fs::read_to_string(root.join(first)).unwrap());
    for table in original.tables() {
        let columns = original.texts(&format!("SELECT name FROM pragma_table_info('{table}')"));
        let values: Vec<_> = columns
            .iter()
            .map(|one| format!("coalesce('''' || replace({one}, '''', '''''') || '''', 'NULL')"))
            .collect();
        let (columns, values) = (columns.join(", "), values.join(" || ', ' || "));
        let rows = original.texts(&format!("SELECT '(' || {values} || ')' FROM {table}"));
        db.batch(&format!(
            "DELETE FROM {table}; INSERT INTO {table} ({columns}) VALUES {}",
            rows.join(", ")
        ));
    }
    db
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn the_original_s_data_is_served(#[case] dialect: Dialect) {
    // Its chat is a year old.
    let stage = Stage::on(rosey(dialect), Mode::Core).with("RETENTION_INTERVAL_SECONDS", "0");
    let mut replica = stage.replica();
    let bus = stage.bus();

    let long = "x".repeat(64);
    for (username, numbers, start) in [
        ("dave", [1_754_360_000, 1_754_360_090, 0, 90], None),
        ("alice", [1_763_000_000, 1_763_000_060, 3, 60], None),
        ("Alice", [1_763_000_000, 1_763_000_150, 0, 150], None),
        ("bob", [1_763_000_000, 1_763_000_020, 1, 0], Some(1_763_000_000)),
        ("carol", [1_763_000_000, 1_763_000_150, 0, 30], None),
        ("Ünïcode_ユーザ", [1_763_000_000, 1_763_000_000, 0, 0], Some(1_763_000_000)),
        ("o'brien; --", [1_763_000_000, 1_763_000_025, 1, 0], Some(1_763_000_000)),
        (&long, [1_763_000_000, 1_763_000_000, 0, 0], Some(1_763_000_000)),
    ] {
        let [first, last, lines, time] = numbers;
        let expected = json!({
            "username": username, "first_seen": first, "last_seen": last, "total_chat_lines": lines,
            "total_time_connected": time, "current_session_start": start, "success": true,
            "found": true,
        });
        assert_eq!(bus.ask("query.user_stats", &json!({ "username": username })), expected);
    }
    let line = |timestamp: i64, username: &str, message: &str| json!({ "timestamp": timestamp, "username": username, "message": message });
    let lines = [
        line(1_763_000_020, "alice", "first"),
        line(1_763_000_020, "alice", "second, same second"),
        line(1_763_000_020, "bob", "third, same second 🎬"),
        line(1_763_000_020, "ghost", "stored although no stats row exists"),
        line(1_763_000_025, "o'brien; --", "line one\nline two \\ \"quoted\" 100%"),
    ];
    assert_eq!(bus.ask("stats.recent_chat.get", &json!({})), Value::from(lines.to_vec()));
    assert_eq!(
        bus.ask("stats.recent_chat.get", &json!({ "limit": 3 })),
        Value::from(lines[2..].to_vec())
    );
    let waiting = |id: i64, message: &str, retries: i64, error: Option<&str>| {
        json!({ "id": id, "timestamp": 1_763_000_450, "message": message, "retry_count": retries,
            "last_error": error })
    };
    let expected = json!([
        waiting(2, "queued, never tried", 0, None),
        waiting(3, "failed once", 1, Some("timeout #1")),
        waiting(4, "failed twice", 2, Some("timeout #2")),
    ]);
    assert_eq!(bus.ask("messages.outbound.get", &json!({})), expected);
    if dialect == Dialect::Sqlite {
        // Ids that were given once are not given again.
        let reply = bus.ask("messages.outbound.enqueue", &json!({ "message": "x" }));
        assert_eq!(reply, json!({ "id": 8 }));
    }
    let channel = bus.ask("query.channel_stats", &json!({}));
    assert_eq!(channel["high_water_mark"], json!({ "users": 6, "timestamp": 1_763_000_010 }));
    assert_eq!(channel["high_water_connected"], json!({ "users": 12, "timestamp": 1_763_000_010 }));
    assert_eq!(channel["top_chatters"][0], json!({ "username": "alice", "chat_lines": 3 }));
    assert_eq!(channel["top_chatters"].as_array().unwrap().len(), 3);
    assert_eq!(channel["total_users_seen"], 8);

    // The bot was killed a year ago: nobody is credited with the time since its last sign of life.
    assert_eq!(replica.stop(), Some(0));
    let times = stage.db.texts(
        "SELECT DISTINCT CAST(total_time_connected AS TEXT) || ' ' || CAST(last_seen AS TEXT) \
         FROM user_stats WHERE username IN ('bob', 'o''brien; --', 'Ünïcode_ユーザ')",
    );
    assert_eq!(times, ["458 1763000458"]);
}
