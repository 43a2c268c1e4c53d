//! `status.update {status_data: {…}}`: what the bot says about itself.

use underpin_db::{DbConn, DbError};
use underpin_models::bot::{CurrentStatusRepository as _, StatusUpdate};

use super::{
    event::Change,
    payload::{Malformed, Payload},
};

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StatusUpdated(StatusUpdate);

impl Change for StatusUpdated {
    const SUBJECT: &'static str = "status.update";

    /// A field that is absent leaves the value as it is, `null` empties it, and a name that nobody
    /// knows is passed over. Counts cannot be empty: `null` is 0.
    fn read(payload: &Payload) -> Result<Self, Malformed> {
        let data = payload.object("status_data")?;
        let given = |name: &str| data.has(name).then_some(());
        macro_rules! field {
            ($read:ident, $name:literal) => {
                given($name).map(|()| data.$read($name)).transpose()?
            };
        }
        Ok(Self(StatusUpdate {
            bot_name: field!(optional_text, "bot_name"),
            bot_rank: field!(optional_number, "bot_rank"),
            bot_afk: field!(optional_flag, "bot_afk"),
            channel_name: field!(optional_text, "channel_name"),
            current_chat_users: field!(optional_count, "current_chat_users")
                .map(Option::unwrap_or_default),
            current_connected_users: field!(optional_count, "current_connected_users")
                .map(Option::unwrap_or_default),
            playlist_items: field!(optional_count, "playlist_items").map(Option::unwrap_or_default),
            current_media_title: field!(optional_text, "current_media_title"),
            current_media_duration: field!(optional_integer, "current_media_duration"),
            bot_start_time: field!(optional_integer, "bot_start_time"),
            bot_connected: field!(optional_flag, "bot_connected"),
        }))
    }

    async fn apply(self, conn: &mut DbConn, at: i64) -> Result<(), DbError> {
        conn.update_current_status(self.0, at).await
    }
}
