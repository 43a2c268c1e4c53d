//! The only place that asks what time it is; everything else is told.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, NaiveDateTime};

/// Now, in Unix seconds.
pub(crate) fn now() -> i64 {
    seconds(since_epoch())
}

/// Now, in UTC, to the microsecond, as PostgreSQL keeps it.
pub(crate) fn utc() -> NaiveDateTime {
    let micros = i64::try_from(since_epoch().as_micros()).unwrap_or(i64::MAX);
    DateTime::from_timestamp_micros(micros).unwrap_or_default().naive_utc()
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The whole seconds of `duration`.
pub(crate) fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}
