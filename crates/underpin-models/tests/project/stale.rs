//! Who has read another version changes nothing, whatever he wants.

use rstest::rstest;
use serde_json::json;
use underpin_db::{Db, Dialect};
use underpin_models::project::{
    ChangeRequestRepository as _, ChangeRequestStatus, Phase, Refusal, TaskRepository as _,
    TaskStatus, TaskUpdate, TaskVersionRepository as _,
};

use crate::{P, Rig, at, on_head, rows, some, task, text};

/// What each operation on a task says to somebody who has read `version`.
async fn on_task(
    db: &Db,
    id: i32,
    version: Option<i32>,
) -> Vec<(&'static str, Result<(), Refusal>)> {
    let (ann, why, now) = ("ann".to_owned(), String::new(), at(9));
    let parts = ["left", "right"].map(text);
    let gates = vec![json!({ "name": "test" })];
    let title = some("another");
    let update = TaskUpdate { title, expected_version: version, ..TaskUpdate::default() };
    vec![
        ("update", db.update_task(P, id, update, now).await.unwrap().map(drop)),
        ("gates", db.set_gates(P, id, gates, version, now).await.unwrap().map(drop)),
        ("wait", db.set_dependencies(P, id, vec![], version, now).await.unwrap().map(drop)),
        ("advance", db.advance_task(P, id, version, now).await.unwrap().map(drop)),
        ("approve", db.approve_task(P, id, ann, None, version, now).await.unwrap().map(drop)),
        ("split", db.split_task(P, id, parts, why, version, now).await.unwrap().map(drop)),
        ("delete", db.delete_task(P, id, version, now).await.unwrap().map(drop)),
    ]
}

/// What each operation on a change request says to somebody who has read `version`.
async fn on_request(
    db: &Db,
    id: i32,
    version: Option<i32>,
) -> Vec<(&'static str, Result<(), Refusal>)> {
    let (ann, now) = (|| "ann".to_owned(), at(9));
    let text = "otherwise".to_owned();
    let rewritten = db.update_change_request(P, id, text, version, now).await.unwrap();
    let submitted = db.submit_change_request(P, id, version, now).await.unwrap();
    let approved = db.approve_change_request(P, id, ann(), None, version, now).await.unwrap();
    let rejected = db.reject_change_request(P, id, ann(), None, version, now).await.unwrap();
    let done = db.implement_change_request(P, id, version, now).await.unwrap();
    vec![
        ("rewrite", rewritten.map(drop)),
        ("submit", submitted.map(drop)),
        ("approve", approved.map(drop)),
        ("reject", rejected.map(drop)),
        ("implement", done.map(drop)),
    ]
}

/// The version is looked at before the status: whoever reads again learns of both.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_stale_version_of_a_task_changes_nothing(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, on }| {
        for status in [None, Some(TaskStatus::Approved), Some(TaskStatus::Cancelled)] {
            let id = task(db, "one").await.id;
            let update = TaskUpdate { title: some("two"), status, ..TaskUpdate::default() };
            db.update_task(P, id, update, at(1)).await.unwrap().unwrap();
            let before = rows(on);

            for expected in [0, 1, 3, i32::MAX] {
                for (what, done) in on_task(db, id, Some(expected)).await {
                    let stale = Refusal::Stale { expected, found: 2 };
                    assert_eq!(done, Err(stale), "{what} {status:?}");
                }
            }
            assert_eq!(rows(on), before, "{status:?}");
        }
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_stale_version_of_a_change_request_changes_nothing(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, on }| {
        let task = task(db, "one").await.id;
        let phase = Phase::Coder;
        for status in [ChangeRequestStatus::Draft, ChangeRequestStatus::Submitted] {
            let made = db.create_change_request(P, task, phase, "as is".to_owned(), at(1)).await;
            let id = made.unwrap().unwrap().id;
            let text = "as it is".to_owned();
            db.update_change_request(P, id, text, Some(1), at(2)).await.unwrap().unwrap();
            if status == ChangeRequestStatus::Submitted {
                db.submit_change_request(P, id, Some(2), at(3)).await.unwrap().unwrap();
            }
            let before = rows(on);

            for expected in [0, 1, 3, i32::MAX] {
                for (what, done) in on_request(db, id, Some(expected)).await {
                    let stale = Refusal::Stale { expected, found: 2 };
                    assert_eq!(done, Err(stale), "{what} {status:?}");
                }
            }
            assert_eq!(rows(on), before, "{status:?}");
        }
    });
}

/// The version that was read is taken by each operation, and so is none at all.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn the_version_that_was_read_is_taken(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, .. }| {
        let gates = vec![json!({ "name": "test" })];
        let [left, right] = ["left", "right"].map(text);
        for version in [None, Some(1)] {
            let new = async || task(db, "one").await.id;
            let (ann, why, now) = (|| "ann".to_owned(), String::new, at(9));
            let parts = [left.clone(), right.clone()];
            let (one, gates) = (new().await, gates.clone());
            db.set_gates(P, new().await, gates, version, now).await.unwrap().unwrap();
            let first = vec![one];
            db.set_dependencies(P, new().await, first, version, now).await.unwrap().unwrap();
            db.advance_task(P, new().await, version, now).await.unwrap().unwrap();
            db.approve_task(P, one, ann(), None, version, now).await.unwrap().unwrap();
            db.split_task(P, new().await, parts, why(), version, now).await.unwrap().unwrap();
            db.delete_task(P, new().await, version, now).await.unwrap().unwrap();
            let phase = Phase::Coder;
            for is_approved in [true, false] {
                let made = db.create_change_request(P, one, phase, "as is".to_owned(), at(1)).await;
                let id = made.unwrap().unwrap().id;
                db.submit_change_request(P, id, version, now).await.unwrap().unwrap();
                if is_approved {
                    let approving = db.approve_change_request(P, id, ann(), None, version, now);
                    approving.await.unwrap().unwrap();
                    db.implement_change_request(P, id, version, now).await.unwrap().unwrap();
                } else {
                    let rejecting = db.reject_change_request(P, id, ann(), None, version, now);
                    rejecting.await.unwrap().unwrap();
                }
            }
        }
    });
}
