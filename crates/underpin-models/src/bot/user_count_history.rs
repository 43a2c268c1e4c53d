//! `user_count_history`.

use diesel::prelude::*;

use super::schema::user_count_history;

/// How many were there at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Identifiable, Insertable, Queryable, Selectable)]
#[diesel(table_name = user_count_history, treat_none_as_default_value = false)]
#[diesel(check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
pub struct UserCount {
    /// Of the row.
    pub id: i64,
    /// Unix seconds.
    pub timestamp: i64,
    /// Users in the chat; may exceed the viewers.
    pub chat_users: i64,
    /// Viewers connected.
    pub connected_users: i64,
}
