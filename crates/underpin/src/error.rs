//! What can go wrong, told apart by what it left behind.
//!
//! [`Refused`] and [`AdoptRefused`](crate::AdoptRefused) mean that nothing ran; [`StepError`]
//! means that something did, and says what of it stays.

mod refusal;
mod step;

use std::{path::PathBuf, time::Duration};

use underpin_catalog::{CatalogError, Dialect, Version};
use underpin_db::{ConnectError, DbError};

use crate::AdoptRefused;

pub use refusal::{Refusal, Refused};
pub use step::{Left, Place, StepCause, StepError};

/// A run that did not reach its goal.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database could not be opened.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The migrations could not be read.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// Nothing ran: the catalog and the database contradict each other.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Nothing ran: the schema is none that the set knows.
    #[error(transparent)]
    Adopt(#[from] Box<AdoptRefused>),
    /// Nothing ran: another runner is at work.
    #[error("waited {} s for the migration lock, held by {holder}: wait for that runner, or stop it", waited.as_secs())]
    Locked {
        /// Who has the lock, as far as the database knows.
        holder: String,
        /// How long this runner waited.
        waited: Duration,
    },
    /// A migration failed.
    #[error(transparent)]
    Step(#[from] Box<StepError>),
    /// The database failed outside any migration.
    #[error("cannot {doing}")]
    Database {
        /// What the engine was about to do.
        doing: &'static str,
        /// What the database said.
        source: DbError,
    },
    /// PostgreSQL: a trigger failed outside any migration.
    #[error("cannot {doing}")]
    Trigger {
        /// What the engine was about to do.
        doing: &'static str,
        /// Which trigger, and how.
        source: Box<TriggerFailed>,
    },
    /// The history holds what this engine does not write.
    #[error("cannot read the history: {0}: was it edited by hand?")]
    History(String),
    /// The database answered in another form than it was asked for.
    #[error("cannot {doing}: the answer of the database is not understood: {reason}")]
    Answer {
        /// What the engine was about to do.
        doing: &'static str,
        /// What is wrong with the answer.
        reason: String,
    },
    /// A script of the set, or of a known shape, does not come apart into statements.
    #[error("a script cannot be read: {0}")]
    Script(String),
    /// Only a database of PostgreSQL has schemas.
    #[error(
        "SQLite has no schemas: each file is a database of its own, which is opened by its URL"
    )]
    NoSchemas,
    /// Nothing ran: the engine was told to spare the last migration ([`Engine::sparing_last`](crate::Engine::sparing_last)).
    #[error("nothing was run: it would take back everything that is applied")]
    LeavesNothing,
    /// The newest migration was taken back, and is not applied any more.
    #[error("migration {version} was taken back, and could not be applied again")]
    NotAgain {
        /// The migration.
        version: Version,
        /// Why.
        source: Box<Self>,
    },
    /// The catalog is of the other dialect.
    #[error("the migrations are for {catalog}, the database is {url}: choose one dialect")]
    Dialect {
        /// Of the migrations.
        catalog: Dialect,
        /// Of the database.
        url: Dialect,
    },
    /// A script cannot be written for a database that has to be recognised first.
    #[error("a script cannot adopt a database, and this is {0}: run `underpin adopt` first")]
    ScriptNeedsHistory(String),
    /// A script cannot hold what a migration does in Rust.
    #[error(
        "a script cannot run the code `{code}` of migration {version} {name}: apply it with \
         `underpin upgrade`, or stop before it"
    )]
    ScriptWithoutCode {
        /// The first migration that runs code.
        version: Version,
        /// Its name.
        name: String,
        /// What `metadata.toml` calls the function.
        code: String,
    },
    /// PostgreSQL: the set is in another schema of the search path.
    #[error(
        "nothing was run: set `{set}` has its history in schema `{other}`, and schema `{schema}`, which \
         comes first in the search path, has none of it: name the one that is meant with `search_path` \
         in the URL (`?options=-csearch_path%3D{other}`), or drop the other"
    )]
    Elsewhere {
        /// The family of migrations.
        set: String,
        /// The schema that would be migrated.
        schema: String,
        /// The schema that has the history.
        other: String,
    },
    /// PostgreSQL: the role may not read all rows of the history.
    #[error(
        "nothing was run: this role does not see the whole history: {reason}: run as the owner of the \
         tables `__diesel_schema_migrations` and `underpin_history` or grant the role `SELECT` on them, \
         and let no row-level security hide their rows (`ALTER TABLE … DISABLE ROW LEVEL SECURITY`)"
    )]
    Hidden {
        /// What the server said.
        reason: String,
    },
    /// PostgreSQL: a schema of the server's own comes first in the search path.
    #[error(
        "nothing was run: `{schema}` comes first in the search path, where what a migration makes would go, and \
         belongs to the server: name the schema that is meant first, with `search_path` in the URL \
         (`?options=-csearch_path%3Dpublic`) or `ALTER ROLE … SET search_path`"
    )]
    ServersOwn {
        /// The schema.
        schema: String,
    },
    /// PostgreSQL: the search path names no schema that exists.
    #[error(
        "no schema to migrate: the search path names none that exists: create it, or set `search_path`"
    )]
    NoSchema,
    /// The copy that was to be taken first could not be made.
    #[error("cannot back the database up to `{}`: {reason}: nothing was changed", path.display())]
    Backup {
        /// The file of the copy.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Only SQLite files are copied here.
    #[error("only SQLite files are backed up here: use `pg_dump`, or leave `--backup` out")]
    NoBackup,
    /// The first bytes of an SQLite file could not be read.
    #[error("cannot read the header of `{}`", path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The lock's file could not be made.
    #[error("cannot lock `{path}`")]
    LockFile {
        /// The file beside the database.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
}

/// PostgreSQL's codes for a name that is not found: of a table, a function or an operator, a type, a schema.
const UNKNOWN_NAME: [&str; 4] = ["42P01", "42883", "42704", "3F000"];

/// PostgreSQL: a function that the database runs by itself failed at a statement of the engine's own.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.text())]
pub struct TriggerFailed {
    /// Of the trigger or event trigger, as `ALTER FUNCTION` takes it.
    pub function: String,
    /// What the database said.
    pub source: DbError,
}

impl TriggerFailed {
    fn text(&self) -> String {
        let Self { function, source } = self;
        let what = format!(
            "a trigger of the database failed in a statement of Underpin's own, not of a script: function \
             `{function}`"
        );
        match source.sqlstate.as_deref() {
            Some(state) if UNKNOWN_NAME.contains(&state) => format!(
                "{what}: there no schema but that of the server is looked up: name its tables with their schemas, \
                 or run `ALTER FUNCTION {function} SET search_path = …` with the schemas that it counts on"
            ),
            _ => what,
        }
    }

    /// Of a statement that is the engine's own and calls no function of anybody else. Gives the error back where
    /// no trigger failed.
    pub(crate) fn of(source: DbError) -> Result<Box<Self>, DbError> {
        match source.function().map(str::to_owned) {
            Some(function) => Ok(Box::new(Self { function, source })),
            None => Err(source),
        }
    }
}

/// Says what the engine was doing when the database failed.
pub(crate) trait Doing<T> {
    /// With a statement of its own.
    fn doing(self, doing: &'static str) -> Result<T, Error>;
    /// With a statement that people wrote.
    fn trying(self, doing: &'static str) -> Result<T, Error>;
}

impl<T> Doing<T> for Result<T, DbError> {
    fn doing(self, doing: &'static str) -> Result<T, Error> {
        let source = match self.map_err(TriggerFailed::of) {
            Ok(done) => return Ok(done),
            Err(Ok(source)) => return Err(Error::Trigger { doing, source }),
            Err(Err(source)) => source,
        };
        Err::<T, _>(source).trying(doing)
    }

    fn trying(self, doing: &'static str) -> Result<T, Error> {
        self.map_err(|mut source| {
            if source.is_busy() {
                let hint =
                    "another program writes to it: stop it, or wait longer with `--lock-wait`";
                source.hint = Some(hint.to_owned());
            }
            if crate::history::is_without_rights(&source) {
                let hint = "run as the owner of what is named, or grant the role the right on it: for the engine's \
                            own tables SELECT, INSERT, UPDATE and DELETE, with no row-level security";
                source.hint.get_or_insert_with(|| hint.to_owned());
            }
            Error::Database { doing, source }
        })
    }
}
