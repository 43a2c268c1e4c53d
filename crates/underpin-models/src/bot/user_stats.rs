//! `user_stats`.

use diesel::prelude::*;

use super::schema::user_stats;

/// Who was seen, and for how long.
#[derive(Debug, Clone, PartialEq, Eq, Identifiable, Insertable, Queryable, Selectable)]
#[diesel(table_name = user_stats, primary_key(username), treat_none_as_default_value = false)]
#[diesel(check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
pub struct UserStats {
    /// As the channel spells it; upper and lower case make two users.
    pub username: String,
    /// Unix seconds.
    pub first_seen: i64,
    /// Unix seconds.
    pub last_seen: i64,
    /// Lines said so far.
    pub total_chat_lines: i64,
    /// Seconds of all ended sessions.
    pub total_time_connected: i64,
    /// Unix seconds; `None` when the user is not there.
    pub current_session_start: Option<i64>,
}
