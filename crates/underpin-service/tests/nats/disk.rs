//! An SQLite file on a disk that is full, or that may not be written.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::json;
use underpin_testkit::{Dialect, TestDb};

use crate::{
    bus::Bus,
    chat,
    replica::{Replica, eventually},
    stage::{Mode, Stage},
};

/// The service on a small disk of its own, which nobody else sees but through its process.
fn on_small_disk(stage: &Stage) -> Replica {
    let root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let mut unshare = Command::new("unshare");
    unshare.arg(if root { "-m" } else { "-rm" });
    let script = "mount -t tmpfs -o size=24m tmpfs \"$1\" && cd \"$1\" && exec \"$2\"";
    unshare.args(["sh", "-c", script, "sh"]).arg(stage.db.dir());
    unshare.arg(env!("CARGO_BIN_EXE_underpin-service"));
    Replica::start(stage.wrapped(unshare))
}

/// The directory of the database as the service sees it.
fn inside(stage: &Stage, replica: &Replica) -> PathBuf {
    let directory = stage.db.dir().strip_prefix("/").unwrap();
    Path::new(&format!("/proc/{}/root", replica.id())).join(directory)
}

/// Takes all the room there is.
fn fill(file: &Path) {
    fs::write(file, vec![1; 32 << 20]).unwrap_err();
}

fn lines_of(bus: &Bus) -> u64 {
    let user = bus.ask("query.user_stats", &json!({ "username": chat::USER }));
    user["total_chat_lines"].as_u64().unwrap_or(0)
}

fn events_wait_for_room(mode: Mode) {
    let stage = Stage::new(Dialect::Sqlite, mode);
    let mut replica = on_small_disk(&stage);
    let directory = inside(&stage, &replica);
    let filler = directory.join("filler");
    let bus = stage.bus();
    bus.publish("user.joined", &json!({ "username": chat::USER }));
    chat::say(&bus, 1..=500);
    eventually("the first lines", || lines_of(&bus) == 500);

    let (mut last, mut queued) = (500, 0);
    for round in 1..=2 {
        fill(&filler);
        // The journal has room left from before; large lines use it up, small ones fit last.
        for _ in 0..20 {
            let message = format!("{}", last + 1) + &" ".repeat(200_000);
            last += 1;
            bus.publish("message.log", &json!({ "username": chat::USER, "message": message }));
        }
        chat::say(&bus, last + 1..=last + 500);
        last += 500;
        replica.wait_for_times("events wait ", round * 4);
        assert_eq!(bus.ask("query.channel_stats", &json!({}))["total_users_seen"], 1);
        assert!(lines_of(&bus) < last as u64);
        // What is left of the journal may be enough for it.
        let reply =
            bus.ask("messages.outbound.enqueue", &json!({ "message": "x".repeat(100_000) }));
        if reply["id"].is_i64() {
            queued += 1;
        } else {
            assert_eq!(reply, json!({ "success": false, "error": "internal error" }));
        }
        fs::remove_file(&filler).unwrap();
        eventually("all lines", || lines_of(&bus) == last as u64);
    }

    // Nobody writes now, so the files fit each other.
    let copy = TestDb::new(Dialect::Sqlite);
    for name in ["test.db", "test.db-wal"] {
        fs::copy(directory.join(name), copy.dir().join(name)).unwrap();
    }
    assert_eq!(copy.texts("PRAGMA integrity_check"), ["ok"]);
    let lines = copy.texts("SELECT trim(message) FROM recent_chat ORDER BY id");
    let expected: Vec<_> = (1..=last).map(|number| number.to_string()).collect();
    assert_eq!(lines, expected);
    assert_eq!(copy.texts("SELECT message FROM outbound_messages").len(), queued);
    assert_eq!(replica.stop(), Some(0));
    let (errors, reply) = (replica.said("ERROR"), "a request of `messages.outbound.enqueue` got");
    assert!(errors.iter().all(|line| line.starts_with(reply)), "{errors:?}");
    assert_eq!(errors.len(), 2 - queued);
}

#[test]
fn events_wait_until_sqlite_has_room() {
    events_wait_for_room(Mode::Core);
}

#[test]
fn events_of_a_stream_wait_until_sqlite_has_room() {
    events_wait_for_room(Mode::Stream);
}

#[test]
fn a_read_only_sqlite_file_ends_the_start() {
    let stage = Stage::new(Dialect::Sqlite, Mode::Core);
    let mut replica = stage.replica();
    assert_eq!(replica.stop(), Some(0));
    fs::set_permissions(stage.db.file(), fs::Permissions::from_mode(0o444)).unwrap();

    let mut replica = Replica::spawn(stage.command());

    assert_ne!(replica.end(), Some(0));
    let log = replica.log();
    let expected = format!("error: `{}` is read-only: ", stage.db.file().display());
    assert!(log.contains(&expected) && !log.contains("listening"), "{log}");
}
