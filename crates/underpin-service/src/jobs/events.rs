//! Deletes old events of projects.

use std::time::Duration;

use chrono::{DateTime, NaiveDateTime};
use underpin_models::{project::EventRepository as _, registry::ProjectState};
use underpin_projects::{ProjectError, Projects};

use super::before;
use crate::clock;

/// Projects that are listed at once.
const PAGE: i64 = 100;

/// Deletes the events of all projects that are older than `period` and says how many, one project
/// after the other. A project that cannot be opened keeps its events until the next time.
pub(super) async fn delete_old(
    projects: &Projects,
    period: Duration,
    now: i64,
) -> Result<usize, ProjectError> {
    let Some(oldest) = DateTime::from_timestamp(before(now, period), 0) else { return Ok(0) };
    let (mut deleted, mut after) = (0, 0);
    loop {
        let page = projects.list(vec![ProjectState::Ready], after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(deleted) };
        after = last.id;
        for project in &page {
            match delete_of(projects, project.id, oldest.naive_utc()).await {
                Ok(number) => deleted += number,
                Err(error) => tracing::warn!(
                    project = project.id,
                    "project {} keeps its old events: {error}",
                    project.id
                ),
            }
        }
    }
}

async fn delete_of(
    projects: &Projects,
    id: i32,
    oldest: NaiveDateTime,
) -> Result<usize, ProjectError> {
    let project = projects.open(id, clock::utc()).await?;
    Ok(project.delete_events_before(id, oldest).await?)
}
