//! `messages.outbound.mark_sent {message_id}`: the bot said a queued message.

use underpin_db::{DbConn, DbError};
use underpin_models::bot::OutboundRepository as _;

use super::{
    event::Change,
    payload::{Malformed, Payload},
};

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MarkSent {
    id: i64,
}

impl Change for MarkSent {
    const SUBJECT: &'static str = "messages.outbound.mark_sent";

    fn read(payload: &Payload) -> Result<Self, Malformed> {
        Ok(Self { id: payload.integer("message_id")? })
    }

    async fn apply(self, conn: &mut DbConn, at: i64) -> Result<(), DbError> {
        conn.mark_outbound_sent(self.id, at).await
    }
}
