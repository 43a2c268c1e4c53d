//! What a process that died, or a power failure, left half done.

use chrono::{NaiveDateTime, TimeDelta};
use underpin_models::registry::{ProjectState, RegisteredProject, RegistryRepository as _};

use crate::{
    ProjectError,
    projects::{Inner, project_state},
    targets::Found,
};

/// Who is not done after this time has died.
const DEAD_AFTER: TimeDelta = TimeDelta::minutes(1);
/// Projects that are read at a time.
const PAGE: i64 = 100;

impl Inner {
    /// Finishes or takes back what somebody died over, and says how many projects those were.
    pub(crate) async fn repair(&self, now: NaiveDateTime) -> Result<usize, ProjectError> {
        let deletions = self.repair_deletions(now).await?;
        Ok(self.repair_creations(now).await? + deletions + self.repair_places(now).await?)
    }

    /// A deletion that began goes on to its end. One that cannot is left to the next time.
    async fn repair_deletions(&self, now: NaiveDateTime) -> Result<usize, ProjectError> {
        let mut repaired = 0;
        let mut after = 0;
        loop {
            let page =
                self.main.registered_projects(vec![ProjectState::Failed], after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(repaired) };
            after = last.id;
            for project in page.iter().filter(|one| now - one.updated_at > DEAD_AFTER) {
                let id = project.id;
                match self.purge(id, now).await {
                    Ok(()) => {
                        tracing::warn!(
                            project = id,
                            "the deletion of project {id} did not end: it has ended now"
                        );
                        repaired += 1;
                    }
                    Err(error) => {
                        tracing::warn!(project = id, "project {id} cannot be deleted: {error}");
                    }
                }
            }
        }
    }

    async fn repair_creations(&self, now: NaiveDateTime) -> Result<usize, ProjectError> {
        let mut repaired = 0;
        let mut after = 0;
        loop {
            let creating = vec![ProjectState::Creating];
            let page = self.main.registered_projects(creating, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(repaired) };
            after = last.id;
            for project in page.iter().filter(|one| now - one.updated_at > DEAD_AFTER) {
                self.repair_one(project, now).await?;
                repaired += 1;
            }
        }
    }

    /// A target appears under its name when it is done. One that holds another project was there
    /// before, and is left alone.
    async fn repair_one(
        &self,
        project: &RegisteredProject,
        now: NaiveDateTime,
    ) -> Result<(), ProjectError> {
        let RegisteredProject { id, name, target, created_at, .. } = project;
        let row = self.targets.row(*id, target).await?;
        let whole = row.filter(|row| row.name == *name && row.created_at == *created_at);
        if let Some(row) = whole {
            self.targets.abandon(target).await?;
            self.finish(project, row.last_event, now).await?;
            tracing::warn!(project = id, "project {id} was made and never announced: it is ready");
        } else {
            self.undo(project).await?;
            tracing::warn!(project = id, "project {id} was never finished: it is forgotten");
        }
        Ok(())
    }

    /// Brings the registry in step with where the databases are: it is easily told of another state, and
    /// a database is not easily moved. One that cannot be settled is left to the next time.
    async fn repair_places(&self, now: NaiveDateTime) -> Result<usize, ProjectError> {
        let present = self.targets.present().await?;
        let mut repaired = 0;
        let mut after = 0;
        loop {
            let states = vec![ProjectState::Ready, ProjectState::Archived];
            let page = self.main.registered_projects(states, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(repaired) };
            after = last.id;
            for project in &page {
                let found = present.find(&project.target);
                if is_settled(project.state, found) || now - project.updated_at <= DEAD_AFTER {
                    continue;
                }
                match self.settle(project.id, now).await {
                    Ok(settled) => repaired += usize::from(settled),
                    Err(error) => tracing::warn!(
                        project = project.id,
                        "project {} is left as it is: {error}",
                        project.id
                    ),
                }
            }
        }
    }

    /// Looks again while nobody uses the project, and says whether it was not in step.
    async fn settle(&self, id: i32, now: NaiveDateTime) -> Result<bool, ProjectError> {
        let _gate = self.close(id).await?;
        let project = self.registered(id).await?;
        let found = self.targets.find(&project.target).await?;
        if is_settled(project.state, found) {
            return Ok(false);
        }
        if found.aside && found.here {
            // Two names of one database, or it is an error.
            self.targets.bring_back(id, &project.target).await?;
        }
        let state = if found.here { ProjectState::Ready } else { ProjectState::Archived };
        self.main.change_project_state(id, vec![project.state], state, None, now).await?;
        tracing::warn!(
            project = id,
            "project {id} was not where the registry said: it is {}",
            state.wire()
        );
        Ok(true)
    }

    /// Why a project that is ready is not there: one that was put aside is archived, and can be restored.
    pub(crate) async fn explain(
        &self,
        id: i32,
        gone: ProjectError,
        now: NaiveDateTime,
    ) -> Result<ProjectError, ProjectError> {
        let project = self.registered(id).await?;
        let found = self.targets.find(&project.target).await?;
        if found.here || !found.aside {
            return Ok(gone);
        }
        let from = vec![ProjectState::Ready];
        self.main.change_project_state(id, from, ProjectState::Archived, None, now).await?;
        tracing::warn!(project = id, "project {id} was put aside and called ready: it is archived");
        Ok(project_state(&self.registered(id).await?, "ready"))
    }
}

/// Whether the registry and the place agree. What is nowhere is not made by another state.
fn is_settled(state: ProjectState, found: Found) -> bool {
    match state {
        ProjectState::Ready => !found.aside,
        ProjectState::Archived => !found.here,
        ProjectState::Creating | ProjectState::Failed => true,
    }
}
