//! Where the data of projects lives, whichever the dialect.

use std::collections::HashSet;

use chrono::NaiveDateTime;
use underpin_db::{DatabaseUrl, Db};
use underpin_models::project::{NewProject, Project};

use crate::{ProjectError, Settings, files::Files, schemas::Schemas};

/// Where a target was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    /// Under its name.
    pub(crate) here: bool,
    /// Where archived ones are.
    pub(crate) aside: bool,
}

impl Found {
    pub(crate) fn is_nowhere(self) -> bool {
        !self.here && !self.aside
    }
}

/// The targets that were there at one moment.
#[derive(Debug, Default)]
pub(crate) struct Present {
    pub(crate) here: HashSet<String>,
    pub(crate) aside: HashSet<String>,
}

impl Present {
    pub(crate) fn find(&self, target: &str) -> Found {
        Found { here: self.here.contains(target), aside: self.aside.contains(target) }
    }
}

/// Where the data of projects lives.
pub(crate) enum Targets {
    Files(Files),
    Schemas(Schemas),
}

impl Targets {
    pub(crate) fn new(url: &DatabaseUrl, main: &Db, settings: &Settings) -> Self {
        match main {
            Db::Sqlite { .. } => Self::Files(Files::new(settings)),
            Db::Postgres { pool, .. } => Self::Schemas(Schemas::new(url, pool.clone(), settings)),
        }
    }

    /// How the engine reaches `target`.
    pub(crate) fn url(&self, target: &str) -> DatabaseUrl {
        match self {
            Self::Files(files) => files.url(target),
            Self::Schemas(schemas) => schemas.url(target),
        }
    }

    /// Makes `target` at head, with the rows of project `id` in it. It appears under its name when it
    /// is done; what is there already stays, and is an error.
    pub(crate) async fn make(
        &self,
        id: i32,
        target: &str,
        new: NewProject,
        now: NaiveDateTime,
    ) -> Result<(), ProjectError> {
        match self {
            Self::Files(files) => files.make(id, target, new, now).await,
            Self::Schemas(schemas) => schemas.make(id, target, new, now).await,
        }
    }

    /// Deletes what [`Targets::make`] left when it did not come to its end.
    pub(crate) async fn abandon(&self, target: &str) -> Result<(), ProjectError> {
        match self {
            Self::Files(files) => files.abandon(target).await,
            Self::Schemas(schemas) => schemas.abandon(target).await,
        }
    }

    /// The row of project `id` in `target`; `None` also without a target.
    pub(crate) async fn row(&self, id: i32, target: &str) -> Result<Option<Project>, ProjectError> {
        match self {
            Self::Files(files) => files.row(id, target).await,
            Self::Schemas(schemas) => schemas.row(id, target).await,
        }
    }

    /// Where `target` is.
    pub(crate) async fn find(&self, target: &str) -> Result<Found, ProjectError> {
        match self {
            Self::Files(files) => files.find(target).await,
            Self::Schemas(schemas) => schemas.find(target).await,
        }
    }

    /// Every target that is there.
    pub(crate) async fn present(&self) -> Result<Present, ProjectError> {
        match self {
            Self::Files(files) => files.present().await,
            Self::Schemas(schemas) => schemas.present().await,
        }
    }

    /// For units of work in `target`.
    pub(crate) async fn open(&self, target: &str) -> Result<Db, ProjectError> {
        match self {
            Self::Files(files) => files.open(target).await,
            Self::Schemas(schemas) => Ok(schemas.open(target)),
        }
    }

    /// Puts `target` where nobody finds it by its name: it was there, or that is an error. Nobody here has it
    /// open.
    pub(crate) async fn put_aside(&self, id: i32, target: &str) -> Result<(), ProjectError> {
        match self {
            Self::Files(files) => files.put_aside(id, target).await,
            Self::Schemas(schemas) => schemas.put_aside(id, target).await,
        }
    }

    /// Takes back [`Targets::put_aside`], also when it did not come to its end: `target` was aside, or that
    /// is an error.
    pub(crate) async fn bring_back(&self, id: i32, target: &str) -> Result<(), ProjectError> {
        match self {
            Self::Files(files) => files.bring_back(id, target).await,
            Self::Schemas(schemas) => schemas.bring_back(id, target).await,
        }
    }

    /// Deletes `target`, aside or not, for good.
    pub(crate) async fn remove(&self, target: &str) -> Result<(), ProjectError> {
        match self {
            Self::Files(files) => files.remove(target).await,
            Self::Schemas(schemas) => schemas.remove(target).await,
        }
    }
}
