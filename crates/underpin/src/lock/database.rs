//! The lock that keeps runs over many schemas of a database apart.
//!
//! It is a courtesy to people, who learn at once that somebody is at work: what makes two runs safe is
//! the lock of each schema. So it may be simpler than those: an advisory lock of a transaction that
//! stays open for as long as the run. Such a transaction keeps its connection behind a pooler, too,
//! reads nothing between its statements, and so holds back neither vacuum nor a concurrent index.

use std::time::{Duration, Instant};

use underpin_db::{Conn, ConnectOptions, DatabaseUrl};

use super::{DOING, PAUSE, UNKNOWN, connect, holder_of, key_of};
use crate::{Error, error::Doing, identity::Identity, sql::literal};

/// How long somebody may still hold it who has been killed: a server needs a moment to notice.
const GRACE: Duration = Duration::from_secs(1);

/// The lock of one PostgreSQL database against other runs over many of its schemas. It ends with
/// [`DatabaseLock::release`], or with the connection.
pub struct DatabaseLock(Conn);

impl DatabaseLock {
    /// Takes the lock of the database at `url`; [`Error::Locked`] says who has it.
    ///
    /// Others see in `pg_stat_activity` which process of which machine this is, after
    /// `application_name`.
    ///
    /// # Errors
    ///
    /// Also when the database cannot be reached.
    pub async fn take(url: &DatabaseUrl, application_name: &str) -> Result<Self, Error> {
        let mut conn = connect(url, &ConnectOptions::default()).await?;
        let key = key_of("underpin runs");
        let name = format!("{application_name}: {}", Identity::process());
        let attempt = [
            "BEGIN ISOLATION LEVEL READ COMMITTED".to_owned(),
            format!("SELECT set_config('application_name', {}, true)", literal(&name)),
            format!("SELECT pg_try_advisory_xact_lock({key})::text"),
        ];
        let attempt = attempt.join(";\n");
        let start = Instant::now();
        loop {
            let answers = conn.answers(&attempt, &[2]).await.doing(DOING)?;
            if matches!(answers.as_slice(), [(_, Some(locked))] if locked == "true") {
                return Ok(Self(conn));
            }
            conn.batch("ROLLBACK").await.doing(DOING)?;
            let waited = start.elapsed();
            if waited >= GRACE {
                let holder = holder_of(&mut conn, &key).await;
                let holder = holder.unwrap_or_else(|| UNKNOWN.to_owned());
                return Err(Error::Locked { holder, waited });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Lets the next run in. A failure is of no consequence: the lock ends with the connection.
    pub async fn release(self) {
        let Self(mut conn) = self;
        if let Err(error) = conn.batch("ROLLBACK").await {
            tracing::debug!(%error, "the lock's connection is gone already");
        }
    }
}
