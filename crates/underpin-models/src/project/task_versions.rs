//! `task_versions`.

use chrono::NaiveDateTime;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde_json::Value;
use underpin_db::Rows;

use super::{
    Task,
    changes::{Changes as _, Lock as _, VersionChange, data},
    refusal::{Refusal, granted},
    schema::task_versions,
};
use crate::repository::repository;

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

repository! {
    /// What tasks were, and the gates that their runs must pass.
    pub trait TaskVersionRepository {
        /// The versions of a task, oldest first; `None` when there is no such task.
        read(Rows::Many) fn task_versions(
            conn,
            project_id: i32,
            task_id: i32,
        ) -> Option<Vec<TaskVersion>> {
            if conn.task_in(project_id, task_id).await?.is_err() {
                return Ok(None);
            }
            let query = task_versions::table
                .filter(task_versions::task_id.eq(task_id))
                .order(task_versions::version_num)
                .select(TaskVersion::as_select());
            Ok(Some(query.load(conn).await?))
        }

        /// The newest version of a task; `None` when there is no such task, and for an older one
        /// that was never changed.
        read(Rows::Few) fn newest_task_version(
            conn,
            project_id: i32,
            task_id: i32,
        ) -> Option<TaskVersion> {
            if conn.task_in(project_id, task_id).await?.is_err() {
                return Ok(None);
            }
            conn.newest_version(task_id).await
        }

        /// The gates that a run of a task must pass; none where an older program wrote something
        /// else than a list. `None` when there is no such task.
        read(Rows::Few) fn gates(
            conn,
            project_id: i32,
            task_id: i32,
        ) -> Option<Vec<Value>> {
            if conn.task_in(project_id, task_id).await?.is_err() {
                return Ok(None);
            }
            let gates_json = conn.newest_version(task_id).await?.and_then(|newest| newest.gates_json);
            let gates = gates_json.and_then(|json| serde_json::from_str(&json).ok());
            Ok(Some(gates.unwrap_or_default()))
        }

        /// Gives a task these gates and no others: a new version with the text and the
        /// dependencies as they are. The task of that version is given.
        transaction fn set_gates(
            conn,
            project_id: i32,
            task_id: i32,
            gates: Vec<Value>,
            expected_version: Option<i32>,
            now: NaiveDateTime,
        ) -> Result<Task, Refusal> {
            granted!(conn.locked(project_id).await?);
            let task = granted!(conn.task_in(project_id, task_id).await?);
            granted!(task.is_at(expected_version));
            let count = gates.len();
            let change = VersionChange::Gates(Value::from(gates).to_string());
            let task = conn.save_version(task.clone(), task, change, now).await?;
            let told = data! {
                gates_count: count,
                new_version: task.version,
                version_id: task.active_version_id,
            };
            conn.record(project_id, "task_updated", Some(task_id), told, now).await?;
            Ok(Ok(task))
        }
    }
}
