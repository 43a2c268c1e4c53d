//! `approvals`.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::schema::approvals;

/// Somebody's answer to a task or to one of its change requests.
#[derive(Debug, Clone, PartialEq, Eq, Identifiable, Insertable, Queryable, Selectable)]
#[diesel(table_name = approvals, treat_none_as_default_value = false)]
#[diesel(check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
pub struct Approval {
    /// Of the row.
    pub id: i32,
    /// The task; it takes its approvals with it.
    pub task_id: i32,
    /// The change request, when it is about one.
    pub change_request_id: Option<i32>,
    /// Who answered.
    pub approver: String,
    /// Yes or no.
    pub approved: bool,
    /// Why.
    pub comment: Option<String>,
    /// UTC.
    pub created_at: NaiveDateTime,
}
