//! `/api/v1/projects`.

use std::sync::Arc;

use axum::{Json, extract::State as Shared, http::Uri};
use serde::Serialize;
use underpin_db::Dialect;
use underpin_models::{
    project::{self, Kind, NewProject, Page, Phase, ProjectRepository as _, ProjectUpdate},
    registry::{ProjectState, RegisteredProject},
};
use utoipa::ToSchema;

use super::{
    super::{
        State,
        failure::{Failure, FailureBody},
        input::{Body, Fields, Input, Noted, OneOf, Path, Query, Text},
    },
    Created, Done, ENGINE, Listed, OfProject, most, page, time,
};

/// A project and where its data is.
#[derive(Serialize, ToSchema)]
pub(super) struct Project {
    /// Never given twice.
    id: i32,
    /// Unique, also among archived projects.
    name: String,
    description: Option<String>,
    /// Where its database is: a file, or a schema of PostgreSQL.
    db_path: String,
    root_path: Option<String>,
    #[schema(value_type = Option<String>)]
    current_phase: Option<&'static str>,
    default_engine: Option<String>,
    #[serde(flatten)]
    registered: Registered,
    /// The number of its newest event.
    last_event: i64,
}

/// What the registry says of a project.
#[derive(Serialize, ToSchema)]
struct Registered {
    /// `creating`, `ready`, `archived` or `failed`.
    #[schema(value_type = String)]
    state: &'static str,
    /// The newest migration that is applied to its database.
    head: Option<String>,
    /// Why it failed.
    problem: Option<String>,
    /// UTC, ISO 8601.
    created_at: String,
    /// UTC, ISO 8601.
    updated_at: String,
}

/// A project in a list.
#[derive(Serialize, ToSchema)]
pub(super) struct InList {
    /// Never given twice.
    id: i32,
    /// Unique.
    name: String,
    #[serde(flatten)]
    registered: Registered,
}

impl From<RegisteredProject> for Registered {
    fn from(project: RegisteredProject) -> Self {
        Self {
            state: project.state.wire(),
            head: project.head,
            problem: project.problem,
            created_at: time(project.created_at),
            updated_at: time(project.updated_at),
        }
    }
}

impl From<RegisteredProject> for InList {
    fn from(project: RegisteredProject) -> Self {
        Self { id: project.id, name: project.name.clone(), registered: project.into() }
    }
}

impl Project {
    fn new(state: &State, registered: RegisteredProject, row: project::Project) -> Self {
        // The registry is told of a change after it happened.
        let updated_at = registered.updated_at.max(row.updated_at);
        Self {
            id: registered.id,
            name: row.name,
            description: row.description,
            db_path: db_path(state, &registered.target),
            root_path: row.root_path,
            current_phase: row.current_phase.map(Phase::wire),
            default_engine: row.default_engine,
            last_event: row.last_event,
            registered: RegisteredProject { updated_at, ..registered }.into(),
        }
    }
}

/// Where the database `target` of a project is, for people.
pub(in crate::http) fn db_path(state: &State, target: &str) -> String {
    match state.config.database_url.dialect() {
        Dialect::Sqlite => {
            let file = state.config.projects.data_dir.join(format!("{target}.db"));
            file.display().to_string()
        }
        Dialect::Postgres => target.to_owned(),
    }
}

/// The row of project `id` in its own database.
pub(in crate::http) async fn row(state: &State, id: i32) -> Result<project::Project, Failure> {
    let row = state.project(id).await?.project(id).await?;
    row.ok_or_else(|| Failure::not_found(Kind::Project, id))
}

/// Which projects to list.
pub(super) struct Which {
    state: Option<ProjectState>,
    page: Page,
}

impl Input for Which {
    fn read(fields: &mut Fields) -> Result<Self, Noted> {
        let (state, page) = (fields.settable("state", &OneOf::new()), page(fields));
        Ok(Self { state: state?, page: page? })
    }
}

/// Projects, by number; without their databases being opened
#[utoipa::path(get, path = "/api/v1/projects", tag = "projects", params(Query<Which>), responses(
    (status = 200, body = Vec<InList>),
    (status = "default", description = "Any failure", body = FailureBody),
))]
pub(super) async fn list(
    Shared(state): Shared<Arc<State>>,
    Query(which): Query<Which>,
    uri: Uri,
) -> Result<Listed<InList>, Failure> {
    let states = which.state.map_or_else(|| ProjectState::ALL.to_vec(), |one| vec![one]);
    let (after, limit) = (which.page.after.unwrap_or(0), which.page.limit);
    let projects = state.projects.list(states, after, limit).await?;
    Ok(Listed::new(projects, &uri, which.page, |project| project.id))
}

impl Input for NewProject {
    fn read(fields: &mut Fields) -> Result<Self, Noted> {
        let name = fields.required("name", &Text::some(most::NAME));
        let description = fields.optional("description", &Text::any());
        let root_path = fields.optional("root_path", &Text::some(most::PATH));
        let engine = fields.optional("default_engine", &Text::some(most::NAME));
        Ok(Self {
            name: name?,
            description: description?,
            root_path: root_path?,
            default_engine: Some(engine?.unwrap_or_else(|| ENGINE.to_owned())),
            // Decided where it is made.
            db_path: String::new(),
        })
    }
}

type NewProjectBody = Body<NewProject>;

/// Make a project, with a database of its own
#[utoipa::path(post, path = "/api/v1/projects", tag = "projects",
    request_body(content = inline(NewProjectBody)),
    responses(
        (status = 201, body = Project),
        (status = 409, description = "The name is taken", body = FailureBody),
        (status = 422, description = "Values that cannot be used", body = FailureBody),
        (status = "default", description = "Any other failure", body = FailureBody),
    )
)]
pub(super) async fn post(
    Shared(state): Shared<Arc<State>>,
    Body(new): NewProjectBody,
) -> Result<Created<Json<Project>>, Failure> {
    let registered = state.create_project(new).await?;
    let row = row(&state, registered.id).await?;
    let location = format!("/api/v1/projects/{}", registered.id);
    Ok(Created::new(location, Json(Project::new(&state, registered, row))))
}

/// One project
///
/// One that is not ready is answered with what the registry says.
#[utoipa::path(get, path = "/api/v1/projects/{project_id}", tag = "projects",
    params(Path<OfProject>),
    responses(
        (status = 200, body = Project),
        (status = 404, description = "No such project", body = FailureBody),
        (status = 503, description = "Its schema is behind, and is not migrated here", body = FailureBody),
        (status = "default", description = "Any other failure", body = FailureBody),
    )
)]
pub(super) async fn get(
    Shared(state): Shared<Arc<State>>,
    Path(of): Path<OfProject>,
) -> Result<axum::response::Response, Failure> {
    use axum::response::IntoResponse as _;

    let registered = state.projects.registered(of.project_id).await?;
    if registered.state != ProjectState::Ready {
        return Ok(Json(InList::from(registered)).into_response());
    }
    let row = row(&state, of.project_id).await?;
    Ok(Json(Project::new(&state, registered, row)).into_response())
}

impl Input for ProjectUpdate {
    fn read(fields: &mut Fields) -> Result<Self, Noted> {
        let description = fields.clearable("description", &Text::any());
        let root_path = fields.clearable("root_path", &Text::some(most::PATH));
        let default_engine = fields.clearable("default_engine", &Text::some(most::NAME));
        let current_phase = fields.clearable("current_phase", &OneOf::new());
        Ok(Self {
            name: None,
            description: description?,
            root_path: root_path?,
            default_engine: default_engine?,
            current_phase: current_phase?,
        })
    }
}

type ProjectUpdateBody = Body<ProjectUpdate>;

/// Change a project: absence leaves a value, null clears it
#[utoipa::path(patch, path = "/api/v1/projects/{project_id}", tag = "projects",
    params(Path<OfProject>),
    request_body(content = inline(ProjectUpdateBody)),
    responses(
        (status = 200, body = Project),
        (status = 404, description = "No such project", body = FailureBody),
        (status = 422, description = "Values that cannot be used", body = FailureBody),
        (status = "default", description = "Any other failure", body = FailureBody),
    )
)]
pub(super) async fn patch(
    Shared(state): Shared<Arc<State>>,
    Path(of): Path<OfProject>,
    Body(update): ProjectUpdateBody,
) -> Result<Json<Project>, Failure> {
    let (registered, row) = state.update_project(of.project_id, update).await??;
    Ok(Json(Project::new(&state, registered, row)))
}

/// Archive a project: its database is put aside, and can be restored
#[utoipa::path(delete, path = "/api/v1/projects/{project_id}", tag = "projects",
    params(Path<OfProject>),
    responses(
        (status = 200, body = Done),
        (status = 404, description = "No such project", body = FailureBody),
        (status = 409, description = "It is not ready, or in use", body = FailureBody),
        (status = "default", description = "Any other failure", body = FailureBody),
    )
)]
pub(super) async fn delete(
    Shared(state): Shared<Arc<State>>,
    Path(of): Path<OfProject>,
) -> Result<Json<Done>, Failure> {
    let id = of.project_id;
    state.archive_project(id).await?;
    Ok(Json(Done::new(format!(
        "Project {id} archived: restore it with `POST /api/v1/projects/{id}/restore`"
    ))))
}

/// Take an archived project back
#[utoipa::path(post, path = "/api/v1/projects/{project_id}/restore", tag = "projects",
    params(Path<OfProject>),
    responses(
        (status = 200, body = Done),
        (status = 404, description = "No such project", body = FailureBody),
        (status = 409, description = "It is not archived", body = FailureBody),
        (status = "default", description = "Any other failure", body = FailureBody),
    )
)]
pub(super) async fn restore(
    Shared(state): Shared<Arc<State>>,
    Path(of): Path<OfProject>,
) -> Result<Json<Done>, Failure> {
    state.restore_project(of.project_id).await?;
    Ok(Json(Done::new(format!("Project {} restored", of.project_id))))
}

/// Delete an archived project for good, with the contents of its artifacts
#[utoipa::path(post, path = "/api/v1/projects/{project_id}/purge", tag = "projects",
    params(Path<OfProject>),
    responses(
        (status = 200, body = Done),
        (status = 404, description = "No such project", body = FailureBody),
        (status = 409, description = "It is not archived", body = FailureBody),
        (status = "default", description = "Any other failure", body = FailureBody),
    )
)]
pub(super) async fn purge(
    Shared(state): Shared<Arc<State>>,
    Path(of): Path<OfProject>,
) -> Result<Json<Done>, Failure> {
    state.purge_project(of.project_id).await?;
    Ok(Json(Done::new(format!("Project {} deleted for good", of.project_id))))
}
