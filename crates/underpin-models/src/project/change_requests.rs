//! `change_requests`.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::{
    schema::change_requests,
    status::{ChangeRequestStatus, Phase},
};

/// A change that one phase of a task proposes.
#[derive(Debug, Clone, PartialEq, Eq, Identifiable, Insertable, Queryable, Selectable)]
#[diesel(table_name = change_requests, treat_none_as_default_value = false)]
#[diesel(check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
pub struct ChangeRequest {
    /// Of the row.
    pub id: i32,
    /// The task; it takes its change requests with it.
    pub task_id: i32,
    /// The phase that proposes it.
    pub phase: Phase,
    /// What is to change.
    pub content: String,
    /// How far it came.
    pub status: ChangeRequestStatus,
    /// Counted from 1.
    pub version: i32,
    /// UTC.
    pub created_at: NaiveDateTime,
    /// UTC.
    pub updated_at: NaiveDateTime,
}
