//! `outbound_messages`.

use diesel::prelude::*;

use super::schema::outbound_messages;

/// A message that waits to be said by the bot, or was.
#[derive(Debug, Clone, PartialEq, Eq, Identifiable, Insertable, Queryable, Selectable)]
#[diesel(table_name = outbound_messages, treat_none_as_default_value = false)]
#[diesel(check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
pub struct OutboundMessage {
    /// Of the row.
    pub id: i64,
    /// When it was queued, in Unix seconds.
    pub timestamp: i64,
    /// What to say.
    pub message: String,
    /// Whether it was said.
    pub sent: bool,
    /// When, in Unix seconds.
    pub sent_timestamp: Option<i64>,
    /// Failed attempts so far.
    pub retry_count: i64,
    /// Why the last attempt failed; kept when a later one succeeds.
    pub error_message: Option<String>,
}
