//! `tasks`.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::{
    schema::tasks,
    status::{Phase, TaskStatus},
};

/// A piece of work in a project.
#[derive(Debug, Clone, PartialEq, Eq, Identifiable, Insertable, Queryable, Selectable)]
#[diesel(table_name = tasks, treat_none_as_default_value = false)]
#[diesel(check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
pub struct Task {
    /// Of the row.
    pub id: i32,
    /// The project; it takes its tasks with it.
    pub project_id: i32,
    /// For people.
    pub title: String,
    /// For people.
    pub description: Option<String>,
    /// How far it came.
    pub status: TaskStatus,
    /// Which phase is at work.
    pub current_phase: Option<Phase>,
    /// Counted from 1.
    pub version: i32,
    /// The row of its current version, while it exists.
    pub active_version_id: Option<i32>,
    /// What runs it, when not the project's engine.
    pub engine_override: Option<String>,
    /// JSON of the program that wrote it; never read here.
    pub extra_data: Option<String>,
    /// Runs so far.
    pub attempts: i32,
    /// Higher comes first.
    pub priority: i32,
    /// UTC.
    pub created_at: NaiveDateTime,
    /// UTC.
    pub updated_at: NaiveDateTime,
}
