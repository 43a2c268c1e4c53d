//! Projects in schemas of one PostgreSQL database.

use std::{collections::HashSet, sync::Arc};

use bb8::Pool;
use chrono::NaiveDateTime;
use diesel_async::SimpleAsyncConnection as _;
use underpin::{Engine, Goal};
use underpin_db::{Conn, ConnectOptions, DatabaseUrl, Db, DbError, Dialect, PgManager};
use underpin_migrations::{CODE, project};
use underpin_models::project::{NewProject, Project, ProjectRepository as _};

use crate::{
    ProjectError, Settings, checkpoint,
    files::blocking,
    targets::{Found, Present},
};

/// Projects in schemas of the main database; all share its pool.
pub(crate) struct Schemas {
    url: DatabaseUrl,
    pool: Pool<PgManager>,
    migration: underpin::Options,
}

impl Schemas {
    pub(crate) fn new(url: &DatabaseUrl, pool: Pool<PgManager>, settings: &Settings) -> Self {
        Self { url: url.clone(), pool, migration: settings.migration.clone() }
    }

    pub(crate) fn url(&self, target: &str) -> DatabaseUrl {
        self.url.in_schema(target)
    }

    pub(crate) fn open(&self, target: &str) -> Db {
        Db::Postgres { pool: self.pool.clone(), schema: Some(Arc::from(target)) }
    }

    pub(crate) async fn make(
        &self,
        id: i32,
        target: &str,
        new: NewProject,
        now: NaiveDateTime,
    ) -> Result<(), ProjectError> {
        let creating = creating(target);
        self.run(&format!("CREATE SCHEMA {creating}")).await?;
        checkpoint();
        let (url, options) = (self.url(&creating), self.migration.clone());
        blocking(async move || {
            let engine = Engine::new(project(Dialect::Postgres), CODE, &url, options);
            let engine = engine.map_err(ProjectError::schema(id))?;
            engine.migrate(&Goal::Head).await.map_err(ProjectError::schema(id)).map(drop)
        })
        .await?;
        checkpoint();
        self.open(&creating).create_project(id, new, now).await?;
        checkpoint();
        self.run(&format!("ALTER SCHEMA {creating} RENAME TO {target}")).await
    }

    pub(crate) async fn abandon(&self, target: &str) -> Result<(), ProjectError> {
        self.run(&format!("DROP SCHEMA IF EXISTS {} CASCADE", creating(target))).await
    }

    pub(crate) async fn row(&self, id: i32, target: &str) -> Result<Option<Project>, ProjectError> {
        let mut conn = self.conn().await?;
        let table = format!("SELECT to_regclass('{target}.projects')::text");
        match conn.text(&table).await? {
            Some(_) => Ok(self.open(target).project(id).await?),
            None => Ok(None),
        }
    }

    pub(crate) async fn find(&self, target: &str) -> Result<Found, ProjectError> {
        let aside = aside(target);
        let names = format!("nspname IN ('{target}', '{aside}')");
        let found = self.schemas(&names).await?;
        Ok(Found { here: found.iter().any(|one| one == target), aside: found.contains(&aside) })
    }

    pub(crate) async fn present(&self) -> Result<Present, ProjectError> {
        let (mut here, mut aside) = (HashSet::new(), HashSet::new());
        for name in self.schemas("nspname LIKE '%project\\_%'").await? {
            match name.strip_prefix(&self::aside("")) {
                Some(target) => aside.insert(target.to_owned()),
                None => here.insert(name),
            };
        }
        Ok(Present { here, aside })
    }

    async fn schemas(&self, which: &str) -> Result<Vec<String>, ProjectError> {
        let query = format!("SELECT nspname FROM pg_namespace WHERE {which}");
        Ok(self.conn().await?.texts(&query).await?)
    }

    /// A connection that runs our own statements.
    async fn conn(&self) -> Result<Conn, ProjectError> {
        let mut conn = self.url.connect(&ConnectOptions::default()).await?;
        conn.own().await?;
        Ok(conn)
    }

    pub(crate) async fn put_aside(&self, id: i32, target: &str) -> Result<(), ProjectError> {
        self.rename(id, target, &aside(target)).await
    }

    pub(crate) async fn bring_back(&self, id: i32, target: &str) -> Result<(), ProjectError> {
        self.rename(id, &aside(target), target).await
    }

    /// That it succeeds proves that there was a `from`.
    async fn rename(&self, id: i32, from: &str, to: &str) -> Result<(), ProjectError> {
        let renamed = self.run(&format!("ALTER SCHEMA {from} RENAME TO {to}")).await;
        let Err(error) = renamed else { return Ok(()) };
        match self.schemas(&format!("nspname = '{from}'")).await {
            Ok(there) if there.is_empty() => {
                Err(ProjectError::Gone { id, url: self.url(from).to_string() })
            }
            _ => Err(error),
        }
    }

    pub(crate) async fn remove(&self, target: &str) -> Result<(), ProjectError> {
        let aside = aside(target);
        self.run(&format!("DROP SCHEMA IF EXISTS {target}, {aside} CASCADE")).await
    }

    /// The names in `statement` are our own: no quotes are needed.
    async fn run(&self, statement: &str) -> Result<(), ProjectError> {
        let mut conn = self.pool.get().await.map_err(|error| DbError {
            message: underpin_db::with_causes(&error),
            no_connection: true,
            ..DbError::default()
        })?;
        Ok(conn.batch_execute(statement).await.map_err(DbError::from)?)
    }
}

fn creating(target: &str) -> String {
    format!("creating_{target}")
}

fn aside(target: &str) -> String {
    format!("archived_{target}")
}
