//! One task becomes two, several become one.

use rstest::rstest;
use serde_json::{Value, json};
use underpin_db::Dialect;
use underpin_models::project::{
    DependencyFault, Kind, NewTask, Refusal, Task, TaskRepository as _, TaskStatus, TaskText,
    TaskUpdate, TaskVersionRepository as _,
};

use crate::{
    P, Rig, approve, at, events, new_task, newest, no, on_head, rows, some, task, task_after, text,
    told,
};

fn extra(task: &Task) -> Value {
    serde_json::from_str(task.extra_data.as_deref().unwrap()).unwrap()
}

fn parts() -> [TaskText; 2] {
    ["left", "right"].map(text)
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn two_tasks_take_the_place_of_one(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, on }| {
        let first = task(db, "first").await.id;
        let new =
            NewTask { priority: 7, engine_override: some("mine"), ..new_task("one", &[first]) };
        let id = db.create_task(P, new, at(0)).await.unwrap().unwrap().id;
        let waiting = task_after(db, "waiting", &[first, id]).await.id;
        let gates = vec![json!({"name": "test"})];
        db.set_gates(P, waiting, gates.clone(), None, at(1)).await.unwrap().unwrap();
        on.batch(&format!("UPDATE tasks SET extra_data = '{{\"kept\": [1]}}' WHERE id = {id}"));
        let before = newest(db).await;

        let split =
            db.split_task(P, id, parts(), "too \"big\"".to_owned(), None, at(2)).await.unwrap();

        let [left, right] = split.unwrap();
        for (made, title) in [(&left, "left"), (&right, "right")] {
            assert_eq!((made.title.as_str(), made.status), (title, TaskStatus::Pending));
            assert_eq!((made.priority, made.engine_override.clone()), (7, some("mine")));
            assert_eq!(db.dependencies(P, made.id).await.unwrap(), Some(vec![first]));
            assert_eq!(db.task(P, made.id).await.unwrap().as_ref(), Some(made));
        }
        let source = db.task(P, id).await.unwrap().unwrap();
        assert_eq!((source.status, source.updated_at), (TaskStatus::Cancelled, at(2)));
        let ids = [left.id, right.id];
        assert_eq!(
            extra(&source),
            json!({"kept": [1], "superseded_by": ids, "split_reason": "too \"big\""})
        );
        let after = db.dependencies(P, waiting).await.unwrap();
        assert_eq!(after, Some(vec![first, left.id, right.id]));
        assert_eq!(db.gates(P, waiting).await.unwrap(), Some(gates));
        assert_eq!(db.task(P, waiting).await.unwrap().unwrap().version, 3);
        let told = events(db, before).await;
        let types: Vec<_> = told.iter().map(|event| (event.0.as_str(), event.1)).collect();
        assert_eq!(
            types,
            [
                ("task_created", Some(left.id)),
                ("task_created", Some(right.id)),
                ("task_updated", Some(id)),
                ("task_status_changed", Some(id)),
                ("task_updated", Some(waiting)),
            ]
        );
        let data = json!({"action": "split", "new_task_ids": ids});
        assert_eq!(Value::from(told[2].2.clone()), data);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_is_done_is_not_split(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, on }| {
        let id = task(db, "one").await.id;
        for status in [TaskStatus::Completed, TaskStatus::Cancelled] {
            on.batch(&format!("UPDATE tasks SET status = '{status}'"));
            let before = rows(on);

            let refused = db.split_task(P, id, parts(), String::new(), None, at(1)).await.unwrap();

            let from = status.wire();
            let moved = Refusal::Transition { kind: Kind::Task, id, from, to: "cancelled" };
            assert_eq!(refused.unwrap_err(), moved);
            assert_eq!(rows(on), before);
        }
        let unknown = db.split_task(P, 99, parts(), String::new(), None, at(1)).await.unwrap();
        assert_eq!(unknown.unwrap_err(), no(Kind::Task, 99));
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_an_older_program_noted_is_kept(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, on }| {
        for previous in ["{'python': True}", "[1]"] {
            let id = task(db, "one").await.id;
            let quoted = previous.replace('\'', "''");
            on.batch(&format!("UPDATE tasks SET extra_data = '{quoted}' WHERE id = {id}"));

            let split = db.split_task(P, id, parts(), "why".to_owned(), None, at(1)).await.unwrap();

            let ids = split.unwrap().map(|task| task.id);
            let source = db.task(P, id).await.unwrap().unwrap();
            let expected =
                json!({"previous": previous, "superseded_by": ids, "split_reason": "why"});
            assert_eq!(extra(&source), expected);
        }
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn one_task_takes_the_place_of_several(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, .. }| {
        let first = task(db, "first").await.id;
        let one = NewTask { priority: -3, ..new_task("one", &[first]) };
        let one = db.create_task(P, one, at(0)).await.unwrap().unwrap().id;
        let two = NewTask { priority: -1, ..new_task("two", &[one]) };
        let two = db.create_task(P, two, at(0)).await.unwrap().unwrap().id;
        let waiting = task_after(db, "waiting", &[one, two]).await.id;
        approve(db, two).await;
        let before = newest(db).await;

        let ids = vec![two, one];
        let merged = db
            .merge_tasks(P, ids, text("merged"), "same".to_owned(), at(2))
            .await
            .unwrap()
            .unwrap();

        assert_eq!((merged.title.as_str(), merged.priority), ("merged", -1));
        assert_eq!((merged.status, merged.version), (TaskStatus::Pending, 1));
        assert_eq!(db.dependencies(P, merged.id).await.unwrap(), Some(vec![first]));
        assert_eq!(db.dependencies(P, waiting).await.unwrap(), Some(vec![merged.id]));
        for (id, other) in [(one, two), (two, one)] {
            let source = db.task(P, id).await.unwrap().unwrap();
            assert_eq!((source.status, source.version), (TaskStatus::Cancelled, 1));
            let expected =
                json!({"superseded_by": merged.id, "merge_reason": "same", "merged_with": [other]});
            assert_eq!(extra(&source), expected);
        }
        let told: Vec<_> =
            events(db, before).await.into_iter().map(|event| (event.0, event.1)).collect();
        let expected = [
            ("task_created", merged.id),
            ("task_updated", two),
            ("task_status_changed", two),
            ("task_updated", one),
            ("task_status_changed", one),
            ("task_updated", waiting),
        ];
        assert_eq!(told, expected.map(|(event, id)| (event.to_owned(), Some(id))));
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_merged_task_is_run_by_the_engine_that_all_agree_on(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, .. }| {
        for (other, expected) in [(some("a"), some("a")), (some("b"), None), (None, None)] {
            let mut ids = Vec::new();
            for engine_override in [some("a"), other] {
                let new = NewTask { engine_override, ..new_task("t", &[]) };
                ids.push(db.create_task(P, new, at(0)).await.unwrap().unwrap().id);
            }

            let merged = db.merge_tasks(P, ids, text("m"), String::new(), at(1)).await.unwrap();

            assert_eq!(merged.unwrap().engine_override, expected);
        }
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_merge_that_is_refused_changes_nothing(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, on }| {
        let one = task(db, "one").await.id;
        let between = task_after(db, "between", &[one]).await.id;
        let last = task_after(db, "last", &[between]).await.id;
        let done = task(db, "done").await.id;
        let cancelled = TaskUpdate { status: Some(TaskStatus::Cancelled), ..TaskUpdate::default() };
        db.update_task(P, done, cancelled, at(1)).await.unwrap().unwrap();
        let before = rows(on);
        let refused = async |ids: &[i32]| {
            let merge = db.merge_tasks(P, ids.to_vec(), text("m"), String::new(), at(2)).await;
            merge.unwrap().unwrap_err()
        };

        assert_eq!(refused(&[]).await, Refusal::TooFew);
        assert_eq!(refused(&[one]).await.to_string(), "Must provide at least 2 tasks to merge");
        assert_eq!(refused(&[one, one]).await, Refusal::Duplicate { id: one });
        assert_eq!(refused(&[one, 98, 99]).await, no(Kind::Task, 98));
        let (from, to) = ("cancelled", "cancelled");
        let moved = Refusal::Transition { kind: Kind::Task, id: done, from, to };
        assert_eq!(refused(&[one, done]).await, moved);
        // It would wait for what is between, which waits for it.
        assert_eq!(refused(&[one, last]).await, DependencyFault::Cycle { id: between }.into());

        assert_eq!(rows(on), before);
        let number = newest(db).await;
        let merge = db.merge_tasks(P, vec![one, between], text("m"), String::new(), at(2)).await;
        let merged = merge.unwrap().unwrap().id;
        assert_eq!(db.dependencies(P, last).await.unwrap(), Some(vec![merged]));
        assert_eq!(told(db, number).await.len(), 6);
    });
}
