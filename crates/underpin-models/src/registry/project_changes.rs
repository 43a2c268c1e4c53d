//! `project_changes`, and what `registered_projects` says of events.

use diesel::{prelude::*, upsert::excluded};
use diesel_async::RunQueryDsl;
use underpin_db::Rows;

use super::schema::{project_changes as counter, registered_projects as table};
use crate::{prepared::Prepare as _, repository::repository};

/// The only row of `project_changes`.
const COUNTER: i32 = 1;

/// That something happened in a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectChange {
    /// The project.
    pub project_id: i32,
    /// The newest event when the registry began to be told.
    pub events_before: i64,
    /// The newest event now.
    pub last_event: i64,
    /// The number of the change, counted over all projects in the order of commits.
    pub change: i64,
}

repository! {
    /// How many events projects have told. The registry learns it after the change itself, so it may be
    /// behind; it is never ahead.
    pub trait ProjectChangeRepository {
        /// Notes how many events project `id` had told when the registry began to be told. Where it has
        /// begun already, nothing changes.
        write fn begin_project_events(conn, id: i32, last_event: i64) -> () {
            diesel::update(table::table.find(id))
                .filter(table::last_event.is_null())
                .set((table::events_before.eq(last_event), table::last_event.eq(last_event)))
                .execute(conn)
                .await?;
            Ok(())
        }

        /// Notes the newest events of projects, each as a change of its own. What is known already
        /// is no change.
        ///
        /// The counter's row is taken first and held to the end: the numbers of changes become visible
        /// in their order, so that whoever has seen one has seen all before it.
        transaction fn note_project_events(conn, newest: Vec<(i32, i64)>) -> () {
            for (id, last_event) in newest {
                let change: i64 = diesel::insert_into(counter::table)
                    .values((counter::id.eq(COUNTER), counter::newest.eq(1_i64)))
                    .on_conflict(counter::id)
                    .do_update()
                    .set(counter::newest.eq(counter::newest + excluded(counter::newest)))
                    .returning(counter::newest)
                    .prepared()
                    .get_result(conn)
                    .await?;
                diesel::update(table::table.find(id))
                    .filter(table::last_event.lt(last_event))
                    .set((table::last_event.eq(last_event), table::change.eq(change)))
                    .prepared()
                    .execute(conn)
                    .await?;
            }
            Ok(())
        }

        /// The number of the newest change; 0 before the first.
        read(Rows::Few) fn newest_project_change(conn) -> i64 {
            let query = counter::table.find(COUNTER).select(counter::newest);
            Ok(query.first(conn).await.optional()?.unwrap_or(0))
        }

        /// The changes after `change`, oldest first; of each project the newest alone. A limit below 0
        /// is 0.
        read(Rows::at_most(limit)) fn project_changes_after(
            conn,
            change: i64,
            limit: i64,
        ) -> Vec<ProjectChange> {
            let query = table::table
                .filter(table::change.gt(change))
                .order(table::change)
                .limit(limit.max(0))
                .select((
                    table::id,
                    table::events_before.assume_not_null(),
                    table::last_event.assume_not_null(),
                    table::change.assume_not_null(),
                ));
            let rows: Vec<(i32, i64, i64, i64)> = query.load(conn).await?;
            let change = |(project_id, events_before, last_event, change)| ProjectChange {
                project_id,
                events_before,
                last_event,
                change,
            };
            Ok(rows.into_iter().map(change).collect())
        }

        /// Every project, archived ones too, with its newest event as far as it is known.
        read(Rows::Many) fn noted_project_events(conn) -> Vec<(i32, i64)> {
            let query = table::table
                .filter(table::last_event.is_not_null())
                .select((table::id, table::last_event.assume_not_null()));
            Ok(query.load(conn).await?)
        }

        /// The newest event of project `id` when the registry began to be told; `None` when it has not,
        /// or knows of no such project.
        read(Rows::Few) fn project_events_before(conn, id: i32) -> Option<i64> {
            let query = table::table.find(id).select(table::events_before);
            Ok(query.first(conn).await.optional()?.flatten())
        }
    }
}
