//! What the task asks the databases for.

use underpin_db::{Db, DbError};
use underpin_models::{
    project::{Event, EventRepository as _, ProjectRepository as _},
    registry::{ProjectChange, ProjectChangeRepository as _},
};
use underpin_projects::{ProjectError, Projects};

use crate::clock;

/// Events, and changes of the registry, that are read at once.
pub(super) const PAGE: i64 = 100;

/// A question that was put, and its answer.
pub(super) enum Done {
    /// What project `id` has to tell. With `ours` the registry is to know of it.
    Project { id: i32, ours: bool, result: Result<Reading, ProjectError> },
    /// The newest change of the registry, when nobody knew one.
    Newest(Result<i64, DbError>),
    /// What changed in the registry.
    Changes(Result<Vec<ProjectChange>, DbError>),
    /// The registry was told of these events.
    Noted(Vec<(i32, i64)>, Result<(), DbError>),
}

/// What a project has to tell.
pub(super) struct Reading {
    /// `None` where nobody listens.
    pub(super) events: Option<Vec<Event>>,
    /// The number of the last event that was read, or of the newest where nobody listens.
    pub(super) newest: i64,
}

/// Reads the events of project `id` after `told`, or without listeners the number of the newest.
pub(super) async fn project(
    projects: &Projects,
    db: &Db,
    id: i32,
    told: Option<i64>,
    listened: bool,
) -> Result<Reading, ProjectError> {
    let project = projects.open(id, clock::utc()).await?;
    let after = match (listened, told) {
        (true, Some(told)) => Some(told),
        // Where it was when the registry began to be told; the registry knows, since it was opened.
        (true, None) => db.project_events_before(id).await?,
        (false, _) => None,
    };
    let Some(after) = after else {
        let newest = project.project(id).await?.map_or(0, |row| row.last_event);
        return Ok(Reading { events: None, newest });
    };
    let events = project.events_after(id, after, PAGE).await?;
    let newest = events.last().map_or(after, |event| event.number);
    Ok(Reading { events: Some(events), newest })
}
