//! The lock where no session is one's own: behind a pooler it is a row that ends by itself.
//!
//! The row is in the schema that is migrated. Whoever holds it renews it; what has run out, anybody
//! may end. Its number grows with each holder, and each transaction of a holder first looks whether
//! the number is still its own, and keeps the row from changing owner until the transaction ends.
//! So a holder that was stopped and wakes up can do nothing more.
//!
//! It and the advisory lock keep each other out: a lease is taken under the advisory lock of a
//! transaction, and whoever takes the advisory lock looks for a lease.

use std::{sync::Arc, time::Duration};

use underpin_db::{Conn, ConnectOptions, DatabaseUrl, DbError};

use super::{DOING, UNKNOWN, connect};
use crate::{
    Error,
    error::Doing,
    identity::Identity,
    sql::{identifier, literal},
};

/// The table with the row.
pub(crate) const LEASE_TABLE: &str = "underpin_lease";

/// PostgreSQL's code for a transaction whose lease is another's by now.
pub(crate) const LOST: &str = "UL001";

/// A lease that is renewed until it is released or dropped.
pub(crate) struct Lease {
    conn: Arc<tokio::sync::Mutex<Conn>>,
    table: String,
    token: String,
    heartbeat: tokio::task::JoinHandle<()>,
}

/// Who may get a lease.
pub(crate) struct Applicant {
    pub(crate) conn: Conn,
    pub(crate) url: DatabaseUrl,
    pub(crate) options: ConnectOptions,
    pub(crate) schema: String,
    /// How long a lease lasts that nobody renews.
    pub(crate) lasts: Duration,
}

impl Applicant {
    /// Takes the lease if it is free; gives itself back if it is not.
    pub(crate) async fn attempt(mut self) -> Result<Result<Lease, Self>, Error> {
        match take(&mut self).await {
            Ok(Some(token)) => Ok(Ok(Lease::new(self, token))),
            Ok(None) => Ok(Err(self)),
            Err(error) => Err(error).doing(DOING),
        }
    }
}

/// The number of the lease, when it could be taken.
async fn take(applicant: &mut Applicant) -> Result<Option<String>, DbError> {
    let Applicant { conn, schema, lasts, .. } = applicant;
    let begin =
        format!("BEGIN ISOLATION LEVEL READ COMMITTED; SELECT {}::text", super::try_both(schema));
    let answers = conn.answers(&begin, &[1]).await?;
    if !matches!(answers.as_slice(), [(_, Some(locked))] if locked == "true") {
        conn.batch("ROLLBACK").await?;
        return Ok(None);
    }
    let table = table(schema);
    let holder = literal(&format!("{}, behind a pooler", Identity::process()));
    let message = [
        format!(
            "CREATE TABLE IF NOT EXISTS {table} (token BIGINT NOT NULL PRIMARY KEY, holder TEXT, \
             taken_at TIMESTAMPTZ, valid_until TIMESTAMPTZ)"
        ),
        format!("INSERT INTO {table} (token) SELECT 0 WHERE NOT EXISTS (SELECT FROM {table})"),
        end_expired(&table),
        format!(
            "UPDATE {table} SET token = token + 1, holder = {holder}, taken_at = clock_timestamp(), \
             valid_until = {} WHERE holder IS NULL RETURNING token::text",
            end(*lasts)
        ),
        "COMMIT".to_owned(),
    ];
    match conn.answers(&message.join(";\n"), &[3]).await {
        Ok(answers) => Ok(answers.into_iter().find_map(|(_, token)| token)),
        Err(error) => {
            if let Err(error) = conn.batch("ROLLBACK").await {
                tracing::debug!(%error, "nothing to roll back");
            }
            Err(error)
        }
    }
}

/// When a lease runs out that is renewed now.
fn end(lasts: Duration) -> String {
    format!("clock_timestamp() + interval '{} milliseconds'", lasts.as_millis())
}

/// The table of the lease of `schema`, as SQL.
pub(crate) fn table(schema: &str) -> String {
    format!("{}.{LEASE_TABLE}", identifier(schema))
}

/// The statement that ends a lease that has run out, but not while a transaction of its holder is
/// open: that may still commit.
pub(crate) fn end_expired(table: &str) -> String {
    format!(
        "UPDATE {table} SET token = token + 1, holder = NULL WHERE token IN (SELECT token FROM {table} \
         WHERE holder IS NOT NULL AND valid_until <= clock_timestamp() FOR UPDATE SKIP LOCKED)"
    )
}

/// The query that names who has the lease; no row when nobody has.
pub(crate) fn holder(table: &str) -> String {
    format!("SELECT holder FROM {table} WHERE holder IS NOT NULL")
}

/// Whether a lease keeps the holder of the advisory lock of `schema` from working, and whose it is.
/// Ends a lease that has run out.
pub(crate) async fn held_by_other(conn: &mut Conn, schema: &str) -> Result<Option<String>, Error> {
    let table = table(schema);
    conn.batch(&end_expired(&table)).await.doing(DOING)?;
    conn.text(&holder(&table)).await.doing(DOING)
}

/// Who has a lease that has not run out.
pub(crate) async fn at_work(conn: &mut Conn, schema: &str) -> Option<String> {
    let held = format!("{} AND valid_until > clock_timestamp()", holder(&table(schema)));
    // Where nobody ever had one there is no table.
    conn.text(&held).await.ok().flatten()
}

/// Who has the lease, for people who wait.
pub(crate) async fn named(conn: &mut Conn, schema: &str) -> String {
    // Where nobody ever had one there is no table.
    let holder = conn.text(&holder(&table(schema))).await;
    holder.ok().flatten().unwrap_or_else(|| UNKNOWN.to_owned())
}

impl Lease {
    fn new(applicant: Applicant, token: String) -> Self {
        let Applicant { conn, url, options, schema, lasts } = applicant;
        let conn = Arc::new(tokio::sync::Mutex::new(conn));
        let table = table(&schema);
        let renew = format!(
            "UPDATE {table} SET valid_until = {} WHERE token = {token} AND \
             valid_until > clock_timestamp() RETURNING token::text",
            end(lasts)
        );
        let heart = Arc::clone(&conn);
        let heartbeat = tokio::spawn(async move {
            loop {
                tokio::time::sleep(lasts / 4).await;
                let mut conn = heart.lock().await;
                match conn.text(&renew).await {
                    Ok(Some(_)) => {}
                    // Each transaction finds out for itself.
                    Ok(None) => break,
                    Err(error) => {
                        tracing::debug!(%error, "the migration lease was not renewed");
                        if let Ok(another) = connect(&url, &options).await {
                            *conn = another;
                        }
                    }
                }
            }
        });
        Self { conn, table, token, heartbeat }
    }

    /// The statement that ends a transaction with [`LOST`] when the lease is another's by now. Until
    /// the transaction ends nobody else can get it; renewing it changes no key and goes on.
    pub(crate) fn check(&self) -> String {
        let Self { table, token, .. } = self;
        let body = format!(
            "BEGIN PERFORM FROM {table} WHERE token = {token} AND valid_until > clock_timestamp() \
             FOR KEY SHARE; IF NOT FOUND THEN RAISE EXCEPTION 'the migration lease ran out' \
             USING ERRCODE = '{LOST}'; END IF; END"
        );
        format!("DO {}", literal(&body))
    }

    pub(crate) async fn is_held(&mut self) -> Result<bool, Error> {
        let Self { table, token, .. } = self;
        let query = format!(
            "SELECT token::text FROM {table} WHERE token = {token} AND valid_until > clock_timestamp()"
        );
        let mut conn = self.conn.lock().await;
        Ok(conn.text(&query).await.doing("look after the migration lock")?.is_some())
    }

    /// Lets the next one in. A failure is of no consequence: the lease runs out.
    pub(crate) async fn release(self) {
        self.heartbeat.abort();
        let Self { table, token, .. } = &self;
        let query = format!("UPDATE {table} SET holder = NULL WHERE token = {token}");
        if let Err(error) = self.conn.lock().await.batch(&query).await {
            tracing::debug!(%error, "the lease was not released");
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.heartbeat.abort();
    }
}
