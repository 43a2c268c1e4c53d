//! How a run goes about it, and what stands around it.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::Target;

/// How a run goes about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunOptions {
    /// So many targets first, with their rows counted; when one of them fails, the rest stays untouched.
    pub canary: usize,
    /// When the run stops.
    pub limit: Limit,
    /// SQLite: where each file is copied to before it is changed, in a directory of the run's own.
    pub backup: Option<PathBuf>,
    /// Whether each schema is compared with what its version builds, before it is committed.
    pub verify: bool,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self { canary: 0, limit: Limit::Failures(0), backup: None, verify: true }
    }
}

/// How many failures a run takes. With one more, no worker begins with another target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Limit {
    /// So many.
    Failures(usize),
    /// So many of a hundred of all targets.
    Percent(u8),
    /// Any number.
    None,
}

impl Limit {
    pub(super) fn is_exceeded(self, failures: usize, targets: usize) -> bool {
        match self {
            Self::Failures(most) => failures > most,
            Self::Percent(most) => failures * 100 > usize::from(most) * targets,
            Self::None => false,
        }
    }
}

/// Asks a run to stop: what is in flight comes to its end, nothing else begins.
#[derive(Debug, Default)]
pub struct Stop(AtomicBool);

impl Stop {
    /// Asks.
    pub fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Somebody who wants to see a run.
pub trait Watch: Sync {
    /// Whether nothing may be left applied in so many targets. Asked before anything is changed, and
    /// `again` when a run that may is gone on with, in the targets that it was made for.
    fn may_empty(&self, targets: usize, again: bool) -> bool;
    /// The run begins: `tasks` of `targets` have work to do, `failed` cannot be worked on.
    fn begins(&self, run: i32, targets: usize, tasks: usize, failed: usize);
    /// A wave of so many targets begins; the first is 1.
    fn wave(&self, wave: i32, tasks: usize);
    /// A target is done; `error` says why it is not where it should be.
    fn done(&self, target: &Target, version: Option<&str>, took: Duration, error: Option<&str>);
}

/// Nobody, who has said what may happen by beginning the run.
impl Watch for () {
    fn may_empty(&self, _: usize, _: bool) -> bool {
        true
    }
    fn begins(&self, _: i32, _: usize, _: usize, _: usize) {}
    fn wave(&self, _: i32, _: usize) {}
    fn done(&self, _: &Target, _: Option<&str>, _: Duration, _: Option<&str>) {}
}
