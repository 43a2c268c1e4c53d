//! `recent_chat`.

use diesel::prelude::*;

use super::schema::recent_chat;

/// A line of the chat, kept for a few days.
#[derive(Debug, Clone, PartialEq, Eq, Identifiable, Insertable, Queryable, Selectable)]
#[diesel(table_name = recent_chat, treat_none_as_default_value = false)]
#[diesel(check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
pub struct ChatLine {
    /// Of the row; orders lines of one second.
    pub id: i64,
    /// Unix seconds.
    pub timestamp: i64,
    /// Who said it.
    pub username: String,
    /// What was said.
    pub message: String,
}
