//! Counters that events add to.

/// The sum of a counter and what an event adds to it, which the database refuses where it is beyond 64 bits.
///
/// PostgreSQL refuses such a sum by itself (22003). SQLite goes on with a fraction, which is NULL here, and
/// counters take no NULL. So the event is at fault on both ([`is_of_data`](underpin_db::DbError::is_of_data)),
/// and the counter stays what it was.
macro_rules! counted {
    ($sum:expr) => {
        diesel::dsl::case_when(($sum).le(i64::MAX), $sum).assume_not_null()
    };
}

pub(super) use counted;
