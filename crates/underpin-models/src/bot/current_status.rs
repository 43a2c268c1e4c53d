//! `current_status`.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use underpin_db::Rows;

use super::schema::current_status;
use crate::repository::repository;

/// What the bot last said about itself and the channel; one row, with the id 1.
#[derive(Debug, Clone, PartialEq, Identifiable, Insertable, Queryable, Selectable)]
#[diesel(table_name = current_status, treat_none_as_default_value = false)]
#[diesel(check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
pub struct CurrentStatus {
    /// Always 1.
    pub id: i64,
    /// `online` or `offline`, after [`CurrentStatus::bot_connected`].
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
    /// Unix seconds; when the database was made, until the first update.
    pub last_updated: i64,
}

/// What the bot says anew about itself: `None` leaves a value as it is, `Some(None)` makes it NULL.
#[derive(Debug, Clone, Default, PartialEq, AsChangeset)]
#[diesel(table_name = current_status)]
pub struct StatusUpdate {
    /// See [`CurrentStatus::bot_name`].
    pub bot_name: Option<Option<String>>,
    /// See [`CurrentStatus::bot_rank`].
    pub bot_rank: Option<Option<f64>>,
    /// See [`CurrentStatus::bot_afk`].
    pub bot_afk: Option<Option<bool>>,
    /// See [`CurrentStatus::channel_name`].
    pub channel_name: Option<Option<String>>,
    /// See [`CurrentStatus::current_chat_users`].
    pub current_chat_users: Option<i64>,
    /// See [`CurrentStatus::current_connected_users`].
    pub current_connected_users: Option<i64>,
    /// See [`CurrentStatus::playlist_items`].
    pub playlist_items: Option<i64>,
    /// See [`CurrentStatus::current_media_title`].
    pub current_media_title: Option<Option<String>>,
    /// See [`CurrentStatus::current_media_duration`].
    pub current_media_duration: Option<Option<i64>>,
    /// See [`CurrentStatus::bot_start_time`].
    pub bot_start_time: Option<Option<i64>>,
    /// See [`CurrentStatus::bot_connected`].
    pub bot_connected: Option<Option<bool>>,
}

/// The id of the only row.
const ROW: i64 = 1;

repository! {
    /// What the bot last said about itself.
    pub trait CurrentStatusRepository {
        /// Takes over what `update` says, at `now` (Unix seconds). An empty update changes nothing.
        transaction fn update_current_status(conn, update: StatusUpdate, now: i64) -> () {
            if update == StatusUpdate::default() {
                return Ok(());
            }
            diesel::insert_into(current_status::table)
                .values(current_status::id.eq(ROW))
                .on_conflict_do_nothing()
                .execute(conn)
                .await?;
            let status = update
                .bot_connected
                .map(|connected| if connected == Some(true) { "online" } else { "offline" });
            diesel::update(current_status::table.find(ROW))
                .set((
                    update,
                    status.map(|status| current_status::status.eq(status)),
                    current_status::last_updated.eq(now),
                ))
                .execute(conn)
                .await?;
            Ok(())
        }

        /// The status; `None` when there is no row, which is so only if somebody deleted it.
        read(Rows::Few) fn current_status(conn) -> Option<CurrentStatus> {
            let query = current_status::table.find(ROW).select(CurrentStatus::as_select());
            Ok(query.first(conn).await.optional()?)
        }
    }
}
