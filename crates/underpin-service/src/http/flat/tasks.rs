//! `/api/tasks/`.

use axum::{Json, extract::State as Shared};
use serde::Serialize;
use underpin_models::project::{
    self, Kind, NewTask, Page, Phase, TaskFilter, TaskRepository as _, TaskText, TaskUpdate,
    TaskVersionRepository as _,
};

use super::{
    super::{
        failure::Failure,
        input::{Fields, Id, Input, Noted, OneOf, Path, Query, Said, Text, Whole},
        v1::{
            Done, OfTask, approver, most,
            reshape::{Merge, Parts, Split, Union, merge_tasks, split_task},
            tasks::Advanced,
            versions::TaskVersion,
        },
    },
    AnyPhase, Here, Lenient, OfProject, OfRow, Perhaps, meant, of_row, page, told,
};
use crate::clock;

/// A task as the original shows it.
#[derive(Serialize)]
pub(super) struct Task {
    id: i32,
    project_id: i32,
    title: String,
    description: Option<String>,
    status: &'static str,
    current_phase: Option<&'static str>,
    version: i32,
    attempts: i32,
    priority: i32,
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
        }
    }
}

pub(super) struct Which {
    project_id: Option<i32>,
    filter: TaskFilter,
    page: Page,
}

impl Input for Which {
    fn read(fields: &mut Fields) -> Result<Self, Noted> {
        let Perhaps(project_id) = Perhaps::read(fields)?;
        let status = fields.settable("status", &OneOf::new());
        let phase = fields.settable("phase", &AnyPhase);
        let page = page(fields);
        let filter = TaskFilter { status: status?, phase: phase? };
        Ok(Self { project_id, filter, page: page? })
    }
}

pub(super) async fn list(
    Shared(state): Here,
    Query(Lenient(which)): Query<Lenient<Which>>,
) -> Result<Json<Vec<Task>>, Failure> {
    let Some(project_id) = meant(&state, which.project_id).await? else {
        return Ok(Json(Vec::new()));
    };
    let project = state.project(project_id).await.map_err(told)?;
    let tasks = project.tasks(project_id, which.filter, which.page).await??;
    Ok(Json(tasks.into_iter().map(Task::from).collect()))
}

pub(super) struct New {
    project_id: i32,
    task: NewTask,
}

impl Input for New {
    fn read(fields: &mut Fields) -> Result<Self, Noted> {
        let project_id = fields.required("project_id", &Id);
        let title = fields.required("title", &Text::some(most::TITLE));
        let description = fields.optional("description", &Text::any());
        let priority = fields.optional("priority", &Whole(i32::MIN..=i32::MAX));
        let task = NewTask {
            text: TaskText { title: title?, description: description? },
            priority: priority?.unwrap_or(0),
            engine_override: None,
            dependencies: Vec::new(),
        };
        Ok(Self { project_id: project_id?, task })
    }
}

pub(super) async fn post(
    Shared(state): Here,
    Said(Lenient(new)): Said<Lenient<New>>,
) -> Result<Json<Task>, Failure> {
    let project = state.change(new.project_id).await.map_err(told)?;
    let task = project.create_task(new.project_id, new.task, clock::utc()).await??;
    Ok(Json(task.into()))
}

pub(super) async fn get(
    Shared(state): Here,
    Path(OfRow(id)): Path<OfRow>,
    Query(Lenient(OfProject(project_id))): Query<Lenient<OfProject>>,
) -> Result<Json<Task>, Failure> {
    let project = state.project(project_id).await.map_err(told)?;
    let task = project.task(project_id, id).await?;
    task.map(|task| Json(task.into())).ok_or_else(|| Failure::not_found(Kind::Task, id))
}

pub(super) struct Update(TaskUpdate);

impl Input for Update {
    fn read(fields: &mut Fields) -> Result<Self, Noted> {
        let title = fields.optional("title", &Text::some(most::TITLE));
        let description = fields.optional("description", &Text::any());
        let status = fields.optional("status", &OneOf::new());
        let phase = fields.optional("current_phase", &AnyPhase);
        let priority = fields.optional("priority", &Whole(i32::MIN..=i32::MAX));
        Ok(Self(TaskUpdate {
            title: title?,
            description: description?.map(Some),
            // Clients of the original count its versions.
            same_is_new: true,
            status: status?,
            phase: phase?,
            priority: priority?,
            ..TaskUpdate::default()
        }))
    }
}

pub(super) async fn patch(
    Shared(state): Here,
    Path(OfRow(id)): Path<OfRow>,
    Query(Lenient(OfProject(project_id))): Query<Lenient<OfProject>>,
    Said(Lenient(Update(update))): Said<Lenient<Update>>,
) -> Result<Json<Task>, Failure> {
    let project = state.change(project_id).await.map_err(told)?;
    Ok(Json(project.update_task(project_id, id, update, clock::utc()).await??.into()))
}

pub(super) async fn delete(
    Shared(state): Here,
    Path(OfRow(id)): Path<OfRow>,
    Query(Lenient(OfProject(project_id))): Query<Lenient<OfProject>>,
) -> Result<Json<Done>, Failure> {
    let project = state.change(project_id).await.map_err(told)?;
    project.delete_task(project_id, id, None, clock::utc()).await??;
    Ok(Json(Done::new(format!("Task {id} deleted"))))
}

pub(super) struct Approval {
    project_id: i32,
    approver: String,
}

impl Input for Approval {
    fn read(fields: &mut Fields) -> Result<Self, Noted> {
        let (project_id, approver) = (fields.required("project_id", &Id), approver(fields));
        Ok(Self { project_id: project_id?, approver: approver? })
    }
}

pub(super) async fn approve(
    Shared(state): Here,
    Path(OfRow(id)): Path<OfRow>,
    Query(Lenient(Approval { project_id, approver })): Query<Lenient<Approval>>,
) -> Result<Json<Done>, Failure> {
    let project = state.change(project_id).await.map_err(told)?;
    project.approve_task(project_id, id, approver, None, None, clock::utc()).await??;
    Ok(Json(Done::new(format!("Task {id} approved"))))
}

pub(super) async fn advance(
    Shared(state): Here,
    Path(OfRow(id)): Path<OfRow>,
    Query(Lenient(OfProject(project_id))): Query<Lenient<OfProject>>,
) -> Result<Json<Advanced>, Failure> {
    let project = state.change(project_id).await.map_err(told)?;
    let (old, new) = project.advance_task(project_id, id, None, clock::utc()).await??;
    Ok(Json(Advanced::new(id, old, new)))
}

pub(super) async fn versions(
    Shared(state): Here,
    Path(OfRow(id)): Path<OfRow>,
    Query(Lenient(Perhaps(named))): Query<Lenient<Perhaps>>,
) -> Result<Json<Vec<TaskVersion>>, Failure> {
    let project_id = of_row(&state, named, Kind::Task, id).await?;
    let versions =
        state.project(project_id).await.map_err(told)?.task_versions(project_id, id).await?;
    let versions = versions.ok_or_else(|| Failure::not_found(Kind::Task, id))?;
    Ok(Json(versions.into_iter().map(TaskVersion::from).collect()))
}

pub(super) async fn split(
    Shared(state): Here,
    Path(OfRow(task_id)): Path<OfRow>,
    Query(Lenient(OfProject(project_id))): Query<Lenient<OfProject>>,
    Said(Lenient(split)): Said<Lenient<Split>>,
) -> Result<Json<Parts>, Failure> {
    let project = state.change(project_id).await.map_err(told)?;
    Ok(Json(split_task(&project, &OfTask { project_id, task_id }, split, None).await?))
}

pub(super) async fn merge(
    Shared(state): Here,
    Query(Lenient(OfProject(project_id))): Query<Lenient<OfProject>>,
    Said(Lenient(merge)): Said<Lenient<Merge>>,
) -> Result<Json<Union>, Failure> {
    let project = state.change(project_id).await.map_err(told)?;
    Ok(Json(merge_tasks(&project, project_id, merge).await?))
}
