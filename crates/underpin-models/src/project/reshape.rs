//! One task becomes two, several become one.

use std::collections::BTreeSet;

use chrono::NaiveDateTime;
use serde_json::Value;

use super::{
    Task, TaskStatus,
    changes::{Changes as _, Data, Lock as _, data},
    dependencies,
    refusal::{DependencyFault, Refusal, granted},
    task_input::{NewTask, TaskText},
    tasks::NewTasks as _,
};
use crate::repository::repository;

repository! {
    /// One task becomes two, several become one.
    pub(super) trait Reshape {
        /// See `TaskRepository::split_task`.
        transaction fn split(
            conn,
            project_id: i32,
            id: i32,
            parts: [TaskText; 2],
            reason: String,
            expected_version: Option<i32>,
            now: NaiveDateTime,
        ) -> Result<[Task; 2], Refusal> {
            granted!(conn.locked(project_id).await?);
            let source = granted!(conn.replaceable(project_id, id, expected_version).await?);
            let graph = conn.dependency_graph(project_id).await?;
            let [one, other] = parts.map(|text| NewTask {
                text,
                priority: source.priority,
                engine_override: source.engine_override.clone(),
                dependencies: graph.get(&id).into_iter().flatten().copied().collect(),
            });
            let one = conn.insert_task(project_id, one, now).await?;
            let other = conn.insert_task(project_id, other, now).await?;

            let ids = [one.id, other.id];
            let extra = data! { superseded_by: ids.to_vec(), split_reason: reason };
            let told = data! { action: "split", new_task_ids: ids.to_vec() };
            conn.supersede(source, extra, told, now).await?;
            let rewritten = dependencies::replaced(&graph, &[id].into(), &ids.into());
            conn.rewrite_dependencies(project_id, rewritten, now).await?;
            Ok(Ok([one, other]))
        }

        /// See `TaskRepository::merge_tasks`.
        transaction fn merge(
            conn,
            project_id: i32,
            ids: Vec<i32>,
            text: TaskText,
            reason: String,
            now: NaiveDateTime,
        ) -> Result<Task, Refusal> {
            granted!(conn.locked(project_id).await?);
            let old = granted!(distinct(&ids));
            let mut sources = Vec::new();
            for id in &ids {
                sources.push(granted!(conn.replaceable(project_id, *id, None).await?));
            }
            let graph = conn.dependency_graph(project_id).await?;
            if let Some(id) = dependencies::cycle_of_merged(&graph, &old) {
                return Ok(Err(DependencyFault::Cycle { id }.into()));
            }
            let first = old.iter().filter_map(|id| graph.get(id)).flatten();
            let first: BTreeSet<i32> = first.filter(|id| !old.contains(id)).copied().collect();
            let new = merged(&sources, text, first);
            let merged = conn.insert_task(project_id, new, now).await?;

            for source in sources {
                let others: Value = ids.iter().copied().filter(|id| *id != source.id).collect();
                let extra = data! {
                    superseded_by: merged.id,
                    merge_reason: reason.clone(),
                    merged_with: others,
                };
                let told = data! {
                    action: "merge",
                    merged_task_id: merged.id,
                    source_task_ids: ids.clone(),
                };
                conn.supersede(source, extra, told, now).await?;
            }
            let mut rewritten = dependencies::replaced(&graph, &old, &[merged.id].into());
            rewritten.retain(|id, _| !old.contains(id));
            conn.rewrite_dependencies(project_id, rewritten, now).await?;
            Ok(Ok(merged))
        }

        /// A task of the project that may be cancelled for others in its place.
        transaction fn replaceable(
            conn,
            project_id: i32,
            id: i32,
            expected_version: Option<i32>,
        ) -> Result<Task, Refusal> {
            let task = granted!(conn.task_in(project_id, id).await?);
            granted!(task.is_at(expected_version));
            granted!(task.status.change(id, TaskStatus::Cancelled));
            granted!(conn.no_open_run(id).await?);
            Ok(Ok(task))
        }

        /// Cancels a task for what came in its place.
        transaction fn supersede(
            conn,
            source: Task,
            extra: Data,
            told: Data,
            now: NaiveDateTime,
        ) -> () {
            let mut source = source;
            let (project_id, id) = (source.project_id, source.id);
            source.add_extra_data(extra);
            conn.record(project_id, "task_updated", Some(id), told, now).await?;
            conn.save_status(source, TaskStatus::Cancelled, Data::new(), now).await?;
            Ok(())
        }
    }
}

/// At least two ids, none of them twice.
fn distinct(ids: &[i32]) -> Result<BTreeSet<i32>, Refusal> {
    if ids.len() < 2 {
        return Err(Refusal::TooFew);
    }
    let mut seen = BTreeSet::new();
    match ids.iter().find(|id| !seen.insert(**id)) {
        Some(id) => Err(Refusal::Duplicate { id: *id }),
        None => Ok(seen),
    }
}

/// One task for several: as urgent as the most urgent, run by their engine when they agree on it.
fn merged(sources: &[Task], text: TaskText, first: BTreeSet<i32>) -> NewTask {
    let engine = sources.first().and_then(|source| source.engine_override.clone());
    let agreed = sources.iter().all(|source| source.engine_override == engine);
    NewTask {
        text,
        priority: sources.iter().map(|source| source.priority).max().unwrap_or_default(),
        engine_override: engine.filter(|_| agreed),
        dependencies: first.into_iter().collect(),
    }
}
