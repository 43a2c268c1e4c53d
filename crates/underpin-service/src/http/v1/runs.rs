//! `/api/v1/projects/{project_id}/runs`.

use std::sync::Arc;

use axum::{Json, extract::State as Shared, http::Uri};
use serde::Serialize;
use underpin_models::project::{
    self, Kind, Page, ProjectRepository as _, RunFilter, RunRepository as _, RunStatus,
    TaskRepository as _,
};
use utoipa::ToSchema;

use super::{
    super::{
        State,
        failure::{Failure, FailureBody},
        input::{self, Body, Fields, Id, Input, Noted, OneOf, Path, Query, Text},
    },
    Created, ENGINE, Listed, OfProject, most, page, time,
};
use crate::clock;

/// One attempt of an engine at a task.
#[derive(Serialize, ToSchema)]
pub(super) struct Run {
    id: i32,
    task_id: i32,
    engine: String,
    /// `running`, `success`, `failure`, `timeout` or `cancelled`.
    #[schema(value_type = String)]
    status: &'static str,
    log_path: Option<String>,
    /// JSON: what each gate said.
    gate_results: Option<String>,
    /// UTC, ISO 8601.
    start_time: String,
    /// UTC, ISO 8601; `null` while it runs.
    end_time: Option<String>,
}

impl From<project::Run> for Run {
    fn from(run: project::Run) -> Self {
        Self {
            id: run.id,
            task_id: run.task_id,
            engine: run.engine,
            status: run.status.wire(),
            log_path: run.log_path,
            gate_results: run.gate_results,
            start_time: time(run.start_time),
            end_time: run.end_time.map(time),
        }
    }
}

/// A run of a project.
pub(super) struct OfRun {
    project_id: i32,
    run_id: i32,
}

impl Input for OfRun {
    fn read(fields: &mut Fields) -> Result<Self, Noted> {
        let (project_id, run_id) =
            (fields.required("project_id", &Id), fields.required("run_id", &Id));
        Ok(Self { project_id: project_id?, run_id: run_id? })
    }
}

/// Which runs to list.
pub(super) struct Which {
    filter: RunFilter,
    page: Page,
}

impl Input for Which {
    fn read(fields: &mut Fields) -> Result<Self, Noted> {
        let task_id = fields.settable("task_id", &Id);
        let status = fields.settable("status", &OneOf::new());
        let page = page(fields);
        Ok(Self { filter: RunFilter { task_id: task_id?, status: status? }, page: page? })
    }
}

/// Runs, newest first
#[utoipa::path(get, path = "/api/v1/projects/{project_id}/runs", tag = "runs",
    params(Path<OfProject>, Query<Which>),
    responses(
        (status = 200, body = Vec<Run>),
        (status = "default", description = "Any failure", body = FailureBody),
    )
)]
pub(super) async fn list(
    Shared(state): Shared<Arc<State>>,
    Path(of): Path<OfProject>,
    Query(which): Query<Which>,
    uri: Uri,
) -> Result<Listed<Run>, Failure> {
    let project = state.project(of.project_id).await?;
    let runs = project.runs(of.project_id, which.filter, which.page).await??;
    Ok(Listed::new(runs, &uri, which.page, |run| run.id))
}

/// A run to be started.
pub(super) struct NewRun {
    task_id: i32,
    engine: Option<String>,
}

impl Input for NewRun {
    fn read(fields: &mut Fields) -> Result<Self, Noted> {
        let task_id = fields.required("task_id", &Id);
        let engine = fields.optional("engine", &Text::some(most::NAME));
        Ok(Self { task_id: task_id?, engine: engine? })
    }
}

type NewRunBody = Body<NewRun>;

/// Start a run of an approved task
///
/// Without an `engine` the task's own is noted, else the project's.
#[utoipa::path(post, path = "/api/v1/projects/{project_id}/runs", tag = "runs",
    params(Path<OfProject>),
    request_body(content = inline(NewRunBody)),
    responses(
        (status = 201, body = Run),
        (status = 404, description = "No such project or task", body = FailureBody),
        (status = 409, description = "The project is paused, or the task is not approved, runs \
            already, waits for another one or has no attempts left", body = FailureBody),
        (status = 422, description = "Values that cannot be used", body = FailureBody),
        (status = "default", description = "Any other failure", body = FailureBody),
    )
)]
pub(super) async fn post(
    Shared(state): Shared<Arc<State>>,
    Path(of): Path<OfProject>,
    Body(NewRun { task_id, engine }): NewRunBody,
) -> Result<Created<Json<Run>>, Failure> {
    let project = state.change(of.project_id).await?;
    let engine = if let Some(engine) = engine {
        engine
    } else {
        let task = project.task(of.project_id, task_id).await?;
        let row = project.project(of.project_id).await?;
        let own = task.and_then(|task| task.engine_override);
        own.or(row.and_then(|row| row.default_engine)).unwrap_or_else(|| ENGINE.to_owned())
    };
    let run = project.start_run(of.project_id, task_id, engine, clock::utc()).await??;
    let location = format!("/api/v1/projects/{}/runs/{}", of.project_id, run.id);
    Ok(Created::new(location, Json(run.into())))
}

/// One run
#[utoipa::path(get, path = "/api/v1/projects/{project_id}/runs/{run_id}", tag = "runs",
    params(Path<OfRun>),
    responses(
        (status = 200, body = Run),
        (status = 404, description = "No such project or run", body = FailureBody),
        (status = "default", description = "Any other failure", body = FailureBody),
    )
)]
pub(super) async fn get(
    Shared(state): Shared<Arc<State>>,
    Path(of): Path<OfRun>,
) -> Result<Json<Run>, Failure> {
    let run = state.project(of.project_id).await?.run(of.project_id, of.run_id).await?;
    run.map(|run| Json(run.into())).ok_or_else(|| Failure::not_found(Kind::Run, of.run_id))
}

/// Where the log of a run is; `None` when there is none.
pub(super) struct Log(Option<String>);

impl Input for Log {
    fn read(fields: &mut Fields) -> Result<Self, Noted> {
        fields.optional("log_path", &Text::some(most::FILE_PATH)).map(Self)
    }
}

type LogBody = Body<Log>;

/// Note where the log of a run is, also after its end; null where it is no more
#[utoipa::path(put, path = "/api/v1/projects/{project_id}/runs/{run_id}/log", tag = "runs",
    params(Path<OfRun>),
    request_body(content = inline(LogBody)),
    responses(
        (status = 200, body = Run),
        (status = 404, description = "No such project or run", body = FailureBody),
        (status = 422, description = "Values that cannot be used", body = FailureBody),
        (status = "default", description = "Any other failure", body = FailureBody),
    )
)]
pub(super) async fn log(
    Shared(state): Shared<Arc<State>>,
    Path(of): Path<OfRun>,
    Body(Log(path)): LogBody,
) -> Result<Json<Run>, Failure> {
    let project = state.change(of.project_id).await?;
    Ok(Json(project.set_run_log(of.project_id, of.run_id, path, clock::utc()).await??.into()))
}

/// How a run ended.
pub(super) struct End {
    status: RunStatus,
    gate_results: Option<String>,
}

impl Input for End {
    fn read(fields: &mut Fields) -> Result<Self, Noted> {
        let status = fields.required("status", &OneOf::new());
        let gate_results = fields.optional("gate_results", &input::Json);
        if status == Ok(RunStatus::Running) {
            return fields.fault("status", "expected how it ended, found `running`".to_owned());
        }
        Ok(Self { status: status?, gate_results: gate_results? })
    }
}

type EndBody = Body<End>;

/// End an open run: a success completes its task, anything else leaves it approved
#[utoipa::path(post, path = "/api/v1/projects/{project_id}/runs/{run_id}/finish", tag = "runs",
    params(Path<OfRun>),
    request_body(content = inline(EndBody)),
    responses(
        (status = 200, body = Run),
        (status = 404, description = "No such project or run", body = FailureBody),
        (status = 409, description = "It has ended already", body = FailureBody),
        (status = 422, description = "Values that cannot be used", body = FailureBody),
        (status = "default", description = "Any other failure", body = FailureBody),
    )
)]
pub(super) async fn finish(
    Shared(state): Shared<Arc<State>>,
    Path(OfRun { project_id, run_id }): Path<OfRun>,
    Body(End { status, gate_results }): EndBody,
) -> Result<Json<Run>, Failure> {
    let (project, now) = (state.change(project_id).await?, clock::utc());
    let run = project.finish_run(project_id, run_id, status, gate_results, now).await??;
    Ok(Json(run.into()))
}

/// Stop an open run; its task stays approved
#[utoipa::path(post, path = "/api/v1/projects/{project_id}/runs/{run_id}/cancel", tag = "runs",
    params(Path<OfRun>),
    responses(
        (status = 200, body = Run),
        (status = 404, description = "No such project or run", body = FailureBody),
        (status = 409, description = "It has ended already", body = FailureBody),
        (status = "default", description = "Any other failure", body = FailureBody),
    )
)]
pub(super) async fn cancel(
    Shared(state): Shared<Arc<State>>,
    Path(OfRun { project_id, run_id }): Path<OfRun>,
) -> Result<Json<Run>, Failure> {
    let project = state.change(project_id).await?;
    Ok(Json(project.cancel_run(project_id, run_id, clock::utc()).await??.into()))
}
