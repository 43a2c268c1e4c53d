//! The paths of the original project service, for its clients: the functions of [`v1`](super::v1) with
//! the statuses and shapes of old.
//!
//! Success is always 200, what a body or a query says besides is ignored, and in a change `null` is as
//! good as nothing. The original kept every project in one database, so that some of its routes name no
//! project: see [`meant`].

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, State as Shared},
    http::{StatusCode, Uri},
    response::{IntoResponse as _, Redirect, Response},
    routing::{any, get, post},
};
use underpin_models::{
    project::{Kind, Page, Phase},
    registry::ProjectState,
};
use underpin_projects::ProjectError;

use serde_json::Value;
use utoipa::openapi::{RefOr, Schema};

use super::{
    State,
    failure::{Failure, Fault},
    input::{self, Fields, Id, Input, Noted, OneOf},
};

mod artifacts;
mod change_requests;
mod gates;
mod projects;
mod tasks;

/// The project of a request that names none.
const FIRST: i32 = 1;

/// Every path of old; `uploads` is the limit of a body with a file in it.
pub(super) fn routes(uploads: DefaultBodyLimit) -> Router<Arc<State>> {
    let lists =
        ["/api/projects", "/api/tasks", "/api/change-requests", "/api/artifacts"].into_iter();
    let router = lists.fold(Router::new(), |router, path| router.route(path, any(with_slash)));
    router
        .route("/api/projects/", get(projects::list).post(projects::post))
        .route(
            "/api/projects/{project_id}",
            get(projects::get).patch(projects::patch).delete(projects::delete),
        )
        .route("/api/tasks/", get(tasks::list).post(tasks::post))
        .route("/api/tasks/merge", post(tasks::merge))
        .route("/api/tasks/{id}", get(tasks::get).patch(tasks::patch).delete(tasks::delete))
        .route("/api/tasks/{id}/approve", post(tasks::approve))
        .route("/api/tasks/{id}/advance", post(tasks::advance))
        .route("/api/tasks/{id}/versions", get(tasks::versions))
        .route("/api/tasks/{id}/split", post(tasks::split))
        .route("/api/change-requests/", get(change_requests::list).post(change_requests::post))
        .route("/api/change-requests/{id}", get(change_requests::get))
        .route("/api/change-requests/{id}/submit", post(change_requests::submit))
        .route("/api/change-requests/{id}/approve", post(change_requests::approve))
        .route("/api/change-requests/{id}/reject", post(change_requests::reject))
        .route("/api/artifacts/", get(artifacts::list).post(artifacts::post))
        .route("/api/artifacts/upload", post(artifacts::upload).layer(uploads))
        .route("/api/artifacts/{id}", get(artifacts::get).delete(artifacts::delete))
        .route("/api/artifacts/{id}/download", get(artifacts::download))
        .route("/api/artifacts/{id}/content", get(artifacts::content))
        .route("/api/gates/task/{id}", get(gates::get).put(gates::put))
        .route("/api/gates/examples", get(gates::examples))
}

/// A list has its slash at the end.
async fn with_slash(uri: Uri) -> Redirect {
    redirect(&uri, &format!("{}/", uri.path()))
}

/// Anything else has none; `None` where that changes nothing.
pub(super) fn without_slash(uri: &Uri) -> Option<Response> {
    let path = uri.path().strip_suffix('/')?;
    let items = [
        "/api/projects/",
        "/api/tasks/",
        "/api/change-requests/",
        "/api/artifacts/",
        "/api/gates/",
    ];
    let below = items.iter().any(|prefix| path.starts_with(prefix));
    below.then(|| redirect(uri, path).into_response())
}

/// 307: the method and the body stay.
fn redirect(uri: &Uri, path: &str) -> Redirect {
    match uri.query() {
        Some(query) => Redirect::temporary(&format!("{path}?{query}")),
        None => Redirect::temporary(path),
    }
}

/// What a request says, whatever it says besides.
struct Lenient<T>(T);

impl<T: Input> Input for Lenient<T> {
    fn read(fields: &mut Fields) -> Result<Self, Noted> {
        fields.ignore_others();
        T::read(fields).map(Self)
    }
}

/// The row in a path.
struct OfRow(i32);

impl Input for OfRow {
    fn read(fields: &mut Fields) -> Result<Self, Noted> {
        fields.required("id", &Id).map(Self)
    }
}

/// The project of a request that names it in its query.
struct OfProject(i32);

impl Input for OfProject {
    fn read(fields: &mut Fields) -> Result<Self, Noted> {
        fields.required("project_id", &Id).map(Self)
    }
}

/// The project of a request that may name it in its query.
struct Perhaps(Option<i32>);

impl Input for Perhaps {
    fn read(fields: &mut Fields) -> Result<Self, Noted> {
        fields.settable("project_id", &Id).map(Self)
    }
}

/// Rows that one answer holds at most, whatever limit was asked for.
const MOST_ROWS: i64 = 10_000;

/// Which part of a list is wanted: any numbers, as with the original. A limit below 0 is none.
fn page(fields: &mut Fields) -> Result<Page, Noted> {
    let (skip, limit) = (fields.settable("skip", &AnyWhole), fields.settable("limit", &AnyWhole));
    let (skip, limit) = (skip?.unwrap_or(0), limit?.unwrap_or(100));
    let limit = if limit < 0 { MOST_ROWS } else { limit.min(MOST_ROWS) };
    Ok(Page { limit, after: None, skip: skip.max(0) })
}

/// A whole number; text that says one counts as well, and one beyond 64 bits as the nearest of them.
#[derive(Clone)]
struct AnyWhole;

impl input::Kind for AnyWhole {
    type Value = i64;

    fn read(&self, value: Value) -> Result<i64, Vec<Fault>> {
        let number = match &value {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => {
                let text = text.trim();
                text.parse().ok().or_else(|| input::beyond(text))
            }
            _ => None,
        };
        number
            .ok_or_else(|| vec![Fault::new("int_parsing", format!("expected {}", self.expected()))])
    }

    fn expected(&self) -> String {
        "a whole number".to_owned()
    }

    fn schema(&self) -> RefOr<Schema> {
        input::Count.schema()
    }
}

/// A phase: what callers of today say, `coder`, or its name as it is stored, `CODER`.
#[derive(Clone)]
struct AnyPhase;

impl input::Kind for AnyPhase {
    type Value = Phase;

    fn read(&self, value: Value) -> Result<Phase, Vec<Fault>> {
        let named = |phase: &&Phase| value.as_str() == Some(phase.as_str());
        match Phase::ALL.iter().find(named) {
            Some(phase) => Ok(*phase),
            None => OneOf::new().read(value),
        }
    }

    fn expected(&self) -> String {
        OneOf::<Phase>::new().expected()
    }

    fn schema(&self) -> RefOr<Schema> {
        OneOf::<Phase>::new().schema()
    }
}

/// A project that was deleted is not there, and a name that is taken is the caller's fault.
fn told(error: ProjectError) -> Failure {
    match error {
        ProjectError::State { id, .. } if is_absent(&error) => ProjectError::Unknown(id).into(),
        ProjectError::NameTaken(_) => Failure::new(StatusCode::BAD_REQUEST, error.to_string()),
        error => error.into(),
    }
}

/// The project that a request means: the one that it names, or else the first one, where the original
/// kept everything. `None` where it names none and there is no first one.
///
/// Which other projects there are, and which of them are open, makes no difference: a request that is
/// sent twice means the same project both times. A project that is there and cannot be served is an
/// error.
async fn meant(state: &State, named: Option<i32>) -> Result<Option<i32>, Failure> {
    let project_id = named.unwrap_or(FIRST);
    match state.project(project_id).await {
        Ok(_) => Ok(Some(project_id)),
        Err(error) if named.is_none() && is_absent(&error) => Ok(None),
        Err(error) => Err(told(error)),
    }
}

/// The same for a request about the row `id`, which is not there where there is no project.
async fn of_row(state: &State, named: Option<i32>, kind: Kind, id: i32) -> Result<i32, Failure> {
    meant(state, named).await?.ok_or_else(|| Failure::not_found(kind, id))
}

/// Whether there is no such project, or none any more as the original sees it.
fn is_absent(error: &ProjectError) -> bool {
    match error {
        ProjectError::Unknown(_) => true,
        ProjectError::State { state, .. } => *state == ProjectState::Archived,
        _ => false,
    }
}

type Here = Shared<Arc<State>>;
