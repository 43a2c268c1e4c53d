//! What is done from time to time, by the replica that leads.

use std::{
    fmt,
    time::{Duration, Instant},
};

use tokio::sync::watch;
use underpin_db::Db;
use underpin_models::bot::JobRunRepository as _;
use underpin_projects::Projects;

pub(crate) use time::{Reading, Time};

use crate::clock;

mod events;
mod optimize;
mod repair;
mod retention;
mod time;

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

/// How far ahead the clock of another replica may be, in seconds.
const AHEAD: i64 = 5 * 60;

/// How often it is looked whether a job is due.
const LOOK: Duration = Duration::from_secs(1);

/// Runs what is due whenever this process leads, until `stop` ends. Who leads no more stops in the middle of
/// a job: another begins with it.
///
/// When a job last ran stands in the database, so a restart neither skips nor repeats one.
pub(crate) async fn run(
    settings: &Settings,
    db: &Db,
    projects: &Projects,
    mut time: Time,
    mut leads: watch::Receiver<bool>,
    stop: impl Future<Output = ()>,
) {
    let work = async {
        // The other end lives as long as the process leads or stands by.
        while leads.wait_for(|leads| *leads).await.is_ok() {
            tokio::select! {
                biased;
                _ = leads.wait_for(|leads| !*leads) => {}
                () = look(settings, db, projects, &mut time) => {}
            }
        }
    };
    tokio::select! {
        () = stop => {}
        () = work => {}
    }
}

/// Runs what is due now, and waits a moment.
async fn look(settings: &Settings, db: &Db, projects: &Projects, time: &mut Time) {
    match time.read(db).await {
        Ok(Reading { now, believed }) => {
            let retention = Job { db, name: "retention", now };
            if believed && retention.is_due(settings.retention_interval).await {
                let work = Box::pin(retention::run(settings, db, projects, now));
                retention.drive(work).await;
            }
            let repair = Job { db, name: "repair", now };
            if repair.is_due(REPAIR).await {
                repair.drive(repair::run(projects)).await;
            }
            let optimize = Job { db, name: "optimize", now };
            if optimize.is_due(settings.optimize_interval).await {
                optimize.drive(optimize::run(db)).await;
            }
        }
        Err(error) => tracing::warn!("cannot see what the time is for jobs: {error}"),
    }
    tokio::time::sleep(LOOK).await;
}

/// A job at a time that jobs go by, which the clock alone does not tell.
struct Job<'j> {
    db: &'j Db,
    name: &'static str,
    /// Unix seconds.
    now: i64,
}

impl Job<'_> {
    /// Whether `interval` is over since the job last ran. A database that never saw the job, such as one
    /// that was just adopted, first gets an interval in which nothing is deleted from it. A run that is
    /// still to come was written down by a clock that was wrong, and is none.
    async fn is_due(&self, interval: Duration) -> bool {
        if interval.is_zero() {
            return false;
        }
        let Self { db, name, now } = *self;
        let seen = match db.job_last_run(name.to_owned()).await {
            Ok(Some(last)) if last <= now.saturating_add(AHEAD) => {
                Ok(before(now, interval) >= last)
            }
            Ok(_) => db.record_job_run(name.to_owned(), now).await.map(|()| false),
            Err(error) => Err(error),
        };
        seen.unwrap_or_else(|error| {
            tracing::warn!(job = name, "cannot see whether the job `{name}` is due: {error}");
            false
        })
    }

    /// Drives the job to its end, and tells how it went: one line, unless it found nothing to do, and one
    /// count. A job that failed counts as run, so that it does not fail every second.
    async fn drive<D: Into<Option<String>>, E: fmt::Display>(
        &self,
        work: impl Future<Output = Result<D, E>>,
    ) {
        let Self { db, name: job, now } = *self;
        let start = Instant::now();
        let result = work.await;
        let elapsed = start.elapsed();
        let (elapsed_ms, outcome) =
            (elapsed.as_millis(), if result.is_ok() { "done" } else { "failed" });
        match result.map(Into::into) {
            Ok(Some(done)) => {
                tracing::info!(job, elapsed_ms, "job `{job}`: {done} ({elapsed_ms} ms)");
            }
            Ok(None) => tracing::debug!(job, elapsed_ms, "job `{job}`: nothing to do"),
            Err(error) => tracing::error!(job, elapsed_ms, "job `{job}` failed: {error}"),
        }
        metrics::counter!("underpin_jobs_total", "job" => job, "outcome" => outcome).increment(1);
        metrics::histogram!("underpin_job_seconds", "job" => job).record(elapsed.as_secs_f64());
        let ended = now.saturating_add(clock::seconds(elapsed));
        if let Err(error) = db.record_job_run(job.to_owned(), ended).await {
            tracing::warn!(job, "cannot write down that the job `{job}` ran: {error}");
        }
    }
}

/// The Unix second that lies `period` before `now`.
fn before(now: i64, period: Duration) -> i64 {
    now.saturating_sub(clock::seconds(period))
}
