//! `control_state`.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::schema::control_state;

/// How far the runs of a project may go; one row per project.
#[derive(Debug, Clone, PartialEq, Eq, Identifiable, Insertable, Queryable, Selectable)]
#[diesel(table_name = control_state, treat_none_as_default_value = false)]
#[diesel(check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
pub struct ControlState {
    /// Of the row.
    pub id: i32,
    /// The project; unique.
    pub project_id: i32,
    /// A paused project starts no run.
    pub paused: bool,
    /// Runs of one task before it is given up.
    pub max_attempts: i32,
    /// Seconds that a run may take.
    pub timeout_seconds: i32,
    /// The task that is running, while it exists.
    pub current_task_id: Option<i32>,
    /// JSON of the program that wrote it; never read here.
    pub extra_data: Option<String>,
    /// UTC.
    pub updated_at: NaiveDateTime,
}
