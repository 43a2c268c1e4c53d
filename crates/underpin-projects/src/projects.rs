//! The registry and what it stands for, kept in step.

use std::{fmt::Write as _, ops::Deref, sync::Arc, time::Duration};

use chrono::NaiveDateTime;
use futures_util::future::BoxFuture;
use moka::future::Cache;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};
use underpin_db::{DatabaseUrl, Db};
use underpin_fleet::Fleet;
use underpin_migrations::{CODE, project};
use underpin_models::{
    project::{NewProject, ProjectRepository as _},
    registry::{
        ProjectChangeRepository as _, ProjectState, RegisteredProject, RegistryRepository as _,
    },
};

use crate::{
    ProjectError, Settings, checkpoint,
    files::blocking,
    targets::{Found, Targets},
};

/// The longest name, in characters, that the original program's column holds.
const LONGEST_NAME: usize = 255;
/// Gates that all projects share: an archiving waits for the requests of a few others as well, and ten
/// thousand projects need no ten thousand locks.
const GATES: usize = 64;
/// How long an archiving waits for the requests that are at work.
const PATIENCE: Duration = Duration::from_secs(10);
/// The event that tells that a project was made.
const MADE: i64 = 1;

/// Deletes what belongs to a project beside its database, given its number. It may be called again for one
/// of which nothing is left.
pub type DeleteContents = dyn Fn(i32) -> BoxFuture<'static, Result<(), ProjectError>> + Send + Sync;

/// Projects, each with a database of its own.
#[derive(Clone)]
pub struct Projects {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) main: Db,
    pub(crate) targets: Targets,
    settings: Settings,
    /// Whose schema was found to be at head.
    open: Cache<i32, Db>,
    /// Held for reading while a project is used, for writing while it is put aside.
    gates: Vec<Arc<RwLock<()>>>,
    delete_contents: Option<Arc<DeleteContents>>,
}

/// A project that is open. While somebody holds it, it is not archived.
///
/// Hold one at a time: an archiving that waits for this one lets nobody in who comes later, so that a
/// second one might wait for the first.
pub struct OpenProject {
    db: Db,
    _gate: OwnedRwLockReadGuard<()>,
}

impl Deref for OpenProject {
    type Target = Db;

    fn deref(&self) -> &Db {
        &self.db
    }
}

impl Projects {
    /// Projects whose registry is in the database `main` at `url`, at the head of the set
    /// `registry`.
    #[must_use]
    pub fn new(main: Db, url: &DatabaseUrl, settings: Settings) -> Self {
        Self::build(main, url, settings, None)
    }

    /// The same, with contents beside their databases that `delete` deletes before the registry forgets a
    /// project.
    #[must_use]
    pub fn with_contents(
        main: Db,
        url: &DatabaseUrl,
        settings: Settings,
        delete: Arc<DeleteContents>,
    ) -> Self {
        Self::build(main, url, settings, Some(delete))
    }

    fn build(
        main: Db,
        url: &DatabaseUrl,
        settings: Settings,
        delete_contents: Option<Arc<DeleteContents>>,
    ) -> Self {
        let targets = Targets::new(url, &main, &settings);
        let open =
            Cache::builder().max_capacity(settings.max_open).time_to_idle(settings.idle).build();
        let gates = (0..GATES).map(|_| Arc::default()).collect();
        Self { inner: Arc::new(Inner { main, targets, settings, open, gates, delete_contents }) }
    }

    /// Makes a project with a database of its own. When that fails, nothing is left of it.
    ///
    /// Its `db_path` is the target that it gets, whatever `new` says.
    pub async fn create(
        &self,
        new: NewProject,
        now: NaiveDateTime,
    ) -> Result<RegisteredProject, ProjectError> {
        let length = new.name.chars().count();
        if length == 0 || length > LONGEST_NAME {
            return Err(ProjectError::Name { found: length, most: LONGEST_NAME });
        }
        self.to_the_end(move |inner| async move { inner.create(new, now).await }).await
    }

    /// Opens a project, and migrates it first when it is behind and may be migrated.
    ///
    /// Who opens it meanwhile waits for that. Opening creates nothing.
    pub async fn open(&self, id: i32, now: NaiveDateTime) -> Result<OpenProject, ProjectError> {
        let inner = &self.inner;
        let gate = Arc::clone(inner.gate(id)).read_owned().await;
        let project = inner.registered(id).await?;
        if project.state != ProjectState::Ready {
            return Err(project_state(&project, "ready"));
        }
        let load = inner.load(&project, now);
        let db = inner.open.try_get_with(id, load).await.map_err(Arc::unwrap_or_clone)?;
        Ok(OpenProject { db, _gate: gate })
    }

    /// What the registry says of a project, whatever its state.
    pub async fn registered(&self, id: i32) -> Result<RegisteredProject, ProjectError> {
        self.inner.registered(id).await
    }

    /// Notes in the registry that a project was changed `at`, as its own database says: lists know no other
    /// time.
    pub async fn note_update(&self, id: i32, at: NaiveDateTime) -> Result<(), ProjectError> {
        Ok(self.inner.main.note_project_update(id, at).await?)
    }

    /// The first `limit` projects in one of `states` whose number is above `after`, by number.
    pub async fn list(
        &self,
        states: Vec<ProjectState>,
        after: i32,
        limit: i64,
    ) -> Result<Vec<RegisteredProject>, ProjectError> {
        Ok(self.inner.main.registered_projects(states, after, limit).await?)
    }

    /// Puts the database of a project aside. It can be restored.
    pub async fn archive(&self, id: i32, now: NaiveDateTime) -> Result<(), ProjectError> {
        self.to_the_end(move |inner| async move { inner.archive(id, now).await }).await
    }

    /// Takes back [`Projects::archive`].
    pub async fn restore(&self, id: i32, now: NaiveDateTime) -> Result<(), ProjectError> {
        self.to_the_end(move |inner| async move { inner.restore(id, now).await }).await
    }

    /// Deletes an archived project for good, or one whose deletion did not end: its database, its contents,
    /// and then its row in the registry. Its number is not given again.
    pub async fn purge(&self, id: i32, now: NaiveDateTime) -> Result<(), ProjectError> {
        self.to_the_end(move |inner| async move { inner.purge(id, now).await }).await
    }

    /// Finishes or takes back what somebody began and died over, and says how many projects those were:
    /// creations, deletions, and projects that are not where the registry says.
    pub async fn repair(&self, now: NaiveDateTime) -> Result<usize, ProjectError> {
        self.to_the_end(move |inner| async move { inner.repair(now).await }).await
    }

    /// How many projects are open at the moment.
    #[must_use]
    pub fn open_count(&self) -> u64 {
        self.inner.open.entry_count()
    }

    /// Runs `work` to its end, also when the caller is gone: half of it is worth nothing.
    async fn to_the_end<T, F, W>(&self, work: W) -> Result<T, ProjectError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, ProjectError>> + Send + 'static,
        W: FnOnce(Arc<Inner>) -> F,
    {
        match tokio::spawn(work(Arc::clone(&self.inner))).await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(error) => {
                    let message = error.to_string();
                    Err(underpin_db::DbError { message, ..Default::default() }.into())
                }
            },
        }
    }
}

impl Inner {
    fn gate(&self, id: i32) -> &Arc<RwLock<()>> {
        &self.gates[id.unsigned_abs() as usize % GATES]
    }

    pub(crate) async fn registered(&self, id: i32) -> Result<RegisteredProject, ProjectError> {
        self.main.registered_project(id).await?.ok_or(ProjectError::Unknown(id))
    }

    /// Registered first, so that whatever dies later is found; ready last.
    async fn create(
        &self,
        new: NewProject,
        now: NaiveDateTime,
    ) -> Result<RegisteredProject, ProjectError> {
        let name = new.name.clone();
        let Some(project) = self.main.register_project(name.clone(), now).await? else {
            return Err(ProjectError::NameTaken(name));
        };
        checkpoint();
        let new = NewProject { db_path: project.target.clone(), ..new };
        let made = self.targets.make(project.id, &project.target, new, now).await;
        if let Err(error) = made {
            tracing::warn!(project = project.id, "project {} was not created: {error}", project.id);
            if let Err(second) = self.undo(&project).await {
                tracing::warn!(
                    project = project.id,
                    "what is left of it waits for the repair: {second}"
                );
            }
            return Err(error);
        }
        checkpoint();
        self.finish(&project, MADE, now).await?;
        self.registered(project.id).await
    }

    /// What is left of it goes first: while it is there, the registry knows of it.
    pub(crate) async fn undo(&self, project: &RegisteredProject) -> Result<(), ProjectError> {
        self.targets.abandon(&project.target).await?;
        self.main.forget_project(project.id, vec![ProjectState::Creating]).await?;
        Ok(())
    }

    pub(crate) async fn finish(
        &self,
        project: &RegisteredProject,
        last_event: i64,
        now: NaiveDateTime,
    ) -> Result<(), ProjectError> {
        let head = self.catalog().head().map(|head| head.version.to_string());
        self.main.note_project_head(project.id, head.unwrap_or_default(), now).await?;
        checkpoint();
        let from = vec![ProjectState::Creating];
        self.main.change_project_state(project.id, from, ProjectState::Ready, None, now).await?;
        // It is there all the same: what is not noted here is when somebody opens it.
        let newest = vec![(project.id, last_event)];
        if let Err(error) = self.main.note_project_events(newest).await {
            tracing::warn!(
                project = project.id,
                "the registry was not told of project {}: {error}",
                project.id
            );
        }
        Ok(())
    }

    async fn load(
        &self,
        project: &RegisteredProject,
        now: NaiveDateTime,
    ) -> Result<Db, ProjectError> {
        let id = project.id;
        let head = match self.bring_up_to_date(id, self.targets.url(&project.target)).await {
            Err(gone @ ProjectError::Gone { .. }) => {
                return Err(self.explain(id, gone, now).await?);
            }
            head => head?,
        };
        if project.head.as_ref() != Some(&head) {
            self.main.note_project_head(id, head, now).await?;
        }
        let db = self.targets.open(&project.target).await?;
        self.note_changes(project, &db).await?;
        Ok(db)
    }

    /// Tells the registry of what it was not told of: the events of an older program, and what one did last
    /// that died. Whatever changes the project opens it first, so the registry knows where it began.
    async fn note_changes(&self, project: &RegisteredProject, db: &Db) -> Result<(), ProjectError> {
        let Some(row) = db.project(project.id).await? else { return Ok(()) };
        if project.updated_at < row.updated_at {
            self.main.note_project_update(row.id, row.updated_at).await?;
        }
        match project.last_event {
            None => self.main.begin_project_events(row.id, row.last_event).await?,
            Some(noted) if noted < row.last_event => {
                self.main.note_project_events(vec![(row.id, row.last_event)]).await?;
            }
            Some(_) => {}
        }
        Ok(())
    }

    /// Gives the head that the schema is at then.
    async fn bring_up_to_date(&self, id: i32, url: DatabaseUrl) -> Result<String, ProjectError> {
        let (catalog, options) = (self.catalog(), self.settings.migration.clone());
        let migrate = self.settings.migrate;
        blocking(async move || {
            // The file is opened in any case, so its history is read and its header not believed.
            let fleet = Fleet { catalog, code: CODE, options, jobs: 1, thorough: true };
            let status = fleet.look(&url).await.map_err(ProjectError::opening(id, &url))?;
            if !status.problems.is_empty() {
                return Err(ProjectError::Schema { id, reason: lines(&status.problems) });
            }
            let mut head = status.applied_head;
            if !status.pending.is_empty() {
                if !migrate {
                    let pending = status.pending.len();
                    let command = format!("underpin --set project --database-url '{url}' upgrade");
                    return Err(ProjectError::Behind { id, pending, command });
                }
                head = fleet.bring(&url).await.map_err(ProjectError::schema(id))?;
            }
            Ok(head.map(|head| head.to_string()).unwrap_or_default())
        })
        .await
    }

    async fn archive(&self, id: i32, now: NaiveDateTime) -> Result<(), ProjectError> {
        let _gate = self.close(id).await?;
        let project = self.registered(id).await?;
        if project.state != ProjectState::Ready {
            return Err(project_state(&project, "ready"));
        }
        let found = self.find(&project).await?;
        let from = vec![ProjectState::Ready];
        if !self.main.change_project_state(id, from, ProjectState::Archived, None, now).await? {
            return Err(project_state(&self.registered(id).await?, "ready"));
        }
        checkpoint();
        // It is aside already, and the registry had not been told.
        if !found.here {
            return Ok(());
        }
        let result = self.targets.put_aside(id, &project.target).await;
        if result.is_err() {
            let from = vec![ProjectState::Archived];
            self.main.change_project_state(id, from, ProjectState::Ready, None, now).await?;
        }
        result
    }

    async fn restore(&self, id: i32, now: NaiveDateTime) -> Result<(), ProjectError> {
        let _gate = self.close(id).await?;
        let project = self.registered(id).await?;
        if project.state != ProjectState::Archived {
            return Err(project_state(&project, "archived"));
        }
        // One that is not aside is back already, and the registry had not been told.
        if self.find(&project).await?.aside {
            self.targets.bring_back(id, &project.target).await?;
        }
        checkpoint();
        let from = vec![ProjectState::Archived];
        self.main.change_project_state(id, from, ProjectState::Ready, None, now).await?;
        Ok(())
    }

    /// Where the database of a project is. One that is nowhere can be neither put aside nor brought back: the
    /// registry would say what nobody did.
    async fn find(&self, project: &RegisteredProject) -> Result<Found, ProjectError> {
        let found = self.targets.find(&project.target).await?;
        if found.is_nowhere() {
            let url = self.targets.url(&project.target).to_string();
            return Err(ProjectError::Gone { id: project.id, url });
        }
        Ok(found)
    }

    /// From the moment that its database begins to go, the project is failed: it is never an archived one
    /// that cannot be restored.
    pub(crate) async fn purge(&self, id: i32, now: NaiveDateTime) -> Result<(), ProjectError> {
        let gate = self.close(id).await?;
        let project = self.registered(id).await?;
        let from = vec![ProjectState::Archived, ProjectState::Failed];
        let problem = Some("its deletion did not end".to_owned());
        if !self.main.change_project_state(id, from, ProjectState::Failed, problem, now).await? {
            return Err(project_state(&project, "archived"));
        }
        checkpoint();
        self.targets.remove(&project.target).await?;
        checkpoint();
        // Nobody can open it any more, and other projects have the same gate.
        drop(gate);
        if let Some(delete) = &self.delete_contents {
            delete(id).await?;
            checkpoint();
        }
        self.main.forget_project(id, vec![ProjectState::Failed]).await?;
        Ok(())
    }

    /// Waits until nobody here uses the project, lets nobody in, and closes its database.
    pub(crate) async fn close(&self, id: i32) -> Result<OwnedRwLockWriteGuard<()>, ProjectError> {
        let gate = Arc::clone(self.gate(id)).write_owned();
        let gate = tokio::time::timeout(PATIENCE, gate).await;
        let gate = gate.map_err(|_| ProjectError::InUse { id })?;
        self.open.invalidate(&id).await;
        // The cache lets go of what it held only when it tidies up.
        self.open.run_pending_tasks().await;
        Ok(gate)
    }

    fn catalog(&self) -> &'static underpin::Catalog {
        project(match self.main {
            Db::Sqlite { .. } => underpin::Dialect::Sqlite,
            Db::Postgres { .. } => underpin::Dialect::Postgres,
        })
    }
}

pub(crate) fn project_state(project: &RegisteredProject, expected: &'static str) -> ProjectError {
    ProjectError::State { id: project.id, state: project.state, expected }
}

fn lines(problems: &[underpin::Refusal]) -> String {
    let mut text = String::new();
    for problem in problems {
        let separator = if text.is_empty() { "" } else { "; " };
        let _infallible = write!(text, "{separator}{problem}");
    }
    text
}
