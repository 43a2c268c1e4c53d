//! What a run did, and how a database stands.

use serde::Serialize;
use underpin_catalog::{Catalog, Dialect, Migration, Version};

use crate::{
    Direction, History, Policy, Refusal,
    plan::{disagreements, out_of_order, pending},
};

/// What a run did, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The family of migrations.
    pub set: String,
    /// The schema that was recognised before anything ran.
    pub adopted: Option<Adopted>,
    /// Migrations, in the order in which they ran.
    pub steps: Vec<StepReport>,
    /// Whether all of them shared one transaction.
    pub single_transaction: bool,
    /// The newest applied version afterwards.
    pub head: Option<Version>,
}

/// What a database without a history turned out to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Adopted {
    /// Finishes the sentence "this is …".
    pub description: String,
    /// The version that it was stamped with.
    pub version: Version,
    /// What was done to make it fit: objects added, leftovers dropped, values mapped.
    pub changes: Vec<String>,
    /// What people must know about their data.
    pub notes: Vec<String>,
}

/// One migration of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepReport {
    /// Which migration.
    pub version: Version,
    /// Its name.
    pub name: String,
    /// Which script of it.
    pub direction: Direction,
    /// What runs in Rust after the script: `hash_api_tokens/1`.
    pub code: Option<&'static str>,
    /// Milliseconds, `None` in a dry run.
    pub elapsed_ms: Option<u64>,
    /// What people must know about their data.
    pub notes: Vec<String>,
}

/// How a database stands towards a catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The family of migrations.
    pub set: String,
    /// The kind of database.
    pub dialect: Dialect,
    /// The newest version of the catalog.
    pub head: Option<Version>,
    /// The newest applied version.
    pub applied_head: Option<Version>,
    /// How many are applied.
    pub applied: usize,
    /// What is not applied, ascending.
    pub pending: Vec<Named>,
    /// Where catalog and history contradict each other.
    pub problems: Vec<Refusal>,
}

/// A migration's identity for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Named {
    /// Which migration.
    pub version: Version,
    /// Its name.
    pub name: String,
}

impl From<&Migration> for Named {
    fn from(migration: &Migration) -> Self {
        Self { version: migration.version.clone(), name: migration.name.clone().into_owned() }
    }
}

impl Status {
    /// What a database with this history is to `catalog`.
    pub(crate) fn of(catalog: &Catalog, history: &History) -> Self {
        let open: Vec<_> = pending(catalog, history).collect();
        let mut problems = disagreements(catalog, history, Policy::default());
        problems.extend(out_of_order(history, &open));
        Self {
            set: catalog.set().to_owned(),
            dialect: catalog.dialect(),
            head: catalog.head().map(|head| head.version.clone()),
            applied_head: history.head().cloned(),
            applied: history.applied.len(),
            pending: open.into_iter().map(Named::from).collect(),
            problems,
        }
    }

    /// Nothing is pending and nothing is contradictory.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.pending.is_empty() && self.problems.is_empty()
    }
}
