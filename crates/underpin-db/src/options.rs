//! How one connection is opened.

use std::time::Duration;

/// What may happen to an SQLite file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It must exist, and nothing in it changes.
    ReadOnly,
    /// It must exist.
    ReadWrite,
    /// It is created when it does not exist; its directory must.
    Create,
}

/// How one connection is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectOptions {
    /// SQLite: what may happen to the file.
    pub access: Access,
    /// SQLite: how long to wait for another writer. Default: 5 s.
    pub busy_timeout: Duration,
    /// PostgreSQL: the name in `pg_stat_activity`, unless the URL gives one.
    pub application_name: String,
    /// PostgreSQL: how long a statement may wait for a lock; `None` leaves the server's setting.
    pub lock_timeout: Option<Duration>,
    /// PostgreSQL: how long a statement may run; `None` is without end.
    pub statement_timeout: Option<Duration>,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            access: Access::ReadWrite,
            busy_timeout: Duration::from_secs(5),
            application_name: "underpin".to_owned(),
            lock_timeout: None,
            statement_timeout: None,
        }
    }
}
