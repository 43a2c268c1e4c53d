//! Events that wait for the database, for as long as it takes, and who is told of it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use underpin_db::DbError;

/// The pause after the first failure, and the longest.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Once the pauses grow no more, the log tells of each only so often.
const LONGEST_QUIET: Duration = Duration::from_mins(5);

/// Whether events wait, for those who ask how the service is.
#[derive(Debug, Default)]
pub(crate) struct Waiting(Mutex<Option<Wait>>);

/// Events wait since then.
#[derive(Debug, Clone)]
pub(crate) struct Wait {
    since: Instant,
    /// What the database says, as a code: no value of a row is in it.
    pub(crate) code: Option<String>,
}

impl Wait {
    pub(crate) fn elapsed(&self) -> Duration {
        self.since.elapsed()
    }
}

impl Waiting {
    pub(crate) fn get(&self) -> Option<Wait> {
        self.lock().clone()
    }

    fn begin(&self, code: Option<String>) {
        let mut wait = self.lock();
        let since = wait.as_ref().map_or_else(Instant::now, |wait| wait.since);
        *wait = Some(Wait { since, code });
    }

    fn end(&self) -> Option<Wait> {
        self.lock().take()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Wait>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long to wait before the next attempt.
pub(super) struct Patience {
    waiting: Arc<Waiting>,
    pause: Duration,
    quiet: Duration,
    told: Option<Instant>,
}

impl Patience {
    pub(super) fn new(waiting: Arc<Waiting>) -> Self {
        Self { waiting, pause: Duration::ZERO, quiet: LONGEST_PAUSE, told: None }
    }

    pub(super) async fn wait(&mut self, error: &DbError) {
        self.waiting.begin(error.code());
        let before = self.pause;
        self.pause = (self.pause * 2).clamp(PAUSE, LONGEST_PAUSE);
        if self.pause > before || self.told.is_none_or(|told| told.elapsed() >= self.quiet) {
            let pause_ms = self.pause.as_millis();
            let code = error.code();
            tracing::warn!(code, "events wait {pause_ms} ms, for they cannot be written: {error}");
            if self.pause == before {
                self.quiet = (self.quiet * 2).min(LONGEST_QUIET);
            }
            self.told = Some(Instant::now());
        }
        tokio::time::sleep(self.pause).await;
    }

    /// The database took what it is to take.
    pub(super) fn over(&mut self) {
        if let Some(wait) = self.waiting.end() {
            let waited_ms = wait.elapsed().as_millis();
            tracing::info!("events go on after {waited_ms} ms");
        }
        *self = Self::new(Arc::clone(&self.waiting));
    }
}

impl Drop for Patience {
    /// Another replica goes on, or none.
    fn drop(&mut self) {
        drop(self.waiting.end());
    }
}
