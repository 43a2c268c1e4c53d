//! One target of a run: begun in the journal, worked on, ended in the journal.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use underpin::{Access, Adopted, Conn, Engine, Error, Report};
use underpin_db::DatabaseUrl;

use super::{Done, Running, State, Task};
use crate::{FleetError, Place, checkpoint, error::explain};

/// What a worker keeps from one target to the next.
#[derive(Default)]
pub(super) struct Worker {
    /// A connection to the database that holds the schemas.
    lent: Option<(Arc<DatabaseUrl>, Conn)>,
}

impl Worker {
    /// A connection to `database`: the one of the last target, as long as it is good.
    async fn conn(
        &mut self,
        engine: &Engine<'_>,
        database: &Arc<DatabaseUrl>,
    ) -> Result<&mut Conn, Error> {
        let lent =
            self.lent.take().filter(|(url, conn)| Arc::ptr_eq(url, database) && !conn.is_closed());
        let lent = match lent {
            Some(lent) => lent,
            None => (Arc::clone(database), engine.connect(Access::ReadWrite).await?),
        };
        Ok(&mut self.lent.insert(lent).1)
    }
}

/// What came of a target that is where it should be.
struct Reached {
    version: Option<String>,
    steps: usize,
    /// What people must know.
    notes: Vec<String>,
}

impl Running<'_> {
    pub(super) async fn one(&self, worker: &mut Worker, task: &Task<'_>) -> Result<(), FleetError> {
        self.around.journal.began(self.work.run, task.number)?;
        checkpoint();
        let start = Instant::now();
        let result = self.reach(worker, task).await;
        let took = start.elapsed();
        checkpoint();
        let mut done = Done {
            state: State::Done.as_str(),
            version_after: None,
            steps: 0,
            duration_ms: i64::try_from(took.as_millis()).ok(),
            message: None,
        };
        match result {
            Ok(reached) => {
                done.version_after = reached.version;
                done.steps = i32::try_from(reached.steps).unwrap_or(i32::MAX);
                done.message = (!reached.notes.is_empty()).then(|| reached.notes.join("\n"));
            }
            Err(error) => {
                self.failures.fetch_add(1, Ordering::Relaxed);
                done.state = State::Failed.as_str();
                done.version_after = self.version(task).await;
                done.message = Some(explain(&error));
            }
        }
        self.around.journal.ended(self.work.run, task.number, &done)?;
        let failed = done.state == State::Failed.as_str();
        let error = done.message.as_deref().filter(|_| failed);
        self.around.watch.done(task.target, done.version_after.as_deref(), took, error);
        Ok(())
    }

    async fn reach(&self, worker: &mut Worker, task: &Task<'_>) -> Result<Reached, Error> {
        if let (Some(database), Some(schema), Some(goal)) =
            (task.target.database(), task.target.schema(), task.goal.goal())
        {
            let mut engine = self.fleet.engine(database)?;
            if let Some(proof) = &self.proof {
                engine = engine.proving(proof, self.is_canary(task.wave));
            }
            let conn = worker.conn(&engine, database).await?;
            return Ok(engine.migrate_in(conn, schema, &goal).await?.into());
        }
        let url = task.target.url();
        let mut engine = self.fleet.engine(&url)?;
        if let Some(proof) = &self.proof {
            engine = engine.proving(proof, self.is_canary(task.wave));
        }
        if let Some(lock) = self.around.directories.of(task.target) {
            engine = engine.in_run(lock);
        }
        if let Some(to) = self.backup(task) {
            engine = engine.backing_up(to)?;
        }
        if let Some(goal) = task.goal.goal() {
            return Ok(engine.migrate(&goal).await?.into());
        }
        let adopted = engine.adopt().await?;
        let version = engine.standing(None).await?.history.head().map(ToString::to_string);
        Ok(Reached { version, steps: 0, notes: adopted.iter().flat_map(told).collect() })
    }

    /// Where the copy of a file goes.
    fn backup(&self, task: &Task<'_>) -> Option<PathBuf> {
        match (&self.work.copies, &task.target.place) {
            (Some(copies), Place::File(path)) => Some(copies.place(task.number, path)),
            _ => None,
        }
    }

    /// Where a target that failed stands now, as far as it can be read.
    async fn version(&self, task: &Task<'_>) -> Option<String> {
        let url = task.target.url();
        let standing = self.fleet.engine(&url).ok()?.standing(None).await.ok()?;
        standing.history.head().map(ToString::to_string)
    }
}

impl From<Report> for Reached {
    fn from(report: Report) -> Self {
        let notes = report.steps.iter().flat_map(|step| &step.notes).cloned();
        Self {
            version: report.head.as_ref().map(ToString::to_string),
            steps: report.steps.len(),
            notes: report.adopted.iter().flat_map(told).chain(notes).collect(),
        }
    }
}

/// What people must know of a schema that was recognised.
fn told(adopted: &Adopted) -> Vec<String> {
    let found = format!("adopted at {}: this is {}", adopted.version, adopted.description);
    [found].into_iter().chain(adopted.changes.clone()).chain(adopted.notes.clone()).collect()
}
