//! The task that reads events and tells them.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    ops::Bound,
    sync::Arc,
    time::Duration,
};

use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use tokio::{
    sync::{broadcast, mpsc},
    time::{Instant, MissedTickBehavior},
};
use underpin_db::{Db, DbError};
use underpin_models::{
    project::Event,
    registry::{ProjectChange, ProjectChangeRepository as _},
};
use underpin_projects::{ProjectError, Projects};

use super::{
    Ask, Changed, Channel, Told,
    reading::{self, Done, PAGE, Reading},
};

/// How often the registry, and the projects that somebody listens to, are asked for what others changed.
const LOOK: Duration = Duration::from_secs(1);
/// How long changes are collected before the registry is told of them, and before a project that nobody
/// here listens to is asked for its newest event.
const COLLECT: Duration = Duration::from_millis(100);
/// How long somebody who comes waits until what was before is told; a project whose database does not
/// answer keeps nobody waiting.
const DRAIN: Duration = Duration::from_secs(2);
/// Projects that are read at the same time.
const READERS: usize = 16;
/// Projects that somebody listens to and that are looked at per second, in turn.
const LOOKED_AT: usize = 64;
/// Events that are kept for those who are slow: of all projects, where more is lost to them, and of one,
/// where they read the database again.
const KEPT_OF_ALL: usize = 2_048;
const KEPT: usize = 64;

/// The task. It alone knows how far each project was told.
pub(super) struct Teller {
    db: Db,
    projects: Projects,
    changed: Arc<Changed>,
    asks: mpsc::Receiver<Ask>,
    /// Those who listen to all projects.
    all: broadcast::Sender<Arc<Told>>,
    /// Whether there are any: then `told` has every project, but those registered since.
    everywhere: bool,
    /// Those who listen to one project.
    watched: BTreeMap<i32, broadcast::Sender<Arc<Told>>>,
    /// The number of the last event that was told; of projects that somebody listens to.
    told: HashMap<i32, i64>,
    /// The newest change of the registry that was seen; `None` while nobody listens.
    seen: Option<i64>,
    /// To be read at once.
    due: BTreeSet<i32>,
    /// To be read when the time to collect is over.
    collected: BTreeSet<i32>,
    /// Changed here, and the registry is to know.
    ours: HashSet<i32>,
    /// Being read.
    reading: HashSet<i32>,
    /// To be read again: what failed, and after a change what it may still commit although its request
    /// was given up. The second part comes first.
    again: (BTreeSet<i32>, BTreeSet<i32>),
    failing: HashSet<i32>,
    /// What the registry is to be told, and what it was told by this task.
    unnoted: HashMap<i32, i64>,
    noted: HashMap<i32, i64>,
    deadline: Option<Instant>,
    asking_registry: bool,
    /// The project of those that somebody listens to that was looked at last.
    turn: i32,
    jobs: FuturesUnordered<BoxFuture<'static, Done>>,
}

impl Teller {
    pub(super) fn new(
        db: Db,
        projects: Projects,
        changed: Arc<Changed>,
        asks: mpsc::Receiver<Ask>,
    ) -> Self {
        Self {
            db,
            projects,
            changed,
            asks,
            all: broadcast::Sender::new(KEPT_OF_ALL),
            everywhere: false,
            watched: BTreeMap::new(),
            told: HashMap::new(),
            seen: None,
            due: BTreeSet::new(),
            collected: BTreeSet::new(),
            ours: HashSet::new(),
            reading: HashSet::new(),
            again: Default::default(),
            failing: HashSet::new(),
            unnoted: HashMap::new(),
            noted: HashMap::new(),
            deadline: None,
            asking_registry: false,
            turn: 0,
            jobs: FuturesUnordered::new(),
        }
    }

    pub(super) async fn run(mut self) {
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let changed = Arc::clone(&self.changed);
        loop {
            self.start_reading();
            let deadline = self.deadline;
            tokio::select! {
                () = changed.wake.notified() => self.take_changed(),
                Some(done) = self.jobs.next(), if !self.jobs.is_empty() => self.done(done),
                () = tokio::time::sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    self.note();
                }
                _ = look.tick() => self.look(),
                // Whoever asks may be gone before the answer is there.
                ask = self.asks.recv() => match ask {
                    Some(Ask::One { id, newest, reply }) => {
                        drop(reply.send(self.one(id, newest)));
                    }
                    Some(Ask::All { reply }) => drop(reply.send(self.all().await)),
                    Some(Ask::Settle { reply }) => {
                        self.settle().await;
                        reply.send(()).ok();
                    }
                    Some(Ask::End { reply }) => {
                        self.settle().await;
                        reply.send(()).ok();
                        return;
                    }
                    None => return,
                },
            }
        }
    }

    /// Lets somebody listen to project `id`.
    fn one(&mut self, id: i32, newest: i64) -> Channel {
        if !self.everywhere {
            self.told.entry(id).or_insert(newest);
        }
        self.watched.entry(id).or_insert_with(|| broadcast::Sender::new(KEPT)).subscribe()
    }

    /// Lets somebody listen to all projects, when what was before is told.
    async fn all(&mut self) -> Result<Channel, DbError> {
        self.take_changed();
        self.due.append(&mut self.collected);
        self.drain().await;
        if self.everywhere {
            self.ask_registry();
        } else {
            // In this order: a change in between is seen twice rather than not at all.
            self.seen = Some(self.db.newest_project_change().await?);
            for (id, noted) in self.db.noted_project_events().await? {
                let newest = self.unnoted.get(&id).map_or(noted, |unnoted| noted.max(*unnoted));
                let told = *self.told.entry(id).or_insert(newest);
                if told < newest {
                    self.due.insert(id);
                }
            }
            self.everywhere = true;
        }
        self.drain().await;
        Ok(self.all.subscribe())
    }

    /// Tells those who listen and the registry all that was changed here.
    async fn settle(&mut self) {
        self.take_changed();
        self.due.append(&mut self.collected);
        self.drain().await;
        self.note();
        self.drain().await;
    }

    /// Waits for everything that is due.
    async fn drain(&mut self) {
        let all = async {
            loop {
                self.start_reading();
                let Some(done) = self.jobs.next().await else { break };
                self.done(done);
            }
        };
        if tokio::time::timeout(DRAIN, all).await.is_err() {
            tracing::warn!("events of some projects are late: their database is slow");
        }
    }

    /// Whether anybody listens to project `id`.
    fn listened(&self, id: i32) -> bool {
        self.everywhere || self.watched.contains_key(&id)
    }

    fn take_changed(&mut self) {
        for id in self.changed.take() {
            self.ours.insert(id);
            self.again.1.insert(id);
            if self.listened(id) {
                self.due.insert(id);
            } else {
                self.collected.insert(id);
                self.collect();
            }
        }
    }

    fn collect(&mut self) {
        self.deadline.get_or_insert_with(|| Instant::now() + COLLECT);
    }

    /// Begins to read what is due, as far as there is a reader.
    fn start_reading(&mut self) {
        while self.reading.len() < READERS {
            let Some(&id) = self.due.iter().find(|id| !self.reading.contains(id)) else { return };
            self.due.remove(&id);
            self.reading.insert(id);
            let ours = self.ours.remove(&id);
            let (told, listened) = (self.told.get(&id).copied(), self.listened(id));
            let (projects, db) = (self.projects.clone(), self.db.clone());
            let job = async move {
                let result = reading::project(&projects, &db, id, told, listened).await;
                Done::Project { id, ours, result }
            };
            self.jobs.push(job.boxed());
        }
    }

    /// Looks at what others may have changed, and forgets those who have gone.
    fn look(&mut self) {
        let (first, second) = std::mem::take(&mut self.again);
        self.again.0 = second;
        self.ours.extend(&first);
        self.collected.extend(first);
        if !self.collected.is_empty() {
            self.collect();
        }
        self.watched.retain(|_, listeners| listeners.receiver_count() > 0);
        self.everywhere &= self.all.receiver_count() > 0;
        if !self.everywhere {
            self.told.retain(|id, _| self.watched.contains_key(id));
        }
        if !self.everywhere && self.watched.is_empty() {
            self.seen = None;
            return;
        }
        self.ask_registry();
        let later = (Bound::Excluded(self.turn), Bound::Unbounded);
        let in_turn = self.watched.range(later).chain(self.watched.range(..=self.turn));
        let in_turn: Vec<i32> = in_turn.map(|(id, _)| *id).take(LOOKED_AT).collect();
        self.turn = in_turn.last().copied().unwrap_or(self.turn);
        self.due.extend(in_turn);
    }

    /// Asks the registry what changed, unless it is being asked.
    fn ask_registry(&mut self) {
        if std::mem::replace(&mut self.asking_registry, true) {
            return;
        }
        let (db, seen) = (self.db.clone(), self.seen);
        let job = async move {
            match seen {
                None => Done::Newest(db.newest_project_change().await),
                Some(seen) => Done::Changes(db.project_changes_after(seen, PAGE).await),
            }
        };
        self.jobs.push(job.boxed());
    }

    /// Begins to tell the registry what it does not know, and to read what was collected.
    fn note(&mut self) {
        self.deadline = None;
        self.due.append(&mut self.collected);
        if self.unnoted.is_empty() {
            return;
        }
        let newest: Vec<_> = self.unnoted.drain().collect();
        let db = self.db.clone();
        let job = async move {
            let result = db.note_project_events(newest.clone()).await;
            Done::Noted(newest, result)
        };
        self.jobs.push(job.boxed());
    }

    fn done(&mut self, done: Done) {
        match done {
            Done::Project { id, ours, result } => self.read(id, ours, result),
            Done::Newest(result) => {
                self.asking_registry = false;
                if let Some(newest) = answered(result) {
                    self.seen.get_or_insert(newest);
                }
            }
            Done::Changes(result) => {
                self.asking_registry = false;
                self.registry_changed(&answered(result).unwrap_or_default());
            }
            Done::Noted(newest, Ok(())) => self.noted.extend(newest),
            Done::Noted(newest, Err(error)) => {
                tracing::warn!("cannot note the events of projects: {error}");
                for (id, number) in newest {
                    // It may have gone on since.
                    self.unnoted.entry(id).or_insert(number);
                }
                self.deadline = Some(Instant::now() + LOOK);
            }
        }
    }

    fn registry_changed(&mut self, changes: &[ProjectChange]) {
        for change in changes {
            self.seen = self.seen.max(Some(change.change));
            let id = change.project_id;
            if self.listened(id) {
                let told = *self.told.entry(id).or_insert(change.events_before);
                if told < change.last_event {
                    self.due.insert(id);
                }
            }
        }
        if i64::try_from(changes.len()).is_ok_and(|length| length >= PAGE) {
            self.ask_registry();
        }
    }

    /// A project was read.
    fn read(&mut self, id: i32, ours: bool, result: Result<Reading, ProjectError>) {
        self.reading.remove(&id);
        let reading = match result {
            Ok(reading) => reading,
            Err(ProjectError::Unknown(_) | ProjectError::State { .. }) => {
                // It was put aside: for those who listen to it alone, this is the end.
                self.watched.remove(&id);
                return;
            }
            Err(error) => {
                if self.failing.insert(id) {
                    tracing::warn!(project = id, "the events of project {id} wait: {error}");
                }
                if ours {
                    self.ours.insert(id);
                }
                self.again.1.insert(id);
                return;
            }
        };
        self.failing.remove(&id);
        if ours && self.noted.get(&id).is_none_or(|noted| *noted < reading.newest) {
            self.unnoted.insert(id, reading.newest);
            self.collect();
        }
        let more = match reading.events {
            Some(events) => {
                let full = i64::try_from(events.len()).is_ok_and(|length| length >= PAGE);
                self.tell(id, events, reading.newest);
                full
            }
            // Somebody may have come while it was read.
            None => self.listened(id),
        };
        if more {
            self.due.insert(id);
            if ours {
                self.ours.insert(id);
            }
        }
    }

    fn tell(&mut self, id: i32, events: Vec<Event>, newest: i64) {
        let told = self.told.get(&id).copied();
        for event in events {
            if told.is_some_and(|told| event.number <= told) {
                continue;
            }
            let event = Arc::new(Told::from(event));
            metrics::counter!("underpin_project_events_total").increment(1);
            // Nobody may be there any more.
            if let Some(listeners) = self.watched.get(&id) {
                drop(listeners.send(Arc::clone(&event)));
            }
            drop(self.all.send(event));
        }
        if self.listened(id) {
            self.told.insert(id, told.map_or(newest, |told| told.max(newest)));
        }
    }
}

/// The answer of the registry, or a warning.
fn answered<T>(result: Result<T, DbError>) -> Option<T> {
    result
        .inspect_err(|error| tracing::warn!("cannot see what others changed in projects: {error}"))
        .ok()
}
