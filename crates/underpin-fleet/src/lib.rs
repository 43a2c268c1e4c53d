//! Thousands of databases brought to one version in one run.
//!
//! A [`Source`] says where the targets are. A [`Fleet`] knows the migrations: it tells how the targets
//! stand, what a run would do to each, and runs it in waves, with a [`Journal`] by which a run that was
//! stopped or killed can be gone on with. What happens to one target is the engine's work: its locks,
//! transactions and proofs are the same as for a single database.
//!
//! What works on many targets blocks, and on SQLite what works on one does so where it is polled: call
//! both from a thread that may.

mod decision;
mod discover;
mod error;
mod html;
mod identity;
mod journal;
mod lock;
mod printable;
mod probe;
mod report;
mod run;
mod status;
mod target;
mod workers;

use underpin::{Catalog, Code};

pub use crate::{
    decision::Action,
    discover::{Found, Names, Skipped, Source},
    error::FleetError,
    journal::{Journal, Outcome, Run, State, TargetRow},
    report::{Counts, Report, time},
    run::{Limit, RunOptions, Stop, Watch},
    status::{Announced, Standing, Status},
    target::{Place, Target},
};

/// A set of migrations for many targets, and how to run it on each.
#[derive(Debug, Clone)]
pub struct Fleet<'a> {
    /// The migrations, in the dialect of the targets.
    pub catalog: &'a Catalog,
    /// The functions that migrations may name.
    pub code: &'a [Code],
    /// How each target is migrated; always in one transaction, where its migrations can share one.
    pub options: underpin::Options,
    /// How many targets are worked on at a time. The work waits for the disk or the server, so that
    /// more than there are processors pay.
    pub jobs: usize,
    /// Whether every history is read, also where the header of an SQLite file tells it. Only a tool that
    /// changes histories without changing schemas makes a difference.
    pub thorough: bool,
}

/// A place between two actions. Does nothing unless the feature `failpoints` is on and the fail point
/// `fleet::step` is set: `5*off->panic` dies at the sixth.
fn checkpoint() {
    #[cfg(feature = "failpoints")]
    fail::fail_point!("fleet::step");
}
