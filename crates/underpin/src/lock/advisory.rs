//! The lock on a connection of our own to a server.
//!
//! Its connection only holds it; the work is done on another one. When a runner is killed, the server
//! frees the lock at once and may still be at what was sent on the other connection. So the work holds
//! a lock as well, in each of its transactions: whoever takes the lock waits until nobody has that one.
//! What the dead runner had sent and the server has not begun finds a third lock free, which is the
//! runner's alone and lasts as long as its connection, and ends itself.

use underpin_db::Conn;

use super::{DOING, PAUSE, holder, key, lease, work_key};
use crate::{
    Error, Options, Step, StepReport,
    error::Doing,
    session::Session,
    sql::literal,
    transaction::{self, Failure},
};

/// An advisory lock and the connection that holds it.
pub(crate) struct PostgresLock {
    conn: Conn,
    schema: String,
    /// SQL that gives the lock's key.
    key: String,
    /// SQL that gives the key of the lock that the work holds.
    work: String,
    /// The key of the lock that this runner alone takes.
    runner: i64,
}

impl PostgresLock {
    pub(super) fn new(conn: Conn, schema: String) -> Self {
        let (key, work) = (key(&schema), work_key(&schema));
        Self { conn, schema, key, work, runner: fastrand::i64(..) }
    }

    /// Takes the lock if it is free, nothing that a dead runner sent is still being done, and nobody
    /// behind a pooler has the lease that stands for it.
    pub(super) async fn attempt(&mut self) -> Result<bool, Error> {
        let Self { key, work, runner, schema, .. } = self;
        let query = format!(
            "SELECT CASE WHEN NOT pg_try_advisory_lock({key}) THEN 'held' \
             WHEN NOT pg_try_advisory_lock({work}) THEN 'working' \
             WHEN pg_advisory_unlock({work}) AND pg_try_advisory_lock({runner}) THEN 'free' END; \
             SELECT to_regclass({})::text",
            literal(&lease::table(schema))
        );
        let answers = self.conn.answers(&query, &[0, 1]).await.doing(DOING)?;
        let [(_, state), (_, leases)] = answers.as_slice() else { return Ok(false) };
        match state.as_deref() {
            Some("free") => {}
            Some("held") => return Ok(false),
            _ => {
                self.unlock().await;
                return Ok(false);
            }
        }
        if leases.is_some() && lease::held_by_other(&mut self.conn, &self.schema).await?.is_some() {
            self.unlock().await;
            return Ok(false);
        }
        Ok(true)
    }

    pub(super) async fn unlock(&mut self) {
        if let Err(error) = self.conn.text("SELECT pg_advisory_unlock_all()::text").await {
            tracing::debug!(%error, "the lock's connection is gone already");
        }
    }

    pub(super) async fn holder(&mut self) -> String {
        holder(&mut self.conn, &self.schema).await
    }

    pub(super) async fn is_held(&mut self) -> Result<bool, Error> {
        let query = format!(
            "SELECT count(*)::text FROM pg_locks WHERE locktype = 'advisory' AND granted AND \
             pid = pg_backend_pid() AND (classid::bigint << 32 | objid::bigint) = {}",
            self.key
        );
        let count = self.conn.text(&query).await.doing("look after the migration lock")?;
        Ok(count.is_some_and(|count| count != "0"))
    }

    /// The statement that comes first in each transaction of the work: it takes the lock of the work
    /// until the transaction ends, and fails when this runner's own lock is free, for then the runner
    /// is gone, or the server took the lock away, and another one may be at work.
    pub(super) fn fence(&self) -> String {
        let Self { work, runner, .. } = self;
        let body = format!(
            "BEGIN IF NOT pg_catalog.pg_try_advisory_xact_lock({work}) OR \
             pg_catalog.pg_try_advisory_xact_lock({runner}) THEN RAISE EXCEPTION \
             'the migration lock was lost' USING ERRCODE = '{}'; END IF; END",
            lease::LOST
        );
        format!("DO {}", literal(&body))
    }

    /// Lets `conn` hold the lock of the work for as long as its session, or until that is as new.
    pub(super) async fn covers(&mut self, conn: &mut Conn) -> Result<bool, Error> {
        let query = format!("SELECT pg_catalog.pg_try_advisory_lock({})", self.work);
        Ok(conn.text(&query).await.doing(DOING)?.as_deref() == Some("t"))
    }

    /// Runs one transaction of `session`, and looks meanwhile who keeps it waiting.
    pub(crate) async fn watch(
        &mut self,
        session: &mut Session<'_>,
        steps: &[Step<'_>],
        options: &Options,
    ) -> (Result<Vec<StepReport>, Failure>, Option<String>) {
        let worker = session.conn.backend();
        let mut blockers = None;
        let pause = (options.lock_timeout * 3 / 4).max(PAUSE);
        let look = async {
            loop {
                tokio::time::sleep(pause).await;
                if let Some(found) = self.blockers(worker).await {
                    blockers = Some(found);
                }
            }
        };
        let result = tokio::select! {
            result = transaction::run(session, steps) => result,
            never = look => never,
        };
        (result, blockers)
    }

    /// Who keeps the server process `pid` waiting, for people.
    async fn blockers(&mut self, pid: i32) -> Option<String> {
        let query = format!(
            "SELECT string_agg('process ' || pid || ' (' || application_name || ', ' || coalesce(state, '?') || \
             ')', ', ') FROM pg_stat_activity WHERE pid = ANY (pg_blocking_pids({pid}))"
        );
        self.conn.text(&query).await.ok().flatten()
    }
}
