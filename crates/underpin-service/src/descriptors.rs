//! How many files and connections the process may have open.

use underpin_db::Dialect;

use crate::Config;

/// What everything else takes: requests, the main database, NATS.
const OTHERS: u64 = 1_024;

/// Raises the limit of this process to what the configuration may need, as far as the system lets it,
/// and says so when that is not enough: requests would then fail at random.
pub(crate) fn allow(config: &Config) {
    let projects = match config.database_url.dialect() {
        Dialect::Sqlite => config.projects.max_open.saturating_mul(config.projects.descriptors()),
        Dialect::Postgres => 0,
    };
    let needed = projects.saturating_add(OTHERS);
    match rlimit::increase_nofile_limit(needed) {
        Ok(limit) if limit >= needed => {}
        Ok(limit) => tracing::warn!(
            limit,
            needed,
            "at most {limit} files may be open, and {needed} may be needed: raise the limit \
             (`ulimit -Hn`, `LimitNOFILE=`) or lower `PROJECT_MAX_OPEN`"
        ),
        Err(error) => tracing::warn!("cannot see how many files may be open: {error}"),
    }
}
