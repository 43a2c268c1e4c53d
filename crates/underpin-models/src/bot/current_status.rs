//! `current_status`.

use diesel::prelude::*;

use super::schema::current_status;

/// What the bot last said about itself and the channel; one row, with the id 1.
#[derive(Debug, Clone, PartialEq, Identifiable, Insertable, Queryable, Selectable)]
#[diesel(table_name = current_status, treat_none_as_default_value = false)]
#[diesel(check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
pub struct CurrentStatus {
    /// Always 1.
    pub id: i64,
    /// `online` or `offline`, after the bot's connection when the row was migrated.
    pub status: String,
    /// The bot's name in the channel.
    pub bot_name: Option<String>,
    /// The bot's rank; ranks have fractions.
    pub bot_rank: Option<f64>,
    /// Whether the bot is away; `None` until it says.
    pub bot_afk: Option<bool>,
    /// The channel.
    pub channel_name: Option<String>,
    /// Users in the chat.
    pub current_chat_users: i64,
    /// Viewers connected.
    pub current_connected_users: i64,
    /// Entries of the playlist.
    pub playlist_items: i64,
    /// What is playing.
    pub current_media_title: Option<String>,
    /// Its length in seconds.
    pub current_media_duration: Option<i64>,
    /// Unix seconds.
    pub bot_start_time: Option<i64>,
    /// Whether the bot is in the channel; `None` until it says.
    pub bot_connected: Option<bool>,
    /// Kept from v0.6.0 of the bot, which never writes it.
    pub current_users: i64,
    /// Kept from v0.6.0 of the bot, which never writes it.
    pub connected_users: i64,
    /// Unix seconds; 0 until the first update.
    pub last_updated: i64,
}
