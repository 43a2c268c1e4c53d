//! The projects that the registry calls ready, for tools that work on all of them.

use std::path::Path;

use underpin::{Engine, Error, Options};
use underpin_db::{
    Access, Conn, ConnectError, ConnectOptions, DatabaseUrl, Db, DbError, PoolOptions, SqliteConn,
    with_causes,
};
use underpin_migrations::{CODE, registry};
use underpin_models::registry::{ProjectState, RegisteredProject, RegistryRepository as _};

use crate::{ProjectError, Settings, files::Files};

/// Projects that are read at a time.
const PAGE: u16 = 1_000;

/// A project that may be worked on.
#[derive(Debug, Clone)]
pub struct ReadyProject {
    /// Its number.
    pub id: i32,
    /// The name of its PostgreSQL schema, or of its SQLite file without the ending.
    pub target: String,
    /// Its database, which need not be there.
    pub url: DatabaseUrl,
}

/// Why the registry does not tell which projects there are. No message holds a password.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum RegistryError {
    /// The database has none.
    #[error("no registry of projects in {url}: is this the database of the service?")]
    Missing { url: String },
    /// Another program's migrations, or ours before they were edited.
    #[error("the registry in {url} cannot be read: {reason}")]
    Strange { url: String, reason: String },
    /// Its schema is behind.
    #[error(
        "the registry in {url} is behind by {pending} migrations: run `underpin --set registry \
         upgrade`, or start the service"
    )]
    Behind { url: String, pending: usize },
    /// The database refused.
    #[error(transparent)]
    Engine(#[from] Error),
    /// The database refused a query.
    #[error(transparent)]
    Project(#[from] ProjectError),
}

/// The ready projects of the service whose main database is at `url`, by number; SQLite files are in
/// `data_dir`. Creates and migrates nothing.
pub async fn ready_projects(
    url: &DatabaseUrl,
    data_dir: &Path,
) -> Result<Vec<ReadyProject>, RegistryError> {
    be_current(url).await?;
    let mut main = Main::open(url).await?;
    let files = Files::new(&Settings::new(data_dir.to_owned()));
    let mut all = Vec::new();
    loop {
        let after = all.last().map_or(0, |last: &ReadyProject| last.id);
        let page = main.page(after).await.map_err(ProjectError::from)?;
        let last = page.len() < usize::from(PAGE);
        all.extend(page.into_iter().map(|RegisteredProject { id, target, .. }| {
            let url = match main {
                Main::File(_) => files.url(&target),
                Main::Server(_) => url.in_schema(&target),
            };
            ReadyProject { id, target, url }
        }));
        if last {
            return Ok(all);
        }
    }
}

/// The main database, for reading. The pools of a service would change the journal mode of a file.
enum Main {
    File(SqliteConn),
    Server(Db),
}

impl Main {
    async fn open(url: &DatabaseUrl) -> Result<Self, ProjectError> {
        let read_only = ConnectOptions { access: Access::ReadOnly, ..ConnectOptions::default() };
        match url.connect(&read_only).await? {
            Conn::Sqlite(conn) => Ok(Self::File(SqliteConn::new(conn))),
            Conn::Postgres(_) => {
                let pool = PoolOptions { size: 1, ..PoolOptions::default() };
                Ok(Self::Server(Db::connect(url, &pool).await?))
            }
        }
    }

    async fn page(&mut self, after: i32) -> Result<Vec<RegisteredProject>, DbError> {
        let ready = vec![ProjectState::Ready];
        match self {
            Self::File(conn) => conn.registered_projects(ready, after, PAGE.into()).await,
            Self::Server(db) => db.registered_projects(ready, after, PAGE.into()).await,
        }
    }
}

/// Refuses a registry whose tables may not be the ones that are asked.
async fn be_current(url: &DatabaseUrl) -> Result<(), RegistryError> {
    let engine = Engine::new(registry(url.dialect()), CODE, url, Options::default())?;
    let status = match engine.status().await {
        Err(Error::Connect(ConnectError::NoFile(_) | ConnectError::NoDirectory { .. })) => {
            return Err(RegistryError::Missing { url: url.to_string() });
        }
        status => status?,
    };
    let url = url.to_string();
    if status.applied == 0 {
        return Err(RegistryError::Missing { url });
    }
    if let Some(problem) = status.problems.first() {
        return Err(RegistryError::Strange { url, reason: with_causes(problem) });
    }
    match status.pending.len() {
        0 => Ok(()),
        pending => Err(RegistryError::Behind { url, pending }),
    }
}
