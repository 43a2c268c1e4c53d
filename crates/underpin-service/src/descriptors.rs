//! How many files and connections the process may have open.

use underpin_db::Dialect;

use crate::Config;

/// What a connection of the main database takes: on SQLite its file, and two beside it.
const OF_CONNECTION: u64 = 3;
/// What a request takes: its connection, and a file that is sent or received.
const OF_REQUEST: u64 = 2;
/// What everything else takes: NATS, the log, leases, migrations, and clients that wait for a place.
const OTHERS: u64 = 192;
/// Requests that are served in any case.
const LEAST: u64 = 16;

/// Raises the limit of this process to what the configuration may need, as far as the system lets it, and
/// says so when that is not enough. Gives how many connections of clients there may be: what the databases
/// need is kept back, for a request without its database is worth nothing.
pub(crate) fn allow(config: &Config) -> usize {
    let projects = match config.database_url.dialect() {
        Dialect::Sqlite => config.projects.max_open.saturating_mul(config.projects.descriptors()),
        Dialect::Postgres => 0,
    };
    let pool = u64::from(config.pool.size).saturating_add(2).saturating_mul(OF_CONNECTION);
    let kept = projects.saturating_add(pool).saturating_add(OTHERS);
    let wanted = config.http_limits.connections;
    let needed = kept.saturating_add((wanted as u64).saturating_mul(OF_REQUEST));
    match rlimit::increase_nofile_limit(needed) {
        Ok(limit) if limit >= needed => wanted,
        Ok(limit) => {
            let left = (limit.saturating_sub(kept) / OF_REQUEST).max(LEAST);
            let connections = usize::try_from(left).unwrap_or(wanted).min(wanted);
            tracing::warn!(
                limit,
                needed,
                "at most {limit} files may be open, and {needed} may be needed: {connections} \
                 connections are served at a time; raise the limit (`ulimit -Hn`, `LimitNOFILE=`) or \
                 lower `HTTP_MAX_CONNECTIONS` or `PROJECT_MAX_OPEN`"
            );
            connections
        }
        Err(error) => {
            tracing::warn!("cannot see how many files may be open: {error}");
            wanted
        }
    }
}
