//! Splitting and merging tasks.

use std::sync::Arc;

use axum::{Json, extract::State as Shared};
use serde::Serialize;
use underpin_db::Db;
use underpin_models::project::{TaskRepository as _, TaskText};
use utoipa::ToSchema;

use super::{
    super::{
        State,
        failure::{Failure, FailureBody},
        input::{Body, Fields, Id, IfMatch, Input, List, Noted, Path, Text},
    },
    Created, OfProject, OfTask, most,
};
use crate::clock;

/// What becomes of a task.
pub(in crate::http) struct Split {
    pub(in crate::http) parts: [TaskText; 2],
    pub(in crate::http) reason: String,
}

impl Input for Split {
    fn read(fields: &mut Fields) -> Result<Self, Noted> {
        let first_title = fields.required("task1_title", &Text::some(most::TITLE));
        let first = fields.optional("task1_description", &Text::any());
        let second_title = fields.required("task2_title", &Text::some(most::TITLE));
        let second = fields.optional("task2_description", &Text::any());
        let reason = fields.optional("reason", &Text::any());
        let first = TaskText { title: first_title?, description: first? };
        let second = TaskText { title: second_title?, description: second? };
        let reason = reason?.unwrap_or_else(|| "split into two tasks".to_owned());
        Ok(Self { parts: [first, second], reason })
    }
}

type SplitBody = Body<Split>;

/// What a task was split into.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Parts {
    success: bool,
    original_task_id: i32,
    /// Two.
    new_tasks: Vec<Part>,
}

/// A new task.
#[derive(Serialize, ToSchema)]
struct Part {
    id: i32,
    title: String,
}

/// Splits a task for whoever asked, in either form of the API.
pub(in crate::http) async fn split_task(
    project: &Db,
    of: &OfTask,
    Split { parts, reason }: Split,
    expected: Option<i32>,
) -> Result<Parts, Failure> {
    let (id, now) = (of.task_id, clock::utc());
    let tasks = project.split_task(of.project_id, id, parts, reason, expected, now).await??;
    let part = |task: underpin_models::project::Task| Part { id: task.id, title: task.title };
    let new_tasks = tasks.into_iter().map(part).collect();
    Ok(Parts { success: true, original_task_id: id, new_tasks })
}

/// Two pending tasks for one, which is cancelled
#[utoipa::path(post, path = "/api/v1/projects/{project_id}/tasks/{task_id}/split", tag = "tasks",
    params(Path<OfTask>, ("If-Match" = Option<String>, Header)),
    request_body(content = inline(SplitBody)),
    responses(
        (status = 201, body = Parts),
        (status = 404, description = "No such project or task", body = FailureBody),
        (status = 409, description = "Its status does not allow that", body = FailureBody),
        (status = 412, description = "It has another version", body = FailureBody),
        (status = 422, description = "Values that cannot be used", body = FailureBody),
        (status = "default", description = "Any other failure", body = FailureBody),
    )
)]
pub(super) async fn split(
    Shared(state): Shared<Arc<State>>,
    Path(of): Path<OfTask>,
    IfMatch(expected): IfMatch,
    Body(split): SplitBody,
) -> Result<Created<Json<Parts>>, Failure> {
    let project = state.change(of.project_id).await?;
    let parts = split_task(&project, &of, split, expected).await?;
    let location = format!("/api/v1/projects/{}/tasks", of.project_id);
    Ok(Created::new(location, Json(parts)))
}

/// What becomes of several tasks.
pub(in crate::http) struct Merge {
    pub(in crate::http) ids: Vec<i32>,
    pub(in crate::http) text: TaskText,
    pub(in crate::http) reason: String,
}

impl Input for Merge {
    fn read(fields: &mut Fields) -> Result<Self, Noted> {
        let ids = fields.required("task_ids", &List(Id, most::TASKS));
        let title = fields.required("merged_title", &Text::some(most::TITLE));
        let description = fields.optional("merged_description", &Text::any());
        let reason = fields.optional("reason", &Text::any());
        Ok(Self {
            ids: ids?,
            text: TaskText { title: title?, description: description? },
            reason: reason?.unwrap_or_else(|| "merged into one task".to_owned()),
        })
    }
}

type MergeBody = Body<Merge>;

/// What tasks were merged into.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Union {
    success: bool,
    pub(in crate::http) merged_task_id: i32,
    merged_task_title: String,
    source_task_ids: Vec<i32>,
}

/// Merges tasks for whoever asked, in either form of the API.
pub(in crate::http) async fn merge_tasks(
    project: &Db,
    project_id: i32,
    Merge { ids, text, reason }: Merge,
) -> Result<Union, Failure> {
    let merging = project.merge_tasks(project_id, ids.clone(), text, reason, clock::utc());
    let task = merging.await??;
    Ok(Union {
        success: true,
        merged_task_id: task.id,
        merged_task_title: task.title,
        source_task_ids: ids,
    })
}

/// One pending task for two or more, which are cancelled
#[utoipa::path(post, path = "/api/v1/projects/{project_id}/tasks/merge", tag = "tasks",
    params(Path<OfProject>),
    request_body(content = inline(MergeBody)),
    responses(
        (status = 201, body = Union),
        (status = 400, description = "Fewer than two, or one of them twice", body = FailureBody),
        (status = 404, description = "No such project or task", body = FailureBody),
        (status = 409, description = "Their statuses or their order do not allow that", body = FailureBody),
        (status = 422, description = "Values that cannot be used", body = FailureBody),
        (status = "default", description = "Any other failure", body = FailureBody),
    )
)]
pub(super) async fn merge(
    Shared(state): Shared<Arc<State>>,
    Path(of): Path<OfProject>,
    Body(merge): MergeBody,
) -> Result<Created<Json<Union>>, Failure> {
    let project = state.change(of.project_id).await?;
    let merged = merge_tasks(&project, of.project_id, merge).await?;
    let location = format!("/api/v1/projects/{}/tasks/{}", of.project_id, merged.merged_task_id);
    Ok(Created::new(location, Json(merged)))
}
