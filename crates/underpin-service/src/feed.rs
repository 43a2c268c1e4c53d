//! What happens in projects, told to whoever listens here.
//!
//! Every change of a project writes its events in its own transaction, numbered without gaps in the order
//! of commits. The one task of this module ([`Teller`]) reads them from there and hands each to those
//! who listen, so nothing is told that did not happen. It keeps in memory how far each project was told.
//!
//! **Who listens to one project** ([`Tail`]) knows the number that he saw last. He takes what comes next
//! from the task when it is the next number, and from the database when it is not: at the beginning, when
//! he was too slow, or when the task knew of more than he. So nothing is lost or told twice, whatever
//! the task does, as long as the task tells something after each event.
//!
//! **Who listens to all projects** cannot open them all. The registry says of each project how many
//! events it has told, and counts the changes of that. When the first one comes, the task reads it as
//! it is then, and from there on whatever has a higher count:
//!
//! 1. A replica that changes a project opens it first, and opening it lets the registry know where it was
//!    before (`events_before`, for new projects 0). After the commit it notes the newest event. So an
//!    event that is committed after somebody began to listen is noted after that, with a count above the
//!    one that was read: it is told. A project that was not in the registry then has nothing older, or
//!    was not opened since the registry is told; either way its first event to tell follows
//!    `events_before`.
//! 2. How far a project was told only grows, and each event is given to everybody at once: nothing is told
//!    twice.
//! 3. What was committed here before somebody asked to listen is told, and what the registry knew is read,
//!    before he is let in: he hears nothing from before. Of another replica he may hear what it
//!    committed in the moment before and had not noted yet.
//!
//! A replica that dies after a commit and before its note leaves events that the registry does not know
//! of. Projects that somebody listens to are looked at every second besides, so they are told there. For
//! those who listen to all projects they come when the project is opened or changed the next time.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::extract::ws::Utf8Bytes;
use serde_json::{Value, json};
use tokio::sync::{Notify, broadcast, mpsc, oneshot};
use underpin_db::{Db, DbError};
use underpin_models::project::Event;
use underpin_projects::{ProjectError, Projects};

mod presence;
mod reading;
mod tail;
mod teller;

pub(crate) use presence::{Kind, Presence};
pub(crate) use tail::{End, FollowError, Tail};

use presence::Presences;
use teller::Teller;

/// Who wants to listen and was not let in yet, at most.
const ASKS: usize = 64;
/// How long the task may take to end.
const PATIENCE: Duration = Duration::from_secs(2);

/// An event, ready to be sent.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) number: i64,
    pub(crate) event_type: String,
    /// The whole event as JSON, without a line break.
    pub(crate) json: Utf8Bytes,
}

/// Where a [`Told`] comes from.
pub(crate) type Channel = broadcast::Receiver<Arc<Told>>;

impl From<Event> for Told {
    fn from(event: Event) -> Self {
        // Only an event of somebody else's program could be no JSON: its text is told as it is.
        let data = serde_json::from_str(&event.data).unwrap_or(Value::String(event.data));
        let json = json!({
            "event_type": event.event_type,
            "project_id": event.project_id,
            "number": event.number,
            "task_id": event.task_id,
            "data": data,
            "timestamp": event.created_at.format("%Y-%m-%dT%H:%M:%S%.6f").to_string(),
        });
        let json = json.to_string().into();
        Self { number: event.number, event_type: event.event_type, json }
    }
}

/// What happens in projects.
#[derive(Clone)]
pub(crate) struct Feed {
    inner: Arc<Inner>,
}

struct Inner {
    projects: Projects,
    changed: Arc<Changed>,
    asks: mpsc::Sender<Ask>,
    presences: Presences,
}

/// The projects that were changed here and that the task has not seen yet.
#[derive(Default)]
struct Changed {
    projects: Mutex<BTreeSet<i32>>,
    wake: Notify,
}

/// What the task is asked for.
enum Ask {
    /// To be told what happens in project `id`, whose newest event was `newest` a moment ago.
    One { id: i32, newest: i64, reply: oneshot::Sender<Channel> },
    /// To be told what happens anywhere.
    All { reply: oneshot::Sender<Result<Channel, DbError>> },
    /// To tell everybody what was changed here.
    Settle { reply: oneshot::Sender<()> },
    /// To tell everybody what was changed here, and end.
    End { reply: oneshot::Sender<()> },
}

impl Feed {
    /// Starts the task, which runs until [`Feed::end`].
    pub(crate) fn start(db: Db, projects: Projects) -> Self {
        let changed = Arc::<Changed>::default();
        let (asks, asked) = mpsc::channel(ASKS);
        let teller = Teller::new(db, projects.clone(), Arc::clone(&changed), asked);
        tokio::spawn(teller.run());
        Self { inner: Arc::new(Inner { projects, changed, asks, presences: Presences::default() }) }
    }

    /// Says that project `id` may have been changed here. Costs nothing.
    pub(crate) fn changed(&self, id: i32) {
        let Inner { changed, .. } = &*self.inner;
        changed.projects.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        changed.wake.notify_one();
    }

    /// What happens in any project from now on.
    pub(crate) async fn everything(&self) -> Result<Channel, FollowError> {
        let channel = self.ask(|reply| Ask::All { reply }).await?;
        Ok(channel.map_err(ProjectError::from)?)
    }

    /// What happens in project `id` after event number `after`, or from now on.
    pub(crate) async fn follow(&self, id: i32, after: Option<i64>) -> Result<Tail, FollowError> {
        Tail::open(self, id, after).await
    }

    /// Counts somebody who listens, until what this gives is dropped.
    pub(crate) fn presence(&self, kind: Kind) -> Presence {
        self.inner.presences.enter(kind)
    }

    /// Waits until nobody listens any more.
    pub(crate) async fn nobody_listens(&self) {
        self.inner.presences.none().await;
    }

    /// Waits until everybody was told what was changed here, for a while.
    pub(crate) async fn settle(&self) {
        let settled = tokio::time::timeout(PATIENCE, self.ask(|reply| Ask::Settle { reply })).await;
        if settled.is_err() {
            tracing::warn!("events of projects are late: the database is slow");
        }
    }

    /// Ends the task, when nothing is changed here any more; the other replicas know all by then.
    pub(crate) async fn end(&self) {
        let ended = tokio::time::timeout(PATIENCE, self.ask(|reply| Ask::End { reply })).await;
        if ended.is_err() {
            tracing::warn!("the last events of projects were not noted: the database is slow");
        }
    }

    async fn ask<T>(&self, ask: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Result<T, FollowError> {
        let (reply, answer) = oneshot::channel();
        self.inner.asks.send(ask(reply)).await.map_err(|_| FollowError::Ended)?;
        answer.await.map_err(|_| FollowError::Ended)
    }
}

impl Changed {
    /// The projects that were changed since this was asked the last time.
    fn take(&self) -> BTreeSet<i32> {
        std::mem::take(&mut *self.projects.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
