//! `tasks`.

use std::collections::BTreeSet;

use chrono::NaiveDateTime;
use diesel::{
    dsl::{count_star, exists, not},
    prelude::*,
    sql_types::Bool,
};
use diesel_async::RunQueryDsl;
use underpin_db::Rows;

use super::{
    changes::{Changes as _, Data, Lock as _, VersionChange, data},
    control_state::{ControlRepository as _, MAX_ATTEMPTS},
    dependencies,
    page::Page,
    refusal::{Refusal, granted},
    reshape::Reshape as _,
    schema::{approvals, runs, tasks},
    status::{Phase, RunStatus, TaskStatus},
    task_input::{NewTask, TaskFilter, TaskText, TaskUpdate},
};
use crate::repository::repository;

/// A piece of work in a project.
#[derive(Debug, Clone, PartialEq, Eq, Identifiable, Insertable, Queryable, Selectable)]
#[diesel(table_name = tasks, treat_none_as_default_value = false)]
#[diesel(check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
pub struct Task {
    /// Of the row.
    pub id: i32,
    /// The project; it takes its tasks with it.
    pub project_id: i32,
    /// For people.
    pub title: String,
    /// For people.
    pub description: Option<String>,
    /// How far it came.
    pub status: TaskStatus,
    /// Which phase is at work.
    pub current_phase: Option<Phase>,
    /// Counted from 1.
    pub version: i32,
    /// The row of its current version, while it exists.
    pub active_version_id: Option<i32>,
    /// What runs it, when not the project's engine.
    pub engine_override: Option<String>,
    /// JSON of the program that wrote it; never read here.
    pub extra_data: Option<String>,
    /// Runs so far.
    pub attempts: i32,
    /// Higher comes first.
    pub priority: i32,
    /// UTC.
    pub created_at: NaiveDateTime,
    /// UTC.
    pub updated_at: NaiveDateTime,
}

impl Task {
    /// Whether it is at the version that the caller has read; any will do when that says none.
    pub(super) fn is_at(&self, expected_version: Option<i32>) -> Result<(), Refusal> {
        match expected_version.filter(|version| *version != self.version) {
            Some(expected) => Err(Refusal::Stale { expected, found: self.version }),
            None => Ok(()),
        }
    }

    /// Whether it may be changed so, and to which status.
    fn check(&self, update: &TaskUpdate) -> Result<TaskStatus, Refusal> {
        self.is_at(update.expected_version)?;
        let status = update.status.unwrap_or(self.status);
        if status != self.status {
            self.status.change(self.id, status)?;
        }
        if let Some(phase) = update.phase {
            phase.enter(self.id, self.current_phase, status)?;
        }
        Ok(status)
    }
}

repository! {
    /// What makes a task.
    pub(super) trait NewTasks {
        /// Makes a task with its first version. The project is locked, the dependencies are
        /// checked.
        transaction fn insert_task(
            conn,
            project_id: i32,
            new: NewTask,
            now: NaiveDateTime,
        ) -> Task {
            let task: Task = diesel::insert_into(tasks::table)
                .values((
                    tasks::project_id.eq(project_id),
                    tasks::title.eq(new.text.title),
                    tasks::description.eq(new.text.description),
                    tasks::status.eq(TaskStatus::Pending),
                    tasks::version.eq(1),
                    tasks::engine_override.eq(new.engine_override),
                    tasks::attempts.eq(0),
                    tasks::priority.eq(new.priority),
                    tasks::created_at.eq(now),
                    tasks::updated_at.eq(now),
                ))
                .returning(Task::as_returning())
                .get_result(conn)
                .await?;
            let first = BTreeSet::from_iter(new.dependencies);
            let deps = dependencies::render(&first);
            let version = conn.insert_version(task.clone(), None, deps, now).await?;
            let task = conn.save_task(Task { active_version_id: Some(version), ..task }).await?;
            let data = data! {
                title: task.title.clone(),
                priority: task.priority,
                dependencies: serde_json::Value::from_iter(first),
            };
            conn.record(project_id, "task_created", Some(task.id), data, now).await?;
            Ok(task)
        }
    }
}

repository! {
    /// Tasks of a project.
    ///
    /// While a run of a task is open its status is the run's: what would change that is refused.
    pub trait TaskRepository {
        /// Makes a pending task, with a row of its first version.
        transaction fn create_task(
            conn,
            project_id: i32,
            new: NewTask,
            now: NaiveDateTime,
        ) -> Result<Task, Refusal> {
            granted!(conn.locked(project_id).await?);
            let first = new.dependencies.iter().copied().collect();
            // No task has the id 0.
            granted!(conn.check_dependencies(project_id, 0, first).await?);
            Ok(Ok(conn.insert_task(project_id, new, now).await?))
        }

        /// One task.
        read(Rows::Few) fn task(conn, project_id: i32, id: i32) -> Option<Task> {
            Ok(conn.task_in(project_id, id).await?.ok())
        }

        /// Tasks, the most urgent first, then the oldest. Refused when the page is to begin after a
        /// task that is not there.
        read(Rows::Many) fn tasks(
            conn,
            project_id: i32,
            filter: TaskFilter,
            page: Page,
        ) -> Result<Vec<Task>, Refusal> {
            if let Some(after) = page.after {
                granted!(conn.task_in(project_id, after).await?);
            }
            let cursor = diesel::alias!(tasks as cursor);
            let row = || cursor.filter(cursor.field(tasks::id).nullable().eq(page.after));
            // Compared as the database keeps them: SQLite has times as text, and older programs
            // wrote more digits than we do.
            let priority =
                || row().select(cursor.field(tasks::priority)).single_value().assume_not_null();
            let time =
                || row().select(cursor.field(tasks::created_at)).single_value().assume_not_null();
            let later_id = tasks::id.nullable().gt(page.after).assume_not_null();
            let younger =
                tasks::created_at.gt(time()).or(tasks::created_at.eq(time()).and(later_id));
            let behind = tasks::priority
                .lt(priority())
                .or(tasks::priority.eq(priority()).and(younger));
            let any_status = filter.status.is_none().into_sql::<Bool>();
            let any_phase = filter.phase.is_none().into_sql::<Bool>();
            let query = tasks::table
                .filter(tasks::project_id.eq(project_id))
                .filter(any_status.or(tasks::status.nullable().eq(filter.status).assume_not_null()))
                .filter(any_phase.or(tasks::current_phase.eq(filter.phase).assume_not_null()))
                .filter(page.after.is_none().into_sql::<Bool>().or(behind))
                .order((tasks::priority.desc(), tasks::created_at.asc(), tasks::id.asc()))
                .limit(page.limit.max(0))
                .offset(page.skip.max(0))
                .select(Task::as_select());
            Ok(Ok(query.load(conn).await?))
        }

        /// How many tasks of the project have each status; a status of none is left out.
        read(Rows::Many) fn task_counts(conn, project_id: i32) -> Vec<(TaskStatus, i64)> {
            let query = tasks::table
                .filter(tasks::project_id.eq(project_id))
                .group_by(tasks::status)
                .select((tasks::status, count_star()));
            Ok(query.load(conn).await?)
        }

        /// Changes a task at `now`. Another title or description is a new version; what is as it
        /// was changes nothing, unless the update wants a new version of it.
        transaction fn update_task(
            conn,
            project_id: i32,
            id: i32,
            update: TaskUpdate,
            now: NaiveDateTime,
        ) -> Result<Task, Refusal> {
            granted!(conn.locked(project_id).await?);
            let old = granted!(conn.task_in(project_id, id).await?);
            let status = granted!(old.check(&update));
            if status != old.status {
                granted!(conn.no_open_run(id).await?);
            }
            let rewrites = update.rewrites();
            let (new, mut told) = old.updated(update);
            if told.is_empty() && status == old.status && !rewrites {
                return Ok(Ok(old));
            }
            let mut task = Task { updated_at: now, ..new };
            if rewrites || old.reads_differently(&task) {
                task = conn.save_version(old, task, VersionChange::Text, now).await?;
                told.extend(data! { new_version: task.version, version_id: task.active_version_id });
            }
            if !told.is_empty() {
                conn.record(project_id, "task_updated", Some(id), told, now).await?;
            }
            Ok(Ok(conn.save_status(task, status, Data::new(), now).await?))
        }

        /// Deletes a task, and gives it. Tasks that waited for it no longer do.
        transaction fn delete_task(
            conn,
            project_id: i32,
            id: i32,
            expected_version: Option<i32>,
            now: NaiveDateTime,
        ) -> Result<Task, Refusal> {
            granted!(conn.locked(project_id).await?);
            let task = granted!(conn.task_in(project_id, id).await?);
            granted!(task.is_at(expected_version));
            granted!(conn.no_open_run(id).await?);
            let graph = conn.dependency_graph(project_id).await?;
            let mut rewritten = dependencies::replaced(&graph, &[id].into(), &BTreeSet::new());
            // An older program may have let it wait for itself.
            rewritten.remove(&id);
            diesel::delete(tasks::table.find(id)).execute(conn).await?;
            let told = data! { title: task.title.clone() };
            conn.record(project_id, "task_deleted", Some(id), told, now).await?;
            conn.rewrite_dependencies(project_id, rewritten, now).await?;
            Ok(Ok(task))
        }

        /// Approves a task: an approval, and its status.
        transaction fn approve_task(
            conn,
            project_id: i32,
            id: i32,
            approver: String,
            comment: Option<String>,
            expected_version: Option<i32>,
            now: NaiveDateTime,
        ) -> Result<Task, Refusal> {
            granted!(conn.locked(project_id).await?);
            let task = granted!(conn.task_in(project_id, id).await?);
            granted!(task.is_at(expected_version));
            granted!(task.status.change(id, TaskStatus::Approved));
            granted!(conn.no_open_run(id).await?);
            let told = data! { approver: approver.clone() };
            diesel::insert_into(approvals::table)
                .values((
                    approvals::task_id.eq(id),
                    approvals::approver.eq(approver),
                    approvals::approved.eq(true),
                    approvals::comment.eq(comment),
                    approvals::created_at.eq(now),
                ))
                .execute(conn)
                .await?;
            Ok(Ok(conn.save_status(task, TaskStatus::Approved, told, now).await?))
        }

        /// Moves a task to its next phase, and gives the old one and the new one; no new one, and
        /// nothing changes, at the last. Into the last it comes approved.
        transaction fn advance_task(
            conn,
            project_id: i32,
            id: i32,
            expected_version: Option<i32>,
            now: NaiveDateTime,
        ) -> Result<(Option<Phase>, Option<Phase>), Refusal> {
            granted!(conn.locked(project_id).await?);
            let task = granted!(conn.task_in(project_id, id).await?);
            granted!(task.is_at(expected_version));
            let old = task.current_phase;
            let Some(new) = Phase::after(old) else {
                return Ok(Ok((old, None)));
            };
            granted!(new.enter(id, old, task.status));
            let told = data! { old_phase: old.map(Phase::wire), current_phase: new.wire() };
            conn.record(project_id, "task_updated", Some(id), told, now).await?;
            conn.save_task(Task { current_phase: Some(new), updated_at: now, ..task }).await?;
            Ok(Ok((old, Some(new))))
        }

        /// Two pending tasks for one, which is cancelled. They have its priority, its engine and
        /// what it waited for; what waited for it waits for both. Its gates stay its own: whoever
        /// splits the work knows which part passes which.
        transaction fn split_task(
            conn,
            project_id: i32,
            id: i32,
            parts: [TaskText; 2],
            reason: String,
            expected_version: Option<i32>,
            now: NaiveDateTime,
        ) -> Result<[Task; 2], Refusal> {
            conn.split(project_id, id, parts, reason, expected_version, now).await
        }

        /// One pending task for two or more, which are cancelled. It has the highest of their
        /// priorities and waits for what they waited for; what waited for one of them waits for it.
        /// Refused where it would wait for itself.
        transaction fn merge_tasks(
            conn,
            project_id: i32,
            ids: Vec<i32>,
            text: TaskText,
            reason: String,
            now: NaiveDateTime,
        ) -> Result<Task, Refusal> {
            conn.merge(project_id, ids, text, reason, now).await
        }

        /// The task that may run next: approved, with attempts left, everything that it waits for
        /// completed, no run open; the most urgent, then the oldest. `None` while the project is
        /// paused.
        read(Rows::Many) fn next_task(conn, project_id: i32) -> Option<Task> {
            let control = conn.control(project_id).await?;
            if control.as_ref().is_some_and(|control| control.paused) {
                return Ok(None);
            }
            let max_attempts = control.map_or(MAX_ATTEMPTS, |control| control.max_attempts);
            let open = runs::table
                .filter(runs::task_id.eq(tasks::id))
                .filter(runs::status.eq(RunStatus::Running));
            let query = tasks::table
                .filter(tasks::project_id.eq(project_id))
                .filter(tasks::status.eq(TaskStatus::Approved))
                .filter(tasks::attempts.lt(max_attempts))
                .filter(not(exists(open)))
                .order((tasks::priority.desc(), tasks::created_at.asc(), tasks::id.asc()))
                .select(tasks::id);
            let ready: Vec<i32> = query.load(conn).await?;
            let graph = conn.dependency_graph(project_id).await?;
            let completed = tasks::table
                .filter(tasks::project_id.eq(project_id))
                .filter(tasks::status.eq(TaskStatus::Completed))
                .select(tasks::id);
            let completed: Vec<i32> = completed.load(conn).await?;
            let completed = BTreeSet::from_iter(completed);
            let waits = |id: &i32| graph.get(id).is_some_and(|first| !first.is_subset(&completed));
            let Some(next) = ready.into_iter().find(|id| !waits(id)) else {
                return Ok(None);
            };
            Ok(conn.task_in(project_id, next).await?.ok())
        }

        /// The tasks that a task waits for, ascending.
        read(Rows::Few) fn dependencies(
            conn,
            project_id: i32,
            id: i32,
        ) -> Option<Vec<i32>> {
            if conn.task_in(project_id, id).await?.is_err() {
                return Ok(None);
            }
            let newest = conn.newest_version(id).await?;
            let deps_json = newest.and_then(|newest| newest.deps_json);
            Ok(Some(dependencies::parse(deps_json.as_deref()).into_iter().collect()))
        }

        /// Lets a task wait for these tasks and no others: a new version. One named twice counts
        /// once.
        transaction fn set_dependencies(
            conn,
            project_id: i32,
            id: i32,
            first: Vec<i32>,
            expected_version: Option<i32>,
            now: NaiveDateTime,
        ) -> Result<Task, Refusal> {
            granted!(conn.locked(project_id).await?);
            let task = granted!(conn.task_in(project_id, id).await?);
            granted!(task.is_at(expected_version));
            let first = BTreeSet::from_iter(first);
            granted!(conn.check_dependencies(project_id, id, first.clone()).await?);
            Ok(Ok(conn.save_dependencies(task, first, now).await?))
        }
    }
}
