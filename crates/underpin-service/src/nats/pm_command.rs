//! `action.pm_command {timestamp, username, command, args='', result='unknown', error=null}`:
//! somebody gave the bot a command in private.

use underpin_db::{DbConn, DbError};
use underpin_models::bot::UserActionRepository as _;

use super::{
    event::Change,
    payload::{Malformed, Payload},
};

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PmCommand {
    /// When the bot says that it was, in Unix seconds.
    timestamp: Option<i64>,
    username: String,
    details: String,
}

impl Change for PmCommand {
    const SUBJECT: &'static str = "action.pm_command";

    fn read(payload: &Payload) -> Result<Self, Malformed> {
        let username = payload.name("username")?;
        let mut details = vec![format!("cmd={}", payload.name("command")?)];
        let result = if payload.has("result") {
            payload.optional_text("result")?
        } else {
            Some("unknown".to_owned())
        };
        let more = [
            ("args", payload.optional_text("args")?),
            ("result", result),
            ("error", payload.optional_text("error")?),
        ];
        let more = more.into_iter().filter_map(|(name, text)| Some(format!("{name}: {}", text?)));
        details.extend(more);
        let timestamp = payload.optional_integer("timestamp")?;
        Ok(Self { timestamp, username, details: details.join(", ") })
    }

    async fn apply(self, conn: &mut DbConn, at: i64) -> Result<(), DbError> {
        let at = self.timestamp.unwrap_or(at);
        conn.log_user_action(self.username, "pm_command".to_owned(), Some(self.details), at).await
    }
}
