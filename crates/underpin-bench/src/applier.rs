//! The least that applies chat lines: one subscription, one thread, one transaction for what waits.

use std::path::Path;

use futures_util::StreamExt as _;
use rusqlite::{Connection, params};
use serde::Deserialize;
use tokio::sync::mpsc;

use crate::database::NOW;

/// As many as the service takes into one transaction.
const GROUP: usize = 512;

#[derive(Deserialize)]
struct Line {
    username: String,
    message: String,
}

pub(crate) async fn run(nats: &str, subject: String, file: &Path) -> anyhow::Result<()> {
    let options = async_nats::ConnectOptions::new().subscription_capacity(262_144);
    let client = options.connect(nats).await?;
    let mut messages = client.subscribe(subject).await?;
    let conn = Connection::open(file)?;
    let settings = "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; \
                    PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON";
    conn.execute_batch(settings)?;
    let (queue, mut waiting) = mpsc::channel(65_536);
    let write = tokio::task::spawn_blocking(move || {
        let mut group = Vec::new();
        while waiting.blocking_recv_many(&mut group, GROUP) > 0 {
            apply(&conn, group.drain(..))?;
        }
        anyhow::Ok(())
    });
    while let Some(message) = messages.next().await {
        let line: Line = serde_json::from_slice(&message.payload)?;
        if queue.send(line).await.is_err() {
            break;
        }
    }
    drop(queue);
    write.await?
}

fn apply(conn: &Connection, group: impl Iterator<Item = Line>) -> rusqlite::Result<()> {
    let mut count = conn.prepare_cached(
        "UPDATE user_stats SET total_chat_lines = total_chat_lines + 1, last_seen = ?1 \
         WHERE username = ?2",
    )?;
    let mut keep = conn.prepare_cached(
        "INSERT INTO recent_chat (timestamp, username, message) VALUES (?1, ?2, ?3)",
    )?;
    conn.execute_batch("BEGIN IMMEDIATE")?;
    for line in group {
        count.execute(params![NOW, line.username])?;
        keep.execute(params![NOW, line.username, line.message])?;
    }
    conn.execute_batch("COMMIT")
}
