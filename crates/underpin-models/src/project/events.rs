//! `events`.

use chrono::NaiveDateTime;
use diesel::{dsl::min, prelude::*};
use diesel_async::RunQueryDsl;
use underpin_db::Rows;

use super::schema::events;
use crate::repository::repository;

/// What can happen in a project: every type of an event, sorted.
pub const EVENT_TYPES: &[&str] = &[
    "approval_created",
    "artifact_created",
    "artifact_deleted",
    "artifact_updated",
    "change_request_approved",
    "change_request_created",
    "change_request_implemented",
    "change_request_rejected",
    "change_request_submitted",
    "change_request_updated",
    "execution_paused",
    "execution_resumed",
    "project_created",
    "project_deleted",
    "project_restored",
    "project_updated",
    "run_cancelled",
    "run_completed",
    "run_failed",
    "run_log",
    "run_started",
    "task_created",
    "task_deleted",
    "task_status_changed",
    "task_updated",
];

/// Something that happened in a project.
#[derive(Debug, Clone, PartialEq, Eq, Identifiable, Insertable, Queryable, Selectable)]
#[diesel(table_name = events, primary_key(project_id, number), treat_none_as_default_value = false)]
#[diesel(check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
pub struct Event {
    /// The project.
    pub project_id: i32,
    /// Counted from 1 in each project, without gaps, in the order of commits.
    pub number: i64,
    /// What happened, such as `task_created`.
    pub event_type: String,
    /// The task it happened to, which may be gone since.
    pub task_id: Option<i32>,
    /// JSON: more about it.
    pub data: String,
    /// UTC.
    pub created_at: NaiveDateTime,
}

repository! {
    /// What happened in a project. Every operation that changes something records it, in its own
    /// transaction.
    pub trait EventRepository {
        /// The events after `number`, oldest first; from 0 all that are kept. A limit below 0 is 0.
        read(Rows::at_most(limit)) fn events_after(
            conn,
            project_id: i32,
            number: i64,
            limit: i64,
        ) -> Vec<Event> {
            let query = events::table
                .filter(events::project_id.eq(project_id))
                .filter(events::number.gt(number))
                .order(events::number)
                .limit(limit.max(0))
                .select(Event::as_select());
            Ok(query.load(conn).await?)
        }

        /// The newest events, newest first. A limit below 0 is 0.
        read(Rows::at_most(limit)) fn newest_events(
            conn,
            project_id: i32,
            limit: i64,
        ) -> Vec<Event> {
            let query = events::table
                .filter(events::project_id.eq(project_id))
                .order(events::number.desc())
                .limit(limit.max(0))
                .select(Event::as_select());
            Ok(query.load(conn).await?)
        }

        /// Deletes the events from before `before`, and says how many. What is kept has no gaps:
        /// where the clock went back, an older event stays as long as one before it does.
        transaction fn delete_events_before(
            conn,
            project_id: i32,
            before: NaiveDateTime,
        ) -> usize {
            let kept: Option<i64> = events::table
                .filter(events::project_id.eq(project_id))
                .filter(events::created_at.ge(before))
                .select(min(events::number))
                .first(conn)
                .await?;
            let old = events::table
                .filter(events::project_id.eq(project_id))
                .filter(events::number.lt(kept.unwrap_or(i64::MAX)));
            Ok(diesel::delete(old).execute(conn).await?)
        }
    }
}
