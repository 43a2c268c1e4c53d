//! What every change of a project has in common: the lock, the rows it looks at, its events.

use std::collections::BTreeSet;

use chrono::NaiveDateTime;
use diesel::{
    dsl::{exists, not},
    prelude::*,
};
use diesel_async::RunQueryDsl;
use serde_json::{Map, Value};
use underpin_db::{DbError, PgConn, Rows, SqliteConn};

use super::{
    EVENT_TYPES, Event, Project, Run, RunStatus, Task, TaskStatus, TaskVersion,
    dependencies::{self, Graph},
    refusal::{Kind, Refusal},
    schema::{events, projects, runs, task_versions, tasks},
};
use crate::{prepared::Prepare as _, repository::repository};

/// The lock on a project.
pub(super) trait Lock: Sized {
    /// Holds the project until the transaction ends, and gives it. Changes of a project come one
    /// after the other: each decides by what it sees, and the numbers of events follow the order of
    /// commits.
    fn locked(
        self,
        project_id: i32,
    ) -> impl Future<Output = Result<Result<Project, Refusal>, DbError>> + Send;
}

impl Lock for &mut PgConn {
    async fn locked(self, project_id: i32) -> Result<Result<Project, Refusal>, DbError> {
        // A weaker lock than FOR UPDATE, which the foreign keys of inserts would wait for.
        let query =
            projects::table.find(project_id).for_no_key_update().select(Project::as_select());
        Ok(found(Kind::Project, project_id, query.first(self).await.optional()?))
    }
}

impl Lock for &mut SqliteConn {
    async fn locked(self, project_id: i32) -> Result<Result<Project, Refusal>, DbError> {
        // The transaction has the lock of the whole file.
        let query = projects::table.find(project_id).select(Project::as_select());
        Ok(found(Kind::Project, project_id, query.first(self).await.optional()?))
    }
}

/// The row, or that there is none.
pub(super) fn found<T>(kind: Kind, id: i32, row: Option<T>) -> Result<T, Refusal> {
    row.ok_or_else(|| Refusal::not_found(kind, id))
}

/// What an event says beside its type.
pub(super) type Data = Map<String, Value>;

/// The data of an event, from pairs of a name and a value.
macro_rules! data {
    ($($name:ident: $value:expr),* $(,)?) => {{
        let mut data = $crate::project::changes::Data::new();
        $(data.insert(stringify!($name).to_owned(), serde_json::Value::from($value));)*
        data
    }};
}

pub(super) use data;

/// Adds the new value of a field to `data` when it changed.
pub(super) fn note<T>(data: &mut Data, field: &str, old: &T, new: &T)
where
    T: PartialEq + Clone + Into<Value>,
{
    if old != new {
        data.insert(field.to_owned(), new.clone().into());
    }
}

/// What a new version of a task changes beside the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum VersionChange {
    /// Nothing.
    Text,
    /// The gates: JSON.
    Gates(String),
    /// The tasks that come first.
    Dependencies(BTreeSet<i32>),
}

repository! {
    /// What every change of a project has in common.
    pub(super) trait Changes {
        /// Records what happened, as the next event of the project.
        transaction fn record(
            conn,
            project_id: i32,
            event_type: &'static str,
            task_id: Option<i32>,
            data: Data,
            now: NaiveDateTime,
        ) -> () {
            debug_assert!(EVENT_TYPES.binary_search(&event_type).is_ok(), "{event_type} is unknown");
            let number = diesel::update(projects::table.find(project_id))
                .set(projects::last_event.eq(projects::last_event + 1))
                .returning(projects::last_event)
                .prepared()
                .get_result(conn)
                .await?;
            let event = Event {
                project_id,
                number,
                event_type: event_type.to_owned(),
                task_id,
                data: Value::from(data).to_string(),
                created_at: now,
            };
            diesel::insert_into(events::table).values(event).execute(conn).await?;
            Ok(())
        }

        /// A task of the project.
        read(Rows::Few) fn task_in(conn, project_id: i32, id: i32) -> Result<Task, Refusal> {
            let query = tasks::table
                .find(id)
                .filter(tasks::project_id.eq(project_id))
                .select(Task::as_select());
            Ok(found(Kind::Task, id, query.first(conn).await.optional()?))
        }

        /// A run of the project.
        read(Rows::Few) fn run_in(conn, project_id: i32, id: i32) -> Result<Run, Refusal> {
            let query = runs::table
                .inner_join(tasks::table)
                .filter(runs::id.eq(id))
                .filter(tasks::project_id.eq(project_id))
                .select(Run::as_select());
            Ok(found(Kind::Run, id, query.first(conn).await.optional()?))
        }

        /// Refuses while a run of the task is open.
        read(Rows::Few) fn no_open_run(conn, task_id: i32) -> Result<(), Refusal> {
            let query = runs::table
                .filter(runs::task_id.eq(task_id))
                .filter(runs::status.eq(RunStatus::Running))
                .order(runs::id)
                .select(runs::id);
            Ok(match query.first(conn).await.optional()? {
                Some(run) => Err(Refusal::Running { task: task_id, run }),
                None => Ok(()),
            })
        }

        /// The newest version of a task; an old task may have none.
        read(Rows::Few) fn newest_version(conn, task_id: i32) -> Option<TaskVersion> {
            let query = task_versions::table
                .filter(task_versions::task_id.eq(task_id))
                .order(task_versions::version_num.desc())
                .select(TaskVersion::as_select());
            Ok(query.first(conn).await.optional()?)
        }

        /// Which tasks of the project wait for which.
        read(Rows::Many) fn dependency_graph(conn, project_id: i32) -> Graph {
            let newer = diesel::alias!(task_versions as newer);
            let is_old = exists(
                newer
                    .filter(newer.field(task_versions::task_id).eq(task_versions::task_id))
                    .filter(newer.field(task_versions::version_num).gt(task_versions::version_num)),
            );
            let query = task_versions::table
                .inner_join(tasks::table)
                .filter(tasks::project_id.eq(project_id))
                .filter(task_versions::deps_json.is_not_null())
                .filter(not(is_old))
                .select((task_versions::task_id, task_versions::deps_json));
            let rows: Vec<(i32, Option<String>)> = query.load(conn).await?;
            let parsed = rows.into_iter().map(|(id, json)| (id, dependencies::parse(json.as_deref())));
            Ok(parsed.collect())
        }

        /// Refuses what task `id` cannot wait for; 0 is a task that is not there yet.
        transaction fn check_dependencies(
            conn,
            project_id: i32,
            id: i32,
            first: BTreeSet<i32>,
        ) -> Result<(), Refusal> {
            if first.is_empty() {
                return Ok(Ok(()));
            }
            let query = tasks::table
                .filter(tasks::project_id.eq(project_id))
                .filter(tasks::id.eq_any(first.clone()))
                .select(tasks::id);
            let known: Vec<i32> = query.load(conn).await?;
            let known = known.into_iter().collect();
            let graph = conn.dependency_graph(project_id).await?;
            Ok(dependencies::check(&graph, &known, id, &first).map_err(Refusal::from))
        }

        /// Writes the columns of a task that change.
        write fn save_task(conn, task: Task) -> Task {
            let saved = diesel::update(tasks::table.find(task.id))
                .set((
                    tasks::title.eq(task.title),
                    tasks::description.eq(task.description),
                    tasks::status.eq(task.status),
                    tasks::current_phase.eq(task.current_phase),
                    tasks::version.eq(task.version),
                    tasks::active_version_id.eq(task.active_version_id),
                    tasks::engine_override.eq(task.engine_override),
                    tasks::extra_data.eq(task.extra_data),
                    tasks::attempts.eq(task.attempts),
                    tasks::priority.eq(task.priority),
                    tasks::updated_at.eq(task.updated_at),
                ))
                .returning(Task::as_returning())
                .prepared()
                .get_result(conn)
                .await?;
            Ok(saved)
        }

        /// Writes a row of `task_versions` from the task as it is.
        write fn insert_version(
            conn,
            task: Task,
            gates_json: Option<String>,
            deps_json: Option<String>,
            now: NaiveDateTime,
        ) -> i32 {
            let id = diesel::insert_into(task_versions::table)
                .values((
                    task_versions::task_id.eq(task.id),
                    task_versions::version_num.eq(task.version),
                    task_versions::title.eq(task.title),
                    task_versions::description.eq(task.description),
                    task_versions::gates_json.eq(gates_json),
                    task_versions::deps_json.eq(deps_json),
                    task_versions::created_at.eq(now),
                ))
                .returning(task_versions::id)
                .get_result(conn)
                .await?;
            Ok(id)
        }

        /// Saves a task as its next version: `new` is `old` with other values. Gates and
        /// dependencies stay unless they are what changes.
        ///
        /// An older program wrote no row of the first version: what it says is written first.
        transaction fn save_version(
            conn,
            old: Task,
            new: Task,
            change: VersionChange,
            now: NaiveDateTime,
        ) -> Task {
            let newest = conn.newest_version(old.id).await?;
            let highest = newest.as_ref().map_or(0, |newest| newest.version_num);
            let (gates, deps) =
                newest.map_or((None, None), |newest| (newest.gates_json, newest.deps_json));
            if highest < old.version {
                conn.insert_version(old.clone(), gates.clone(), deps.clone(), now).await?;
            }
            let (gates, deps) = match change {
                VersionChange::Text => (gates, deps),
                VersionChange::Gates(gates) => (Some(gates), deps),
                VersionChange::Dependencies(first) => (gates, dependencies::render(&first)),
            };
            let version = old.version.max(highest).saturating_add(1);
            let mut task = Task { version, updated_at: now, ..new };
            task.active_version_id =
                Some(conn.insert_version(task.clone(), gates, deps, now).await?);
            conn.save_task(task).await
        }

        /// Saves a task with the status `to`, which the caller has checked, and records it. Its own
        /// status is saved without a word.
        transaction fn save_status(
            conn,
            task: Task,
            to: TaskStatus,
            more: Data,
            now: NaiveDateTime,
        ) -> Task {
            let from = task.status;
            let task = conn.save_task(Task { status: to, updated_at: now, ..task }).await?;
            if from != to {
                let mut data = data! { old_status: from.wire(), new_status: to.wire() };
                data.extend(more);
                conn.record(task.project_id, "task_status_changed", Some(task.id), data, now).await?;
            }
            Ok(task)
        }

        /// Lets each task of `rewritten` wait for other tasks, as its next version.
        transaction fn rewrite_dependencies(
            conn,
            project_id: i32,
            rewritten: Graph,
            now: NaiveDateTime,
        ) -> () {
            for (id, first) in rewritten {
                // The graph is of this project, which is locked.
                let Ok(task) = conn.task_in(project_id, id).await? else { continue };
                conn.save_dependencies(task, first, now).await?;
            }
            Ok(())
        }

        /// Lets a task wait for `first`, as its next version.
        transaction fn save_dependencies(
            conn,
            task: Task,
            first: BTreeSet<i32>,
            now: NaiveDateTime,
        ) -> Task {
            let ids: Value = first.iter().copied().collect();
            let change = VersionChange::Dependencies(first);
            let task = conn.save_version(task.clone(), task, change, now).await?;
            let data = data! {
                dependencies: ids,
                new_version: task.version,
                version_id: task.active_version_id,
            };
            conn.record(task.project_id, "task_updated", Some(task.id), data, now).await?;
            Ok(task)
        }
    }
}
