//! The same statements through rusqlite, which keeps them prepared.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::ensure;
use rusqlite::{Connection, params};

use super::{Call, NEWEST, TEN};
use crate::database::{MESSAGE, NOW, user};

const INSERT: &str = "INSERT INTO recent_chat (timestamp, username, message) VALUES (?1, ?2, ?3)";
const COUNT: &str = "UPDATE user_stats SET total_chat_lines = total_chat_lines + 1, \
                     last_seen = ?1 WHERE username = ?2";
const SELECT: &str = "SELECT username, first_seen, last_seen, total_chat_lines, \
                      total_time_connected, current_session_start FROM user_stats \
                      WHERE username = ?1 LIMIT 1";
const NEWEST_LINES: &str = "SELECT id, timestamp, username, message FROM recent_chat \
                            WHERE timestamp >= ?1 ORDER BY timestamp DESC, id DESC LIMIT ?2";
const UPDATE: &str = "UPDATE api_tokens SET last_used = ?1 \
                      WHERE token_hash = ?2 AND is_active";

pub(super) type Shared = Arc<Bare>;

pub(super) struct Bare {
    conn: Mutex<Connection>,
    token_hash: String,
}

/// Opens the file with the settings of the pools.
pub(super) fn open(file: &Path) -> anyhow::Result<Shared> {
    let conn = Connection::open(file)?;
    conn.execute_batch(
        "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
         PRAGMA foreign_keys = ON",
    )?;
    let token_hash = conn.query_row("SELECT token_hash FROM api_tokens", [], |row| row.get(0))?;
    Ok(Arc::new(Bare { conn: Mutex::new(conn), token_hash }))
}

/// Every call on this thread.
pub(super) fn turn(bare: &Bare, call: Call, count: usize) -> anyhow::Result<()> {
    (0..count).try_for_each(|number| bare.make(call, number))
}

/// Each call on a thread that may block.
pub(super) async fn hops(bare: &Shared, call: Call, count: usize) -> anyhow::Result<()> {
    for number in 0..count {
        let bare = Arc::clone(bare);
        tokio::task::spawn_blocking(move || bare.make(call, number)).await??;
    }
    Ok(())
}

impl Bare {
    fn make(&self, call: Call, number: usize) -> anyhow::Result<()> {
        let conn = self.conn.lock().unwrap_or_else(PoisonError::into_inner);
        match call {
            Call::Insert => insert(&conn, number)?,
            Call::Select => {
                let mut statement = conn.prepare_cached(SELECT)?;
                let found = statement.query_row([user(number)], |row| {
                    Ok((
                        row.get::<_, String>(0)?,
                        row.get::<_, i64>(1)?,
                        row.get::<_, i64>(2)?,
                        row.get::<_, i64>(3)?,
                        row.get::<_, i64>(4)?,
                        row.get::<_, Option<i64>>(5)?,
                    ))
                })?;
                ensure!(found.1 == NOW, "a user is lost");
            }
            Call::Newest => {
                let mut statement = conn.prepare_cached(NEWEST_LINES)?;
                let found = statement.query_map(params![i64::MIN, NEWEST], |row| {
                    Ok((
                        row.get::<_, i64>(0)?,
                        row.get::<_, i64>(1)?,
                        row.get::<_, String>(2)?,
                        row.get::<_, String>(3)?,
                    ))
                })?;
                let mut found = found.collect::<Result<Vec<_>, _>>()?;
                found.reverse();
                ensure!(found.len() == 20 && found[0].3 == MESSAGE, "lines are lost");
            }
            Call::Update => {
                let changed =
                    conn.prepare_cached(UPDATE)?.execute(params![NOW, self.token_hash])?;
                ensure!(changed == 1, "a token is lost");
            }
            Call::Transaction => {
                conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
                for number in 0..TEN {
                    conn.prepare_cached(COUNT)?.execute(params![NOW, user(number)])?;
                    insert(&conn, number)?;
                }
                conn.prepare_cached("COMMIT")?.execute([])?;
            }
        }
        Ok(())
    }
}

fn insert(conn: &Connection, number: usize) -> rusqlite::Result<()> {
    conn.prepare_cached(INSERT)?.execute(params![NOW, user(number), MESSAGE]).map(drop)
}
