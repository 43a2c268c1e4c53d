//! `events`.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::schema::events;

/// Something that happened in a project.
#[derive(Debug, Clone, PartialEq, Eq, Identifiable, Insertable, Queryable, Selectable)]
#[diesel(table_name = events, primary_key(project_id, number), treat_none_as_default_value = false)]
#[diesel(check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
pub struct Event {
    /// The project.
    pub project_id: i32,
    /// Counted from 1 in each project, without gaps, in the order of commits.
    pub number: i64,
    /// What happened, such as `task_created`.
    pub event_type: String,
    /// The task it happened to, which may be gone since.
    pub task_id: Option<i32>,
    /// JSON: more about it.
    pub data: String,
    /// UTC.
    pub created_at: NaiveDateTime,
}
