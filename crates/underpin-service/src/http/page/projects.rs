//! `GET /projects` and `GET /projects/{project_id}`: projects and their tasks, as they are now. A small
//! script keeps them so; without it they are pages like any other.

use std::sync::{Arc, LazyLock};

use axum::{
    extract::{Path, RawQuery, State as Shared, rejection::PathRejection},
    http::StatusCode,
    response::Response,
};
use maud::Markup;
use underpin_models::{
    project::{
        ControlRepository as _, Event, EventRepository as _, Page, Project, ProjectRepository as _,
        Task, TaskFilter, TaskRepository as _, TaskStatus,
    },
    registry::{ProjectState, RegisteredProject},
};
use underpin_projects::ProjectError;

use super::{
    super::{State, input::number},
    frame::Kind,
};

mod board;
mod list;

/// Projects on a page.
const LISTED: usize = 100;
/// Tasks in a column, at most.
const CARDS: i64 = 50;
/// Events below the board.
const EVENTS: i64 = 20;

static KIND: LazyLock<Kind> =
    LazyLock::new(|| Kind::new(include_str!("projects.css"), Some(include_str!("live.js"))));

/// What the page of a project shows.
struct Board {
    registered: RegisteredProject,
    /// `None` while its database cannot be used, whatever the reason.
    inside: Option<Inside>,
}

/// What the project's own database tells.
struct Inside {
    /// Read before the rest: what happens after its newest event is told to the page.
    row: Project,
    paused: bool,
    /// One for each status, in the order of the machine.
    columns: Vec<Column>,
    /// Newest first.
    events: Vec<Event>,
}

/// The tasks of one status.
struct Column {
    status: TaskStatus,
    /// How many there are.
    count: i64,
    /// The most urgent of them.
    tasks: Vec<Task>,
}

/// The projects, a hundred to a page.
pub(in crate::http) async fn list(
    Shared(state): Shared<Arc<State>>,
    RawQuery(query): RawQuery,
) -> Response {
    let after = match query.as_deref().unwrap_or("after=0").strip_prefix("after=") {
        Some(after) => whole(after),
        None => None,
    };
    let Some(after) = after else { return nothing("There is no such page of projects.") };
    // One more than is shown says whether there is another page.
    let limit = i64::try_from(LISTED + 1).unwrap_or(i64::MAX);
    match state.projects.list(ProjectState::ALL.to_vec(), after, limit).await {
        Ok(projects) => answer(StatusCode::OK, &list::page(after, &projects)),
        Err(error) => trouble("the projects", &error),
    }
}

/// One project.
pub(in crate::http) async fn one(
    Shared(state): Shared<Arc<State>>,
    id: Result<Path<String>, PathRejection>,
) -> Response {
    let id = id.ok().and_then(|Path(id)| whole(&id));
    let Some(id) = id else { return nothing("There is no such project.") };
    let registered = match state.projects.registered(id).await {
        Ok(registered) => registered,
        Err(ProjectError::Unknown(_)) => return nothing("There is no such project."),
        Err(error) => return trouble("a project", &error),
    };
    if registered.state != ProjectState::Ready {
        return answer(StatusCode::OK, &board::page(&Board { registered, inside: None }));
    }
    match inside(&state, id).await {
        Ok(inside) => {
            answer(StatusCode::OK, &board::page(&Board { registered, inside: Some(inside) }))
        }
        Err(error) => {
            tracing::warn!(project = id, "the page of project {id} lacks its tasks: {error}");
            let page = board::page(&Board { registered, inside: None });
            answer(StatusCode::SERVICE_UNAVAILABLE, &page)
        }
    }
}

/// The number of a project that `text` says.
fn whole(text: &str) -> Option<i32> {
    number(text).and_then(|number| number.try_into().ok())
}

async fn inside(state: &State, id: i32) -> Result<Inside, ProjectError> {
    let project = state.project(id).await?;
    let row = project.project(id).await?.ok_or(ProjectError::Unknown(id))?;
    let paused = project.control(id).await?.is_some_and(|control| control.paused);
    let counts = project.task_counts(id).await?;
    let mut columns = Vec::new();
    for status in TaskStatus::ALL {
        let count = counts.iter().find(|(one, _)| one == status).map_or(0, |(_, count)| *count);
        let tasks = if count == 0 {
            Vec::new()
        } else {
            let filter = TaskFilter { status: Some(*status), ..TaskFilter::default() };
            let page = Page { limit: CARDS, ..Page::default() };
            // Only a page that begins after a task that is gone is refused.
            project.tasks(id, filter, page).await?.unwrap_or_default()
        };
        columns.push(Column { status: *status, count, tasks });
    }
    let events = project.newest_events(id, EVENTS).await?;
    Ok(Inside { row, paused, columns, events })
}

fn answer(status: StatusCode, page: &Markup) -> Response {
    KIND.answer(status, page.0.clone())
}

/// The page where nothing is.
fn nothing(message: &str) -> Response {
    answer(StatusCode::NOT_FOUND, &list::message("Not found", message))
}

fn trouble(what: &str, error: &ProjectError) -> Response {
    tracing::warn!("the page lacks {what}: {error}");
    let message = "The database does not tell at the moment. The log says why.";
    answer(StatusCode::SERVICE_UNAVAILABLE, &list::message("Trouble", message))
}
