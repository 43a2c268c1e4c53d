//! `/api/v1/projects/{project_id}/tasks/{task_id}/dependencies`.

use std::sync::Arc;

use axum::{Json, extract::State as Shared};
use serde::Serialize;
use underpin_models::project::{Kind, TaskRepository as _};
use utoipa::ToSchema;

use super::{
    super::{
        State,
        failure::{Failure, FailureBody},
        input::{Body, Fields, Id, IfMatch, Input, List, Noted, Path},
    },
    OfTask, Versioned, most,
    tasks::Task,
};
use crate::clock;

/// The tasks that a task waits for.
#[derive(Serialize, ToSchema)]
pub(super) struct Dependencies {
    /// Their ids, ascending.
    dependencies: Vec<i32>,
}

/// The tasks that a task waits for
#[utoipa::path(get, path = "/api/v1/projects/{project_id}/tasks/{task_id}/dependencies",
    tag = "tasks", params(Path<OfTask>),
    responses(
        (status = 200, body = Dependencies),
        (status = 404, description = "No such project or task", body = FailureBody),
        (status = "default", description = "Any other failure", body = FailureBody),
    )
)]
pub(super) async fn get(
    Shared(state): Shared<Arc<State>>,
    Path(of): Path<OfTask>,
) -> Result<Json<Dependencies>, Failure> {
    let project = state.project(of.project_id).await?;
    let dependencies = project.dependencies(of.project_id, of.task_id).await?;
    let dependencies = dependencies.ok_or_else(|| Failure::not_found(Kind::Task, of.task_id))?;
    Ok(Json(Dependencies { dependencies }))
}

/// The tasks that a task is to wait for.
pub(super) struct NewDependencies(Vec<i32>);

impl Input for NewDependencies {
    fn read(fields: &mut Fields) -> Result<Self, Noted> {
        fields.required("dependencies", &List(Id, most::TASKS)).map(Self)
    }
}

type NewDependenciesBody = Body<NewDependencies>;

/// Let a task wait for these tasks and no others: a new version
#[utoipa::path(put, path = "/api/v1/projects/{project_id}/tasks/{task_id}/dependencies",
    tag = "tasks", params(Path<OfTask>, ("If-Match" = Option<String>, Header)),
    request_body(content = inline(NewDependenciesBody)),
    responses(
        (status = 200, body = Task),
        (status = 404, description = "No such project or task", body = FailureBody),
        (status = 409, description = "It would wait for itself", body = FailureBody),
        (status = 412, description = "It has another version", body = FailureBody),
        (status = 422, description = "Values that cannot be used", body = FailureBody),
        (status = "default", description = "Any other failure", body = FailureBody),
    )
)]
pub(super) async fn put(
    Shared(state): Shared<Arc<State>>,
    Path(of): Path<OfTask>,
    IfMatch(expected): IfMatch,
    Body(NewDependencies(first)): NewDependenciesBody,
) -> Result<Versioned<Task>, Failure> {
    let project = state.change(of.project_id).await?;
    let set = project.set_dependencies(of.project_id, of.task_id, first, expected, clock::utc());
    Ok(set.await??.into())
}
