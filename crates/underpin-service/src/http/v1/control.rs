//! `/api/v1/projects/{project_id}/control`: how far the runs of a project may go.

use std::sync::Arc;

use axum::{Json, extract::State as Shared};
use serde::Serialize;
use underpin_models::project::{
    ControlRepository as _, ControlState, Limits, MAX_ATTEMPTS, TIMEOUT_SECONDS,
};
use utoipa::ToSchema;

use super::{
    super::{
        State,
        failure::{Failure, FailureBody},
        input::{Body, Fields, Input, Noted, Path, Whole},
    },
    OfProject, time,
};
use crate::clock;

/// How far the runs of a project may go.
#[derive(Serialize, ToSchema)]
pub(super) struct Control {
    /// A paused project starts no run.
    paused: bool,
    /// Runs of one task before it is given up.
    max_attempts: i32,
    /// Seconds that a run may take.
    timeout_seconds: i32,
    /// The task that is running.
    current_task_id: Option<i32>,
    /// UTC, ISO 8601; `null` before the first change.
    updated_at: Option<String>,
}

impl From<ControlState> for Control {
    fn from(control: ControlState) -> Self {
        Self {
            paused: control.paused,
            max_attempts: control.max_attempts,
            timeout_seconds: control.timeout_seconds,
            current_task_id: control.current_task_id,
            updated_at: Some(time(control.updated_at)),
        }
    }
}

/// How far the runs of a project may go
#[utoipa::path(get, path = "/api/v1/projects/{project_id}/control", tag = "control",
    params(Path<OfProject>),
    responses(
        (status = 200, body = Control),
        (status = "default", description = "Any failure", body = FailureBody),
    )
)]
pub(super) async fn get(
    Shared(state): Shared<Arc<State>>,
    Path(of): Path<OfProject>,
) -> Result<Json<Control>, Failure> {
    let control = state.project(of.project_id).await?.control(of.project_id).await?;
    // An older project may have no row yet.
    Ok(Json(control.map_or_else(
        || Control {
            paused: false,
            max_attempts: MAX_ATTEMPTS,
            timeout_seconds: TIMEOUT_SECONDS,
            current_task_id: None,
            updated_at: None,
        },
        Control::from,
    )))
}

/// Let no run start from now on; open ones go on
#[utoipa::path(post, path = "/api/v1/projects/{project_id}/control/pause", tag = "control",
    params(Path<OfProject>),
    responses(
        (status = 200, body = Control),
        (status = "default", description = "Any failure", body = FailureBody),
    )
)]
pub(super) async fn pause(
    Shared(state): Shared<Arc<State>>,
    Path(of): Path<OfProject>,
) -> Result<Json<Control>, Failure> {
    let project = state.change(of.project_id).await?;
    Ok(Json(project.pause(of.project_id, clock::utc()).await??.into()))
}

/// Let runs start again
#[utoipa::path(post, path = "/api/v1/projects/{project_id}/control/resume", tag = "control",
    params(Path<OfProject>),
    responses(
        (status = 200, body = Control),
        (status = "default", description = "Any failure", body = FailureBody),
    )
)]
pub(super) async fn resume(
    Shared(state): Shared<Arc<State>>,
    Path(of): Path<OfProject>,
) -> Result<Json<Control>, Failure> {
    let project = state.change(of.project_id).await?;
    Ok(Json(project.resume(of.project_id, clock::utc()).await??.into()))
}

impl Input for Limits {
    fn read(fields: &mut Fields) -> Result<Self, Noted> {
        let max_attempts = fields.settable("max_attempts", &Whole(1..=i32::MAX));
        let timeout_seconds = fields.settable("timeout_seconds", &Whole(1..=i32::MAX));
        Ok(Self { max_attempts: max_attempts?, timeout_seconds: timeout_seconds? })
    }
}

type LimitsBody = Body<Limits>;

/// Set the limits of later runs; absence leaves one
#[utoipa::path(patch, path = "/api/v1/projects/{project_id}/control/limits", tag = "control",
    params(Path<OfProject>),
    request_body(content = inline(LimitsBody)),
    responses(
        (status = 200, body = Control),
        (status = 422, description = "Values that cannot be used", body = FailureBody),
        (status = "default", description = "Any failure", body = FailureBody),
    )
)]
pub(super) async fn limits(
    Shared(state): Shared<Arc<State>>,
    Path(of): Path<OfProject>,
    Body(limits): LimitsBody,
) -> Result<Json<Control>, Failure> {
    let project = state.change(of.project_id).await?;
    Ok(Json(project.set_limits(of.project_id, limits, clock::utc()).await??.into()))
}
