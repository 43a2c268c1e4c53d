//! Another process that works on the same projects, as a replica of the service does.

use std::time::SystemTime;

use chrono::{DateTime, NaiveDateTime, Utc};
use tokio::runtime::{Builder, Runtime};
use underpin_db::{Conn, ConnectOptions, DatabaseUrl, Db, Dialect, PoolOptions};
use underpin_models::{
    project::{NewProject, NewTask, ProjectRepository as _, TaskRepository as _, TaskText},
    registry::ProjectChangeRepository as _,
};
use underpin_projects::{Projects, Settings};
use underpin_testkit::TestDb;

/// Another process.
pub(crate) struct Elsewhere {
    runtime: Runtime,
    pub(crate) db: Db,
    pub(crate) projects: Projects,
}

pub(crate) fn now() -> NaiveDateTime {
    DateTime::<Utc>::from(SystemTime::now()).naive_utc()
}

impl Elsewhere {
    /// On the database of a service that was started once.
    pub(crate) fn new(on: &TestDb) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let url = on.database_url();
        let db = runtime.block_on(Db::connect(&url, &PoolOptions::default())).unwrap();
        let settings = Settings::new(on.dir().join("data"));
        let projects = Projects::new(db.clone(), &url, settings);
        Self { runtime, db, projects }
    }

    pub(crate) fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Makes a project, whose first event says so.
    pub(crate) fn create(&self, name: &str) -> i32 {
        let new = NewProject { name: name.to_owned(), ..NewProject::default() };
        self.run(self.projects.create(new, now())).unwrap().id
    }

    pub(crate) fn open(&self, id: i32) {
        self.run(async { drop(self.projects.open(id, now()).await.unwrap()) });
    }

    /// Adds tasks to a project, one event each, and tells nobody.
    pub(crate) fn tasks_untold(&self, id: i32, count: usize) {
        self.run(async {
            for one in 0..count {
                task(&self.projects, id, format!("task {one}"), now()).await;
            }
        });
    }

    /// Adds tasks to a project, and lets the registry know of the events.
    pub(crate) fn tasks(&self, id: i32, count: usize) {
        self.tasks_untold(id, count);
        self.run(self.note(id));
    }

    /// Lets `writers` at once add tasks to a project, each `count`.
    pub(crate) fn many(&self, id: i32, writers: usize, count: usize) {
        self.run(async {
            let write = |writer| {
                let projects = self.projects.clone();
                tokio::spawn(async move {
                    for one in 0..count {
                        task(&projects, id, format!("{writer}.{one}"), now()).await;
                    }
                })
            };
            for writer in (0..writers).map(write).collect::<Vec<_>>() {
                writer.await.unwrap();
            }
            self.note(id).await;
        });
    }

    async fn note(&self, id: i32) {
        let project = self.projects.open(id, now()).await.unwrap();
        let newest = project.project(id).await.unwrap().unwrap().last_event;
        self.db.note_project_events(vec![(id, newest)]).await.unwrap();
    }

    /// Runs statements in the database of a project.
    pub(crate) fn batch(&self, on: &TestDb, id: i32, statements: &str) {
        self.run(async { connect(on, id).await.batch(statements).await }).unwrap();
    }

    /// The first column of what `query` finds in the database of a project.
    pub(crate) fn texts(&self, on: &TestDb, id: i32, query: &str) -> Vec<String> {
        self.run(async { connect(on, id).await.texts(query).await }).unwrap()
    }
}

async fn connect(on: &TestDb, id: i32) -> Conn {
    let target = format!("project_{id}");
    let url = match on.dialect() {
        Dialect::Sqlite => DatabaseUrl::file(&on.dir().join("data").join(target + ".db")),
        Dialect::Postgres => on.database_url().in_schema(&target),
    };
    url.connect(&ConnectOptions::default()).await.unwrap()
}

async fn task(projects: &Projects, id: i32, title: String, now: NaiveDateTime) {
    let text = TaskText { title, description: Some("<b>".to_owned()) };
    let new = NewTask { text, priority: 0, engine_override: None, dependencies: Vec::new() };
    let project = projects.open(id, now).await.unwrap();
    project.create_task(id, new, now).await.unwrap().unwrap();
}
