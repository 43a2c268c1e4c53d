//! What is done from time to time, by the replica that leads.

use std::{
    fmt,
    time::{Duration, Instant},
};

use tokio::sync::watch;
use underpin_db::Db;
use underpin_models::bot::JobRunRepository as _;
use underpin_projects::Projects;

use crate::clock;

mod events;
mod optimize;
mod repair;
mod retention;

/// What the service is told about its jobs. A period of 0 keeps things for ever, and an interval of
/// 0 switches a job off.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `RETENTION_INTERVAL_SECONDS`
    pub retention_interval: Duration,
    /// `RETENTION_USER_COUNT_DAYS`
    pub user_counts: Duration,
    /// `RETENTION_CHAT_HOURS`
    pub chat: Duration,
    /// `RETENTION_OUTBOUND_DAYS`
    pub outbound: Duration,
    /// `RETENTION_REVOKED_TOKEN_DAYS`
    pub revoked_tokens: Duration,
    /// `RETENTION_EVENT_DAYS`: events of projects.
    pub events: Duration,
    /// `OPTIMIZE_INTERVAL_SECONDS`
    pub optimize_interval: Duration,
}

/// The names of the jobs.
pub(crate) const NAMES: [&str; 3] = ["retention", "optimize", "repair"];

/// How often it is looked whether somebody died over a project that he made.
const REPAIR: Duration = Duration::from_mins(1);

/// How often it is looked whether a job is due.
const LOOK: Duration = Duration::from_secs(1);

/// Runs what is due whenever this process leads, until `stop` ends.
///
/// When a job last ran stands in the database, so a restart neither skips nor repeats one.
pub(crate) async fn run(
    settings: &Settings,
    db: &Db,
    projects: &Projects,
    leads: watch::Receiver<bool>,
    stop: impl Future<Output = ()>,
) {
    let mut stop = std::pin::pin!(stop);
    loop {
        if *leads.borrow() {
            if due(db, "retention", settings.retention_interval).await {
                let work = Box::pin(retention::run(settings, db, projects, clock::now()));
                record(db, "retention", work).await;
            }
            if due(db, "repair", REPAIR).await {
                record(db, "repair", repair::run(projects)).await;
            }
            if due(db, "optimize", settings.optimize_interval).await {
                record(db, "optimize", optimize::run(db)).await;
            }
        }
        tokio::select! {
            () = &mut stop => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// Whether `interval` is over since the job last ran. A database that never saw the job, such as one
/// that was just adopted, first gets an interval in which nothing is deleted from it.
async fn due(db: &Db, job: &'static str, interval: Duration) -> bool {
    if interval.is_zero() {
        return false;
    }
    let now = clock::now();
    let seen = match db.job_last_run(job.to_owned()).await {
        Ok(Some(last)) => Ok(before(now, interval) >= last),
        Ok(None) => db.record_job_run(job.to_owned(), now).await.map(|()| false),
        Err(error) => Err(error),
    };
    seen.unwrap_or_else(|error| {
        tracing::warn!(job, "cannot see whether the job `{job}` is due: {error}");
        false
    })
}

/// Drives a job to its end, and tells how it went: one line, unless it found nothing to do, and one
/// count. A job that failed counts as run, so that it does not fail every second.
async fn record<D: Into<Option<String>>, E: fmt::Display>(
    db: &Db,
    job: &'static str,
    work: impl Future<Output = Result<D, E>>,
) {
    let start = Instant::now();
    let result = work.await;
    let elapsed = start.elapsed();
    let (elapsed_ms, outcome) =
        (elapsed.as_millis(), if result.is_ok() { "done" } else { "failed" });
    match result.map(Into::into) {
        Ok(Some(done)) => tracing::info!(job, elapsed_ms, "job `{job}`: {done} ({elapsed_ms} ms)"),
        Ok(None) => tracing::debug!(job, elapsed_ms, "job `{job}`: nothing to do"),
        Err(error) => tracing::error!(job, elapsed_ms, "job `{job}` failed: {error}"),
    }
    metrics::counter!("underpin_jobs_total", "job" => job, "outcome" => outcome).increment(1);
    metrics::histogram!("underpin_job_seconds", "job" => job).record(elapsed.as_secs_f64());
    if let Err(error) = db.record_job_run(job.to_owned(), clock::now()).await {
        tracing::warn!(job, "cannot write down that the job `{job}` ran: {error}");
    }
}

/// The Unix second that lies `period` before `now`.
fn before(now: i64, period: Duration) -> i64 {
    now.saturating_sub(clock::seconds(period))
}
