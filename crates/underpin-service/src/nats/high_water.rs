//! `stats.high_water {chat_count=0, connected_count=null}`: perhaps more than ever before.

use underpin_db::{DbConn, DbError};
use underpin_models::bot::ChannelStatsRepository as _;

use super::{
    event::Change,
    payload::{Malformed, Payload},
};

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct HighWater {
    chat: i64,
    connected: Option<i64>,
}

impl Change for HighWater {
    const SUBJECT: &'static str = "stats.high_water";

    fn read(payload: &Payload) -> Result<Self, Malformed> {
        let chat = payload.count_or("chat_count", 0)?;
        Ok(Self { chat, connected: payload.optional_count("connected_count")? })
    }

    async fn apply(self, conn: &mut DbConn, at: i64) -> Result<(), DbError> {
        conn.update_high_water_mark(self.chat, self.connected, at).await
    }
}
