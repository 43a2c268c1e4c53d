//! `messages.outbound.get {limit=50, max_retries=3, bypass_backoff=false}`: what the bot may say now.

use serde_json::{Value, json};
use underpin_db::{Db, DbError};
use underpin_models::bot::{OutboundRepository as _, UnsentFilter};

use super::{
    payload::{Malformed, Payload},
    request::{Question, limit},
};

pub(crate) struct OutboundGet(UnsentFilter);

impl Question for OutboundGet {
    const SUBJECT: &'static str = "messages.outbound.get";

    fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let payload = Payload::parse(bytes)?;
        let usual = UnsentFilter::default();
        Ok(Self(UnsentFilter {
            limit: limit(&payload, usual.limit)?,
            max_retries: payload.integer_or("max_retries", usual.max_retries)?,
            bypass_backoff: payload.optional_flag("bypass_backoff")?.unwrap_or(false),
        }))
    }

    async fn answer(self, db: &Db, now: i64) -> Result<Value, DbError> {
        let messages = db.unsent_outbound_messages(self.0, now).await?;
        let wire = messages.into_iter().map(|message| {
            json!({
                "id": message.id,
                "timestamp": message.timestamp,
                "message": message.message,
                "retry_count": message.retry_count,
                "last_error": message.error_message,
            })
        });
        Ok(wire.collect())
    }

    fn fallback(_: Option<&Malformed>) -> Value {
        json!([])
    }
}
