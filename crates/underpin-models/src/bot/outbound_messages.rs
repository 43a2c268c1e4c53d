//! `outbound_messages`.

use diesel::{
    define_sql_function,
    dsl::{case_when, count_star, not, sum},
    prelude::*,
    sql_types::{BigInt, Bool, Integer, Nullable},
};
use diesel_async::RunQueryDsl;
use underpin_db::Rows;

use super::{counters::counted, schema::outbound_messages};
use crate::{prepared::Prepare as _, repository::repository};

/// Failed attempts after which the bot, unless it says otherwise, no longer asks for a message.
pub const MAX_RETRIES: i64 = 3;

/// A message that waits to be said by the bot, or was.
#[derive(Debug, Clone, PartialEq, Eq, Identifiable, Insertable, Queryable, Selectable)]
#[diesel(table_name = outbound_messages, treat_none_as_default_value = false)]
#[diesel(check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
pub struct OutboundMessage {
    /// Of the row.
    pub id: i64,
    /// When it was queued, in Unix seconds.
    pub timestamp: i64,
    /// What to say.
    pub message: String,
    /// Whether it was said.
    pub sent: bool,
    /// When, in Unix seconds.
    pub sent_timestamp: Option<i64>,
    /// Failed attempts so far.
    pub retry_count: i64,
    /// Why the last attempt failed; kept when a later one succeeds.
    pub error_message: Option<String>,
    /// When the last failed attempt was, in Unix seconds; `None` also where an older release did
    /// not write it down.
    pub last_attempt: Option<i64>,
    /// When an attempt failed for good, in Unix seconds.
    pub failed_at: Option<i64>,
}

/// How far a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutboundState {
    /// Nobody tried yet.
    Queued,
    /// An attempt failed, another one follows.
    Retrying,
    /// Said.
    Sent,
    /// It cannot be said, so nobody tries again.
    Failed,
    /// [`MAX_RETRIES`] attempts failed.
    Abandoned,
}

impl OutboundState {
    /// All, in the order of a message's life.
    pub const ALL: [Self; 5] =
        [Self::Queued, Self::Retrying, Self::Sent, Self::Failed, Self::Abandoned];

    /// In lower case, as answers give it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Retrying => "retrying",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Abandoned => "abandoned",
        }
    }

    fn of(sent: bool, failed: bool, retry_count: i64) -> Self {
        match (sent, failed, retry_count) {
            (true, _, _) => Self::Sent,
            (false, true, _) => Self::Failed,
            (false, false, MAX_RETRIES..) => Self::Abandoned,
            (false, false, 1..) => Self::Retrying,
            (false, false, _) => Self::Queued,
        }
    }
}

impl OutboundMessage {
    /// How far it is.
    #[must_use]
    pub fn state(&self) -> OutboundState {
        OutboundState::of(self.sent, self.failed_at.is_some(), self.retry_count)
    }
}

/// Which messages the bot may send now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnsentFilter {
    /// At most so many. Default: 50.
    pub limit: i64,
    /// Only those with fewer failed attempts. Default: [`MAX_RETRIES`].
    pub max_retries: i64,
    /// Also those whose pause after a failed attempt is not over. Default: no.
    pub bypass_backoff: bool,
}

impl Default for UnsentFilter {
    fn default() -> Self {
        Self { limit: 50, max_retries: MAX_RETRIES, bypass_backoff: false }
    }
}

define_sql_function! {
    /// `value`, or `otherwise` where that is NULL.
    fn coalesce(value: Nullable<BigInt>, otherwise: BigInt) -> BigInt;
}

repository! {
    /// Messages for the bot to say.
    pub trait OutboundRepository {
        /// Queues `message` at `now` (Unix seconds), and gives its id.
        write fn enqueue_outbound_message(conn, message: String, now: i64) -> i64 {
            let new = (
                outbound_messages::timestamp.eq(now),
                outbound_messages::message.eq(message),
            );
            let insert = diesel::insert_into(outbound_messages::table).values(new);
            Ok(insert.returning(outbound_messages::id).get_result(conn).await?)
        }

        /// The messages that may be sent at `now` (Unix seconds), oldest first. A limit below 0 is
        /// 0.
        ///
        /// After a failed attempt a message pauses for 120 s, after each further one twice as long,
        /// up to 7,680 s. Where an older release left no time of the attempt, the pause counts from
        /// the queueing. A message that nobody tried yet does not wait, whatever the clock says.
        read(Rows::Many) fn unsent_outbound_messages(
            conn,
            filter: UnsentFilter,
            now: i64,
        ) -> Vec<OutboundMessage> {
            let attempts = outbound_messages::retry_count;
            let last = coalesce(outbound_messages::last_attempt, outbound_messages::timestamp);
            // Counted back from the clock, not on from a row, where an absurd time would overflow.
            let ago = |pause: i64| now.saturating_sub(pause).into_sql::<BigInt>();
            let paused_since = case_when(attempts.eq(1), ago(120))
                .when(attempts.eq(2), ago(240))
                .when(attempts.eq(3), ago(480))
                .when(attempts.eq(4), ago(960))
                .when(attempts.eq(5), ago(1_920))
                .when(attempts.eq(6), ago(3_840))
                .otherwise(ago(7_680));
            let query = outbound_messages::table
                .filter(outbound_messages::sent.eq(false))
                .filter(outbound_messages::failed_at.is_null())
                .filter(attempts.lt(filter.max_retries))
                .filter(
                    attempts
                        .le(0)
                        .or(last.le(paused_since))
                        .or(filter.bypass_backoff.into_sql::<Bool>()),
                )
                .order((outbound_messages::timestamp, outbound_messages::id))
                .limit(filter.limit.max(0))
                .select(OutboundMessage::as_select());
            Ok(query.load(conn).await?)
        }

        /// Notes that the bot said message `id` at `now` (Unix seconds). What went wrong before
        /// stays to be read. An unknown id changes nothing.
        write fn mark_outbound_sent(conn, id: i64, now: i64) -> () {
            diesel::update(outbound_messages::table.find(id))
                .set((
                    outbound_messages::sent.eq(true),
                    outbound_messages::sent_timestamp.eq(now),
                    outbound_messages::failed_at.eq(None::<i64>),
                ))
                .prepared()
                .execute(conn)
                .await?;
            Ok(())
        }

        /// Notes that an attempt to say message `id` failed at `now` (Unix seconds), `permanent`ly
        /// when trying again is pointless. An unknown id, or a message that was said, changes
        /// nothing. Refused where there were as many attempts as 64 bits hold.
        write fn mark_outbound_failed(
            conn,
            id: i64,
            error: String,
            permanent: bool,
            now: i64,
        ) -> () {
            diesel::update(outbound_messages::table.find(id))
                .filter(not(outbound_messages::sent))
                .set((
                    outbound_messages::retry_count
                        .eq(counted!(outbound_messages::retry_count + 1)),
                    outbound_messages::error_message.eq(error),
                    outbound_messages::last_attempt.eq(now),
                    permanent.then(|| outbound_messages::failed_at.eq(now)),
                ))
                .execute(conn)
                .await?;
            Ok(())
        }

        /// The newest `limit` messages, newest first. A limit below 0 is 0.
        read(Rows::Many) fn recent_outbound_messages(conn, limit: i64) -> Vec<OutboundMessage> {
            let query = outbound_messages::table
                .order((outbound_messages::timestamp.desc(), outbound_messages::id.desc()))
                .limit(limit.max(0))
                .select(OutboundMessage::as_select());
            Ok(query.load(conn).await?)
        }

        /// How many messages are in each state, in the order of [`OutboundState::ALL`].
        read(Rows::Many) fn outbound_states(conn) -> Vec<(OutboundState, i64)> {
            let query = outbound_messages::table
                .group_by((outbound_messages::sent, outbound_messages::retry_count))
                .select((
                    outbound_messages::sent,
                    outbound_messages::retry_count,
                    count_star(),
                    // `count(failed_at)` would be the one of a stranger's schema that fits its type.
                    sum(case_when(
                        outbound_messages::failed_at.is_not_null(),
                        1.into_sql::<Integer>(),
                    )
                    .otherwise(0.into_sql::<Integer>())),
                ));
            let groups: Vec<(bool, i64, i64, Option<i64>)> = query.load(conn).await?;
            let mut counts = OutboundState::ALL.map(|state| (state, 0));
            for (sent, retries, all, failed) in groups {
                let failed = failed.unwrap_or_default();
                for (is_failed, number) in [(true, failed), (false, all - failed)] {
                    let state = OutboundState::of(sent, is_failed, retries);
                    if let Some((_, count)) = counts.iter_mut().find(|(one, _)| *one == state) {
                        *count += number;
                    }
                }
            }
            Ok(counts.into())
        }

        /// Deletes what was said, failed for good or was abandoned before `before` (Unix seconds),
        /// and says how many. A message that is still to be sent stays, however old. Where an older
        /// release left no time of the last attempt, the queueing counts.
        write fn delete_outbound_before(conn, before: i64) -> usize {
            let last = coalesce(outbound_messages::last_attempt, outbound_messages::timestamp);
            let abandoned = not(outbound_messages::sent)
                .and(outbound_messages::retry_count.ge(MAX_RETRIES))
                .and(last.lt(before));
            let old = outbound_messages::sent_timestamp
                .lt(before)
                .assume_not_null()
                .and(outbound_messages::sent)
                .or(outbound_messages::failed_at.lt(before).assume_not_null())
                .or(abandoned);
            Ok(diesel::delete(outbound_messages::table.filter(old)).execute(conn).await?)
        }
    }
}
