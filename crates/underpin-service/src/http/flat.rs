//! The paths of the original project service, for its clients: the functions of [`v1`](super::v1) with
//! the statuses and shapes of old.
//!
//! Success is always 200, what a body or a query says besides is ignored, and in a change `null` is as
//! good as nothing. The original kept every project in one database, so that some of its routes name no
//! project: see [`locate`].

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, State as Shared},
    http::{StatusCode, Uri},
    response::{IntoResponse as _, Redirect, Response},
    routing::{any, get, post},
};
use underpin_db::{Db, DbError};
use underpin_models::{
    project::{
        ArtifactRepository as _, ChangeRequestRepository as _, Kind, Page, RunRepository as _,
        TaskRepository as _,
    },
    registry::ProjectState,
};
use underpin_projects::ProjectError;

use super::{
    State,
    failure::Failure,
    input::{Fields, Id, Input, Noted, Whole},
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
}

/// A list has its slash at the end.
async fn with_slash(uri: Uri) -> Redirect {
    redirect(&uri, &format!("{}/", uri.path()))
}

/// Anything else has none; `None` where that changes nothing.
pub(super) fn without_slash(uri: &Uri) -> Option<Response> {
    let path = uri.path().strip_suffix('/')?;
    let items = ["/api/projects/", "/api/tasks/", "/api/change-requests/", "/api/artifacts/"];
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

/// Which part of a list is wanted.
fn page(fields: &mut Fields) -> Result<Page, Noted> {
    let skip = fields.settable("skip", &Whole(0..=i32::MAX));
    let limit = fields.settable("limit", &Whole(0..=1_000));
    let (skip, limit) = (skip?.unwrap_or(0), limit?.unwrap_or(100));
    Ok(Page { limit: limit.into(), after: None, skip: skip.into() })
}

/// A project that was deleted is not there, and a name that is taken is the caller's fault.
fn told(error: ProjectError) -> Failure {
    match error {
        ProjectError::State { id, state: ProjectState::Archived, .. } => {
            ProjectError::Unknown(id).into()
        }
        ProjectError::NameTaken(_) => Failure::new(StatusCode::BAD_REQUEST, error.to_string()),
        error => error.into(),
    }
}

/// The project that has the row `id`, for a request that names none: the first one, or else the only
/// one of those that are open which has such a row.
async fn locate(state: &State, named: Option<i32>, kind: Kind, id: i32) -> Result<i32, Failure> {
    find(state, named, kind, id).await?.ok_or_else(|| Failure::not_found(kind, id))
}

/// The same where it is no failure that nobody has such a row.
async fn find(
    state: &State,
    named: Option<i32>,
    kind: Kind,
    id: i32,
) -> Result<Option<i32>, Failure> {
    if named.is_some() {
        return Ok(named);
    }
    let others = state.projects.open_ids().into_iter().filter(|project| *project != FIRST);
    let mut found = Vec::new();
    for project_id in [FIRST].into_iter().chain(others) {
        match state.project(project_id).await {
            Ok(project) if has(&project, kind, project_id, id).await? => found.push(project_id),
            // One that cannot be served has nothing that could be found.
            Ok(_) | Err(_) => continue,
        }
        if project_id == FIRST {
            break;
        }
    }
    match found[..] {
        [] => Ok(None),
        [project] => Ok(Some(project)),
        [one, other, ..] => Err(Failure::new(
            StatusCode::CONFLICT,
            format!(
                "{kind} {id} is in project {one} and in project {other}: say which one with \
                 `?project_id=`"
            ),
        )),
    }
}

async fn has(db: &Db, kind: Kind, project: i32, id: i32) -> Result<bool, DbError> {
    Ok(match kind {
        Kind::Task => db.task(project, id).await?.is_some(),
        Kind::ChangeRequest => db.change_request(project, id).await?.is_some(),
        Kind::Artifact => db.artifact(project, id).await?.is_some(),
        Kind::Run => db.run(project, id).await?.is_some(),
        Kind::Project | Kind::Approval => false,
    })
}

type Here = Shared<Arc<State>>;
