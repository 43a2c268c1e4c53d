//! What a run would do, told without doing it.

use underpin_db::{Access, DatabaseUrl};

use super::Engine;
use crate::{
    Adopted, Direction, Error, Goal, Grouping, History, Plan, Report, Step, StepReport, adopt,
    session::Session, transaction,
};

impl Engine<'_> {
    /// What [`Engine::migrate`] would do. Changes nothing.
    pub async fn dry_run(&self, goal: &Goal) -> Result<Report, Error> {
        let absent = self.url.sqlite_path().is_some_and(|path| !path.exists());
        if absent && goal.direction() == Direction::Up {
            let history = History::default();
            let plan = self.plan(&history, goal)?;
            return Ok(self.announce(&plan, None, self.options.grouping.of(true), &history));
        }
        let mut session = self.session(Access::ReadOnly).await?;
        let mut history = self.look(&mut session.conn, &session.tables).await?;
        let mut adopted = None;
        let mut grouping = self.options.grouping.of(false);
        if history.is_fresh() && goal.direction() == Direction::Up {
            adopted = adopt::recognise(&mut session).await?.map(|found| found.announce());
            match &adopted {
                Some(adopted) => history = adopt::history_of(self.catalog, &adopted.version),
                None => grouping = self.options.grouping.of(true),
            }
        }
        let plan = self.plan_for(&session, &history, goal)?;
        Ok(self.announce(&plan, adopted, grouping, &history))
    }

    pub(super) fn announce(
        &self,
        plan: &Plan<'_>,
        adopted: Option<Adopted>,
        grouping: Grouping,
        history: &History,
    ) -> Report {
        let step = |step: &Step<'_>| StepReport {
            elapsed_ms: None,
            ..transaction::report(step, 0, Vec::new())
        };
        let single = grouping.shares() && plan.shares_one_transaction();
        self.report(adopted, plan.steps.iter().map(step).collect(), single, &history.after(plan))
    }

    /// What [`Engine::adopt`] would do. Changes nothing.
    pub async fn adopt_dry_run(&self) -> Result<Option<Adopted>, Error> {
        let mut session = self.session(Access::ReadOnly).await?;
        if !session.history().await?.is_fresh() {
            return Ok(None);
        }
        Ok(adopt::recognise(&mut session).await?.map(|found| found.announce()))
    }

    /// The script that the database's own client can run to the same end.
    pub async fn script(&self, goal: &Goal) -> Result<String, Error> {
        let absent = self.url.sqlite_path().is_some_and(|path| !path.exists());
        if absent && goal.direction() == Direction::Up {
            let conn = DatabaseUrl::memory().connect(&self.connect_options(Access::Create)).await?;
            return self.script_on(Session::new(conn, self.catalog).await?, goal).await;
        }
        self.script_on(self.session(Access::ReadOnly).await?, goal).await
    }

    async fn script_on(&self, mut session: Session<'_>, goal: &Goal) -> Result<String, Error> {
        let history = self.look(&mut session.conn, &session.tables).await?;
        let mut grouping = self.options.grouping.of(false);
        if history.is_fresh() && goal.direction() == Direction::Up {
            if let Some(found) = adopt::recognise(&mut session).await? {
                return Err(Error::ScriptNeedsHistory(found.announce().description));
            }
            grouping = self.options.grouping.of(true);
        }
        let plan = self.plan_for(&session, &history, goal)?;
        if let Some((step, code)) = plan.steps.iter().find_map(|step| Some((step, step.code?))) {
            return Err(Error::ScriptWithoutCode {
                version: step.migration.version.clone(),
                name: step.migration.name.clone().into_owned(),
                code: code.name.to_owned(),
            });
        }
        crate::script::refuse_shared(&plan)?;
        Ok(crate::script::render(&session, &plan, grouping))
    }
}
