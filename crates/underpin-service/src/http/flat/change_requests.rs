//! `/api/change-requests/`.

use axum::{Json, extract::State as Shared};
use serde::Serialize;
use underpin_models::project::{
    self, ChangeRequestFilter, ChangeRequestRepository as _, Kind, Page, Phase,
};

use super::{
    super::{
        failure::Failure,
        input::{Fields, Id, Input, Noted, OneOf, Path, Query, Said, Text},
        v1::{approver, change_requests::message},
    },
    AnyPhase, Here, Lenient, OfRow, Perhaps, meant, of_row, page, told,
};
use crate::clock;

/// A change request as the original shows it.
#[derive(Serialize)]
pub(super) struct ChangeRequest {
    id: i32,
    task_id: i32,
    phase: &'static str,
    content: String,
    status: &'static str,
    version: i32,
}

impl From<project::ChangeRequest> for ChangeRequest {
    fn from(request: project::ChangeRequest) -> Self {
        Self {
            id: request.id,
            task_id: request.task_id,
            phase: request.phase.wire(),
            content: request.content,
            status: request.status.wire(),
            version: request.version,
        }
    }
}

/// What became of a change request, as the original tells it.
#[derive(Serialize)]
pub(super) struct Moved {
    id: i32,
    status: &'static str,
    message: String,
}

impl From<project::ChangeRequest> for Moved {
    fn from(request: project::ChangeRequest) -> Self {
        Self { id: request.id, status: request.status.wire(), message: message(&request) }
    }
}

pub(super) struct Which {
    project_id: Option<i32>,
    filter: ChangeRequestFilter,
    page: Page,
}

impl Input for Which {
    fn read(fields: &mut Fields) -> Result<Self, Noted> {
        let Perhaps(project_id) = Perhaps::read(fields)?;
        let task_id = fields.settable("task_id", &Id);
        let status = fields.settable("status", &OneOf::new());
        let page = page(fields);
        let filter = ChangeRequestFilter { task_id: task_id?, status: status? };
        Ok(Self { project_id, filter, page: page? })
    }
}

pub(super) async fn list(
    Shared(state): Here,
    Query(Lenient(which)): Query<Lenient<Which>>,
) -> Result<Json<Vec<ChangeRequest>>, Failure> {
    let Some(project_id) = meant(&state, which.project_id).await? else {
        return Ok(Json(Vec::new()));
    };
    let project = state.project(project_id).await.map_err(told)?;
    let requests = project.change_requests(project_id, which.filter, which.page).await??;
    Ok(Json(requests.into_iter().map(ChangeRequest::from).collect()))
}

/// A draft to be made; it may be empty.
pub(super) struct New {
    task_id: i32,
    phase: Phase,
    content: String,
}

impl Input for New {
    fn read(fields: &mut Fields) -> Result<Self, Noted> {
        let task_id = fields.required("task_id", &Id);
        let phase = fields.required("phase", &AnyPhase);
        let content = fields.required("content", &Text::any());
        Ok(Self { task_id: task_id?, phase: phase?, content: content? })
    }
}

pub(super) async fn post(
    Shared(state): Here,
    Query(Lenient(Perhaps(named))): Query<Lenient<Perhaps>>,
    Said(Lenient(New { task_id, phase, content })): Said<Lenient<New>>,
) -> Result<Json<ChangeRequest>, Failure> {
    let project_id = of_row(&state, named, Kind::Task, task_id).await?;
    let (project, now) = (state.change(project_id).await.map_err(told)?, clock::utc());
    let request = project.create_change_request(project_id, task_id, phase, content, now).await??;
    Ok(Json(request.into()))
}

pub(super) async fn get(
    Shared(state): Here,
    Path(OfRow(id)): Path<OfRow>,
    Query(Lenient(Perhaps(named))): Query<Lenient<Perhaps>>,
) -> Result<Json<ChangeRequest>, Failure> {
    let project_id = of_row(&state, named, Kind::ChangeRequest, id).await?;
    let project = state.project(project_id).await.map_err(told)?;
    let request = project.change_request(project_id, id).await?;
    let request = request.ok_or_else(|| Failure::not_found(Kind::ChangeRequest, id))?;
    Ok(Json(request.into()))
}

pub(super) async fn submit(
    Shared(state): Here,
    Path(OfRow(id)): Path<OfRow>,
    Query(Lenient(Perhaps(named))): Query<Lenient<Perhaps>>,
) -> Result<Json<Moved>, Failure> {
    let project_id = of_row(&state, named, Kind::ChangeRequest, id).await?;
    let project = state.change(project_id).await.map_err(told)?;
    Ok(Json(project.submit_change_request(project_id, id, None, clock::utc()).await??.into()))
}

pub(super) struct Answer {
    project_id: Option<i32>,
    approver: String,
    reason: Option<String>,
}

impl Input for Answer {
    fn read(fields: &mut Fields) -> Result<Self, Noted> {
        let Perhaps(project_id) = Perhaps::read(fields)?;
        let (approver, reason) = (approver(fields), fields.optional("reason", &Text::any()));
        Ok(Self { project_id, approver: approver?, reason: reason? })
    }
}

pub(super) async fn approve(
    Shared(state): Here,
    Path(OfRow(id)): Path<OfRow>,
    Query(Lenient(Answer { project_id, approver, .. })): Query<Lenient<Answer>>,
) -> Result<Json<Moved>, Failure> {
    let project_id = of_row(&state, project_id, Kind::ChangeRequest, id).await?;
    let (project, now) = (state.change(project_id).await.map_err(told)?, clock::utc());
    let answering = project.approve_change_request(project_id, id, approver, None, None, now);
    Ok(Json(answering.await??.into()))
}

pub(super) async fn reject(
    Shared(state): Here,
    Path(OfRow(id)): Path<OfRow>,
    Query(Lenient(Answer { project_id, approver, reason })): Query<Lenient<Answer>>,
) -> Result<Json<Moved>, Failure> {
    let project_id = of_row(&state, project_id, Kind::ChangeRequest, id).await?;
    let (project, now) = (state.change(project_id).await.map_err(told)?, clock::utc());
    let answering = project.reject_change_request(project_id, id, approver, reason, None, now);
    Ok(Json(answering.await??.into()))
}
