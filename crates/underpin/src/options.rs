//! How a run behaves towards the database and towards other runners.

use std::time::Duration;

use crate::{Grouping, Policy};

/// How a run behaves towards the database and towards other runners.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// What may be run although it is unusual.
    pub policy: Policy,
    /// How the steps share transactions.
    pub grouping: Grouping,
    /// How long to wait for another runner to finish. Default: 60 s.
    pub lock_wait: Duration,
    /// PostgreSQL behind a pooler: how long the lock outlives a runner that died or was stopped.
    /// Default: 10 s.
    pub lease: Duration,
    /// PostgreSQL: how long a statement may wait for a lock while everybody else queues up behind
    /// it. Default: 5 s; zero waits for ever.
    pub lock_timeout: Duration,
    /// PostgreSQL: how often a migration is tried again after `lock_timeout`. Default: 5.
    pub lock_retries: u32,
    /// PostgreSQL: how long a statement may run. Default: as long as it takes.
    pub statement_timeout: Option<Duration>,
    /// PostgreSQL: the name that others see in `pg_stat_activity`. Default: `underpin`.
    pub application_name: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            grouping: Grouping::Automatic,
            lock_wait: Duration::from_mins(1),
            lease: Duration::from_secs(10),
            lock_timeout: Duration::from_secs(5),
            lock_retries: 5,
            statement_timeout: None,
            application_name: "underpin".to_owned(),
        }
    }
}
