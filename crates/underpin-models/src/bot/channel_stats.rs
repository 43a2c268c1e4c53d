//! `channel_stats`.

use diesel::{dsl::case_when, prelude::*, upsert::excluded};
use diesel_async::RunQueryDsl;
use underpin_db::Rows;

use super::schema::channel_stats;
use crate::{prepared::Prepare as _, repository::repository};

/// The highest numbers ever seen in the channel; one row, with the id 1.
#[derive(Debug, Clone, PartialEq, Eq, Identifiable, Insertable, Queryable, Selectable)]
#[diesel(table_name = channel_stats, treat_none_as_default_value = false)]
#[diesel(check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
pub struct ChannelStats {
    /// Always 1.
    pub id: i64,
    /// Most users in the chat at once.
    pub max_users: i64,
    /// When that was, in Unix seconds.
    pub max_users_timestamp: Option<i64>,
    /// Most viewers connected at once.
    pub max_connected: i64,
    /// When that was, in Unix seconds.
    pub max_connected_timestamp: Option<i64>,
    /// When a mark was last raised, in Unix seconds; when the database was made, until then.
    pub last_updated: i64,
}

/// The id of the only row.
const ROW: i64 = 1;

repository! {
    /// The highest numbers ever seen.
    pub trait ChannelStatsRepository {
        /// Raises the high-water marks to `users` and `connected` where those are higher, and notes
        /// `now` (Unix seconds) beside what was raised. Nothing else changes; 0 and less raise
        /// nothing.
        write fn update_high_water_mark(
            conn,
            users: i64,
            connected: Option<i64>,
            now: i64,
        ) -> () {
            let (users, connected) = (users.max(0), connected.unwrap_or(0).max(0));
            if users == 0 && connected == 0 {
                return Ok(());
            }
            let seen = ChannelStats {
                id: ROW,
                max_users: users,
                max_users_timestamp: (users > 0).then_some(now),
                max_connected: connected,
                max_connected_timestamp: (connected > 0).then_some(now),
                last_updated: now,
            };
            let more_users = || excluded(channel_stats::max_users).gt(channel_stats::max_users);
            let more_connected =
                || excluded(channel_stats::max_connected).gt(channel_stats::max_connected);
            let more = || more_users().or(more_connected());
            diesel::insert_into(channel_stats::table)
                .values(seen)
                .on_conflict(channel_stats::id)
                .do_update()
                .set((
                    channel_stats::max_users
                        .eq(case_when(more_users(), excluded(channel_stats::max_users))
                            .otherwise(channel_stats::max_users)),
                    channel_stats::max_users_timestamp
                        .eq(case_when(more_users(), Some(now))
                            .otherwise(channel_stats::max_users_timestamp)),
                    channel_stats::max_connected
                        .eq(case_when(more_connected(), excluded(channel_stats::max_connected))
                            .otherwise(channel_stats::max_connected)),
                    channel_stats::max_connected_timestamp
                        .eq(case_when(more_connected(), Some(now))
                            .otherwise(channel_stats::max_connected_timestamp)),
                    channel_stats::last_updated
                        .eq(case_when(more(), excluded(channel_stats::last_updated))
                            .otherwise(channel_stats::last_updated)),
                ))
                .prepared()
                .execute(conn)
                .await?;
            Ok(())
        }

        /// The marks; `None` when there is no row, which is so only if somebody deleted it.
        read(Rows::Few) fn high_water_marks(conn) -> Option<ChannelStats> {
            let query = channel_stats::table.find(ROW).select(ChannelStats::as_select());
            Ok(query.first(conn).await.optional()?)
        }
    }
}
