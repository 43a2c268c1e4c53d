//! `recent_chat`.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use underpin_db::Rows;

use super::{schema::recent_chat, user_stats::UserStatsRepository as _};
use crate::repository::repository;

/// A line of the chat, kept for a few days.
#[derive(Debug, Clone, PartialEq, Eq, Identifiable, Insertable, Queryable, Selectable)]
#[diesel(table_name = recent_chat, treat_none_as_default_value = false)]
#[diesel(check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
pub struct ChatLine {
    /// Of the row; orders lines of one second.
    pub id: i64,
    /// Unix seconds.
    pub timestamp: i64,
    /// Who said it.
    pub username: String,
    /// What was said.
    pub message: String,
}

repository! {
    /// What was said lately. Lines are ordered by second, then by arrival.
    pub trait RecentChatRepository {
        /// Counts a line that `username` said at `now` (Unix seconds), and keeps it.
        ///
        /// What the channel itself says, as `server` in any case, is counted but not kept.
        transaction fn user_chat_message(conn, username: String, message: String, now: i64) -> () {
            conn.count_chat_line(username.clone(), now).await?;
            if !username.is_empty() && !message.is_empty() && username.to_lowercase() != "server" {
                conn.log_chat(username, message, now).await?;
            }
            Ok(())
        }

        /// Keeps a line, whoever said it, and counts nothing.
        write fn log_chat(conn, username: String, message: String, timestamp: i64) -> () {
            diesel::insert_into(recent_chat::table)
                .values((
                    recent_chat::timestamp.eq(timestamp),
                    recent_chat::username.eq(username),
                    recent_chat::message.eq(message),
                ))
                .execute(conn)
                .await?;
            Ok(())
        }

        /// The newest `limit` lines that are not older than `since` (Unix seconds, `None` for all),
        /// oldest first. A limit below 0 is 0.
        read(Rows::at_most(limit)) fn recent_chat(conn, since: Option<i64>, limit: i64) -> Vec<ChatLine> {
            let query = recent_chat::table
                .filter(recent_chat::timestamp.ge(since.unwrap_or(i64::MIN)))
                .order((recent_chat::timestamp.desc(), recent_chat::id.desc()))
                .limit(limit.max(0))
                .select(ChatLine::as_select());
            let mut lines: Vec<ChatLine> = query.load(conn).await?;
            lines.reverse();
            Ok(lines)
        }

        /// The newest `limit` lines after the `offset` newest, newest first. Numbers below 0 are 0.
        read(Rows::Many) fn recent_messages(conn, limit: i64, offset: i64) -> Vec<ChatLine> {
            let query = recent_chat::table
                .order((recent_chat::timestamp.desc(), recent_chat::id.desc()))
                .limit(limit.max(0))
                .offset(offset.max(0))
                .select(ChatLine::as_select());
            Ok(query.load(conn).await?)
        }

        /// Deletes the lines from before `before` (Unix seconds), and says how many.
        write fn delete_chat_before(conn, before: i64) -> usize {
            let old = recent_chat::table.filter(recent_chat::timestamp.lt(before));
            Ok(diesel::delete(old).execute(conn).await?)
        }
    }
}
