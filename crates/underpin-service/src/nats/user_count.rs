//! `stats.user_count {chat_count=0, connected_count=0}`: so many are there now.

use underpin_db::{DbConn, DbError};
use underpin_models::bot::UserCountRepository as _;

use super::{
    event::Change,
    payload::{Malformed, Payload},
};

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct UserCounted {
    chat: i64,
    connected: i64,
}

impl Change for UserCounted {
    const SUBJECT: &'static str = "stats.user_count";

    fn read(payload: &Payload) -> Result<Self, Malformed> {
        let chat = payload.count_or("chat_count", 0)?;
        Ok(Self { chat, connected: payload.count_or("connected_count", 0)? })
    }

    async fn apply(self, conn: &mut DbConn, at: i64) -> Result<(), DbError> {
        conn.log_user_count(self.chat, self.connected, at).await
    }
}
