//! Tasks: made, listed, changed, approved, advanced, deleted.

use rstest::rstest;
use serde_json::json;
use underpin_db::Dialect;
use underpin_models::project::{
    ApprovalRepository as _, Kind, NewTask, Page, Phase, Refusal, TaskFilter, TaskRepository as _,
    TaskStatus, TaskUpdate, TaskVersionRepository as _,
};

use crate::{
    P, Rig, approve, at, events, new_task, newest, no, on_head, rows, some, task, task_after, text,
    told,
};

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_task_begins_with_its_first_version(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, .. }| {
        let first = task(db, "first").await;
        let new = NewTask {
            text: text("second"),
            priority: 7,
            engine_override: some("mine"),
            dependencies: vec![first.id, first.id],
        };

        let made = db.create_task(P, new, at(3)).await.unwrap().unwrap();

        assert_eq!((made.title.as_str(), made.priority), ("second", 7));
        assert_eq!((made.status, made.current_phase), (TaskStatus::Pending, None));
        assert_eq!((made.version, made.attempts, made.created_at), (1, 0, at(3)));
        assert_eq!(made.engine_override, some("mine"));
        assert_eq!(db.task(P, made.id).await.unwrap(), Some(made.clone()));
        let versions = db.task_versions(P, made.id).await.unwrap().unwrap();
        assert_eq!(versions.len(), 1);
        assert_eq!(Some(versions[0].id), made.active_version_id);
        assert_eq!((versions[0].version_num, versions[0].title.as_str()), (1, "second"));
        assert_eq!(versions[0].description, some("about second"));
        assert_eq!(db.dependencies(P, made.id).await.unwrap(), Some(vec![first.id]));
        let told = events(db, 2).await;
        let data = json!({"title": "second", "priority": 7, "dependencies": [first.id]});
        let data = data.as_object().unwrap().clone();
        assert_eq!(told, [("task_created".to_owned(), Some(made.id), data)]);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn tasks_are_listed_by_urgency_then_age_from_any_place(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, .. }| {
        let mut ids = Vec::new();
        for (priority, seconds) in [(0, 1), (5, 3), (5, 2), (0, 1), (-1, 0)] {
            let new = NewTask { priority, ..new_task("t", &[]) };
            ids.push(db.create_task(P, new, at(seconds)).await.unwrap().unwrap().id);
        }
        let order = [ids[2], ids[1], ids[0], ids[3], ids[4]];
        let list = async |filter, limit, after, skip| {
            let page = Page { limit, after, skip };
            let tasks = db.tasks(P, filter, page).await.unwrap().unwrap();
            tasks.into_iter().map(|task| task.id).collect::<Vec<_>>()
        };
        let any = TaskFilter::default();

        assert_eq!(list(any, 100, None, 0).await, order);
        for place in 0..order.len() {
            assert_eq!(list(any, 100, Some(order[place]), 0).await, order[place + 1..]);
        }
        assert_eq!(list(any, 2, Some(order[0]), 1).await, order[2..4]);
        assert_eq!(list(any, 100, None, 4).await, order[4..]);
        assert!(list(any, -1, None, -1).await.is_empty());

        approve(db, ids[0]).await;
        db.advance_task(P, ids[4], None, at(1)).await.unwrap().unwrap();
        let approved = TaskFilter { status: Some(TaskStatus::Approved), ..any };
        assert_eq!(list(approved, 100, None, 0).await, [ids[0]]);
        // The place does not depend on the filter.
        assert_eq!(list(approved, 100, Some(ids[1]), 0).await, [ids[0]]);
        let planned = TaskFilter { phase: Some(Phase::Planner), ..any };
        assert_eq!(list(planned, 100, None, 0).await, [ids[4]]);
        let page = Page { after: Some(99), ..Page::default() };
        assert_eq!(db.tasks(P, any, page).await.unwrap().unwrap_err(), no(Kind::Task, 99));
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn another_text_is_another_version(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, .. }| {
        let first = task(db, "first").await;
        let id = task_after(db, "one", &[first.id]).await.id;
        let gates = vec![json!({"name": "test", "command": "just test"})];
        db.set_gates(P, id, gates.clone(), Some(1), at(2)).await.unwrap().unwrap();
        let before = newest(db).await;

        let update = TaskUpdate {
            title: some("two"),
            description: Some(None),
            priority: Some(4),
            engine_override: Some(some("mine")),
            expected_version: Some(2),
            ..TaskUpdate::default()
        };
        let updated = db.update_task(P, id, update, at(3)).await.unwrap().unwrap();

        assert_eq!((updated.version, updated.title.as_str()), (3, "two"));
        assert_eq!((updated.description.clone(), updated.priority), (None, 4));
        assert_eq!((updated.updated_at, updated.created_at), (at(3), at(0)));
        assert_eq!(db.task(P, id).await.unwrap(), Some(updated.clone()));
        let versions = db.task_versions(P, id).await.unwrap().unwrap();
        let numbers: Vec<_> =
            versions.iter().map(|one| (one.version_num, one.title.as_str())).collect();
        assert_eq!(numbers, [(1, "one"), (2, "one"), (3, "two")]);
        assert_eq!(Some(versions[2].id), updated.active_version_id);
        assert_eq!(db.newest_task_version(P, id).await.unwrap().as_ref(), versions.last());
        assert_eq!(db.gates(P, id).await.unwrap(), Some(gates));
        assert_eq!(db.dependencies(P, id).await.unwrap(), Some(vec![first.id]));
        let told = events(db, before).await;
        let data = json!({
            "title": "two", "description": null, "priority": 4, "engine_override": "mine",
            "new_version": 3, "version_id": versions[2].id,
        });
        let data = data.as_object().unwrap().clone();
        assert_eq!(told, [("task_updated".to_owned(), Some(id), data)]);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_is_as_it_was_changes_nothing(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, on }| {
        let task = task(db, "same").await;
        let before = rows(on);

        let update = TaskUpdate {
            title: some("same"),
            description: Some(some("about same")),
            status: Some(TaskStatus::Pending),
            priority: Some(0),
            engine_override: Some(None),
            expected_version: Some(1),
            phase: None,
            same_is_new: false,
        };

        assert_eq!(db.update_task(P, task.id, update, at(9)).await.unwrap().unwrap(), task);
        let nothing = TaskUpdate::default();
        assert_eq!(db.update_task(P, task.id, nothing, at(9)).await.unwrap().unwrap(), task);
        assert_eq!(rows(on), before);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn an_update_that_is_refused_changes_nothing(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, on }| {
        let id = task(db, "one").await.id;
        let before = rows(on);
        let titled = TaskUpdate { title: some("two"), ..TaskUpdate::default() };
        let refused =
            async |update| db.update_task(P, id, update, at(9)).await.unwrap().unwrap_err();

        let stale = refused(TaskUpdate { expected_version: Some(2), ..titled.clone() }).await;
        assert_eq!(stale, Refusal::Stale { expected: 2, found: 1 });
        let status = Some(TaskStatus::Completed);
        let moved = refused(TaskUpdate { status, ..titled.clone() }).await;
        assert_eq!(
            moved.to_string(),
            format!("Task {id} is `pending` and cannot become `completed`")
        );
        let phase = Some(Phase::Architect);
        let moved = refused(TaskUpdate { phase, ..titled.clone() }).await;
        assert_eq!(moved.to_string(), format!("Task {id} is `none` and cannot become `architect`"));

        assert_eq!(rows(on), before);
        let unknown = db.update_task(P, 99, titled, at(9)).await.unwrap().unwrap_err();
        assert_eq!(unknown.to_string(), "Task 99 not found");
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_change_of_status_tells_the_old_and_the_new(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, .. }| {
        let id = task(db, "one").await.id;
        let update = TaskUpdate {
            status: Some(TaskStatus::AwaitingApproval),
            priority: Some(2),
            ..TaskUpdate::default()
        };

        let updated = db.update_task(P, id, update, at(1)).await.unwrap().unwrap();

        assert_eq!((updated.status, updated.version), (TaskStatus::AwaitingApproval, 1));
        let told = events(db, 2).await;
        let changed = json!({"priority": 2}).as_object().unwrap().clone();
        let moved = json!({"old_status": "pending", "new_status": "awaiting_approval"});
        assert_eq!(
            told,
            [
                ("task_updated".to_owned(), Some(id), changed),
                ("task_status_changed".to_owned(), Some(id), moved.as_object().unwrap().clone()),
            ]
        );
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn the_same_text_is_a_version_where_that_is_wanted(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, .. }| {
        let id = task(db, "one").await.id;
        let before = newest(db).await;
        let wanted = TaskUpdate { same_is_new: true, ..TaskUpdate::default() };
        let none = db.update_task(P, id, wanted.clone(), at(1)).await.unwrap().unwrap();
        assert_eq!((none.version, newest(db).await), (1, before));

        let same = TaskUpdate { title: some("one"), ..wanted };
        let updated = db.update_task(P, id, same, at(2)).await.unwrap().unwrap();

        assert_eq!((updated.version, updated.updated_at), (2, at(2)));
        let versions = db.task_versions(P, id).await.unwrap().unwrap();
        assert_eq!(versions.len(), 2);
        assert_eq!(Some(versions[1].id), updated.active_version_id);
        let data = json!({ "new_version": 2, "version_id": versions[1].id });
        let data = data.as_object().unwrap().clone();
        assert_eq!(events(db, before).await, [("task_updated".to_owned(), Some(id), data)]);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn an_old_task_keeps_the_text_that_it_had(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, on }| {
        let id = task(db, "old").await.id;
        on.batch("DELETE FROM task_versions; UPDATE tasks SET version = 4");
        assert_eq!(db.newest_task_version(P, id).await.unwrap(), None);
        assert_eq!(db.gates(P, id).await.unwrap(), Some(Vec::new()));

        let update = TaskUpdate { title: some("new"), ..TaskUpdate::default() };
        let updated = db.update_task(P, id, update, at(1)).await.unwrap().unwrap();

        assert_eq!(updated.version, 5);
        let versions = db.task_versions(P, id).await.unwrap().unwrap();
        let texts: Vec<_> =
            versions.iter().map(|one| (one.version_num, one.title.as_str())).collect();
        assert_eq!(texts, [(4, "old"), (5, "new")]);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_task_is_approved_once(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, on }| {
        let id = task(db, "one").await.id;

        let comment = some("go");
        let done =
            db.approve_task(P, id, "ann".to_owned(), comment.clone(), None, at(1)).await.unwrap();

        assert_eq!(done.unwrap().status, TaskStatus::Approved);
        let approvals = db.approvals(P, Some(id), Page::default()).await.unwrap().unwrap();
        assert_eq!(approvals.len(), 1);
        let one = &approvals[0];
        assert_eq!(
            (one.approver.as_str(), one.approved, one.change_request_id),
            ("ann", true, None)
        );
        assert_eq!((&one.comment, one.created_at), (&comment, at(1)));
        let moved = json!({"old_status": "pending", "new_status": "approved", "approver": "ann"});
        let moved = moved.as_object().unwrap().clone();
        assert_eq!(events(db, 2).await, [("task_status_changed".to_owned(), Some(id), moved)]);

        let before = rows(on);
        let again = db.approve_task(P, id, "bob".to_owned(), None, None, at(2)).await.unwrap();
        assert_eq!(
            again.unwrap_err(),
            Refusal::Transition { kind: Kind::Task, id, from: "approved", to: "approved" }
        );
        assert_eq!(rows(on), before);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_task_is_coded_when_it_is_approved(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, .. }| {
        use Phase::{Architect, Coder, Planner, ReviewApproval};
        let id = task(db, "one").await.id;
        let advance = async || db.advance_task(P, id, None, at(1)).await.unwrap();

        assert_eq!(advance().await, Ok((None, Some(Planner))));
        assert_eq!(advance().await, Ok((Some(Planner), Some(Architect))));
        assert_eq!(advance().await, Ok((Some(Architect), Some(ReviewApproval))));
        let refused = Refusal::NotApproved { task: id, status: "pending" };
        assert_eq!(advance().await, Err(refused.clone()));
        let coder = TaskUpdate { phase: Some(Coder), ..TaskUpdate::default() };
        let update = db.update_task(P, id, coder.clone(), at(1)).await.unwrap();
        assert_eq!(update.unwrap_err(), refused);
        let before = newest(db).await;

        // The status of the same update counts.
        let coder = TaskUpdate { status: Some(TaskStatus::Approved), ..coder };
        let updated = db.update_task(P, id, coder, at(1)).await.unwrap().unwrap();

        assert_eq!(updated.current_phase, Some(Coder));
        assert_eq!(advance().await, Ok((Some(Coder), None)));
        assert_eq!(told(db, before).await, ["task_updated", "task_status_changed"]);
        let first = &events(db, 2).await[1].2;
        assert_eq!(
            (&first["old_phase"], &first["current_phase"]),
            (&json!("planner"), &json!("architect"))
        );
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn nothing_waits_for_a_task_that_is_deleted(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, .. }| {
        let (one, two) = (task(db, "one").await, task(db, "two").await);
        let waiting = task_after(db, "waiting", &[one.id, two.id]).await;
        let before = newest(db).await;

        assert_eq!(db.delete_task(P, one.id, None, at(1)).await.unwrap().unwrap(), one);

        assert_eq!(db.task(P, one.id).await.unwrap(), None);
        assert_eq!(db.task_versions(P, one.id).await.unwrap(), None);
        assert_eq!(db.dependencies(P, waiting.id).await.unwrap(), Some(vec![two.id]));
        assert_eq!(told(db, before).await, ["task_deleted", "task_updated"]);
        let again = db.delete_task(P, one.id, None, at(1)).await.unwrap().unwrap_err();
        assert_eq!(again, no(Kind::Task, one.id));
    });
}
