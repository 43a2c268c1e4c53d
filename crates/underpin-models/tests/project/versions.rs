//! What tasks were, their gates, and which come first.

use std::slice;

use rstest::rstest;
use serde_json::json;
use underpin_db::Dialect;
use underpin_models::project::{
    DependencyFault, Kind, Refusal, TaskRepository as _, TaskVersionRepository as _,
};

use crate::{P, Rig, at, events, new_task, newest, no, on_head, rows, some, task, task_after};

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn gates_are_replaced_as_a_version(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, on }| {
        let first = task(db, "first").await.id;
        let id = task_after(db, "one", &[first]).await.id;
        assert_eq!(db.gates(P, id).await.unwrap(), Some(Vec::new()));
        let before = newest(db).await;
        let gate = json!({"name": "test", "command": "a 'b'; \"c\" \u{1f980}"});
        let gates = vec![gate.clone()];

        let set = db.set_gates(P, id, gates.clone(), Some(1), at(2)).await.unwrap().unwrap();

        assert_eq!((set.version, set.updated_at), (2, at(2)));
        assert_eq!(db.task(P, id).await.unwrap(), Some(set.clone()));
        assert_eq!(db.gates(P, id).await.unwrap(), Some(gates));
        let version = db.newest_task_version(P, id).await.unwrap().unwrap();
        assert_eq!((Some(version.id), version.version_num), (set.active_version_id, 2));
        assert_eq!((version.title, version.description), ("one".to_owned(), some("about one")));
        assert_eq!(db.dependencies(P, id).await.unwrap(), Some(vec![first]));
        let data = json!({"gates_count": 1, "new_version": 2, "version_id": version.id});
        let data = data.as_object().unwrap().clone();
        assert_eq!(events(db, before).await, [("task_updated".to_owned(), Some(id), data)]);

        let stale = db.set_gates(P, id, Vec::new(), Some(1), at(3)).await.unwrap().unwrap_err();
        assert_eq!(stale, Refusal::Stale { expected: 1, found: 2 });
        let unknown = db.set_gates(P, 99, Vec::new(), None, at(3)).await.unwrap().unwrap_err();
        assert_eq!(unknown, no(Kind::Task, 99));
        assert_eq!(db.gates(P, 99).await.unwrap(), None);
        db.set_gates(P, id, Vec::new(), Some(2), at(3)).await.unwrap().unwrap();
        assert_eq!(db.gates(P, id).await.unwrap(), Some(Vec::new()));
        for other in ["{\"a\": 1}", "[", ""] {
            on.batch(&format!("UPDATE task_versions SET gates_json = '{other}'"));
            assert_eq!(db.gates(P, id).await.unwrap(), Some(Vec::new()), "{other}");
        }
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn dependencies_are_replaced_as_a_version(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, .. }| {
        let (a, b) = (task(db, "a").await.id, task(db, "b").await.id);
        let id = task_after(db, "one", &[a]).await.id;
        let gates = vec![json!({"name": "test"})];
        db.set_gates(P, id, gates.clone(), None, at(1)).await.unwrap().unwrap();
        let before = newest(db).await;

        let set = db.set_dependencies(P, id, vec![b, a, b], Some(2), at(2)).await.unwrap().unwrap();

        assert_eq!(set.version, 3);
        assert_eq!(db.dependencies(P, id).await.unwrap(), Some(vec![a, b]));
        assert_eq!(db.gates(P, id).await.unwrap(), Some(gates));
        let versions = db.task_versions(P, id).await.unwrap().unwrap();
        assert_eq!(versions.iter().map(|one| one.version_num).collect::<Vec<_>>(), [1, 2, 3]);
        let data = json!({
            "dependencies": [a, b], "new_version": 3, "version_id": set.active_version_id,
        });
        let data = data.as_object().unwrap().clone();
        assert_eq!(events(db, before).await, [("task_updated".to_owned(), Some(id), data)]);

        db.set_dependencies(P, id, Vec::new(), None, at(3)).await.unwrap().unwrap();
        assert_eq!(db.dependencies(P, id).await.unwrap(), Some(Vec::new()));
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_task_never_waits_for_itself(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, on }| {
        let a = task(db, "a").await.id;
        let b = task_after(db, "b", &[a]).await.id;
        let c = task_after(db, "c", &[b]).await.id;
        let before = rows(on);
        let refused = async |id, first: &[i32]| {
            let set = db.set_dependencies(P, id, first.to_vec(), None, at(1)).await.unwrap();
            match set.unwrap_err() {
                Refusal::Dependencies { fault } => fault,
                other => panic!("{other}"),
            }
        };

        assert_eq!(refused(a, &[a]).await, DependencyFault::Itself { id: a });
        assert_eq!(refused(a, &[b]).await, DependencyFault::Cycle { id: b });
        assert_eq!(refused(a, &[c]).await, DependencyFault::Cycle { id: c });
        assert_eq!(refused(a, &[99]).await, DependencyFault::Unknown { id: 99 });
        let new = db.create_task(P, new_task("d", &[99]), at(1)).await.unwrap().unwrap_err();
        assert_eq!(new, DependencyFault::Unknown { id: 99 }.into());
        let stale = db.set_dependencies(P, a, Vec::new(), Some(7), at(1)).await.unwrap();
        assert_eq!(stale.unwrap_err(), Refusal::Stale { expected: 7, found: 1 });
        let unknown = db.set_dependencies(P, 99, Vec::new(), None, at(1)).await.unwrap();
        assert_eq!(unknown.unwrap_err(), no(Kind::Task, 99));
        assert_eq!(db.dependencies(P, 99).await.unwrap(), None);
        assert_eq!(rows(on), before);

        // Only the newest version counts.
        db.set_dependencies(P, b, Vec::new(), None, at(1)).await.unwrap().unwrap();
        db.set_dependencies(P, a, vec![c, b], None, at(1)).await.unwrap().unwrap();
        assert_eq!(refused(b, slice::from_ref(&a)).await, DependencyFault::Cycle { id: a });
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn unreadable_dependencies_are_none(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, on }| {
        let a = task(db, "a").await.id;
        let b = task(db, "b").await.id;
        for json in ["[", "{}", "[\"1\"]", "null", "1", "[4294967296]"] {
            on.batch(&format!("UPDATE task_versions SET deps_json = '{json}'"));
            assert_eq!(db.dependencies(P, a).await.unwrap(), Some(Vec::new()), "{json}");
        }

        db.set_dependencies(P, a, vec![b], None, at(1)).await.unwrap().unwrap();

        assert_eq!(db.dependencies(P, a).await.unwrap(), Some(vec![b]));
    });
}
