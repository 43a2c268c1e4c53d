//! `stats.recent_chat.get {limit=50}`: the newest lines, oldest first.

use serde_json::{Value, json};
use underpin_db::{Db, DbError};
use underpin_models::bot::RecentChatRepository as _;

use super::{
    payload::{Malformed, Payload},
    request::{Question, limit},
};

pub(crate) struct RecentChat {
    limit: i64,
}

impl Question for RecentChat {
    const SUBJECT: &'static str = "stats.recent_chat.get";

    fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        Ok(Self { limit: limit(&Payload::parse(bytes)?, 50)? })
    }

    async fn answer(self, db: &Db, _now: i64) -> Result<Value, DbError> {
        let lines = db.recent_chat(None, self.limit).await?;
        let wire = lines.into_iter().map(|line| {
            json!({
                "timestamp": line.timestamp,
                "username": line.username,
                "message": line.message,
            })
        });
        Ok(wire.collect())
    }

    fn fallback(_: Option<&Malformed>) -> Value {
        json!([])
    }
}
