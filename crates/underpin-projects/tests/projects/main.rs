//! Projects on both dialects: made, opened, kept apart, put aside, and found again after a crash.

#![expect(clippy::unwrap_used, reason = "a test ends where its ground is missing")]

mod archive;
mod behind;
mod crash;
mod create;
mod isolation;
mod noted;
mod places;
mod ready;

use std::path::PathBuf;

use chrono::{NaiveDate, NaiveDateTime};
use underpin::{Engine, Goal, Options};
use underpin_db::{ConnectOptions, DatabaseUrl, Db, PoolOptions};
use underpin_migrations::{CODE, registry};
use underpin_models::project::NewProject;
use underpin_projects::{Projects, Settings};
use underpin_testkit::{Dialect, TestDb, block_on};

/// When everything happens, in UTC.
fn now() -> NaiveDateTime {
    NaiveDate::from_ymd_opt(2026, 11, 21).unwrap().and_hms_opt(9, 30, 0).unwrap()
}

/// A main database and a directory for the files of projects.
struct Ground {
    main: TestDb,
}

impl Ground {
    fn new(dialect: Dialect) -> Self {
        Self { main: TestDb::new(dialect) }
    }

    fn dialect(&self) -> Dialect {
        self.main.dialect()
    }

    fn data_dir(&self) -> PathBuf {
        self.main.dir().join("data")
    }

    fn settings(&self) -> Settings {
        Settings { migrate: true, ..Settings::new(self.data_dir()) }
    }

    /// As a service does at its start.
    async fn projects(&self) -> Projects {
        self.projects_with(self.settings()).await
    }

    async fn projects_with(&self, settings: Settings) -> Projects {
        let main = self.db().await;
        Projects::new(main, &self.main.database_url(), settings)
    }

    async fn db(&self) -> Db {
        let url = self.main.database_url();
        let catalog = registry(self.dialect());
        let engine = Engine::new(catalog, CODE, &url, Options::default()).unwrap();
        engine.migrate(&Goal::Head).await.unwrap();
        let pool = PoolOptions { size: 4, ..PoolOptions::default() };
        Db::connect(&url, &pool).await.unwrap()
    }

    /// The SQLite files that projects have left, with the directory archived projects are in.
    fn files(&self) -> Vec<String> {
        let list = |dir: PathBuf| {
            let entries = std::fs::read_dir(dir).into_iter().flatten();
            entries.map(|one| one.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>()
        };
        let aside = list(self.data_dir().join("archived")).into_iter();
        let mut files = list(self.data_dir());
        files.extend(aside.map(|name| format!("archived_{name}")));
        files.retain(|name| name.contains("project_"));
        files.sort();
        files
    }

    /// What there is of projects besides the registry, whatever its state: `project_1`,
    /// `archived_project_2`.
    fn targets(&self) -> Vec<String> {
        match self.dialect() {
            Dialect::Sqlite => {
                let files = self.files().into_iter();
                files.filter_map(|name| name.strip_suffix(".db").map(str::to_owned)).collect()
            }
            Dialect::Postgres => self.main.texts(
                "SELECT nspname::text FROM pg_namespace WHERE nspname LIKE '%project\\_%' ORDER BY 1",
            ),
        }
    }

    /// The database of project `id`, for anybody.
    fn url(&self, id: i32) -> DatabaseUrl {
        let target = format!("project_{id}");
        match self.dialect() {
            Dialect::Sqlite => DatabaseUrl::file(&self.data_dir().join(target + ".db")),
            Dialect::Postgres => self.main.database_url().in_schema(&target),
        }
    }

    /// The first column of what `query` finds in the database of project `id`.
    fn texts(&self, id: i32, query: &str) -> Vec<String> {
        block_on(async || {
            let mut conn = self.url(id).connect(&ConnectOptions::default()).await.unwrap();
            conn.texts(query).await.unwrap()
        })
    }

    /// Rows of the registry: number, name and state.
    fn registry(&self) -> Vec<String> {
        self.main.texts(
            "SELECT CAST(id AS TEXT) || ' ' || name || ' ' || state FROM registered_projects \
             ORDER BY id",
        )
    }
}

fn named(name: &str) -> NewProject {
    NewProject { name: name.to_owned(), ..NewProject::default() }
}
