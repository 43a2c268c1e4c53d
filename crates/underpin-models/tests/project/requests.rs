//! Change requests and approvals.

use rstest::rstest;
use serde_json::{Value, json};
use underpin_db::{Db, Dialect};
use underpin_models::project::{
    Approval, ApprovalRepository as _, ChangeRequest, ChangeRequestFilter,
    ChangeRequestRepository as _, ChangeRequestStatus, Kind, NewApproval, Page, Phase, Refusal,
};

use crate::{P, Rig, approve, at, events, newest, no, on_head, rows, some, task, told};

async fn draft(db: &Db, task: i32, seconds: i64) -> ChangeRequest {
    let content = "change it".to_owned();
    let made = db.create_change_request(P, task, Phase::Architect, content, at(seconds)).await;
    made.unwrap().unwrap()
}

/// The operation that leads to a status.
async fn move_to(db: &Db, id: i32, to: ChangeRequestStatus) -> Result<ChangeRequest, Refusal> {
    let ann = "ann".to_owned();
    match to {
        ChangeRequestStatus::Draft => {
            db.update_change_request(P, id, "other".to_owned(), None, at(5)).await
        }
        ChangeRequestStatus::Submitted => db.submit_change_request(P, id, None, at(5)).await,
        ChangeRequestStatus::Approved => {
            db.approve_change_request(P, id, ann, some("yes"), None, at(5)).await
        }
        ChangeRequestStatus::Rejected => {
            db.reject_change_request(P, id, ann, some("no"), None, at(5)).await
        }
        ChangeRequestStatus::Implemented => db.implement_change_request(P, id, None, at(5)).await,
    }
    .unwrap()
}

async fn approvals(db: &Db, task: Option<i32>) -> Vec<Approval> {
    db.approvals(P, task, Page::default()).await.unwrap().unwrap()
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_change_request_begins_as_a_draft(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, .. }| {
        let task = task(db, "one").await.id;
        let made = draft(db, task, 3).await;

        assert_eq!((made.task_id, made.phase), (task, Phase::Architect));
        assert_eq!((made.status, made.version), (ChangeRequestStatus::Draft, 1));
        assert_eq!((made.created_at, made.updated_at), (at(3), at(3)));
        assert_eq!(db.change_request(P, made.id).await.unwrap(), Some(made.clone()));

        let update = async |content: &str, version| {
            db.update_change_request(P, made.id, content.to_owned(), version, at(4)).await.unwrap()
        };
        let updated = update("another way", Some(1)).await.unwrap();
        assert_eq!((updated.version, updated.content.as_str()), (2, "another way"));
        assert_eq!((updated.created_at, updated.updated_at), (at(3), at(4)));
        assert_eq!(db.change_request(P, made.id).await.unwrap(), Some(updated.clone()));
        let stale = update("third", Some(1)).await.unwrap_err();
        assert_eq!(stale, Refusal::Stale { expected: 1, found: 2 });
        assert_eq!(update("another way", Some(2)).await.unwrap(), updated);
        assert_eq!(told(db, 2).await, ["change_request_created", "change_request_updated"]);

        let phase = Phase::Coder;
        let unknown = db.create_change_request(P, 99, phase, String::new(), at(1)).await.unwrap();
        assert_eq!(unknown.unwrap_err(), no(Kind::Task, 99));
        let unknown = move_to(db, 99, ChangeRequestStatus::Submitted).await.unwrap_err();
        assert_eq!(unknown.to_string(), "Change request 99 not found");
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_change_request_follows_its_table(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, on }| {
        use ChangeRequestStatus::{Approved, Draft, Implemented, Rejected, Submitted};
        let task = task(db, "one").await.id;
        for path in [&[Submitted, Approved, Implemented][..], &[Submitted, Rejected]] {
            let id = draft(db, task, 0).await.id;
            let mut from = Draft;
            for to in path {
                let before = rows(on);
                for wrong in ChangeRequestStatus::ALL {
                    let is_rewrite = (from, *wrong) == (Draft, Draft);
                    if !from.may_become(*wrong) && !is_rewrite {
                        let (from, to) = (from.wire(), wrong.wire());
                        let kind = Kind::ChangeRequest;
                        let refused = Refusal::Transition { kind, id, from, to };
                        assert_eq!(move_to(db, id, *wrong).await.unwrap_err(), refused);
                    }
                }
                assert_eq!(rows(on), before);
                let number = newest(db).await;
                assert_eq!(move_to(db, id, *to).await.unwrap().status, *to);
                let told = events(db, number).await;
                assert_eq!(told.len(), 1);
                assert_eq!(told[0].0, format!("change_request_{}", to.wire()));
                assert_eq!(told[0].2["change_request_id"], id);
                assert_eq!(told[0].2["old_status"], from.wire());
                assert_eq!(told[0].2["new_status"], to.wire());
                from = *to;
            }
            let answer = approvals(db, Some(task)).await[0].clone();
            assert_eq!((answer.change_request_id, answer.approver.as_str()), (Some(id), "ann"));
            let (approved, comment) =
                if path[1] == Approved { (true, "yes") } else { (false, "no") };
            assert_eq!((answer.approved, answer.comment), (approved, some(comment)));
        }
        assert_eq!(approvals(db, None).await.len(), 2);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn change_requests_are_listed_newest_first_from_any_place(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, .. }| {
        let (one, two) = (task(db, "one").await.id, task(db, "two").await.id);
        let mut ids = Vec::new();
        for (task, seconds) in [(one, 1), (two, 1), (one, 3), (two, 2)] {
            ids.push(draft(db, task, seconds).await.id);
        }
        let order = [ids[2], ids[3], ids[1], ids[0]];
        let list = async |filter, limit, after, skip| {
            let page = Page { limit, after, skip };
            let requests = db.change_requests(P, filter, page).await.unwrap().unwrap();
            requests.into_iter().map(|request| request.id).collect::<Vec<_>>()
        };
        let any = ChangeRequestFilter::default();

        assert_eq!(list(any, 100, None, 0).await, order);
        for place in 0..order.len() {
            assert_eq!(list(any, 100, Some(order[place]), 0).await, order[place + 1..]);
        }
        assert_eq!(list(any, 1, None, 1).await, order[1..2]);
        move_to(db, ids[0], ChangeRequestStatus::Submitted).await.unwrap();
        let submitted = ChangeRequestFilter {
            task_id: Some(one),
            status: Some(ChangeRequestStatus::Submitted),
        };
        assert_eq!(list(submitted, 100, None, 0).await, [ids[0]]);
        let page = Page { after: Some(99), ..Page::default() };
        let unknown = db.change_requests(P, any, page).await.unwrap().unwrap_err();
        assert_eq!(unknown, no(Kind::ChangeRequest, 99));
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn an_answer_is_written_down_without_a_change_of_status(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, on }| {
        let (one, two) = (task(db, "one").await.id, task(db, "two").await.id);
        let request = draft(db, one, 0).await.id;
        let answer = |task_id, change_request_id| NewApproval {
            task_id,
            change_request_id,
            approver: "ann".to_owned(),
            approved: false,
            comment: None,
        };
        let create = async |task, request, seconds| {
            db.create_approval(P, answer(task, request), at(seconds)).await.unwrap()
        };
        let before = newest(db).await;

        let first = create(one, Some(request), 2).await.unwrap();
        let second = create(two, None, 1).await.unwrap();
        let third = create(one, None, 2).await.unwrap();

        assert_eq!((first.change_request_id, first.approved), (Some(request), false));
        let told = events(db, before).await;
        assert_eq!((told[0].0.as_str(), told[0].1), ("approval_created", Some(one)));
        let data = json!({
            "approval_id": first.id, "change_request_id": request, "approver": "ann",
            "approved": false,
        });
        assert_eq!(Value::from(told[0].2.clone()), data);
        assert_eq!(approvals(db, None).await, [third.clone(), first.clone(), second.clone()]);
        assert_eq!(approvals(db, Some(one)).await, [third.clone(), first.clone()]);
        let page = Page { after: Some(third.id), limit: 1, skip: 1 };
        assert_eq!(db.approvals(P, None, page).await.unwrap().unwrap(), [second]);

        let dump = rows(on);
        assert_eq!(create(99, None, 1).await.unwrap_err(), no(Kind::Task, 99));
        assert_eq!(create(one, Some(99), 1).await.unwrap_err(), no(Kind::ChangeRequest, 99));
        // It is another task's.
        let of_one = no(Kind::ChangeRequest, request);
        assert_eq!(create(two, Some(request), 1).await.unwrap_err(), of_one);
        let page = Page { after: Some(99), ..Page::default() };
        let unknown = db.approvals(P, None, page).await.unwrap().unwrap_err();
        assert_eq!(unknown, no(Kind::Approval, 99));
        assert_eq!(rows(on), dump);
        approve(db, one).await;
    });
}
