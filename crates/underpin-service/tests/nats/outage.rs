//! What the service works with goes away for a while, without a stream: events that have come wait.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use rstest::rstest;
use serde_json::json;
use underpin_testkit::{Dialect, OwnServer, TestDb};

use crate::{
    chat,
    stage::{Mode, Stage},
};

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn the_nats_server_restarts(#[case] dialect: Dialect) {
    let mut stage = Stage::new(dialect, Mode::Core);
    let mut replica = stage.replica();
    chat::join(&stage, &stage.bus());

    for round in 0..3 {
        stage.nats.kill();
        replica.wait_for_times("NATS, for events: disconnected", round + 1);
        stage.nats.restart();
        for what in ["events", "requests"] {
            let connected = format!("NATS, for {what}: connected");
            replica.wait_for_times(&connected, round + 2);
        }
        let bus = stage.bus();
        bus.wait_for_service();
        chat::say(&bus, round * 100 + 1..=round * 100 + 100);
        chat::assert_all(&stage, round * 100 + 100);
    }

    chat::assert_in_order(&stage, 300);
    assert_eq!(replica.stop(), Some(0));
}

#[test]
fn postgres_restarts() {
    let mut server = OwnServer::start();
    let stage = Stage::on(TestDb::on(&server), Mode::Core).with("DB_POOL_WAIT_SECONDS", "1");
    let mut replica = stage.replica();
    let bus = stage.bus();
    chat::join(&stage, &bus);
    chat::say(&bus, 1..=200);
    chat::assert_all(&stage, 200);

    for round in 1..=2 {
        server.kill();
        chat::say(&bus, round * 200 + 1..=round * 200 + 200);
        replica.wait_for_times("events wait ", round * 2);
        // Whoever asks is told that there is no answer, and that soon.
        let fallback = json!({ "success": false, "error": "internal error" });
        assert_eq!(bus.ask("query.channel_stats", &json!({})), fallback);
        server.restart();
        chat::assert_all(&stage, round * 200 + 200);
    }

    chat::assert_in_order(&stage, 600);
    assert_eq!(bus.ask("query.channel_stats", &json!({}))["success"], true);
    assert_eq!(replica.stop(), Some(0));
}

/// Another program holds SQLite's lock for longer than anybody waits for it.
#[test]
fn another_program_locks_the_sqlite_file() {
    let stage = Stage::new(Dialect::Sqlite, Mode::Core);
    let mut replica = stage.replica();
    let bus = stage.bus();
    chat::join(&stage, &bus);
    let mut other = Command::new("sqlite3")
        .arg(stage.db.file())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut orders = other.stdin.take().unwrap();
    writeln!(orders, ".timeout 10000\nBEGIN EXCLUSIVE;\nSELECT 'locked';").unwrap();
    let mut told = std::io::BufReader::new(other.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut told, &mut String::new()).unwrap();

    chat::say(&bus, 1..=300);
    replica.wait_for("events wait ");

    assert_eq!(bus.ask("query.channel_stats", &json!({}))["total_users_seen"], 1);
    let lines = chat::kept(&stage);
    writeln!(orders, "COMMIT;").unwrap();
    drop(orders);
    assert!(other.wait().unwrap().success());
    assert_eq!(lines, 0);
    chat::assert_all(&stage, 300);
    chat::assert_in_order(&stage, 300);
    assert_eq!(replica.stop(), Some(0));
    replica.assert_silent("ERROR");
}
