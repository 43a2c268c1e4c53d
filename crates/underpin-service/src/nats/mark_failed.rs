//! `messages.outbound.mark_failed {message_id, error, permanent=false}`: the bot could not say a
//! queued message.

use underpin_db::{DbConn, DbError};
use underpin_models::bot::OutboundRepository as _;

use super::{
    event::Change,
    payload::{Malformed, Payload},
};

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MarkFailed {
    id: i64,
    error: String,
    permanent: bool,
}

impl Change for MarkFailed {
    const SUBJECT: &'static str = "messages.outbound.mark_failed";

    fn read(payload: &Payload) -> Result<Self, Malformed> {
        Ok(Self {
            id: payload.integer("message_id")?,
            error: payload.text("error")?,
            permanent: payload.optional_flag("permanent")?.unwrap_or(false),
        })
    }

    async fn apply(self, conn: &mut DbConn, at: i64) -> Result<(), DbError> {
        conn.mark_outbound_failed(self.id, self.error, self.permanent, at).await
    }
}
