//! `approvals`.

use chrono::NaiveDateTime;
use diesel::{prelude::*, sql_types::Bool};
use diesel_async::RunQueryDsl;
use underpin_db::Rows;

use super::{
    change_requests::ChangeRequestRepository as _,
    changes::{Changes as _, Lock as _, data, found},
    page::{Page, older_than},
    refusal::{Kind, Refusal, granted},
    schema::{approvals, tasks},
};
use crate::repository::repository;

/// Somebody's answer to a task or to one of its change requests.
#[derive(Debug, Clone, PartialEq, Eq, Identifiable, Insertable, Queryable, Selectable)]
#[diesel(table_name = approvals, treat_none_as_default_value = false)]
#[diesel(check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
pub struct Approval {
    /// Of the row.
    pub id: i32,
    /// The task; it takes its approvals with it.
    pub task_id: i32,
    /// The change request, when it is about one.
    pub change_request_id: Option<i32>,
    /// Who answered.
    pub approver: String,
    /// Yes or no.
    pub approved: bool,
    /// Why.
    pub comment: Option<String>,
    /// UTC.
    pub created_at: NaiveDateTime,
}

/// An answer to be written down. It changes no status: approving does, see `approve_task`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewApproval {
    /// The task.
    pub task_id: i32,
    /// The change request of that task, when it is about one.
    pub change_request_id: Option<i32>,
    /// Who answered.
    pub approver: String,
    /// Yes or no.
    pub approved: bool,
    /// Why.
    pub comment: Option<String>,
}

repository! {
    /// Answers of people.
    pub trait ApprovalRepository {
        /// Writes an answer down.
        transaction fn create_approval(
            conn,
            project_id: i32,
            new: NewApproval,
            now: NaiveDateTime,
        ) -> Result<Approval, Refusal> {
            granted!(conn.locked(project_id).await?);
            granted!(conn.task_in(project_id, new.task_id).await?);
            if let Some(id) = new.change_request_id {
                let request = conn.change_request(project_id, id).await?;
                let of_task = request.filter(|request| request.task_id == new.task_id);
                granted!(found(Kind::ChangeRequest, id, of_task));
            }
            let approval: Approval = diesel::insert_into(approvals::table)
                .values((
                    approvals::task_id.eq(new.task_id),
                    approvals::change_request_id.eq(new.change_request_id),
                    approvals::approver.eq(new.approver),
                    approvals::approved.eq(new.approved),
                    approvals::comment.eq(new.comment),
                    approvals::created_at.eq(now),
                ))
                .returning(Approval::as_returning())
                .get_result(conn)
                .await?;
            let told = data! {
                approval_id: approval.id,
                change_request_id: approval.change_request_id,
                approver: approval.approver.clone(),
                approved: approval.approved,
            };
            conn.record(project_id, "approval_created", Some(new.task_id), told, now).await?;
            Ok(Ok(approval))
        }

        /// Answers to a task, or to all of the project, newest first. Refused when the page is to
        /// begin after one that is not there.
        read(Rows::Many) fn approvals(
            conn,
            project_id: i32,
            task_id: Option<i32>,
            page: Page,
        ) -> Result<Vec<Approval>, Refusal> {
            if let Some(after) = page.after {
                let query = approvals::table
                    .inner_join(tasks::table)
                    .filter(approvals::id.eq(after))
                    .filter(tasks::project_id.eq(project_id))
                    .select(approvals::id);
                let row: Option<i32> = query.first(conn).await.optional()?;
                granted!(found(Kind::Approval, after, row));
            }
            let any_task = task_id.is_none().into_sql::<Bool>();
            let query = approvals::table
                .inner_join(tasks::table)
                .filter(tasks::project_id.eq(project_id))
                .filter(any_task.or(approvals::task_id.nullable().eq(task_id).assume_not_null()))
                .filter(older_than!(approvals.created_at, page.after))
                .order((approvals::created_at.desc(), approvals::id.desc()))
                .limit(page.limit.max(0))
                .offset(page.skip.max(0))
                .select(Approval::as_select());
            Ok(Ok(query.load(conn).await?))
        }
    }
}
