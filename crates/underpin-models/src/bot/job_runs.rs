//! `job_runs`.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use underpin_db::Rows;

use super::schema::job_runs;
use crate::repository::repository;

/// When a job last ran to its end.
#[derive(Debug, Clone, PartialEq, Eq, Identifiable, Insertable, Queryable, Selectable)]
#[diesel(table_name = job_runs, primary_key(job), treat_none_as_default_value = false)]
#[diesel(check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
pub struct JobRun {
    /// The job's name.
    pub job: String,
    /// Unix seconds.
    pub last_run: i64,
}

repository! {
    /// When jobs last ran, so that a restart neither skips nor repeats one.
    pub trait JobRunRepository {
        /// When `job` last ran to its end, in Unix seconds; `None` when it never did.
        read(Rows::Few) fn job_last_run(conn, job: String) -> Option<i64> {
            let query = job_runs::table.find(job).select(job_runs::last_run);
            Ok(query.first(conn).await.optional()?)
        }

        /// Notes that `job` ran to its end at `now` (Unix seconds).
        write fn record_job_run(conn, job: String, now: i64) -> () {
            diesel::insert_into(job_runs::table)
                .values(JobRun { job, last_run: now })
                .on_conflict(job_runs::job)
                .do_update()
                .set(job_runs::last_run.eq(now))
                .execute(conn)
                .await?;
            Ok(())
        }
    }
}
