//! What can be asked: one line per subject whose messages want a reply.

use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;
use underpin_db::{Db, DbError};

use super::{
    channel_stats::ChannelStats,
    enqueue::Enqueue,
    outbound_get::OutboundGet,
    payload::{Malformed, Payload},
    recent_chat::RecentChat,
    user_stats::UserStats,
};

/// A question and its answer.
pub(crate) trait Question: Sized {
    /// The subject after the prefix.
    const SUBJECT: &'static str;

    /// Understands a message.
    fn read(bytes: &[u8]) -> Result<Self, Malformed>;

    /// The answer at `now` (Unix seconds).
    fn answer(self, db: &Db, now: i64) -> impl Future<Output = Result<Value, DbError>> + Send;

    /// The reply to a message that cannot be understood, or answered (`None`). What is wrong with
    /// the database is for the log.
    fn fallback(malformed: Option<&Malformed>) -> Value;
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Unanswered {
    Malformed(Malformed),
    Failed(DbError),
    /// The database takes longer than anybody waits.
    Late,
}

/// How long an answer may take before the fallback goes out; the bot waits a second or two.
const PATIENCE: Duration = Duration::from_secs(5);

macro_rules! requests {
    ($($Request:ident),+ $(,)?) => {
        /// Every subject that wants a reply, after the prefix.
        pub(crate) const SUBJECTS: &[&str] = &[$($Request::SUBJECT),+];

        /// The reply to a message at `now` (Unix seconds), and why it is only a fallback.
        pub(crate) async fn reply(
            subject: &str,
            bytes: &[u8],
            db: &Db,
            now: i64,
        ) -> (Value, Option<Unanswered>) {
            match subject {
                $($Request::SUBJECT => reply_to::<$Request>(bytes, db, now).await,)+
                _ => (Value::Null, None),
            }
        }

        /// The reply when nobody has time for a better one.
        pub(crate) fn fallback(subject: &str) -> Value {
            match subject {
                $($Request::SUBJECT => $Request::fallback(None),)+
                _ => Value::Null,
            }
        }
    };
}

requests! {
    OutboundGet,
    Enqueue,
    RecentChat,
    ChannelStats,
    UserStats,
}

async fn reply_to<Q: Question>(bytes: &[u8], db: &Db, now: i64) -> (Value, Option<Unanswered>) {
    match Q::read(bytes) {
        Ok(question) => match timeout(PATIENCE, question.answer(db, now)).await {
            Ok(Ok(answer)) => (answer, None),
            Ok(Err(error)) => (Q::fallback(None), Some(Unanswered::Failed(error))),
            Err(_) => (Q::fallback(None), Some(Unanswered::Late)),
        },
        Err(malformed) => (Q::fallback(Some(&malformed)), Some(Unanswered::Malformed(malformed))),
    }
}

/// How many rows a `limit` asks for: a negative one asks for all, as it always did.
pub(crate) fn limit(payload: &Payload, default: i64) -> Result<i64, Malformed> {
    let limit = payload.integer_or("limit", default)?;
    Ok(if limit < 0 { i64::MAX } else { limit })
}
