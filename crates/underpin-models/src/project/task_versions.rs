//! `task_versions`.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::schema::task_versions;

/// A task as it was at one of its versions.
#[derive(Debug, Clone, PartialEq, Eq, Identifiable, Insertable, Queryable, Selectable)]
#[diesel(table_name = task_versions, treat_none_as_default_value = false)]
#[diesel(check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
pub struct TaskVersion {
    /// Of the row.
    pub id: i32,
    /// The task; it takes its versions with it.
    pub task_id: i32,
    /// Unique in the task.
    pub version_num: i32,
    /// The title at that version.
    pub title: String,
    /// The description at that version.
    pub description: Option<String>,
    /// JSON: the gates that a run must pass.
    pub gates_json: Option<String>,
    /// JSON: the ids of tasks that come first.
    pub deps_json: Option<String>,
    /// JSON of the program that wrote it; never read here.
    pub extra_data: Option<String>,
    /// UTC.
    pub created_at: NaiveDateTime,
}
