//! `user_stats`.

use diesel::{
    dsl::{AsExprOf, AssumeNotNull, auto_type, case_when, count_star},
    prelude::*,
    sql_types::BigInt,
};
use diesel_async::RunQueryDsl;
use underpin_db::Rows;

use super::{counters::counted, schema::user_stats};
use crate::{prepared::Prepare as _, repository::repository};

/// Who was seen, and for how long.
#[derive(Debug, Clone, PartialEq, Eq, Identifiable, Insertable, Queryable, Selectable)]
#[diesel(table_name = user_stats, primary_key(username), treat_none_as_default_value = false)]
#[diesel(check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
pub struct UserStats {
    /// As the channel spells it; upper and lower case make two users.
    pub username: String,
    /// Unix seconds.
    pub first_seen: i64,
    /// Unix seconds.
    pub last_seen: i64,
    /// Lines said so far.
    pub total_chat_lines: i64,
    /// Seconds of all ended sessions.
    pub total_time_connected: i64,
    /// Unix seconds; `None` when the user is not there.
    pub current_session_start: Option<i64>,
}

impl UserStats {
    /// Somebody who was never here before `now`.
    fn first_seen(username: String, now: i64) -> Self {
        Self {
            username,
            first_seen: now,
            last_seen: now,
            total_chat_lines: 0,
            total_time_connected: 0,
            current_session_start: Some(now),
        }
    }
}

/// The seconds of an open session that ends at `now`: none when the clock went back.
#[auto_type]
pub(super) fn session_length(now: i64) -> _ {
    let start: AssumeNotNull<user_stats::current_session_start> =
        user_stats::current_session_start.assume_not_null();
    let now: AsExprOf<i64, BigInt> = now.into_sql::<BigInt>();
    let nothing: AsExprOf<i64, BigInt> = 0.into_sql::<BigInt>();
    case_when(start.lt(now), now - start).otherwise(nothing)
}

repository! {
    /// Users and their sessions. Names are compared exactly, upper and lower case apart.
    pub trait UserStatsRepository {
        /// Opens a session for `username` at `now` (Unix seconds), and remembers a new user.
        ///
        /// An open session goes on: a second join neither restarts it nor loses its time.
        write fn user_joined(conn, username: String, now: i64) -> () {
            let start = user_stats::current_session_start;
            let unset = start.is_null().or(start.eq(0));
            diesel::insert_into(user_stats::table)
                .values(UserStats::first_seen(username, now))
                .on_conflict(user_stats::username)
                .do_update()
                .set((
                    user_stats::last_seen.eq(now),
                    start.eq(case_when(unset, Some(now)).otherwise(start)),
                ))
                .prepared()
                .execute(conn)
                .await?;
            Ok(())
        }

        /// Ends the session of `username` at `now` (Unix seconds) and adds its seconds, at least 0,
        /// to the user's time. Refused where that would be more than 64 bits hold.
        ///
        /// Without an open session nothing changes, `last_seen` included.
        write fn user_left(conn, username: String, now: i64) -> () {
            diesel::update(user_stats::table)
                .filter(user_stats::username.eq(username))
                .filter(user_stats::current_session_start.ne(0))
                .set((
                    user_stats::total_time_connected
                        .eq(counted!(user_stats::total_time_connected + session_length(now))),
                    user_stats::current_session_start.eq(None::<i64>),
                    user_stats::last_seen.eq(now),
                ))
                .prepared()
                .execute(conn)
                .await?;
            Ok(())
        }

        /// Counts a chat line at `now` (Unix seconds) of a user who is known; an unknown one is not
        /// made known by it. Refused where there are as many as 64 bits hold.
        write fn count_chat_line(conn, username: String, now: i64) -> () {
            diesel::update(user_stats::table.find(username))
                .set((
                    user_stats::total_chat_lines.eq(counted!(user_stats::total_chat_lines + 1)),
                    user_stats::last_seen.eq(now),
                ))
                .prepared()
                .execute(conn)
                .await?;
            Ok(())
        }

        /// One user; `None` when nobody of this name was seen.
        read(Rows::Few) fn user_stats(conn, username: String) -> Option<UserStats> {
            let query = user_stats::table.find(username).select(UserStats::as_select());
            Ok(query.first(conn).await.optional()?)
        }

        /// The `limit` users with the most chat lines (at least one), most first, then by name in
        /// the database's own order of names. A limit below 0 is 0.
        read(Rows::Many) fn top_chatters(conn, limit: i64) -> Vec<(String, i64)> {
            let query = user_stats::table
                .filter(user_stats::total_chat_lines.gt(0))
                .order((user_stats::total_chat_lines.desc(), user_stats::username.asc()))
                .limit(limit.max(0))
                .select((user_stats::username, user_stats::total_chat_lines));
            Ok(query.load(conn).await?)
        }

        /// How many users were ever seen.
        read(Rows::Many) fn total_users_seen(conn) -> i64 {
            Ok(user_stats::table.select(count_star()).first(conn).await?)
        }
    }
}
