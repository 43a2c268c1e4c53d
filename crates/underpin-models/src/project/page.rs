//! A part of a list.

/// A part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// At most so many. Below 0 is 0. Default: 100.
    pub limit: i64,
    /// The id of the last row of the page before; its values define the place, whatever the filter.
    /// Default: from the start.
    pub after: Option<i32>,
    /// Rows to leave out, for callers without a cursor. Below 0 is 0. Default: 0.
    pub skip: i64,
}

impl Default for Page {
    fn default() -> Self {
        Self { limit: 100, after: None, skip: 0 }
    }
}

/// Whether a row comes after the one that the page begins after, in a list with the newest first.
///
/// The database compares the times of both as it keeps them: SQLite has them as text, and older
/// programs wrote more digits than we do.
macro_rules! older_than {
    ($table:ident . $time:ident, $after:expr) => {{
        let after: Option<i32> = $after;
        let cursor = diesel::alias!($table as cursor);
        let time = || {
            cursor
                .filter(cursor.field($table::id).nullable().eq(after))
                .select(cursor.field($table::$time))
                .single_value()
                .assume_not_null()
        };
        let older = $table::$time
            .lt(time())
            .or($table::$time.eq(time()).and($table::id.nullable().lt(after).assume_not_null()));
        after.is_none().into_sql::<diesel::sql_types::Bool>().or(older)
    }};
}

pub(super) use older_than;
