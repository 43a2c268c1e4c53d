//! Artifacts.

use rstest::rstest;
use serde_json::{Value, json};
use underpin_db::Dialect;
use underpin_models::project::{
    ArtifactFilter, ArtifactRepository as _, ArtifactStorage, ArtifactType, Kind, NewArtifact,
    Page, RunRepository as _, TaskRepository as _,
};

use crate::{P, Rig, approved, at, events, newest, no, on_head, rows, some, task, told};

fn new(task_id: Option<i32>, run_id: Option<i32>) -> NewArtifact {
    NewArtifact {
        task_id,
        run_id,
        artifact_type: ArtifactType::Diff,
        name: "a.diff".to_owned(),
        file_path: "out/a.diff".to_owned(),
        sha256: None,
        extra_data: some("{}"),
    }
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn an_artifact_is_made_stored_and_deleted(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, on }| {
        let task = approved(db, "one").await.id;
        let run = db.start_run(P, task, "engine".to_owned(), at(1)).await.unwrap().unwrap().id;
        let before = newest(db).await;

        let made = db.create_artifact(P, new(Some(task), Some(run)), at(2)).await.unwrap().unwrap();

        assert_eq!((made.project_id, made.task_id, made.run_id), (P, Some(task), Some(run)));
        assert_eq!((made.storage_path.as_ref(), made.file_size), (None, None));
        assert_eq!(made.created_at, at(2));
        assert_eq!(db.artifact(P, made.id).await.unwrap(), Some(made.clone()));
        let storage = ArtifactStorage {
            storage_path: "p/1".to_owned(),
            sha256: "ab".repeat(32),
            file_size: 9,
        };
        let set = async || {
            let set = db.set_artifact_storage(P, made.id, storage.clone(), at(3)).await;
            set.unwrap().unwrap()
        };
        let stored = set().await;
        assert_eq!(stored.storage_path.as_deref(), Some("p/1"));
        assert_eq!((stored.sha256.clone(), stored.file_size), (Some("ab".repeat(32)), Some(9)));
        assert_eq!(set().await, stored);
        assert_eq!(db.artifact(P, made.id).await.unwrap(), Some(stored.clone()));
        assert_eq!(db.hold_artifact(P, made.id).await.unwrap(), Some(stored.clone()));
        assert_eq!(db.hold_artifact(P + 1, made.id).await.unwrap(), None);
        assert_eq!(db.delete_artifact(P, made.id, at(4)).await.unwrap().unwrap(), stored);
        assert_eq!(db.artifact(P, made.id).await.unwrap(), None);

        let told = events(db, before).await;
        let types: Vec<_> = told.iter().map(|event| (event.0.as_str(), event.1)).collect();
        let expected = ["artifact_created", "artifact_updated", "artifact_deleted"];
        assert_eq!(types, expected.map(|event| (event, Some(task))));
        let data = json!({
            "artifact_id": made.id, "artifact_type": "diff", "name": "a.diff", "run_id": run,
        });
        assert_eq!(Value::from(told[0].2.clone()), data);

        let dump = rows(on);
        let gone = no(Kind::Artifact, made.id);
        assert_eq!(gone.to_string(), format!("Artifact {} not found", made.id));
        assert_eq!(db.delete_artifact(P, made.id, at(4)).await.unwrap().unwrap_err(), gone);
        let set = db.set_artifact_storage(P, made.id, storage.clone(), at(3)).await.unwrap();
        assert_eq!(set.unwrap_err(), gone);
        let create = async |new| db.create_artifact(P, new, at(2)).await.unwrap().unwrap_err();
        assert_eq!(create(new(Some(99), None)).await, no(Kind::Task, 99));
        assert_eq!(create(new(None, Some(99))).await, no(Kind::Run, 99));
        assert_eq!(rows(on), dump);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn an_artifact_outlives_its_task(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, .. }| {
        let task = task(db, "one").await.id;
        let made = db.create_artifact(P, new(Some(task), None), at(2)).await.unwrap().unwrap();

        db.delete_task(P, task, None, at(3)).await.unwrap().unwrap();

        assert_eq!(db.artifact(P, made.id).await.unwrap().unwrap().task_id, None);
        assert_eq!(told(db, 2).await, ["artifact_created", "task_deleted"]);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn artifacts_are_listed_newest_first_from_any_place(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, .. }| {
        let task = approved(db, "one").await.id;
        let run = db.start_run(P, task, "engine".to_owned(), at(1)).await.unwrap().unwrap().id;
        let plan = NewArtifact { artifact_type: ArtifactType::Plan, ..new(None, None) };
        let all = [
            (new(Some(task), None), 1),
            (plan, 1),
            (new(None, Some(run)), 3),
            (new(None, None), 2),
        ];
        let mut ids = Vec::new();
        for (new, seconds) in all {
            ids.push(db.create_artifact(P, new, at(seconds)).await.unwrap().unwrap().id);
        }
        let order = [ids[2], ids[3], ids[1], ids[0]];
        let list = async |filter, limit, after, skip| {
            let page = Page { limit, after, skip };
            let artifacts = db.artifacts(P, filter, page).await.unwrap().unwrap();
            artifacts.into_iter().map(|artifact| artifact.id).collect::<Vec<_>>()
        };
        let any = ArtifactFilter::default();

        assert_eq!(list(any, 100, None, 0).await, order);
        for place in 0..order.len() {
            assert_eq!(list(any, 100, Some(order[place]), 0).await, order[place + 1..]);
        }
        assert_eq!(list(any, 1, None, 1).await, order[1..2]);
        let of_task = ArtifactFilter { task_id: Some(task), ..any };
        assert_eq!(list(of_task, 100, None, 0).await, [ids[0]]);
        let of_run = ArtifactFilter { run_id: Some(run), ..any };
        assert_eq!(list(of_run, 100, None, 0).await, [ids[2]]);
        let plans = ArtifactFilter { artifact_type: Some(ArtifactType::Plan), ..any };
        assert_eq!(list(plans, 100, None, 0).await, [ids[1]]);
        let page = Page { after: Some(99), ..Page::default() };
        assert_eq!(db.artifacts(P, any, page).await.unwrap().unwrap_err(), no(Kind::Artifact, 99));
    });
}
