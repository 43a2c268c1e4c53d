//! How handlers come to a project.

use std::ops::Deref;

use underpin_db::Db;
use underpin_models::{
    project::{NewProject, Project, ProjectRepository as _, ProjectUpdate, Refusal},
    registry::RegisteredProject,
};
use underpin_projects::{OpenProject, ProjectError};

use super::State;
use crate::{clock, feed::Feed};

/// A project that may be changed. When it is dropped, whoever listens is told what happened; that is also
/// when the request is given up.
pub(crate) struct Change {
    project: OpenProject,
    feed: Feed,
    id: i32,
}

impl State {
    /// A project, to read it.
    pub(crate) async fn project(&self, id: i32) -> Result<OpenProject, ProjectError> {
        self.projects.open(id, clock::utc()).await
    }

    /// A project, to change it.
    pub(crate) async fn change(&self, id: i32) -> Result<Change, ProjectError> {
        Ok(Change { project: self.project(id).await?, feed: self.feed.clone(), id })
    }

    /// Makes a project with a database of its own, and tells whoever listens.
    pub(crate) async fn create_project(
        &self,
        new: NewProject,
    ) -> Result<RegisteredProject, ProjectError> {
        let project = self.projects.create(new, clock::utc()).await?;
        self.feed.changed(project.id);
        Ok(project)
    }

    /// Changes a project, and tells the registry when: it is asked for the time of many.
    pub(crate) async fn update_project(
        &self,
        id: i32,
        update: ProjectUpdate,
    ) -> Result<Result<(RegisteredProject, Project), Refusal>, ProjectError> {
        let project = self.change(id).await?;
        let row = match project.update_project(id, update, clock::utc()).await? {
            Ok(row) => row,
            Err(refusal) => return Ok(Err(refusal)),
        };
        self.projects.note_update(id, row.updated_at).await?;
        Ok(Ok((self.projects.registered(id).await?, row)))
    }

    /// Puts a project aside, and tells whoever listens here while it can still be read.
    pub(crate) async fn archive_project(&self, id: i32) -> Result<(), ProjectError> {
        let recorded = self.record_deleted(id).await;
        if matches!(recorded, Ok(true)) {
            self.feed.settle().await;
        }
        let archived = self.projects.archive(id, clock::utc()).await;
        match (recorded, &archived) {
            (Ok(true), Err(_)) => self.record_restored(id).await,
            // One that is behind or damaged can be put aside all the same.
            (Err(error), Ok(())) => {
                tracing::warn!(project = id, "nobody is told that project {id} is gone: {error}");
            }
            _ => {}
        }
        archived
    }

    /// Takes an archived project back, and tells whoever listens.
    pub(crate) async fn restore_project(&self, id: i32) -> Result<(), ProjectError> {
        self.projects.restore(id, clock::utc()).await?;
        self.record_restored(id).await;
        Ok(())
    }

    /// Deletes an archived project for good, with the contents of its artifacts.
    pub(crate) async fn purge_project(&self, id: i32) -> Result<(), ProjectError> {
        self.projects.purge(id, clock::utc()).await
    }

    /// Whether the project itself says now that it is gone.
    async fn record_deleted(&self, id: i32) -> Result<bool, ProjectError> {
        let project = self.change(id).await?;
        Ok(project.record_project_deleted(id, clock::utc()).await?.is_ok())
    }

    /// The project is there in any case: that nobody hears of it is not worth an error.
    async fn record_restored(&self, id: i32) {
        let recorded = async {
            self.change(id).await?.record_project_restored(id, clock::utc()).await?.ok();
            Ok::<_, ProjectError>(())
        };
        if let Err(error) = recorded.await {
            tracing::warn!(project = id, "nobody is told that project {id} is there: {error}");
        }
    }
}

impl Deref for Change {
    type Target = Db;

    fn deref(&self) -> &Db {
        &self.project
    }
}

impl Drop for Change {
    fn drop(&mut self) {
        self.feed.changed(self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use futures_util::FutureExt as _;
    use rstest::rstest;
    use underpin::{Engine, Goal, Options};
    use underpin_db::PoolOptions;
    use underpin_models::{
        project::{NewTask, TaskRepository as _, TaskText},
        registry::ProjectChangeRepository as _,
    };
    use underpin_testkit::{Dialect, TestDb, block_on};

    use super::*;
    use crate::{Config, feed::Channel};

    /// Runs `test` on a service with one project.
    fn on_service(dialect: Dialect, test: impl AsyncFnOnce(&State, i32) + Send) {
        let main = TestDb::new(dialect);
        let url = main.database_url();
        let data = main.dir().join("data").display().to_string();
        let read = |key: &str| match key {
            "DATABASE_URL" => Some(main.url().to_owned()),
            "DATA_DIR" => Some(data.clone()),
            _ => None,
        };
        let config = Config::read(read, true).unwrap();
        block_on(async || {
            let catalog = underpin_migrations::registry(dialect);
            let options = Options::default();
            let engine = Engine::new(catalog, underpin_migrations::CODE, &url, options).unwrap();
            engine.migrate(&Goal::Head).await.unwrap();
            let db = Db::connect(&url, &PoolOptions::default()).await.unwrap();
            let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
            let state = State::new(config, db, recorder.handle(), Arc::default());
            let new = NewProject { name: "one".to_owned(), ..NewProject::default() };
            let project = state.projects.create(new, clock::utc()).await.unwrap();
            test(&state, project.id).await;
        });
    }

    async fn task(db: &Db, project: i32) {
        let text = TaskText { title: "t".to_owned(), description: None };
        let new = NewTask { text, priority: 0, engine_override: None, dependencies: vec![] };
        db.create_task(project, new, clock::utc()).await.unwrap().unwrap();
    }

    /// The numbers of what is told, as long as something comes.
    async fn heard(channel: &mut Channel) -> Vec<i64> {
        let mut heard = Vec::new();
        while let Ok(told) = tokio::time::timeout(Duration::from_secs(3), channel.recv()).await {
            heard.push(told.unwrap().number);
        }
        heard
    }

    #[rstest]
    #[case::sqlite(Dialect::Sqlite)]
    #[case::postgres(Dialect::Postgres)]
    fn a_change_is_told_to_whoever_listens_and_noted(#[case] dialect: Dialect) {
        on_service(dialect, async |state, id| {
            let change = state.change(id).await.unwrap();
            task(&change, id).await;
            drop(change);
            let mut all = state.feed.everything().await.unwrap();
            let mut one = state.feed.follow(id, None).await.unwrap();

            let change = state.change(id).await.unwrap();
            task(&change, id).await;
            task(&change, id).await;
            drop(change);

            assert_eq!(heard(&mut all).await, [3, 4]);
            assert_eq!(one.next().await.unwrap().number, 3);
            assert_eq!(one.next().await.unwrap().number, 4);
            assert!(one.next().now_or_never().is_none());
            assert_eq!(state.db.noted_project_events().await.unwrap(), [(id, 4)]);
        });
    }

    #[rstest]
    #[case::sqlite(Dialect::Sqlite)]
    #[case::postgres(Dialect::Postgres)]
    fn what_commits_after_its_request_was_given_up_is_told(#[case] dialect: Dialect) {
        on_service(dialect, async |state, id| {
            let mut all = state.feed.everything().await.unwrap();
            let late = Arc::new(tokio::sync::Notify::new());
            let change = state.change(id).await.unwrap();
            let (db, go) = ((*change).clone(), Arc::clone(&late));
            let work = tokio::spawn(async move {
                go.notified().await;
                task(&db, id).await;
            });

            drop(change);
            tokio::time::sleep(Duration::from_millis(500)).await;
            late.notify_one();
            work.await.unwrap();

            assert_eq!(heard(&mut all).await, [2]);
            // The note is collected for a moment.
            tokio::time::sleep(Duration::from_millis(500)).await;
            assert_eq!(state.db.noted_project_events().await.unwrap(), [(id, 2)]);
        });
    }

    #[rstest]
    #[case::sqlite(Dialect::Sqlite)]
    #[case::postgres(Dialect::Postgres)]
    fn the_end_notes_what_was_changed_last(#[case] dialect: Dialect) {
        on_service(dialect, async |state, id| {
            let change = state.change(id).await.unwrap();
            task(&change, id).await;
            drop(change);

            state.feed.end().await;

            assert_eq!(state.db.noted_project_events().await.unwrap(), [(id, 2)]);
            assert!(state.feed.everything().await.is_err());
        });
    }
}
