//! `runs`.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::{schema::runs, status::RunStatus};

/// One attempt of an engine at a task.
#[derive(Debug, Clone, PartialEq, Eq, Identifiable, Insertable, Queryable, Selectable)]
#[diesel(table_name = runs, treat_none_as_default_value = false)]
#[diesel(check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
pub struct Run {
    /// Of the row.
    pub id: i32,
    /// The task; it takes its runs with it.
    pub task_id: i32,
    /// What ran.
    pub engine: String,
    /// How it ended, or that it has not.
    pub status: RunStatus,
    /// Where its log is.
    pub log_path: Option<String>,
    /// JSON: what each gate said.
    pub gate_results: Option<String>,
    /// JSON of the program that wrote it; never read here.
    pub extra_data: Option<String>,
    /// UTC.
    pub start_time: NaiveDateTime,
    /// UTC; `None` while it runs.
    pub end_time: Option<NaiveDateTime>,
}
