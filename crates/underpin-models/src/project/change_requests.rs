//! `change_requests`.

use chrono::NaiveDateTime;
use diesel::{prelude::*, sql_types::Bool};
use diesel_async::RunQueryDsl;
use underpin_db::Rows;

use super::{
    changes::{Changes as _, Data, Lock as _, data, found},
    page::{Page, older_than},
    refusal::{Kind, Refusal, granted},
    schema::{approvals, change_requests, tasks},
    status::{ChangeRequestStatus, Phase},
};
use crate::{prepared::Prepare as _, repository::repository};

/// A change that one phase of a task proposes.
#[derive(Debug, Clone, PartialEq, Eq, Identifiable, Insertable, Queryable, Selectable)]
#[diesel(table_name = change_requests, treat_none_as_default_value = false)]
#[diesel(check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
pub struct ChangeRequest {
    /// Of the row.
    pub id: i32,
    /// The task; it takes its change requests with it.
    pub task_id: i32,
    /// The phase that proposes it.
    pub phase: Phase,
    /// What is to change.
    pub content: String,
    /// How far it came.
    pub status: ChangeRequestStatus,
    /// Counted from 1.
    pub version: i32,
    /// UTC.
    pub created_at: NaiveDateTime,
    /// UTC.
    pub updated_at: NaiveDateTime,
}

/// Which change requests to list; `None` lists any.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ChangeRequestFilter {
    /// Of this task.
    pub task_id: Option<i32>,
    /// Of this status.
    pub status: Option<ChangeRequestStatus>,
}

/// A change request's way to another status.
struct Step {
    to: ChangeRequestStatus,
    event_type: &'static str,
    /// What the event says besides.
    more: Data,
    expected_version: Option<i32>,
}

/// Somebody's answer to a submitted change request.
struct Answer {
    status: ChangeRequestStatus,
    event_type: &'static str,
    approver: String,
    comment: Option<String>,
    expected_version: Option<i32>,
}

impl ChangeRequest {
    /// Whether it is at the version that the caller has read; any will do when that says none.
    fn is_at(&self, expected_version: Option<i32>) -> Result<(), Refusal> {
        match expected_version.filter(|version| *version != self.version) {
            Some(expected) => Err(Refusal::Stale { expected, found: self.version }),
            None => Ok(()),
        }
    }
}

repository! {
    /// What several operations on change requests share. The project is locked.
    trait ChangeRequestInternals {
        /// A change request of the project.
        write fn change_request_in(
            conn,
            project_id: i32,
            id: i32,
        ) -> Result<ChangeRequest, Refusal> {
            let query = change_requests::table
                .inner_join(tasks::table)
                .filter(change_requests::id.eq(id))
                .filter(tasks::project_id.eq(project_id))
                .select(ChangeRequest::as_select());
            Ok(found(Kind::ChangeRequest, id, query.first(conn).await.optional()?))
        }

        /// Gives a change request another status, and records that.
        transaction fn move_change_request(
            conn,
            project_id: i32,
            id: i32,
            step: Step,
            now: NaiveDateTime,
        ) -> Result<ChangeRequest, Refusal> {
            let Step { to, event_type, more, expected_version } = step;
            granted!(conn.locked(project_id).await?);
            let old = granted!(conn.change_request_in(project_id, id).await?);
            granted!(old.is_at(expected_version));
            granted!(old.status.change(id, to));
            let mut told = data! {
                change_request_id: id,
                old_status: old.status.wire(),
                new_status: to.wire(),
            };
            told.extend(more);
            conn.record(project_id, event_type, Some(old.task_id), told, now).await?;
            let saved = diesel::update(change_requests::table.find(id))
                .set((change_requests::status.eq(to), change_requests::updated_at.eq(now)))
                .returning(ChangeRequest::as_returning())
                .prepared()
                .get_result(conn)
                .await?;
            Ok(Ok(saved))
        }

        /// Answers a submitted change request: an approval, and its status.
        transaction fn answer_change_request(
            conn,
            project_id: i32,
            id: i32,
            answer: Answer,
            now: NaiveDateTime,
        ) -> Result<ChangeRequest, Refusal> {
            let Answer { status, event_type, approver, comment, expected_version } = answer;
            let more = data! { approver: approver.clone(), comment: comment.clone() };
            let step = Step { to: status, event_type, more, expected_version };
            let request = granted!(conn.move_change_request(project_id, id, step, now).await?);
            diesel::insert_into(approvals::table)
                .values((
                    approvals::task_id.eq(request.task_id),
                    approvals::change_request_id.eq(id),
                    approvals::approver.eq(approver),
                    approvals::approved.eq(status == ChangeRequestStatus::Approved),
                    approvals::comment.eq(comment),
                    approvals::created_at.eq(now),
                ))
                .execute(conn)
                .await?;
            Ok(Ok(request))
        }
    }
}

repository! {
    /// Changes that phases of tasks propose.
    pub trait ChangeRequestRepository {
        /// Makes a draft, version 1.
        transaction fn create_change_request(
            conn,
            project_id: i32,
            task_id: i32,
            phase: Phase,
            content: String,
            now: NaiveDateTime,
        ) -> Result<ChangeRequest, Refusal> {
            granted!(conn.locked(project_id).await?);
            granted!(conn.task_in(project_id, task_id).await?);
            let request: ChangeRequest = diesel::insert_into(change_requests::table)
                .values((
                    change_requests::task_id.eq(task_id),
                    change_requests::phase.eq(phase),
                    change_requests::content.eq(content),
                    change_requests::status.eq(ChangeRequestStatus::Draft),
                    change_requests::version.eq(1),
                    change_requests::created_at.eq(now),
                    change_requests::updated_at.eq(now),
                ))
                .returning(ChangeRequest::as_returning())
                .get_result(conn)
                .await?;
            let told = data! { change_request_id: request.id, phase: phase.wire() };
            conn.record(project_id, "change_request_created", Some(task_id), told, now).await?;
            Ok(Ok(request))
        }

        /// One change request.
        read(Rows::Few) fn change_request(
            conn,
            project_id: i32,
            id: i32,
        ) -> Option<ChangeRequest> {
            Ok(conn.change_request_in(project_id, id).await?.ok())
        }

        /// Change requests, newest first. Refused when the page is to begin after one that is not
        /// there.
        read(Rows::Many) fn change_requests(
            conn,
            project_id: i32,
            filter: ChangeRequestFilter,
            page: Page,
        ) -> Result<Vec<ChangeRequest>, Refusal> {
            if let Some(after) = page.after {
                granted!(conn.change_request_in(project_id, after).await?);
            }
            let any_task = filter.task_id.is_none().into_sql::<Bool>();
            let task = change_requests::task_id.nullable().eq(filter.task_id).assume_not_null();
            let any_status = filter.status.is_none().into_sql::<Bool>();
            let status = change_requests::status.nullable().eq(filter.status).assume_not_null();
            let query = change_requests::table
                .inner_join(tasks::table)
                .filter(tasks::project_id.eq(project_id))
                .filter(any_task.or(task))
                .filter(any_status.or(status))
                .filter(older_than!(change_requests.created_at, page.after))
                .order((change_requests::created_at.desc(), change_requests::id.desc()))
                .limit(page.limit.max(0))
                .offset(page.skip.max(0))
                .select(ChangeRequest::as_select());
            Ok(Ok(query.load(conn).await?))
        }

        /// Rewrites a draft: its next version, unless nothing changes. Refused as a transition to
        /// a draft when it is none any more.
        transaction fn update_change_request(
            conn,
            project_id: i32,
            id: i32,
            content: String,
            expected_version: Option<i32>,
            now: NaiveDateTime,
        ) -> Result<ChangeRequest, Refusal> {
            granted!(conn.locked(project_id).await?);
            let old = granted!(conn.change_request_in(project_id, id).await?);
            granted!(old.is_at(expected_version));
            if old.status != ChangeRequestStatus::Draft {
                granted!(old.status.change(id, ChangeRequestStatus::Draft));
            }
            if old.content == content {
                return Ok(Ok(old));
            }
            let version = old.version.saturating_add(1);
            let told = data! { change_request_id: id, content: content.clone(), new_version: version };
            conn.record(project_id, "change_request_updated", Some(old.task_id), told, now).await?;
            let saved = diesel::update(change_requests::table.find(id))
                .set((
                    change_requests::content.eq(content),
                    change_requests::version.eq(version),
                    change_requests::updated_at.eq(now),
                ))
                .returning(ChangeRequest::as_returning())
                .prepared()
                .get_result(conn)
                .await?;
            Ok(Ok(saved))
        }

        /// Asks people about a draft.
        transaction fn submit_change_request(
            conn,
            project_id: i32,
            id: i32,
            expected_version: Option<i32>,
            now: NaiveDateTime,
        ) -> Result<ChangeRequest, Refusal> {
            let (to, event_type) = (ChangeRequestStatus::Submitted, "change_request_submitted");
            let step = Step { to, event_type, more: Data::new(), expected_version };
            conn.move_change_request(project_id, id, step, now).await
        }

        /// Says yes to a submitted change request.
        transaction fn approve_change_request(
            conn,
            project_id: i32,
            id: i32,
            approver: String,
            comment: Option<String>,
            expected_version: Option<i32>,
            now: NaiveDateTime,
        ) -> Result<ChangeRequest, Refusal> {
            let (status, event_type) = (ChangeRequestStatus::Approved, "change_request_approved");
            let answer = Answer { status, event_type, approver, comment, expected_version };
            conn.answer_change_request(project_id, id, answer, now).await
        }

        /// Says no to a submitted change request.
        transaction fn reject_change_request(
            conn,
            project_id: i32,
            id: i32,
            approver: String,
            comment: Option<String>,
            expected_version: Option<i32>,
            now: NaiveDateTime,
        ) -> Result<ChangeRequest, Refusal> {
            let (status, event_type) = (ChangeRequestStatus::Rejected, "change_request_rejected");
            let answer = Answer { status, event_type, approver, comment, expected_version };
            conn.answer_change_request(project_id, id, answer, now).await
        }

        /// Notes that an approved change request is done.
        transaction fn implement_change_request(
            conn,
            project_id: i32,
            id: i32,
            expected_version: Option<i32>,
            now: NaiveDateTime,
        ) -> Result<ChangeRequest, Refusal> {
            let (to, event_type) = (ChangeRequestStatus::Implemented, "change_request_implemented");
            let step = Step { to, event_type, more: Data::new(), expected_version };
            conn.move_change_request(project_id, id, step, now).await
        }
    }
}
