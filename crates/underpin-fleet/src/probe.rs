//! Finds out how the targets stand, opening as few as possible.

use underpin::{Engine, Error, Marks, Standing};

use crate::{Fleet, FleetError, Target, workers};

/// Targets that a worker takes at a time: one is done before a second thread is awake.
const CHUNK: usize = 64;

impl Fleet<'_> {
    /// Looks at every target and keeps of each what `judge` makes of it, in the order of `targets`: what
    /// is known of ten thousand histories would be much, and most are alike.
    pub(crate) fn probe<R: Send>(
        &self,
        targets: &[Target],
        judge: impl Fn(&Target, Result<Standing, Error>) -> R + Sync,
    ) -> Result<Vec<R>, FleetError> {
        let marks = (!self.thorough).then(|| Marks::new(self.catalog));
        let chunks = workers::map(self.jobs, targets.chunks(CHUNK), async |chunk: &[Target]| {
            let mut judged = Vec::with_capacity(chunk.len());
            for target in chunk {
                judged.push(judge(target, self.standing(target, marks.as_ref()).await));
            }
            judged
        })?;
        Ok(chunks.into_iter().flatten().collect())
    }

    async fn standing(
        &self,
        target: &Target,
        marks: Option<&Marks<'_>>,
    ) -> Result<Standing, Error> {
        let url = target.url();
        self.engine(&url)?.standing(marks).await
    }

    /// The engine for one target.
    pub(crate) fn engine<'u>(
        &'u self,
        url: &'u underpin_db::DatabaseUrl,
    ) -> Result<Engine<'u>, Error> {
        Engine::new(self.catalog, self.code, url, self.options.clone())
    }
}
