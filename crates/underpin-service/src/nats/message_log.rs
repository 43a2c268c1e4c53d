//! `message.log {username, message}`: somebody said something.

use underpin_db::{DbConn, DbError};
use underpin_models::bot::RecentChatRepository as _;

use super::{
    event::Change,
    payload::{Malformed, Payload},
};

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MessageLog {
    username: String,
    message: String,
}

impl Change for MessageLog {
    const SUBJECT: &'static str = "message.log";

    fn read(payload: &Payload) -> Result<Self, Malformed> {
        Ok(Self { username: payload.name("username")?, message: payload.text("message")? })
    }

    async fn apply(self, conn: &mut DbConn, at: i64) -> Result<(), DbError> {
        conn.user_chat_message(self.username, self.message, at).await
    }
}
