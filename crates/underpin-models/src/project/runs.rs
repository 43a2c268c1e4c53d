//! `runs`.

use chrono::NaiveDateTime;
use diesel::{prelude::*, sql_types::Bool};
use diesel_async::RunQueryDsl;
use underpin_db::Rows;

use super::{
    changes::{Changes as _, Lock as _, data},
    control_state::{ControlInternals as _, ControlRepository as _, ControlState, MAX_ATTEMPTS},
    page::{Page, older_than},
    refusal::{DependencyFault, Refusal, granted},
    schema::{runs, tasks},
    status::{RunStatus, TaskStatus},
    tasks::{Task, TaskRepository as _},
};
use crate::{prepared::Prepare as _, repository::repository};

/// One attempt of an engine at a task.
#[derive(Debug, Clone, PartialEq, Eq, Identifiable, Insertable, Queryable, Selectable)]
#[diesel(table_name = runs, treat_none_as_default_value = false)]
#[diesel(check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
pub struct Run {
    /// Of the row.
    pub id: i32,
    /// The task; it takes its runs with it.
    pub task_id: i32,
    /// What ran.
    pub engine: String,
    /// How it ended, or that it has not.
    pub status: RunStatus,
    /// Where its log is.
    pub log_path: Option<String>,
    /// JSON: what each gate said.
    pub gate_results: Option<String>,
    /// JSON of the program that wrote it; never read here.
    pub extra_data: Option<String>,
    /// UTC.
    pub start_time: NaiveDateTime,
    /// UTC; `None` while it runs.
    pub end_time: Option<NaiveDateTime>,
}

/// Which runs to list; `None` lists any.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Of this task.
    pub task_id: Option<i32>,
    /// Of this status.
    pub status: Option<RunStatus>,
}

/// The event of a run that ended so.
fn event_of(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Running => "run_started",
        RunStatus::Success => "run_completed",
        RunStatus::Failure | RunStatus::Timeout => "run_failed",
        RunStatus::Cancelled => "run_cancelled",
    }
}

repository! {
    /// What several operations on runs share. The project is locked.
    trait RunInternals {
        /// A task of the project that may run now.
        transaction fn runnable(conn, project_id: i32, task_id: i32) -> Result<Task, Refusal> {
            let task = granted!(conn.task_in(project_id, task_id).await?);
            let control = conn.control(project_id).await?;
            if control.as_ref().is_some_and(|control| control.paused) {
                return Ok(Err(Refusal::Paused));
            }
            granted!(conn.no_open_run(task_id).await?);
            if task.status != TaskStatus::Approved {
                let status = task.status.wire();
                return Ok(Err(Refusal::NotApproved { task: task_id, status }));
            }
            let first = conn.dependencies(project_id, task_id).await?.unwrap_or_default();
            let completed = tasks::table
                .filter(tasks::project_id.eq(project_id))
                .filter(tasks::id.eq_any(first.clone()))
                .filter(tasks::status.eq(TaskStatus::Completed))
                .select(tasks::id);
            let completed: Vec<i32> = completed.load(conn).await?;
            if let Some(id) = first.into_iter().find(|id| !completed.contains(id)) {
                return Ok(Err(DependencyFault::Incomplete { id }.into()));
            }
            let max_attempts = control.map_or(MAX_ATTEMPTS, |control| control.max_attempts);
            if task.attempts >= max_attempts {
                let attempts = task.attempts;
                return Ok(Err(Refusal::AttemptsExhausted { task: task_id, attempts, max_attempts }));
            }
            Ok(Ok(task))
        }

        /// Leaves the task of a run that ended as the run says, where the table of statuses allows
        /// it: an older program may have moved the task meanwhile.
        transaction fn release_task(
            conn,
            project_id: i32,
            run: Run,
            now: NaiveDateTime,
        ) -> () {
            let control = conn.control_or_new(project_id, now).await?;
            if control.current_task_id == Some(run.task_id) {
                let control = ControlState { current_task_id: None, updated_at: now, ..control };
                conn.save_control(control).await?;
            }
            let to = run.status.task_after();
            if let Ok(task) = conn.task_in(project_id, run.task_id).await?
                && task.status.change(task.id, to).is_ok()
            {
                conn.save_status(task, to, data! { run_id: run.id }, now).await?;
            }
            Ok(())
        }
    }
}

repository! {
    /// Attempts of engines at tasks.
    pub trait RunRepository {
        /// Starts a run of an approved task: one attempt more, and the task is in progress.
        ///
        /// Refused while the project is paused, the task has an open run, is not approved, waits
        /// for another one, or has no attempts left.
        transaction fn start_run(
            conn,
            project_id: i32,
            task_id: i32,
            engine: String,
            now: NaiveDateTime,
        ) -> Result<Run, Refusal> {
            granted!(conn.locked(project_id).await?);
            let mut task = granted!(conn.runnable(project_id, task_id).await?);
            task.attempts += 1;
            let run: Run = diesel::insert_into(runs::table)
                .values((
                    runs::task_id.eq(task_id),
                    runs::engine.eq(engine),
                    runs::status.eq(RunStatus::Running),
                    runs::start_time.eq(now),
                ))
                .returning(Run::as_returning())
                .get_result(conn)
                .await?;
            let told =
                data! { run_id: run.id, engine: run.engine.clone(), attempt: task.attempts };
            conn.record(project_id, event_of(run.status), Some(task_id), told, now).await?;
            conn.save_status(task, TaskStatus::InProgress, data! { run_id: run.id }, now).await?;
            let control = conn.control_or_new(project_id, now).await?;
            let current_task_id = Some(task_id);
            conn.save_control(ControlState { current_task_id, updated_at: now, ..control }).await?;
            Ok(Ok(run))
        }

        /// Ends an open run: a success completes its task, anything else leaves it approved.
        /// `gate_results` is JSON.
        transaction fn finish_run(
            conn,
            project_id: i32,
            id: i32,
            status: RunStatus,
            gate_results: Option<String>,
            now: NaiveDateTime,
        ) -> Result<Run, Refusal> {
            granted!(conn.locked(project_id).await?);
            let old = granted!(conn.run_in(project_id, id).await?);
            granted!(old.status.change(id, status));
            let told = data! {
                run_id: id,
                old_status: old.status.wire(),
                new_status: status.wire(),
            };
            conn.record(project_id, event_of(status), Some(old.task_id), told, now).await?;
            let run: Run = diesel::update(runs::table.find(id))
                .set((
                    runs::status.eq(status),
                    runs::gate_results.eq(gate_results),
                    runs::end_time.eq(now),
                ))
                .returning(Run::as_returning())
                .prepared()
                .get_result(conn)
                .await?;
            conn.release_task(project_id, run.clone(), now).await?;
            Ok(Ok(run))
        }

        /// Ends an open run that somebody stopped.
        transaction fn cancel_run(
            conn,
            project_id: i32,
            id: i32,
            now: NaiveDateTime,
        ) -> Result<Run, Refusal> {
            conn.finish_run(project_id, id, RunStatus::Cancelled, None, now).await
        }

        /// One run.
        read(Rows::Few) fn run(conn, project_id: i32, id: i32) -> Option<Run> {
            Ok(conn.run_in(project_id, id).await?.ok())
        }

        /// Runs, newest first. Refused when the page is to begin after one that is not there.
        read(Rows::Many) fn runs(
            conn,
            project_id: i32,
            filter: RunFilter,
            page: Page,
        ) -> Result<Vec<Run>, Refusal> {
            if let Some(after) = page.after {
                granted!(conn.run_in(project_id, after).await?);
            }
            let any_task = filter.task_id.is_none().into_sql::<Bool>();
            let any_status = filter.status.is_none().into_sql::<Bool>();
            let query = runs::table
                .inner_join(tasks::table)
                .filter(tasks::project_id.eq(project_id))
                .filter(any_task.or(runs::task_id.nullable().eq(filter.task_id).assume_not_null()))
                .filter(any_status.or(runs::status.nullable().eq(filter.status).assume_not_null()))
                .filter(older_than!(runs.start_time, page.after))
                .order((runs::start_time.desc(), runs::id.desc()))
                .limit(page.limit.max(0))
                .offset(page.skip.max(0))
                .select(Run::as_select());
            Ok(Ok(query.load(conn).await?))
        }

        /// Notes where the log of a run is, also after its end; `None` where it is no more.
        transaction fn set_run_log(
            conn,
            project_id: i32,
            id: i32,
            log_path: Option<String>,
            now: NaiveDateTime,
        ) -> Result<Run, Refusal> {
            granted!(conn.locked(project_id).await?);
            let old = granted!(conn.run_in(project_id, id).await?);
            if old.log_path == log_path {
                return Ok(Ok(old));
            }
            let told = data! { run_id: id, log_path: log_path.clone() };
            conn.record(project_id, "run_log", Some(old.task_id), told, now).await?;
            let saved = diesel::update(runs::table.find(id))
                .set(runs::log_path.eq(log_path))
                .returning(Run::as_returning())
                .prepared()
                .get_result(conn)
                .await?;
            Ok(Ok(saved))
        }
    }
}
