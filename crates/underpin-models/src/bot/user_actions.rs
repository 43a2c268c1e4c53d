//! `user_actions`.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::schema::user_actions;
use crate::repository::repository;

/// Something that a user did.
#[derive(Debug, Clone, PartialEq, Eq, Identifiable, Insertable, Queryable, Selectable)]
#[diesel(table_name = user_actions, treat_none_as_default_value = false)]
#[diesel(check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
pub struct UserAction {
    /// Of the row.
    pub id: i64,
    /// Unix seconds.
    pub timestamp: i64,
    /// Who did it.
    pub username: String,
    /// What kind of action it was: `pm_command` is the bot's own.
    pub action_type: String,
    /// More about it, in the form of its kind.
    pub details: Option<String>,
}

repository! {
    /// What users did.
    pub trait UserActionRepository {
        /// Appends an action of `username` at `now` (Unix seconds).
        write fn log_user_action(
            conn,
            username: String,
            action_type: String,
            details: Option<String>,
            now: i64,
        ) -> () {
            diesel::insert_into(user_actions::table)
                .values((
                    user_actions::timestamp.eq(now),
                    user_actions::username.eq(username),
                    user_actions::action_type.eq(action_type),
                    user_actions::details.eq(details),
                ))
                .execute(conn)
                .await?;
            Ok(())
        }
    }
}
