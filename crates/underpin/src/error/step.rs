//! A migration that failed: where, why, and what it leaves behind.

use std::{fmt, path::PathBuf};

use underpin_catalog::Version;
use underpin_db::DbError;

use crate::{
    Direction, Error, TriggerFailed,
    history::{DIESEL_TABLE, HISTORY_TABLE, is_taken},
    lock::lease,
    stepwise,
};

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
    /// What it did, and nothing that says how far it came: it took the history away.
    WithoutHistory,
    /// Nobody knows: its end was not heard, and afterwards the history could not be read.
    Unknown,
}

/// Why a migration failed.
#[derive(Debug, thiserror::Error)]
pub enum StepCause {
    /// The database refused a statement.
    #[error(transparent)]
    Database(DbError),
    /// PostgreSQL: a trigger failed at a statement of the engine's own.
    #[error(transparent)]
    Trigger(Box<TriggerFailed>),
    /// PostgreSQL: the script changed where strings end.
    #[error(
        "a statement before this one switched `standard_conforming_strings` off, so that its strings may end \
         elsewhere than the engine reads: leave that setting alone, and write `E'…'` where a backslash escapes"
    )]
    StringsOff,
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
    /// SQLite: something is wrong with what the script left, and the history does not say so.
    #[error(
        "{fault}\n  the history could not be told that, and `--resume` would call the migration applied: mend it \
         by hand or restore a copy first"
    )]
    Unrecorded {
        /// What is wrong with what the script left.
        fault: Box<Self>,
        /// Why it is not in the history.
        source: Box<Self>,
    },
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
    /// SQLite: rows of other tables refer to a table that is dropped.
    #[error(
        "rows of other tables refer to `{table}`, which is dropped: if the table is built anew, set \
         `foreign_keys = false` under `[underpin]` in `metadata.toml`; otherwise take those rows away first"
    )]
    Referred {
        /// The table that is dropped.
        table: String,
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
    /// Nothing was in the database when the run looked at it.
    #[error(
        "nothing was in the database when the run looked at it, and another program has made a table in it \
         since: run again, so that what is there is recognised"
    )]
    NotEmpty,
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
    /// What the engine writes into the history does not arrive there.
    #[error(
        "what the engine writes into the history does not arrive there: look for a trigger or a rule on \
         `{DIESEL_TABLE}` or `{HISTORY_TABLE}`, and drop it"
    )]
    HistoryKeptOut,
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
            Error::Trigger { source, .. } => Self::Trigger(source),
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
    /// Why a statement of the engine's own failed, which calls no function of anybody else.
    pub(crate) fn own(error: DbError) -> Self {
        TriggerFailed::of(error).map_or_else(Self::from, Self::Trigger)
    }

    /// Whether the script is not to blame.
    pub(crate) fn is_of_trigger(&self) -> bool {
        matches!(self, Self::Trigger(_))
    }

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

    /// What the database said to a statement of the script, of its code or of a trigger.
    pub(crate) fn database(&self) -> Option<&DbError> {
        match self {
            Self::Trigger(failed) => Some(&failed.source),
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
            None if cause.is_of_trigger() => f.write_str("a statement of Underpin's own")?,
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
            Left::WithoutHistory => f.write_str(
                "what it did stays, and the history that says how far it came is gone: restore the tables \
                 of the history, or record what the database is with `underpin stamp`",
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
