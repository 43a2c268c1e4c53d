//! `user_count_history`.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use underpin_db::Rows;

use super::schema::user_count_history;
use crate::repository::repository;

/// How many were there at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Identifiable, Insertable, Queryable, Selectable)]
#[diesel(table_name = user_count_history, treat_none_as_default_value = false)]
#[diesel(check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
pub struct UserCount {
    /// Of the row.
    pub id: i64,
    /// Unix seconds.
    pub timestamp: i64,
    /// Users in the chat; may exceed the viewers.
    pub chat_users: i64,
    /// Viewers connected.
    pub connected_users: i64,
}

repository! {
    /// How many were there, over time.
    pub trait UserCountRepository {
        /// Appends the counts of `now` (Unix seconds). The bot may name more chat users than
        /// viewers.
        write fn log_user_count(conn, chat_users: i64, connected_users: i64, now: i64) -> () {
            diesel::insert_into(user_count_history::table)
                .values((
                    user_count_history::timestamp.eq(now),
                    user_count_history::chat_users.eq(chat_users),
                    user_count_history::connected_users.eq(connected_users),
                ))
                .execute(conn)
                .await?;
            Ok(())
        }

        /// The counts since `since` (Unix seconds, included), oldest first.
        read(Rows::Many) fn user_count_history(conn, since: i64) -> Vec<UserCount> {
            let query = user_count_history::table
                .filter(user_count_history::timestamp.ge(since))
                .order((user_count_history::timestamp, user_count_history::id))
                .select(UserCount::as_select());
            Ok(query.load(conn).await?)
        }

        /// Deletes the counts from before `before` (Unix seconds), and says how many.
        write fn delete_user_counts_before(conn, before: i64) -> usize {
            let old = user_count_history::table.filter(user_count_history::timestamp.lt(before));
            Ok(diesel::delete(old).execute(conn).await?)
        }
    }
}
