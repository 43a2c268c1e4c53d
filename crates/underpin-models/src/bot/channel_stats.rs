//! `channel_stats`.

use diesel::prelude::*;

use super::schema::channel_stats;

/// The highest numbers ever seen in the channel; one row, with the id 1.
#[derive(Debug, Clone, PartialEq, Eq, Identifiable, Insertable, Queryable, Selectable)]
#[diesel(table_name = channel_stats, treat_none_as_default_value = false)]
#[diesel(check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
pub struct ChannelStats {
    /// Always 1.
    pub id: i64,
    /// Most users in the chat at once.
    pub max_users: i64,
    /// When that was, in Unix seconds.
    pub max_users_timestamp: Option<i64>,
    /// Most viewers connected at once.
    pub max_connected: i64,
    /// When that was, in Unix seconds.
    pub max_connected_timestamp: Option<i64>,
    /// Unix seconds; 0 until the first update.
    pub last_updated: i64,
}
