//! `/api/v1/projects/{project_id}/tasks/{task_id}/versions`.

use std::sync::Arc;

use axum::{Json, extract::State as Shared};
use serde::Serialize;
use underpin_models::project::{self, Kind, TaskVersionRepository as _};
use utoipa::ToSchema;

use super::{
    super::{
        State,
        failure::{Failure, FailureBody},
        input::Path,
    },
    OfTask, time,
};

/// A task as it was at one of its versions.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct TaskVersion {
    id: i32,
    task_id: i32,
    /// Counted from 1.
    version_num: i32,
    title: String,
    description: Option<String>,
    /// JSON: the gates that a run must pass.
    gates_json: Option<String>,
    /// JSON: the ids of tasks that come first.
    deps_json: Option<String>,
    extra_data: Option<String>,
    /// UTC, ISO 8601.
    created_at: String,
}

impl From<project::TaskVersion> for TaskVersion {
    fn from(version: project::TaskVersion) -> Self {
        Self {
            id: version.id,
            task_id: version.task_id,
            version_num: version.version_num,
            title: version.title,
            description: version.description,
            gates_json: version.gates_json,
            deps_json: version.deps_json,
            extra_data: version.extra_data,
            created_at: time(version.created_at),
        }
    }
}

/// What a task was, oldest first
#[utoipa::path(get, path = "/api/v1/projects/{project_id}/tasks/{task_id}/versions",
    tag = "tasks", params(Path<OfTask>),
    responses(
        (status = 200, body = Vec<TaskVersion>),
        (status = 404, description = "No such project or task", body = FailureBody),
        (status = "default", description = "Any other failure", body = FailureBody),
    )
)]
pub(super) async fn list(
    Shared(state): Shared<Arc<State>>,
    Path(of): Path<OfTask>,
) -> Result<Json<Vec<TaskVersion>>, Failure> {
    let project = state.project(of.project_id).await?;
    let versions = project.task_versions(of.project_id, of.task_id).await?;
    let versions = versions.ok_or_else(|| Failure::not_found(Kind::Task, of.task_id))?;
    Ok(Json(versions.into_iter().map(TaskVersion::from).collect()))
}
