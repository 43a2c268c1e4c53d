//! Sessions of all users at once.

use diesel::{
    dsl::{case_when, max},
    prelude::*,
    sql_types::BigInt,
};
use diesel_async::RunQueryDsl;
use underpin_db::Rows;

use super::{
    schema::{current_status, user_count_history, user_stats},
    user_stats::session_length,
};
use crate::repository::repository;

repository! {
    /// Sessions of all users at once.
    pub trait SessionRepository {
        /// Ends every open session at `at` (Unix seconds), and says how many there were.
        ///
        /// A time that would be more than 64 bits hold is the largest that they do. No event is at fault
        /// here: refused for one user, the sessions of all would stay open, and every event would wait.
        write fn end_sessions(conn, at: i64) -> usize {
            let total = user_stats::total_time_connected;
            let is_full = total.gt(i64::MAX.into_sql::<BigInt>() - session_length(at));
            let ended = diesel::update(user_stats::table)
                .filter(user_stats::current_session_start.ne(0))
                .set((
                    total.eq(case_when(is_full, i64::MAX.into_sql::<BigInt>())
                        .otherwise(total + session_length(at))),
                    user_stats::current_session_start.eq(None::<i64>),
                    user_stats::last_seen.eq(at),
                ))
                .execute(conn)
                .await?;
            Ok(ended)
        }

        /// When the bot last gave a sign of life, in Unix seconds. Making the database is the
        /// first.
        read(Rows::Many) fn last_sign_of_life(conn) -> i64 {
            let status: Option<i64> =
                current_status::table.select(max(current_status::last_updated)).first(conn).await?;
            let user: Option<i64> =
                user_stats::table.select(max(user_stats::last_seen)).first(conn).await?;
            let count: Option<i64> = user_count_history::table
                .select(max(user_count_history::timestamp))
                .first(conn)
                .await?;
            Ok(status.max(user).max(count).unwrap_or(0))
        }

        /// Ends the sessions that a bot left open which was silent for more than `silence` seconds
        /// before `now`, at the moment of its last sign of life, and says how many there were.
        ///
        /// Who left meanwhile was not seen leaving: the silence is nobody's time.
        transaction fn end_sessions_after_silence(conn, now: i64, silence: i64) -> usize {
            let last = conn.last_sign_of_life().await?;
            if now.saturating_sub(last) <= silence {
                return Ok(0);
            }
            conn.end_sessions(last).await
        }
    }
}
