//! `/api/projects/`.

use axum::{Json, extract::State as Shared};
use serde::Serialize;
use underpin_models::{
    project::{self, NewProject, Page, Phase, ProjectRepository as _, ProjectUpdate},
    registry::{ProjectState, RegisteredProject},
};

use super::{
    super::{
        State,
        failure::Failure,
        input::{Fields, Input, Noted, Path, Query, Said, Text},
        v1::{self, Done, OfProject, most},
    },
    AnyPhase, Here, Lenient, page, told,
};

/// A project as the original shows it.
#[derive(Serialize)]
pub(super) struct Project {
    id: i32,
    name: String,
    description: Option<String>,
    db_path: String,
    root_path: Option<String>,
    current_phase: Option<&'static str>,
    default_engine: Option<String>,
}

impl Project {
    fn new(state: &State, registered: RegisteredProject, row: Option<project::Project>) -> Self {
        let db_path = v1::projects::db_path(state, &registered.target);
        let shown = Self {
            id: registered.id,
            name: registered.name,
            description: None,
            db_path,
            root_path: None,
            current_phase: None,
            default_engine: None,
        };
        let Some(row) = row else { return shown };
        Self {
            description: row.description,
            root_path: row.root_path,
            current_phase: row.current_phase.map(Phase::wire),
            default_engine: row.default_engine,
            ..shown
        }
    }
}

pub(super) struct Which(Page);

impl Input for Which {
    fn read(fields: &mut Fields) -> Result<Self, Noted> {
        page(fields).map(Self)
    }
}

/// Every project is opened in turn; of one that cannot be served the list has what the registry says.
pub(super) async fn list(
    Shared(state): Here,
    Query(Lenient(Which(page))): Query<Lenient<Which>>,
) -> Result<Json<Vec<Project>>, Failure> {
    let ready = vec![ProjectState::Ready];
    let all = state.projects.list(ready, 0, page.skip.saturating_add(page.limit)).await?;
    let mut projects = Vec::new();
    for registered in all.into_iter().skip(usize::try_from(page.skip).unwrap_or(usize::MAX)) {
        let row = v1::projects::row(&state, registered.id).await.ok();
        projects.push(Project::new(&state, registered, row));
    }
    Ok(Json(projects))
}

pub(super) async fn post(
    Shared(state): Here,
    Said(Lenient(new)): Said<Lenient<NewProject>>,
) -> Result<Json<Project>, Failure> {
    let registered = state.create_project(new).await.map_err(told)?;
    shown(&state, registered.id).await
}

pub(super) async fn get(
    Shared(state): Here,
    Path(of): Path<OfProject>,
) -> Result<Json<Project>, Failure> {
    shown(&state, of.project_id).await
}

async fn shown(state: &State, id: i32) -> Result<Json<Project>, Failure> {
    let project = state.project(id).await.map_err(told)?;
    let row = project.project(id).await?;
    let registered = state.projects.registered(id).await?;
    Ok(Json(Project::new(state, registered, row)))
}

pub(super) struct Update(ProjectUpdate);

impl Input for Update {
    fn read(fields: &mut Fields) -> Result<Self, Noted> {
        let description = fields.optional("description", &Text::any());
        let root_path = fields.optional("root_path", &Text::some(most::PATH));
        let default_engine = fields.optional("default_engine", &Text::some(most::NAME));
        let current_phase = fields.optional("current_phase", &AnyPhase);
        Ok(Self(ProjectUpdate {
            name: None,
            description: description?.map(Some),
            root_path: root_path?.map(Some),
            default_engine: default_engine?.map(Some),
            current_phase: current_phase?.map(Some),
        }))
    }
}

pub(super) async fn patch(
    Shared(state): Here,
    Path(of): Path<OfProject>,
    Said(Lenient(Update(update))): Said<Lenient<Update>>,
) -> Result<Json<Project>, Failure> {
    let (registered, row) = state.update_project(of.project_id, update).await.map_err(told)??;
    Ok(Json(Project::new(&state, registered, Some(row))))
}

pub(super) async fn delete(
    Shared(state): Here,
    Path(of): Path<OfProject>,
) -> Result<Json<Done>, Failure> {
    state.archive_project(of.project_id).await.map_err(told)?;
    Ok(Json(Done::new(format!("Project {} deleted", of.project_id))))
}
