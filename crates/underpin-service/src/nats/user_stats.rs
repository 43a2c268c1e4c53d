//! `query.user_stats {username}`: what is known about one user.

use serde_json::{Value, json};
use underpin_db::{Db, DbError};
use underpin_models::bot::UserStatsRepository as _;

use super::{
    payload::{Malformed, Payload},
    request::Question,
};

pub(crate) struct UserStats {
    username: String,
}

impl Question for UserStats {
    const SUBJECT: &'static str = "query.user_stats";

    fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        Ok(Self { username: Payload::parse(bytes)?.name("username")? })
    }

    async fn answer(self, db: &Db, _now: i64) -> Result<Value, DbError> {
        let Some(user) = db.user_stats(self.username.clone()).await? else {
            let message = format!("No statistics found for user '{}'", self.username);
            return Ok(json!({
                "username": self.username,
                "success": true,
                "found": false,
                "message": message,
            }));
        };
        Ok(json!({
            "username": user.username,
            "first_seen": user.first_seen,
            "last_seen": user.last_seen,
            "total_chat_lines": user.total_chat_lines,
            "total_time_connected": user.total_time_connected,
            "current_session_start": user.current_session_start,
            "success": true,
            "found": true,
        }))
    }

    fn fallback(malformed: Option<&Malformed>) -> Value {
        let error = match malformed {
            Some(Malformed::NotAnObject(_)) => "Invalid request format".to_owned(),
            Some(Malformed::Missing(_)) => "Missing username in request".to_owned(),
            Some(other) => other.to_string(),
            None => "internal error".to_owned(),
        };
        json!({ "success": false, "error": error })
    }
}
