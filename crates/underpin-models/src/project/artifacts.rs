//! `artifacts`.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::{schema::artifacts, status::ArtifactType};

/// A file that a project produced or was given.
#[derive(Debug, Clone, PartialEq, Eq, Identifiable, Insertable, Queryable, Selectable)]
#[diesel(table_name = artifacts, treat_none_as_default_value = false)]
#[diesel(check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
pub struct Artifact {
    /// Of the row.
    pub id: i32,
    /// The project; it takes its artifacts with it.
    pub project_id: i32,
    /// The task, while it exists.
    pub task_id: Option<i32>,
    /// The run that produced it; it takes the artifact with it.
    pub run_id: Option<i32>,
    /// What kind of file it is.
    pub artifact_type: ArtifactType,
    /// For people.
    pub name: String,
    /// Where the program put it.
    pub file_path: String,
    /// Where the content is kept.
    pub storage_path: Option<String>,
    /// Of the content, in lower-case hexadecimal.
    pub sha256: Option<String>,
    /// Bytes.
    pub file_size: Option<i32>,
    /// JSON of the program that wrote it; never read here.
    pub extra_data: Option<String>,
    /// UTC.
    pub created_at: NaiveDateTime,
}
