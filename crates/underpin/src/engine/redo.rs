//! Back and forth under one lock.

use underpin_db::Access;

use super::Engine;
use crate::{Error, Goal, Grouping, Report, lock::Lock, session::Session};

impl Engine<'_> {
    /// Takes the newest migration back and applies it again, both under one lock. What cannot be applied
    /// again is not taken back.
    pub async fn redo(&self) -> Result<Report, Error> {
        let mut session = self.session(Access::ReadWrite).await?;
        let mut lock = self.lock(&mut session).await?;
        let result = self.redo_locked(&mut session, &mut lock).await;
        lock.release().await;
        result
    }

    async fn redo_locked(
        &self,
        session: &mut Session<'_>,
        lock: &mut Lock,
    ) -> Result<Report, Error> {
        let history = session.refresh().await?;
        let back = self.plan_for(session, &history, &Goal::Down(1))?;
        let Some(version) = back.steps.first().map(|step| step.migration.version.clone()) else {
            return Ok(self.report(None, Vec::new(), false, &history));
        };
        let again = Goal::Only(version.clone());
        self.plan_for(session, &history.after(&back), &again)?;
        self.spare_last(&history, &back)?;
        self.back_up(session).await?;
        let (mut steps, _) = self.run(session, lock, &back, Grouping::PerMigration).await?;
        let again = async {
            let history = session.refresh().await?;
            let plan = self.plan_for(session, &history, &again)?;
            let (done, _) = self.run(session, lock, &plan, Grouping::PerMigration).await?;
            Ok((done, history.after(&plan)))
        };
        match again.await {
            Ok((done, history)) => {
                steps.extend(done);
                Ok(self.report(None, steps, false, &history))
            }
            Err(source) => Err(Error::NotAgain { version, source: Box::new(source) }),
        }
    }
}
