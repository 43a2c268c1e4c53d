//! The events of one project, for one who listens.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tokio::sync::broadcast::error::RecvError;
use underpin_models::project::{EventRepository as _, ProjectRepository as _};
use underpin_projects::ProjectError;

use super::{Ask, Channel, Feed, Told, reading::PAGE};
use crate::clock;

/// How long to wait before a database that failed is asked again.
const PAUSE: Duration = Duration::from_secs(1);

/// Why nobody can listen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FollowError {
    /// The project cannot be had.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// The events that were asked for are not kept any more, or are none of this project: `begin` is
    /// where to begin instead.
    #[error("the events after {after} are not there: begin after {begin}")]
    Gone { after: i64, begin: i64 },
    /// The service ends.
    #[error("the service stops")]
    Ended,
}

/// Why there is nothing more to hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The next events are not kept any more.
    Gone,
    /// Of all projects there was more than could be kept for somebody so slow.
    TooSlow,
    /// The project was put aside, or the service ends.
    Closed,
}

/// The events of one project, one after the other without gaps.
pub(crate) struct Tail {
    feed: Feed,
    id: i32,
    /// The number of the last event that was given.
    seen: i64,
    /// Read and not given yet.
    read: VecDeque<Arc<Told>>,
    /// Whether the database may have more than was read.
    behind: bool,
    live: Channel,
}

impl Tail {
    /// Begins after event number `after`, or at the end.
    pub(super) async fn open(
        feed: &Feed,
        id: i32,
        after: Option<i64>,
    ) -> Result<Self, FollowError> {
        let project = feed.inner.projects.open(id, clock::utc()).await?;
        let row = project.project(id).await.map_err(ProjectError::from)?;
        let newest = row.ok_or(ProjectError::Unknown(id))?.last_event;
        let seen = after.unwrap_or(newest);
        if seen != newest {
            let next = project.events_after(id, seen, 1).await.map_err(ProjectError::from)?;
            let next = next.first().map(|event| event.number);
            if next != Some(seen.saturating_add(1)) {
                let begin = next.map_or(newest, |number| number - 1);
                return Err(FollowError::Gone { after: seen, begin });
            }
        }
        drop(project);
        // What is told from now on comes by the channel; what was told before is in the database.
        let live = feed.ask(|reply| Ask::One { id, newest, reply }).await?;
        Ok(Self { feed: feed.clone(), id, seen, read: VecDeque::new(), behind: true, live })
    }

    /// The next event, when there is one. May be given up and asked again.
    pub(crate) async fn next(&mut self) -> Result<Arc<Told>, End> {
        loop {
            if let Some(told) = self.read.pop_front() {
                if told.number != self.seen + 1 {
                    return Err(End::Gone);
                }
                self.seen = told.number;
                return Ok(told);
            }
            if self.behind {
                self.read_on().await?;
                continue;
            }
            match self.live.recv().await {
                Ok(told) if told.number <= self.seen => {}
                Ok(told) if told.number == self.seen + 1 => self.read.push_back(told),
                Ok(_) | Err(RecvError::Lagged(_)) => self.behind = true,
                Err(RecvError::Closed) => return Err(End::Closed),
            }
        }
    }

    /// Reads a page from the database. One that does not answer is asked again.
    async fn read_on(&mut self) -> Result<(), End> {
        let page = async {
            let project = self.feed.inner.projects.open(self.id, clock::utc()).await?;
            Ok(project.events_after(self.id, self.seen, PAGE).await?)
        };
        match page.await {
            Ok(page) => {
                self.behind = i64::try_from(page.len()).is_ok_and(|length| length >= PAGE);
                self.read.extend(page.into_iter().map(|event| Arc::new(event.into())));
            }
            Err(ProjectError::Unknown(_) | ProjectError::State { .. }) => return Err(End::Closed),
            Err(error) => {
                tracing::warn!(project = self.id, "the events of a project wait: {error}");
                tokio::time::sleep(PAUSE).await;
            }
        }
        Ok(())
    }
}
