//! `messages.outbound.enqueue {message}`: something for the bot to say; the reply is {id}.

use serde_json::{Value, json};
use underpin_db::{Db, DbError};
use underpin_models::bot::OutboundRepository as _;

use super::{
    payload::{Malformed, Payload},
    request::Question,
};

pub(crate) struct Enqueue {
    message: String,
}

impl Question for Enqueue {
    const SUBJECT: &'static str = "messages.outbound.enqueue";

    fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        Ok(Self { message: Payload::parse(bytes)?.text("message")? })
    }

    async fn answer(self, db: &Db, now: i64) -> Result<Value, DbError> {
        let id = db.enqueue_outbound_message(self.message, now).await?;
        Ok(json!({ "id": id }))
    }

    fn fallback(malformed: Option<&Malformed>) -> Value {
        let error = malformed.map_or_else(|| "internal error".to_owned(), ToString::to_string);
        json!({ "success": false, "error": error })
    }
}
