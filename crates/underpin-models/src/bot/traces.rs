//! What the database knows of the time.

use diesel::{dsl::max, prelude::*};
use diesel_async::RunQueryDsl;
use underpin_db::Rows;

use super::schema::{job_runs, outbound_messages, recent_chat, user_count_history, user_stats};
use crate::repository::repository;

repository! {
    /// When something last happened, as far as the rows tell.
    pub trait TraceRepository {
        /// The newest run of a job, or where no job ran the newest row, that is not later than `until`
        /// (Unix seconds, as all of it). `None` in a database in which nothing happened until then.
        read(Rows::Many) fn newest_trace(conn, until: i64) -> Option<i64> {
            let runs = job_runs::table
                .filter(job_runs::last_run.le(until))
                .select(max(job_runs::last_run));
            let run: Option<i64> = runs.first(conn).await?;
            if run.is_some() {
                return Ok(run);
            }
            let chat = recent_chat::table
                .filter(recent_chat::timestamp.le(until))
                .select(max(recent_chat::timestamp));
            let counts = user_count_history::table
                .filter(user_count_history::timestamp.le(until))
                .select(max(user_count_history::timestamp));
            let seen = user_stats::table
                .filter(user_stats::last_seen.le(until))
                .select(max(user_stats::last_seen));
            let outbound = outbound_messages::table
                .filter(outbound_messages::timestamp.le(until))
                .select(max(outbound_messages::timestamp));
            let chat: Option<i64> = chat.first(conn).await?;
            let counts: Option<i64> = counts.first(conn).await?;
            let seen: Option<i64> = seen.first(conn).await?;
            let outbound: Option<i64> = outbound.first(conn).await?;
            Ok(chat.max(counts).max(seen).max(outbound))
        }
    }
}
