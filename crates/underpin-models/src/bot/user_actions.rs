//! `user_actions`.

use diesel::prelude::*;

use super::schema::user_actions;

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
