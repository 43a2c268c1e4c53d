//! `/api/v1/projects/{project_id}/tasks`.

use std::sync::Arc;

use axum::{
    Json,
    extract::State as Shared,
    http::{StatusCode, Uri},
    response::{IntoResponse as _, Response},
};
use serde::Serialize;
use underpin_models::project::{
    self, Kind, NewTask, Page, Phase, TaskFilter, TaskRepository as _, TaskText, TaskUpdate,
};
use utoipa::ToSchema;

use super::{
    super::{
        State,
        failure::{Failure, FailureBody},
        input::{Body, Fields, Id, IfMatch, Input, List, Noted, OneOf, Path, Query, Text, Whole},
    },
    Created, Done, Listed, OfProject, OfTask, Versioned, approver, most, page, time,
};
use crate::clock;

/// A piece of work in a project.
#[derive(Serialize, ToSchema)]
pub(super) struct Task {
    id: i32,
    project_id: i32,
    title: String,
    description: Option<String>,
    /// `pending`, `in_progress`, `awaiting_approval`, `approved`, `rejected`, `completed` or
    /// `cancelled`.
    #[schema(value_type = String)]
    status: &'static str,
    /// `planner`, `architect`, `review_approval` or `coder`.
    #[schema(value_type = Option<String>)]
    current_phase: Option<&'static str>,
    /// Counted from 1, and its `ETag`.
    version: i32,
    /// Runs so far.
    attempts: i32,
    /// Higher comes first.
    priority: i32,
    /// What runs it, when not the project's engine.
    engine_override: Option<String>,
    /// UTC, ISO 8601.
    created_at: String,
    /// UTC, ISO 8601.
    updated_at: String,
}

impl From<project::Task> for Task {
    fn from(task: project::Task) -> Self {
        Self {
            id: task.id,
            project_id: task.project_id,
            title: task.title,
            description: task.description,
            status: task.status.wire(),
            current_phase: task.current_phase.map(Phase::wire),
            version: task.version,
            attempts: task.attempts,
            priority: task.priority,
            engine_override: task.engine_override,
            created_at: time(task.created_at),
            updated_at: time(task.updated_at),
        }
    }
}

impl From<project::Task> for Versioned<Task> {
    fn from(task: project::Task) -> Self {
        Self(task.version, task.into())
    }
}

/// Which tasks to list.
pub(super) struct Which {
    filter: TaskFilter,
    page: Page,
}

impl Input for Which {
    fn read(fields: &mut Fields) -> Result<Self, Noted> {
        let status = fields.settable("status", &OneOf::new());
        let phase = fields.settable("phase", &OneOf::new());
        let page = page(fields);
        Ok(Self { filter: TaskFilter { status: status?, phase: phase? }, page: page? })
    }
}

/// Tasks, the most urgent first, then the oldest
#[utoipa::path(get, path = "/api/v1/projects/{project_id}/tasks", tag = "tasks",
    params(Path<OfProject>, Query<Which>),
    responses(
        (status = 200, body = Vec<Task>),
        (status = "default", description = "Any failure", body = FailureBody),
    )
)]
pub(super) async fn list(
    Shared(state): Shared<Arc<State>>,
    Path(of): Path<OfProject>,
    Query(which): Query<Which>,
    uri: Uri,
) -> Result<Listed<Task>, Failure> {
    let project = state.project(of.project_id).await?;
    let tasks = project.tasks(of.project_id, which.filter, which.page).await??;
    Ok(Listed::new(tasks, &uri, which.page, |task| task.id))
}

impl Input for NewTask {
    fn read(fields: &mut Fields) -> Result<Self, Noted> {
        let title = fields.required("title", &Text::some(most::TITLE));
        let description = fields.optional("description", &Text::any());
        let priority = fields.settable("priority", &Whole(i32::MIN..=i32::MAX));
        let engine_override = fields.optional("engine_override", &Text::some(most::NAME));
        let dependencies = fields.settable("dependencies", &List(Id, most::TASKS));
        Ok(Self {
            text: TaskText { title: title?, description: description? },
            priority: priority?.unwrap_or(0),
            engine_override: engine_override?,
            dependencies: dependencies?.unwrap_or_default(),
        })
    }
}

type NewTaskBody = Body<NewTask>;

/// Make a pending task
#[utoipa::path(post, path = "/api/v1/projects/{project_id}/tasks", tag = "tasks",
    params(Path<OfProject>),
    request_body(content = inline(NewTaskBody)),
    responses(
        (status = 201, body = Task),
        (status = 422, description = "Values that cannot be used", body = FailureBody),
        (status = "default", description = "Any other failure", body = FailureBody),
    )
)]
pub(super) async fn post(
    Shared(state): Shared<Arc<State>>,
    Path(of): Path<OfProject>,
    Body(new): NewTaskBody,
) -> Result<Created<Versioned<Task>>, Failure> {
    let project = state.change(of.project_id).await?;
    let task = project.create_task(of.project_id, new, clock::utc()).await??;
    let location = format!("/api/v1/projects/{}/tasks/{}", of.project_id, task.id);
    Ok(Created::new(location, task.into()))
}

/// The task that may run next
///
/// Approved, with attempts left, everything that it waits for completed, no run open; the most urgent,
/// then the oldest. 204 when there is none, and while the project is paused.
#[utoipa::path(get, path = "/api/v1/projects/{project_id}/tasks/next", tag = "tasks",
    params(Path<OfProject>),
    responses(
        (status = 200, body = Task),
        (status = 204, description = "None may run now"),
        (status = "default", description = "Any failure", body = FailureBody),
    )
)]
pub(super) async fn next(
    Shared(state): Shared<Arc<State>>,
    Path(of): Path<OfProject>,
) -> Result<Response, Failure> {
    let project = state.project(of.project_id).await?;
    Ok(match project.next_task(of.project_id).await? {
        Some(task) => Versioned::<Task>::from(task).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    })
}

/// One task
#[utoipa::path(get, path = "/api/v1/projects/{project_id}/tasks/{task_id}", tag = "tasks",
    params(Path<OfTask>),
    responses(
        (status = 200, body = Task),
        (status = 404, description = "No such project or task", body = FailureBody),
        (status = "default", description = "Any other failure", body = FailureBody),
    )
)]
pub(super) async fn get(
    Shared(state): Shared<Arc<State>>,
    Path(of): Path<OfTask>,
) -> Result<Versioned<Task>, Failure> {
    let project = state.project(of.project_id).await?;
    let task = project.task(of.project_id, of.task_id).await?;
    task.map(Into::into).ok_or_else(|| Failure::not_found(Kind::Task, of.task_id))
}

impl Input for TaskUpdate {
    fn read(fields: &mut Fields) -> Result<Self, Noted> {
        let title = fields.settable("title", &Text::some(most::TITLE));
        let description = fields.clearable("description", &Text::any());
        let status = fields.settable("status", &OneOf::new());
        let phase = fields.settable("current_phase", &OneOf::new());
        let priority = fields.settable("priority", &Whole(i32::MIN..=i32::MAX));
        let engine_override = fields.clearable("engine_override", &Text::some(most::NAME));
        Ok(Self {
            title: title?,
            description: description?,
            status: status?,
            phase: phase?,
            priority: priority?,
            engine_override: engine_override?,
            same_is_new: false,
            expected_version: None,
        })
    }
}

type TaskUpdateBody = Body<TaskUpdate>;

/// Change a task: absence leaves a value, null clears it
///
/// Another title or description is a new version. With `If-Match`, only the version that the caller has
/// read is changed.
#[utoipa::path(patch, path = "/api/v1/projects/{project_id}/tasks/{task_id}", tag = "tasks",
    params(Path<OfTask>, ("If-Match" = Option<String>, Header)),
    request_body(content = inline(TaskUpdateBody)),
    responses(
        (status = 200, body = Task),
        (status = 404, description = "No such project or task", body = FailureBody),
        (status = 409, description = "The status or the phase may not follow", body = FailureBody),
        (status = 412, description = "It has another version", body = FailureBody),
        (status = 422, description = "Values that cannot be used", body = FailureBody),
        (status = "default", description = "Any other failure", body = FailureBody),
    )
)]
pub(super) async fn patch(
    Shared(state): Shared<Arc<State>>,
    Path(of): Path<OfTask>,
    IfMatch(expected_version): IfMatch,
    Body(update): TaskUpdateBody,
) -> Result<Versioned<Task>, Failure> {
    let project = state.change(of.project_id).await?;
    let update = TaskUpdate { expected_version, ..update };
    let task = project.update_task(of.project_id, of.task_id, update, clock::utc()).await??;
    Ok(task.into())
}

/// Delete a task; those that waited for it no longer do
#[utoipa::path(delete, path = "/api/v1/projects/{project_id}/tasks/{task_id}", tag = "tasks",
    params(Path<OfTask>, ("If-Match" = Option<String>, Header)),
    responses(
        (status = 200, body = Done),
        (status = 404, description = "No such project or task", body = FailureBody),
        (status = 409, description = "A run of it is open", body = FailureBody),
        (status = 412, description = "It has another version", body = FailureBody),
        (status = "default", description = "Any other failure", body = FailureBody),
    )
)]
pub(super) async fn delete(
    Shared(state): Shared<Arc<State>>,
    Path(of): Path<OfTask>,
    IfMatch(expected): IfMatch,
) -> Result<Json<Done>, Failure> {
    let project = state.change(of.project_id).await?;
    project.delete_task(of.project_id, of.task_id, expected, clock::utc()).await??;
    Ok(Json(Done::new(format!("Task {} deleted", of.task_id))))
}

/// Who approves, and why.
pub(in crate::http) struct Approval {
    pub(in crate::http) approver: String,
    pub(in crate::http) comment: Option<String>,
}

impl Input for Approval {
    fn read(fields: &mut Fields) -> Result<Self, Noted> {
        let (approver, comment) = (approver(fields), fields.optional("comment", &Text::any()));
        Ok(Self { approver: approver?, comment: comment? })
    }
}

type ApprovalBody = Body<Approval>;

/// A task that was approved.
#[derive(Serialize, ToSchema)]
pub(super) struct Approved {
    #[serde(flatten)]
    done: Done,
    task: Task,
}

/// Approve a task: an approval, and its status
#[utoipa::path(post, path = "/api/v1/projects/{project_id}/tasks/{task_id}/approve", tag = "tasks",
    params(Path<OfTask>, ("If-Match" = Option<String>, Header)),
    request_body(content = inline(ApprovalBody)),
    responses(
        (status = 200, body = Approved),
        (status = 404, description = "No such project or task", body = FailureBody),
        (status = 409, description = "Its status does not allow that", body = FailureBody),
        (status = 412, description = "It has another version", body = FailureBody),
        (status = "default", description = "Any other failure", body = FailureBody),
    )
)]
pub(super) async fn approve(
    Shared(state): Shared<Arc<State>>,
    Path(of): Path<OfTask>,
    IfMatch(expected): IfMatch,
    Body(Approval { approver, comment }): ApprovalBody,
) -> Result<Versioned<Approved>, Failure> {
    let (project, now) = (state.change(of.project_id).await?, clock::utc());
    let approving =
        project.approve_task(of.project_id, of.task_id, approver, comment, expected, now);
    let task = approving.await??;
    let done = Done::new(format!("Task {} approved", task.id));
    Ok(Versioned(task.version, Approved { done, task: task.into() }))
}

/// Where a task went.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(in crate::http) enum Advanced {
    /// To its next phase.
    Further {
        /// `advanced`.
        #[schema(value_type = String)]
        status: &'static str,
        /// The phase that it left.
        #[schema(value_type = Option<String>)]
        current_phase: Option<&'static str>,
        /// The phase that it is in now.
        #[schema(value_type = String)]
        next_phase: &'static str,
        message: String,
    },
    /// Nowhere: it was in its last phase.
    Done {
        /// `completed`.
        #[schema(value_type = String)]
        status: &'static str,
        message: String,
    },
}

impl Advanced {
    pub(in crate::http) fn new(task: i32, old: Option<Phase>, new: Option<Phase>) -> Self {
        let old = old.map(Phase::wire);
        match new.map(Phase::wire) {
            Some(new) => Self::Further {
                status: "advanced",
                current_phase: old,
                next_phase: new,
                message: format!(
                    "Task {task} advanced from {} to {new}",
                    old.unwrap_or("no phase")
                ),
            },
            None => Self::Done {
                status: "completed",
                message: format!("Task {task} has passed every phase"),
            },
        }
    }
}

/// Move a task to its next phase; into the last it comes approved
#[utoipa::path(post, path = "/api/v1/projects/{project_id}/tasks/{task_id}/advance", tag = "tasks",
    params(Path<OfTask>, ("If-Match" = Option<String>, Header)),
    responses(
        (status = 200, body = Advanced),
        (status = 404, description = "No such project or task", body = FailureBody),
        (status = 409, description = "It is not approved", body = FailureBody),
        (status = 412, description = "It has another version", body = FailureBody),
        (status = "default", description = "Any other failure", body = FailureBody),
    )
)]
pub(super) async fn advance(
    Shared(state): Shared<Arc<State>>,
    Path(of): Path<OfTask>,
    IfMatch(expected): IfMatch,
) -> Result<Json<Advanced>, Failure> {
    let project = state.change(of.project_id).await?;
    let advancing = project.advance_task(of.project_id, of.task_id, expected, clock::utc());
    let (old, new) = advancing.await??;
    Ok(Json(Advanced::new(of.task_id, old, new)))
}
