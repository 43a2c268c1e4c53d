//! `projects`.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::{schema::projects, status::Phase};

/// What people want built.
#[derive(Debug, Clone, PartialEq, Eq, Identifiable, Insertable, Queryable, Selectable)]
#[diesel(table_name = projects, treat_none_as_default_value = false)]
#[diesel(check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
pub struct Project {
    /// Of the row.
    pub id: i32,
    /// For people; not unique.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// Where the original program kept the database.
    pub db_path: String,
    /// Where the code is.
    pub root_path: Option<String>,
    /// How far it came.
    pub current_phase: Option<Phase>,
    /// What runs its tasks.
    pub default_engine: Option<String>,
    /// The specification, while it exists.
    pub spec_artifact_id: Option<i32>,
    /// The option that was chosen; options have no table, so it points to nothing here.
    pub selected_arch_option_id: Option<i32>,
    /// UTC.
    pub created_at: NaiveDateTime,
    /// UTC.
    pub updated_at: NaiveDateTime,
    /// The number of its newest event; 0 before the first.
    pub last_event: i64,
}
