//! `/api/v1/projects/{project_id}/approvals`.

use std::sync::Arc;

use axum::{Json, extract::State as Shared, http::Uri};
use serde::Serialize;
use underpin_models::project::{self, ApprovalRepository as _, NewApproval, Page};
use utoipa::ToSchema;

use super::{
    super::{
        State,
        failure::{Failure, FailureBody},
        input::{Body, Fields, Flag, Id, Input, Noted, Path, Query, Text},
    },
    Created, Listed, OfProject, approver, page, time,
};
use crate::clock;

/// Somebody's answer to a task or to one of its change requests.
#[derive(Serialize, ToSchema)]
pub(super) struct Approval {
    id: i32,
    task_id: i32,
    change_request_id: Option<i32>,
    approver: String,
    approved: bool,
    comment: Option<String>,
    /// UTC, ISO 8601.
    created_at: String,
}

impl From<project::Approval> for Approval {
    fn from(approval: project::Approval) -> Self {
        Self {
            id: approval.id,
            task_id: approval.task_id,
            change_request_id: approval.change_request_id,
            approver: approval.approver,
            approved: approval.approved,
            comment: approval.comment,
            created_at: time(approval.created_at),
        }
    }
}

/// Which answers to list.
pub(super) struct Which {
    task_id: Option<i32>,
    page: Page,
}

impl Input for Which {
    fn read(fields: &mut Fields) -> Result<Self, Noted> {
        let (task_id, page) = (fields.settable("task_id", &Id), page(fields));
        Ok(Self { task_id: task_id?, page: page? })
    }
}

/// Answers, newest first
#[utoipa::path(get, path = "/api/v1/projects/{project_id}/approvals", tag = "approvals",
    params(Path<OfProject>, Query<Which>),
    responses(
        (status = 200, body = Vec<Approval>),
        (status = "default", description = "Any failure", body = FailureBody),
    )
)]
pub(super) async fn list(
    Shared(state): Shared<Arc<State>>,
    Path(of): Path<OfProject>,
    Query(which): Query<Which>,
    uri: Uri,
) -> Result<Listed<Approval>, Failure> {
    let project = state.project(of.project_id).await?;
    let approvals = project.approvals(of.project_id, which.task_id, which.page).await??;
    Ok(Listed::new(approvals, &uri, which.page, |approval| approval.id))
}

impl Input for NewApproval {
    fn read(fields: &mut Fields) -> Result<Self, Noted> {
        let task_id = fields.required("task_id", &Id);
        let change_request_id = fields.optional("change_request_id", &Id);
        let approver = approver(fields);
        let answer = fields.required("approved", &Flag);
        let comment = fields.optional("comment", &Text::any());
        Ok(Self {
            task_id: task_id?,
            change_request_id: change_request_id?,
            approver: approver?,
            approved: answer?,
            comment: comment?,
        })
    }
}

type NewApprovalBody = Body<NewApproval>;

/// Write an answer down; it changes no status
#[utoipa::path(post, path = "/api/v1/projects/{project_id}/approvals", tag = "approvals",
    params(Path<OfProject>),
    request_body(content = inline(NewApprovalBody)),
    responses(
        (status = 201, body = Approval),
        (status = 404, description = "No such project, task or change request of it", body = FailureBody),
        (status = 422, description = "Values that cannot be used", body = FailureBody),
        (status = "default", description = "Any other failure", body = FailureBody),
    )
)]
pub(super) async fn post(
    Shared(state): Shared<Arc<State>>,
    Path(of): Path<OfProject>,
    Body(new): NewApprovalBody,
) -> Result<Created<Json<Approval>>, Failure> {
    let project = state.change(of.project_id).await?;
    let approval = project.create_approval(of.project_id, new, clock::utc()).await??;
    let location = format!("/api/v1/projects/{}/approvals", of.project_id);
    Ok(Created::new(location, Json(approval.into())))
}
