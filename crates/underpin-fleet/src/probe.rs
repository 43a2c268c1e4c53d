//! Finds out how the targets stand, opening as few as possible.

use std::{fs, path::Path};

use underpin::{Access, Engine, Error, Goal, Grouping, Marks, Options, Standing, Version};
use underpin_db::{ConnectError, DatabaseUrl, DbError};

use crate::{Fleet, FleetError, Place, Target, workers};

/// Targets that a worker takes at a time: one is done before a second thread is awake.
const CHUNK: usize = 64;
/// Schemas that a worker asks for at a time, on a connection of its own.
const AT_ONCE: usize = 1_000;

impl Fleet<'_> {
    /// Looks at every target and keeps of each what `judge` makes of it, in the order of `targets`: what
    /// is known of ten thousand histories would be much, and most are alike.
    pub(crate) fn probe<R: Send>(
        &self,
        targets: &[Target],
        judge: impl Fn(&Target, Result<Standing, Error>) -> R + Sync,
    ) -> Result<Vec<R>, FleetError> {
        let marks = (!self.thorough).then(|| Marks::new(self.catalog));
        let chunks = targets.chunk_by(Target::is_beside).flat_map(|group| {
            group.chunks(if group[0].database().is_some() { AT_ONCE } else { CHUNK })
        });
        let chunks: Vec<_> = chunks.collect();
        let judged = workers::map(self.jobs, chunks.into_iter(), async |chunk: &[Target]| {
            if let Some(database) = chunk.first().and_then(Target::database) {
                return self.schemas(database, chunk, &judge).await;
            }
            let mut judged = Vec::with_capacity(chunk.len());
            for target in chunk {
                judged.push(judge(target, self.standing(target, marks.as_ref()).await));
            }
            Ok(judged)
        })?;
        let mut all = Vec::with_capacity(targets.len());
        for chunk in judged {
            all.extend(chunk?);
        }
        Ok(all)
    }

    /// Schemas of one database, in as few queries as it takes.
    async fn schemas<R>(
        &self,
        database: &DatabaseUrl,
        targets: &[Target],
        judge: impl Fn(&Target, Result<Standing, Error>) -> R,
    ) -> Result<Vec<R>, FleetError> {
        let mut conn = self.engine(database)?.connect(Access::ReadOnly).await?;
        let names: Vec<_> = targets.iter().filter_map(Target::schema).collect();
        let standings = underpin::probe_schemas(&mut conn, self.catalog, &names).await?;
        Ok(targets.iter().zip(standings).map(|(target, one)| judge(target, one)).collect())
    }

    async fn standing(
        &self,
        target: &Target,
        marks: Option<&Marks<'_>>,
    ) -> Result<Standing, Error> {
        if let Place::File(path) = &target.place {
            refuse_what_never_ends(path)?;
        }
        let url = target.url();
        self.engine(&url)?.standing(marks).await
    }

    /// How one database stands, by its history.
    pub async fn look(&self, url: &DatabaseUrl) -> Result<underpin::Status, Error> {
        self.engine(url)?.status().await
    }

    /// Brings one database to head as a run does, without a journal, and gives its version then.
    pub async fn bring(&self, url: &DatabaseUrl) -> Result<Option<Version>, Error> {
        Ok(self.engine(url)?.migrate(&Goal::Head).await?.head)
    }

    /// The engine for one target: all of its migrations in one transaction, where they can share one.
    pub(crate) fn engine<'u>(&'u self, url: &'u DatabaseUrl) -> Result<Engine<'u>, Error> {
        let options = Options { grouping: Grouping::Together, ..self.options.clone() };
        Engine::new(self.catalog, self.code, url, options)
    }
}

/// Whoever opens a pipe, a socket or a device waits for others. What is not there, and directories, the
/// engine tells by itself.
fn refuse_what_never_ends(path: &Path) -> Result<(), Error> {
    match fs::metadata(path) {
        Ok(found) if !found.is_file() && !found.is_dir() => {
            let message = "expected a file, found a pipe, a socket or a device".to_owned();
            let source = DbError { message, ..DbError::default() };
            Err(ConnectError::Open { path: path.to_owned(), source }.into())
        }
        _ => Ok(()),
    }
}
