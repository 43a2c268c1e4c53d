//! What can go wrong, told apart by what it left behind.
//!
//! [`Refused`] and [`AdoptRefused`](crate::AdoptRefused) mean that nothing ran; [`StepError`]
//! means that something did, and says what of it stays.

use std::{fmt, path::PathBuf, time::Duration};

use underpin_catalog::{CatalogError, Checksum, Dialect, Version};
use underpin_db::{ConnectError, DbError};

use crate::{
    AdoptRefused, Direction,
    history::{DIESEL_TABLE, HISTORY_TABLE, is_taken},
    lock::lease,
    stepwise,
};

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

/// Says what the engine was doing when the database failed.
pub(crate) trait Doing<T> {
    fn doing(self, doing: &'static str) -> Result<T, Error>;
}

impl<T> Doing<T> for Result<T, DbError> {
    fn doing(self, doing: &'static str) -> Result<T, Error> {
        self.map_err(|mut source| {
            if source.is_busy() {
                let hint =
                    "another program writes to it: stop it, or wait longer with `--lock-wait`";
                source.hint = Some(hint.to_owned());
            }
            Error::Database { doing, source }
        })
    }
}

/// Everything that stands in the way of a plan. Nothing was run.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub struct Refused(pub Vec<Refusal>);

impl Refused {
    /// Whether nothing is in the way but a runner that is at work.
    #[must_use]
    pub fn awaits_another(&self) -> bool {
        !self.0.is_empty() && self.0.iter().all(|one| matches!(one, Refusal::Running { .. }))
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing was run: ")?;
        for (index, refusal) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{refusal}")?;
        }
        Ok(())
    }
}

/// One thing that stands in the way of a plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum Refusal {
    /// The script was edited after it ran.
    #[error(
        "migration {version} ran as {applied:.8}, but its script is now {catalog:.8}: restore the \
         script and write a new migration for the change; an edit that changes nothing in the database is \
         accepted with `underpin repair {version} --reason …`"
    )]
    Diverged { version: Version, applied: Checksum, catalog: Checksum },
    /// The history names a migration that the catalog does not have.
    #[error(
        "migration {version} is applied but unknown: is this binary older than the database? run \
         the newer one, or go on with `--allow-missing`"
    )]
    Missing { version: Version },
    /// A pending migration sorts before one that has been applied.
    #[error(
        "migration {version} is pending, yet {head} is applied{}: rename it to sort last, or apply \
         it with `--allow-out-of-order`",
        as_text(version, head)
    )]
    OutOfOrder { version: Version, head: Version },
    /// A script outside a transaction began and did not finish.
    #[error(
        "migration {version} was interrupted ({direction} script, {done} statements done, the next \
         may be half done): look at it, then go on with `underpin {} --resume`", verb(*direction)
    )]
    Interrupted { version: Version, direction: Direction, done: usize },
    /// A script outside a transaction was edited where it had run already.
    #[error(
        "migration {version} was interrupted after {done} statements, and its script is not known to begin \
         with the statements that ran: put those back as they were and edit only what comes after them, \
         or finish by hand and record it with `underpin stamp`"
    )]
    Rewritten { version: Version, done: usize },
    /// What a script had made in its session is gone with the session.
    #[error(
        "migration {version} cannot go on by itself: statement {statement} at line {line} of its \
         {direction} script left {what}, which ended with the connection of the interrupted run: \
         finish by hand and record it with `underpin stamp`"
    )]
    SessionLost {
        version: Version,
        direction: Direction,
        statement: usize,
        line: usize,
        what: &'static str,
    },
    /// A version is applied and the catalog writes it differently.
    #[error(
        "migration {applied} is applied, and the catalog has it as {catalog}, which differs in how it is \
         written alone: rename its folder back"
    )]
    Respelled { applied: Version, catalog: Version },
    /// A script in which nothing is to be run.
    #[error(
        "the {direction} script of migration {version} has no statement: write it, or, where there is \
         nothing to do, write `SELECT 1` or set `empty = true` under `[underpin]` in `metadata.toml`"
    )]
    Empty { version: Version, direction: Direction },
    /// A script outside a transaction began, and who runs it is at work.
    #[error(
        "migration {version} is being run by {holder} ({direction} script, {done} statements done): wait \
         for that runner"
    )]
    Running { version: Version, direction: Direction, done: usize, holder: String },
    /// There is no edit to accept.
    #[error("no edit of migration {version} is known: there is nothing to repair")]
    NotEdited { version: Version },
    /// What did not run cannot have been edited afterwards.
    #[error(
        "migration {version} is not applied: edit its script freely, there is nothing to repair"
    )]
    NotApplied { version: Version },
    /// All steps were to share one transaction, and cannot.
    #[error(
        "migration {version} cannot share a transaction with others: {reason}: go on without \
         `--single-transaction`"
    )]
    NotTogether { version: Version, reason: &'static str },
    /// Another set in the same database has this version.
    #[error(
        "version {version} belongs to set `{}` in this database: rename the migration", set.escape_debug()
    )]
    Taken { version: Version, set: String },
    /// There is no script to take the migration back.
    #[error("migration {version} has no `down.sql`: write one, or restore a backup")]
    Irreversible { version: Version },
    /// The script to take the migration back cannot be read.
    #[error("the `down.sql` of migration {version} cannot be read: {message}")]
    Unreadable { version: Version, message: String },
    /// The migration names a function that the program does not bring.
    #[error(
        "migration {version} runs the code `{code}`, which is not in this program: run the program \
         that the migration was written for"
    )]
    UnknownCode { version: Version, code: String },
    /// It runs outside a transaction, and needs what a pooler does not keep.
    #[error(
        "migration {version} runs outside a transaction, where a pooler keeps neither the schema nor \
         any other setting: run it on a connection to the server itself"
    )]
    NeedsSession { version: Version },
    /// The script holds what the engine cannot run safely.
    #[error("migration {version}, {direction} script, line {line}: {reason}")]
    Script { version: Version, direction: Direction, line: usize, reason: String },
}

/// Says how versions are compared, where numbers would sort otherwise.
fn as_text(pending: &Version, head: &Version) -> &'static str {
    if pending.is_misplaced_before(head) {
        ", and versions are compared as text, not as numbers (`10` sorts before `9`)"
    } else {
        ""
    }
}

fn verb(direction: Direction) -> &'static str {
    match direction {
        Direction::Up => "upgrade",
        Direction::Down => "downgrade",
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Up => "up",
            Self::Down => "down",
        })
    }
}

/// A migration that failed, and what of the run stays.
#[derive(Debug)]
pub struct StepError {
    /// Which migration.
    pub version: Version,
    /// Its name.
    pub name: String,
    /// Which script of it.
    pub direction: Direction,
    /// Where in the script, when the database told.
    pub place: Option<Place>,
    /// What of this migration stays.
    pub left: Left,
    /// Migrations before it in its transaction, which were rolled back with it.
    pub undone: Vec<Version>,
    /// Migrations of this run that are done and stay.
    pub kept: Vec<Version>,
    /// PostgreSQL: who held the lock that it waited for in vain.
    pub blockers: Option<String>,
    /// What went wrong.
    pub cause: StepCause,
}

/// A statement of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Counted from 1.
    pub statement: usize,
    /// Counted from 1.
    pub line: usize,
    /// How the statement begins, at most 60 characters.
    pub excerpt: String,
}

/// What a failed migration leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// Nothing: its transaction was rolled back, so there is nothing to take back.
    Nothing,
    /// So many statements of a script outside a transaction.
    Statements(usize),
    /// What it did before it ended its own transaction, history not included.
    Committed,
    /// Nobody knows: its end was not heard, and afterwards the history could not be read.
    Unknown,
}

/// Why a migration failed.
#[derive(Debug, thiserror::Error)]
pub enum StepCause {
    /// The database refused a statement.
    #[error(transparent)]
    Database(DbError),
    /// SQLite: rows are gone that no `DELETE` names.
    #[error(
        "table `{table}` had {before} rows and would have {after}, and {lost} of those that it had would be \
         gone: copy every row, or say what may go with `DELETE FROM`"
    )]
    RowsLost {
        /// The table.
        table: String,
        /// Rows before.
        before: u64,
        /// Rows after.
        after: u64,
        /// Rows of before that are not there after, as their keys tell.
        lost: u64,
    },
    /// SQLite: objects would be left behind that do not work any more.
    #[error(
        "it would leave behind what does not work any more:\n{0}\n  make it anew in the script, or drop it"
    )]
    Dangling(String),
    /// SQLite: a table that was built anew would give numbers again.
    #[error(
        "`{table}` gave the numbers up to {before}, and would go on after {after} and give some again: before \
         `DROP TABLE {table}` run `DELETE FROM sqlite_sequence WHERE name = 'NEW'; INSERT INTO sqlite_sequence \
         (name, seq) SELECT 'NEW', seq FROM sqlite_sequence WHERE name = '{table}'`, where NEW is the table that \
         takes its place"
    )]
    Numbers {
        /// The table, which has AUTOINCREMENT.
        table: String,
        /// The highest number that it gave.
        before: i64,
        /// The number that the next one would follow.
        after: i64,
    },
    /// SQLite: another program kept the file to itself for as long as this one waits.
    #[error("another program writes to `{}`: stop it, or wait longer for it with `--lock-wait`", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// SQLite: dropping a table would take rows of another one along.
    #[error(
        "dropping `{table}` deletes or empties {count} rows of `{child}` that refer to it, or to what does: if the \
         table is built anew, set `foreign_keys = false` under `[underpin]` in `metadata.toml`"
    )]
    Cascade {
        /// The table that is dropped.
        table: String,
        /// The table that refers to it.
        child: String,
        /// How many rows.
        count: u64,
    },
    /// A table that no script names has other rows than before.
    #[error("table `{table}`, which no script names, had {before} rows and would have {after}")]
    RowsChanged {
        /// The table.
        table: String,
        /// Rows before.
        before: u64,
        /// Rows after.
        after: u64,
    },
    /// Rows point to nothing that did not before.
    #[error("{count} rows of `{table}` would point to no row of `{parent}`")]
    Orphans {
        /// The table that points.
        table: String,
        /// The table it points to.
        parent: String,
        /// How many more than before.
        count: u64,
    },
    /// Something of it would stay in the session that a later one of the same transaction runs in.
    #[error("{0}: run each in a transaction of its own")]
    Stays(String),
    /// SQLite: the copy that was taken is not what the migration would change.
    #[error("another program wrote to the database after it was copied: try again")]
    ChangedSinceCopy,
    /// PostgreSQL: the role may not write the history.
    #[error(
        "the history cannot be written: {0}: run as the owner of the tables \
         `__diesel_schema_migrations` and `underpin_history`, or grant the role `SELECT, INSERT, UPDATE, \
         DELETE` on them and let no row-level security stand in the way"
    )]
    HistoryRights(DbError),
    /// The lock is not held any more, so another runner may be at work.
    #[error(
        "the migration lock was lost: was the server restarted, or this process stopped for a while?"
    )]
    LockLost,
    /// The script or its code ended the transaction that it ran in.
    #[error("it ended the engine's transaction: leave `COMMIT` and `ROLLBACK` to the engine")]
    TransactionEnded,
    /// The script changed the tables in which the engine keeps the history.
    #[error(
        "it takes rows or tables of the history away: leave `{DIESEL_TABLE}` and `{HISTORY_TABLE}` to the \
         engine"
    )]
    HistoryTaken,
    /// PostgreSQL: an index that no query uses.
    #[error(
        "index `{index}` is invalid: no query uses it, and as a unique one it does not hold: build it anew \
         with `REINDEX INDEX CONCURRENTLY {index}`, or drop it with `DROP INDEX CONCURRENTLY {index}`, \
         and go on"
    )]
    IndexInvalid {
        /// With its schema.
        index: String,
    },
    /// PostgreSQL: the name of an index is another table's.
    #[error("`{index}` is there already and belongs to `{table}`: give the index another name")]
    IndexTaken {
        /// With its schema.
        index: String,
        /// What has the name.
        table: String,
    },
    /// PostgreSQL: a session builds an index.
    #[error("process {process} may be building index `{index}`: wait for it, and go on")]
    IndexBuilt {
        /// With its schema.
        index: String,
        /// The server's process.
        process: i32,
    },
    /// PostgreSQL: an index is not there after the statement that creates it.
    #[error("there is no index `{index}` on {table} afterwards: look at what has its name")]
    IndexMissing {
        /// As the script names it.
        index: String,
        /// As the script names it.
        table: String,
    },
    /// PostgreSQL: nobody can tell whether an index without a name was built.
    #[error(
        "the interrupted run may have built this index of {table}, and without a name nobody can tell \
         which it is: drop what it left, give the index a name in the script, accept the edit with \
         `underpin repair`, and go on"
    )]
    IndexUnnamed {
        /// As the script names it.
        table: String,
    },
    /// What it does in Rust failed.
    #[error("its code `{name}` failed")]
    Code {
        /// What `metadata.toml` calls the function.
        name: &'static str,
        /// What the function says.
        source: DbError,
    },
    /// What it does in Rust panicked.
    #[error("its code `{name}` panicked: see the message above")]
    CodePanicked {
        /// What `metadata.toml` calls the function.
        name: &'static str,
    },
    /// What it does in Rust changed more than rows.
    #[error("its code `{name}` changed the schema, which is for the script to do:\n{differences}")]
    CodeChangedSchema {
        /// What `metadata.toml` calls the function.
        name: &'static str,
        /// In which way, one per line.
        differences: String,
    },
    /// Whether the schema fits afterwards could not be found out.
    #[error("the schema could not be compared with what it should be")]
    Uncompared(#[source] Box<Error>),
    /// The script of a known shape does not come apart into statements.
    #[error("its script cannot be read: {0}")]
    Unreadable(String),
    /// The database that was to be completed or mapped is not what it was to become.
    #[error("the schema does not fit afterwards:\n{0}")]
    Unfit(String),
}

impl From<Error> for StepCause {
    fn from(error: Error) -> Self {
        match error {
            Error::Database { source, .. } => source.into(),
            other => Self::Uncompared(Box::new(other)),
        }
    }
}

impl From<DbError> for StepCause {
    fn from(error: DbError) -> Self {
        match error.sqlstate.as_deref() {
            Some(lease::LOST) => Self::LockLost,
            Some(stepwise::INVALID) => Self::IndexInvalid { index: error.message },
            _ if is_taken(&error) => Self::HistoryTaken,
            _ => Self::Database(error),
        }
    }
}

impl StepCause {
    /// SQLite: whether another program kept the file to itself.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self, Self::Busy { .. }) || self.database().is_some_and(DbError::is_busy)
    }

    /// The function that failed, if it was one.
    fn code(&self) -> Option<&'static str> {
        match self {
            Self::Code { name, .. }
            | Self::CodePanicked { name }
            | Self::CodeChangedSchema { name, .. } => Some(name),
            _ => None,
        }
    }

    /// What the database said to a statement of the script, or of its code.
    pub(crate) fn database(&self) -> Option<&DbError> {
        match self {
            Self::Database(error) | Self::Code { source: error, .. } => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, name, direction, place, left, undone, kept, blockers, cause } = self;
        write!(f, "migration {version} {name} failed (")?;
        match cause.code() {
            Some(code) => write!(f, "code `{code}`")?,
            None => write!(f, "{direction} script")?,
        }
        if let Some(Place { statement, line, excerpt }) = place {
            write!(f, ", statement {statement} at line {line}, `{excerpt}`")?;
        }
        f.write_str("); ")?;
        match left {
            Left::Nothing => f.write_str("it was rolled back and left nothing")?,
            Left::Committed => f.write_str(
                "what it did before it ended its transaction may be committed: see `underpin current`",
            )?,
            Left::Unknown => f.write_str(
                "its end was not heard, so what of it is done is not known: see `underpin history`",
            )?,
            Left::Statements(done) => {
                write!(f, "{done} statements of it are done and stay: see `underpin history`")?;
            }
        }
        let count = undone.len();
        match undone.as_slice() {
            [] => {}
            [one] => {
                write!(f, "; {one} before it in the same transaction was rolled back as well")?;
            }
            [first, .., last] => {
                let which = "before it in the same transaction were rolled back as well";
                write!(f, "; {count} {which}: {first} to {last}")?;
            }
        }
        match kept.as_slice() {
            [] => {}
            [one] => write!(f, "; {one} before it is done and stays")?,
            [first, .., last] => {
                write!(f, "; {} before it are done and stay: {first} to {last}", kept.len())?;
            }
        }
        match blockers {
            Some(blockers) => write!(f, "; it waited for a lock held by {blockers}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for StepError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}
