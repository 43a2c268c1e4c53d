//! `/api/v1/projects/{project_id}/change-requests`.

use std::sync::Arc;

use axum::{extract::State as Shared, http::Uri};
use serde::Serialize;
use underpin_models::project::{
    self, ChangeRequestFilter, ChangeRequestRepository as _, Kind, Page, Phase,
};
use utoipa::ToSchema;

use super::{
    super::{
        State,
        failure::{Failure, FailureBody},
        input::{Body, Fields, Id, IfMatch, Input, Noted, OneOf, Path, Query, Text},
    },
    Created, Listed, OfProject, Versioned, approver, page,
    tasks::Approval,
    time,
};
use crate::clock;

type ApprovalBody = Body<Approval>;

/// A change that one phase of a task proposes.
#[derive(Serialize, ToSchema)]
pub(super) struct ChangeRequest {
    id: i32,
    task_id: i32,
    /// `planner`, `architect`, `review_approval` or `coder`.
    #[schema(value_type = String)]
    phase: &'static str,
    content: String,
    /// `draft`, `submitted`, `approved`, `rejected` or `implemented`.
    #[schema(value_type = String)]
    status: &'static str,
    /// Counted from 1, and its `ETag`.
    version: i32,
    /// UTC, ISO 8601.
    created_at: String,
    /// UTC, ISO 8601.
    updated_at: String,
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
            created_at: time(request.created_at),
            updated_at: time(request.updated_at),
        }
    }
}

impl From<project::ChangeRequest> for Versioned<ChangeRequest> {
    fn from(request: project::ChangeRequest) -> Self {
        Self(request.version, request.into())
    }
}

/// A change request that went on, and that in a sentence.
#[derive(Serialize, ToSchema)]
pub(super) struct Moved {
    #[serde(flatten)]
    request: ChangeRequest,
    message: String,
}

impl From<project::ChangeRequest> for Versioned<Moved> {
    fn from(request: project::ChangeRequest) -> Self {
        let message = message(&request);
        Self(request.version, Moved { message, request: request.into() })
    }
}

/// What became of a change request.
pub(in crate::http) fn message(request: &project::ChangeRequest) -> String {
    format!("Change request {} {}", request.id, request.status.wire())
}

/// A change request of a project.
pub(in crate::http) struct OfChangeRequest {
    pub(in crate::http) project_id: i32,
    pub(in crate::http) change_request_id: i32,
}

impl Input for OfChangeRequest {
    fn read(fields: &mut Fields) -> Result<Self, Noted> {
        let (project_id, change_request_id) =
            (fields.required("project_id", &Id), fields.required("change_request_id", &Id));
        Ok(Self { project_id: project_id?, change_request_id: change_request_id? })
    }
}

/// Which change requests to list.
pub(super) struct Which {
    filter: ChangeRequestFilter,
    page: Page,
}

impl Input for Which {
    fn read(fields: &mut Fields) -> Result<Self, Noted> {
        let task_id = fields.settable("task_id", &Id);
        let status = fields.settable("status", &OneOf::new());
        let page = page(fields);
        let filter = ChangeRequestFilter { task_id: task_id?, status: status? };
        Ok(Self { filter, page: page? })
    }
}

/// Change requests, newest first
#[utoipa::path(get, path = "/api/v1/projects/{project_id}/change-requests",
    tag = "change requests", params(Path<OfProject>, Query<Which>),
    responses(
        (status = 200, body = Vec<ChangeRequest>),
        (status = "default", description = "Any failure", body = FailureBody),
    )
)]
pub(super) async fn list(
    Shared(state): Shared<Arc<State>>,
    Path(of): Path<OfProject>,
    Query(which): Query<Which>,
    uri: Uri,
) -> Result<Listed<ChangeRequest>, Failure> {
    let project = state.project(of.project_id).await?;
    let requests = project.change_requests(of.project_id, which.filter, which.page).await??;
    Ok(Listed::new(requests, &uri, which.page, |request| request.id))
}

/// A change request to be made.
pub(in crate::http) struct NewChangeRequest {
    pub(in crate::http) task_id: i32,
    pub(in crate::http) phase: Phase,
    pub(in crate::http) content: String,
}

impl Input for NewChangeRequest {
    fn read(fields: &mut Fields) -> Result<Self, Noted> {
        let task_id = fields.required("task_id", &Id);
        let phase = fields.required("phase", &OneOf::new());
        let content = fields.required("content", &Text::some(usize::MAX));
        Ok(Self { task_id: task_id?, phase: phase?, content: content? })
    }
}

type NewChangeRequestBody = Body<NewChangeRequest>;

/// Make a draft
#[utoipa::path(post, path = "/api/v1/projects/{project_id}/change-requests",
    tag = "change requests", params(Path<OfProject>),
    request_body(content = inline(NewChangeRequestBody)),
    responses(
        (status = 201, body = ChangeRequest),
        (status = 404, description = "No such project or task", body = FailureBody),
        (status = 422, description = "Values that cannot be used", body = FailureBody),
        (status = "default", description = "Any other failure", body = FailureBody),
    )
)]
pub(super) async fn post(
    Shared(state): Shared<Arc<State>>,
    Path(of): Path<OfProject>,
    Body(NewChangeRequest { task_id, phase, content }): NewChangeRequestBody,
) -> Result<Created<Versioned<ChangeRequest>>, Failure> {
    let (project, now) = (state.change(of.project_id).await?, clock::utc());
    let making = project.create_change_request(of.project_id, task_id, phase, content, now);
    let request = making.await??;
    let location = format!("/api/v1/projects/{}/change-requests/{}", of.project_id, request.id);
    Ok(Created::new(location, request.into()))
}

/// One change request
#[utoipa::path(get, path = "/api/v1/projects/{project_id}/change-requests/{change_request_id}",
    tag = "change requests", params(Path<OfChangeRequest>),
    responses(
        (status = 200, body = ChangeRequest),
        (status = 404, description = "No such project or change request", body = FailureBody),
        (status = "default", description = "Any other failure", body = FailureBody),
    )
)]
pub(super) async fn get(
    Shared(state): Shared<Arc<State>>,
    Path(of): Path<OfChangeRequest>,
) -> Result<Versioned<ChangeRequest>, Failure> {
    let project = state.project(of.project_id).await?;
    let request = project.change_request(of.project_id, of.change_request_id).await?;
    let found = request.map(Into::into);
    found.ok_or_else(|| Failure::not_found(Kind::ChangeRequest, of.change_request_id))
}

/// What a draft is to say.
pub(super) struct NewContent(String);

impl Input for NewContent {
    fn read(fields: &mut Fields) -> Result<Self, Noted> {
        fields.required("content", &Text::some(usize::MAX)).map(Self)
    }
}

type NewContentBody = Body<NewContent>;

/// Rewrite a draft: its next version
#[utoipa::path(patch, path = "/api/v1/projects/{project_id}/change-requests/{change_request_id}",
    tag = "change requests",
    params(Path<OfChangeRequest>, ("If-Match" = Option<String>, Header)),
    request_body(content = inline(NewContentBody)),
    responses(
        (status = 200, body = ChangeRequest),
        (status = 404, description = "No such project or change request", body = FailureBody),
        (status = 409, description = "It is no draft any more", body = FailureBody),
        (status = 412, description = "It has another version", body = FailureBody),
        (status = 422, description = "Values that cannot be used", body = FailureBody),
        (status = "default", description = "Any other failure", body = FailureBody),
    )
)]
pub(super) async fn patch(
    Shared(state): Shared<Arc<State>>,
    Path(OfChangeRequest { project_id, change_request_id }): Path<OfChangeRequest>,
    IfMatch(expected): IfMatch,
    Body(NewContent(content)): NewContentBody,
) -> Result<Versioned<ChangeRequest>, Failure> {
    let (project, now) = (state.change(project_id).await?, clock::utc());
    let updating =
        project.update_change_request(project_id, change_request_id, content, expected, now);
    Ok(updating.await??.into())
}

/// Ask people about a draft
#[utoipa::path(post,
    path = "/api/v1/projects/{project_id}/change-requests/{change_request_id}/submit",
    tag = "change requests",
    params(Path<OfChangeRequest>, ("If-Match" = Option<String>, Header)),
    responses(
        (status = 200, body = Moved),
        (status = 404, description = "No such project or change request", body = FailureBody),
        (status = 409, description = "It is no draft", body = FailureBody),
        (status = 412, description = "It has another version", body = FailureBody),
        (status = "default", description = "Any other failure", body = FailureBody),
    )
)]
pub(super) async fn submit(
    Shared(state): Shared<Arc<State>>,
    Path(OfChangeRequest { project_id, change_request_id: id }): Path<OfChangeRequest>,
    IfMatch(expected): IfMatch,
) -> Result<Versioned<Moved>, Failure> {
    let (project, now) = (state.change(project_id).await?, clock::utc());
    Ok(project.submit_change_request(project_id, id, expected, now).await??.into())
}

/// Say yes to a submitted change request
#[utoipa::path(post,
    path = "/api/v1/projects/{project_id}/change-requests/{change_request_id}/approve",
    tag = "change requests",
    params(Path<OfChangeRequest>, ("If-Match" = Option<String>, Header)),
    request_body(content = inline(ApprovalBody)),
    responses(
        (status = 200, body = Moved),
        (status = 404, description = "No such project or change request", body = FailureBody),
        (status = 409, description = "It is not submitted", body = FailureBody),
        (status = 412, description = "It has another version", body = FailureBody),
        (status = "default", description = "Any other failure", body = FailureBody),
    )
)]
pub(super) async fn approve(
    Shared(state): Shared<Arc<State>>,
    Path(OfChangeRequest { project_id, change_request_id: id }): Path<OfChangeRequest>,
    IfMatch(expected): IfMatch,
    Body(Approval { approver, comment }): ApprovalBody,
) -> Result<Versioned<Moved>, Failure> {
    let (project, now) = (state.change(project_id).await?, clock::utc());
    let answering =
        project.approve_change_request(project_id, id, approver, comment, expected, now);
    Ok(answering.await??.into())
}

/// Who says no, and why.
pub(in crate::http) struct Rejection {
    pub(in crate::http) approver: String,
    pub(in crate::http) reason: Option<String>,
}

impl Input for Rejection {
    fn read(fields: &mut Fields) -> Result<Self, Noted> {
        let (approver, reason) = (approver(fields), fields.optional("reason", &Text::any()));
        Ok(Self { approver: approver?, reason: reason? })
    }
}

type RejectionBody = Body<Rejection>;

/// Say no to a submitted change request
#[utoipa::path(post,
    path = "/api/v1/projects/{project_id}/change-requests/{change_request_id}/reject",
    tag = "change requests",
    params(Path<OfChangeRequest>, ("If-Match" = Option<String>, Header)),
    request_body(content = inline(RejectionBody)),
    responses(
        (status = 200, body = Moved),
        (status = 404, description = "No such project or change request", body = FailureBody),
        (status = 409, description = "It is not submitted", body = FailureBody),
        (status = 412, description = "It has another version", body = FailureBody),
        (status = "default", description = "Any other failure", body = FailureBody),
    )
)]
pub(super) async fn reject(
    Shared(state): Shared<Arc<State>>,
    Path(OfChangeRequest { project_id, change_request_id: id }): Path<OfChangeRequest>,
    IfMatch(expected): IfMatch,
    Body(Rejection { approver, reason }): RejectionBody,
) -> Result<Versioned<Moved>, Failure> {
    let (project, now) = (state.change(project_id).await?, clock::utc());
    let answering = project.reject_change_request(project_id, id, approver, reason, expected, now);
    Ok(answering.await??.into())
}

/// Note that an approved change request is done
#[utoipa::path(post,
    path = "/api/v1/projects/{project_id}/change-requests/{change_request_id}/implement",
    tag = "change requests",
    params(Path<OfChangeRequest>, ("If-Match" = Option<String>, Header)),
    responses(
        (status = 200, body = Moved),
        (status = 404, description = "No such project or change request", body = FailureBody),
        (status = 409, description = "It is not approved", body = FailureBody),
        (status = 412, description = "It has another version", body = FailureBody),
        (status = "default", description = "Any other failure", body = FailureBody),
    )
)]
pub(super) async fn implement(
    Shared(state): Shared<Arc<State>>,
    Path(OfChangeRequest { project_id, change_request_id: id }): Path<OfChangeRequest>,
    IfMatch(expected): IfMatch,
) -> Result<Versioned<Moved>, Failure> {
    let (project, now) = (state.change(project_id).await?, clock::utc());
    Ok(project.implement_change_request(project_id, id, expected, now).await??.into())
}
