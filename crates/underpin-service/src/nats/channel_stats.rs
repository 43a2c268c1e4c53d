//! `query.channel_stats`: the channel's records. Whatever the message says is ignored.

use serde_json::{Value, json};
use underpin_db::{Db, DbError};
use underpin_models::bot::{ChannelStatsRepository as _, UserStatsRepository as _};

use super::{payload::Malformed, request::Question};

/// How many of those who talk most.
const TOP: i64 = 10;

pub(crate) struct ChannelStats;

impl Question for ChannelStats {
    const SUBJECT: &'static str = "query.channel_stats";

    fn read(_: &[u8]) -> Result<Self, Malformed> {
        Ok(Self)
    }

    async fn answer(self, db: &Db, _now: i64) -> Result<Value, DbError> {
        let marks = db.high_water_marks().await?;
        let marks = marks.as_ref();
        let top = db.top_chatters(TOP).await?.into_iter();
        let top = top.map(|(username, lines)| json!({ "username": username, "chat_lines": lines }));
        Ok(json!({
            "high_water_mark": {
                "users": marks.map_or(0, |marks| marks.max_users),
                "timestamp": marks.and_then(|marks| marks.max_users_timestamp),
            },
            "high_water_connected": {
                "users": marks.map_or(0, |marks| marks.max_connected),
                "timestamp": marks.and_then(|marks| marks.max_connected_timestamp),
            },
            "top_chatters": top.collect::<Value>(),
            "total_users_seen": db.total_users_seen().await?,
            "success": true,
        }))
    }

    fn fallback(_: Option<&Malformed>) -> Value {
        json!({ "success": false, "error": "internal error" })
    }
}
