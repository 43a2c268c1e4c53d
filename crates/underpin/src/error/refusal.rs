//! What stands in the way of a plan.

use std::fmt;

use underpin_catalog::{Checksum, Version};

use crate::Direction;

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
    /// A script outside a transaction was interrupted, and is to run inside one now.
    #[error(
        "migration {version} was interrupted outside a transaction after {done} statements, and its \
         `metadata.toml` now wants one, in which they would run again: set `run_in_transaction = false` \
         again, or finish by hand and record it with `underpin stamp`"
    )]
    InTransactionNow { version: Version, done: usize },
    /// A script outside a transaction was interrupted, and its folder is gone.
    #[error(
        "migration {version} was interrupted ({direction} script, {done} statements done) and is not among \
         the migrations any more: put its folder back and go on with `underpin {} --resume`, or take back by \
         hand what it did and record that with `underpin stamp`", verb(*direction)
    )]
    InterruptedMissing { version: Version, direction: Direction, done: usize },
    /// A script outside a transaction ran, and left what it must not leave.
    #[error(
        "migration {version} ran outside a transaction, and this is wrong with what it left: {fault}\n  \
         nothing takes it back: mend it by hand or restore a copy, and record what the database is with \
         `underpin stamp`"
    )]
    Damaged { version: Version, fault: String },
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
    /// It needs of its session what a pooler does not keep.
    #[error(
        "migration {version} runs outside a transaction or goes back to the default search path, where a \
         pooler keeps neither the schema nor any other setting: run it on a connection to the server itself"
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
