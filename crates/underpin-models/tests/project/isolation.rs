//! A project never sees another one's rows, and texts come back as they went in.

use rstest::rstest;
use serde_json::json;
use underpin_db::{Db, Dialect};
use underpin_models::project::{
    Approval, ApprovalRepository as _, ArtifactFilter, ArtifactRepository as _, ArtifactStorage,
    ArtifactType, ChangeRequestFilter, ChangeRequestRepository as _, ControlRepository as _,
    DependencyFault, EventRepository as _, Kind, NewApproval, NewArtifact, NewTask, Page, Phase,
    ProjectRepository as _, ProjectUpdate, Refusal, RunFilter, RunRepository as _, RunStatus,
    TaskFilter, TaskRepository as _, TaskText, TaskUpdate, TaskVersionRepository as _,
};

use crate::{P, Rig, approved, at, create_project, new_task, no, on_head, rows, some, task, text};

fn page() -> Page {
    Page::default()
}

fn artifact(task_id: Option<i32>, run_id: Option<i32>) -> NewArtifact {
    NewArtifact {
        task_id,
        run_id,
        artifact_type: ArtifactType::Log,
        name: "log".to_owned(),
        file_path: "log".to_owned(),
        sha256: None,
        extra_data: None,
    }
}

/// Ids of project 1: a task, a change request, a run, an artifact.
async fn fill(db: &Db) -> [i32; 4] {
    let task = approved(db, "one").await.id;
    let content = String::new();
    let request = db.create_change_request(P, task, Phase::Coder, content, at(1)).await.unwrap();
    let run = db.start_run(P, task, "engine".to_owned(), at(1)).await.unwrap().unwrap().id;
    let artifact = db.create_artifact(P, artifact(Some(task), Some(run)), at(1)).await.unwrap();
    [task, request.unwrap().id, run, artifact.unwrap().id]
}

/// What project 2 is told of a task that is not its own.
async fn task_refusals(db: &Db, id: i32, own: i32) -> Vec<Refusal> {
    let (why, ann) = (String::new, || "ann".to_owned());
    let parts = ["a", "b"].map(text);
    let content = why();
    vec![
        db.update_task(2, id, TaskUpdate::default(), at(2)).await.unwrap().unwrap_err(),
        db.delete_task(2, id, None, at(2)).await.unwrap().unwrap_err(),
        db.approve_task(2, id, ann(), None, None, at(2)).await.unwrap().unwrap_err(),
        db.advance_task(2, id, None, at(2)).await.unwrap().unwrap_err(),
        db.split_task(2, id, parts, why(), None, at(2)).await.unwrap().unwrap_err(),
        db.merge_tasks(2, vec![own, id], text("m"), why(), at(2)).await.unwrap().unwrap_err(),
        db.set_dependencies(2, id, Vec::new(), None, at(2)).await.unwrap().unwrap_err(),
        db.set_gates(2, id, Vec::new(), None, at(2)).await.unwrap().unwrap_err(),
        db.start_run(2, id, why(), at(2)).await.unwrap().unwrap_err(),
        db.create_artifact(2, artifact(Some(id), None), at(2)).await.unwrap().unwrap_err(),
        db.create_approval(2, approval(id, None), at(2)).await.unwrap().unwrap_err(),
        db.create_change_request(2, id, Phase::Coder, content, at(2)).await.unwrap().unwrap_err(),
        db.tasks(2, TaskFilter::default(), Page { after: Some(id), ..page() })
            .await
            .unwrap()
            .unwrap_err(),
    ]
}

fn approval(task_id: i32, change_request_id: Option<i32>) -> NewApproval {
    NewApproval {
        task_id,
        change_request_id,
        approver: "ann".to_owned(),
        approved: true,
        comment: None,
    }
}

/// What project 2 is told of a change request that is not its own.
async fn request_refusals(db: &Db, id: i32, own_task: i32) -> Vec<Refusal> {
    let ann = || "ann".to_owned();
    let after = Page { after: Some(id), ..page() };
    let of_own = approval(own_task, Some(id));
    vec![
        db.update_change_request(2, id, ann(), None, at(2)).await.unwrap().unwrap_err(),
        db.submit_change_request(2, id, None, at(2)).await.unwrap().unwrap_err(),
        db.approve_change_request(2, id, ann(), None, None, at(2)).await.unwrap().unwrap_err(),
        db.reject_change_request(2, id, ann(), None, None, at(2)).await.unwrap().unwrap_err(),
        db.implement_change_request(2, id, None, at(2)).await.unwrap().unwrap_err(),
        db.create_approval(2, of_own, at(2)).await.unwrap().unwrap_err(),
        db.change_requests(2, ChangeRequestFilter::default(), after).await.unwrap().unwrap_err(),
    ]
}

/// What project 2 is told of a run that is not its own.
async fn run_refusals(db: &Db, id: i32) -> Vec<Refusal> {
    let after = Page { after: Some(id), ..page() };
    vec![
        db.finish_run(2, id, RunStatus::Success, None, at(2)).await.unwrap().unwrap_err(),
        db.cancel_run(2, id, at(2)).await.unwrap().unwrap_err(),
        db.set_run_log(2, id, some("log"), at(2)).await.unwrap().unwrap_err(),
        db.create_artifact(2, artifact(None, Some(id)), at(2)).await.unwrap().unwrap_err(),
        db.runs(2, RunFilter::default(), after).await.unwrap().unwrap_err(),
    ]
}

/// What project 2 is told of an artifact that is not its own.
async fn artifact_refusals(db: &Db, id: i32) -> Vec<Refusal> {
    let storage =
        ArtifactStorage { storage_path: String::new(), sha256: String::new(), file_size: 0 };
    let after = Page { after: Some(id), ..page() };
    vec![
        db.set_artifact_storage(2, id, storage, at(2)).await.unwrap().unwrap_err(),
        db.delete_artifact(2, id, at(2)).await.unwrap().unwrap_err(),
        db.artifacts(2, ArtifactFilter::default(), after).await.unwrap().unwrap_err(),
    ]
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn another_projects_rows_are_not_found(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, on }| {
        let [task, request, run, artifact] = fill(db).await;
        create_project(db, 2).await;
        let own = db.create_task(2, new_task("own", &[]), at(1)).await.unwrap().unwrap().id;
        let before = rows(on);

        for refusal in task_refusals(db, task, own).await {
            assert_eq!(refusal, no(Kind::Task, task));
        }
        for refusal in request_refusals(db, request, own).await {
            assert_eq!(refusal, no(Kind::ChangeRequest, request));
        }
        for refusal in run_refusals(db, run).await {
            assert_eq!(refusal, no(Kind::Run, run));
        }
        for refusal in artifact_refusals(db, artifact).await {
            assert_eq!(refusal, no(Kind::Artifact, artifact));
        }
        let wait = db.set_dependencies(2, own, vec![task], None, at(2)).await.unwrap();
        assert_eq!(wait.unwrap_err(), DependencyFault::Unknown { id: task }.into());
        assert_eq!(rows(on), before);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn another_projects_rows_are_not_seen(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, .. }| {
        let [id, request, run, artifact] = fill(db).await;
        let waiting = approved(db, "waiting").await;
        create_project(db, 2).await;

        assert_eq!(db.task(2, id).await.unwrap(), None);
        assert_eq!(db.task_versions(2, id).await.unwrap(), None);
        assert_eq!(db.newest_task_version(2, id).await.unwrap(), None);
        assert_eq!(db.gates(2, id).await.unwrap(), None);
        assert_eq!(db.dependencies(2, id).await.unwrap(), None);
        assert_eq!(db.change_request(2, request).await.unwrap(), None);
        assert_eq!(db.run(2, run).await.unwrap(), None);
        assert_eq!(db.artifact(2, artifact).await.unwrap(), None);
        assert_eq!(db.next_task(2).await.unwrap(), None);
        assert_eq!(db.next_task(P).await.unwrap(), Some(waiting));
        assert!(db.tasks(2, TaskFilter::default(), page()).await.unwrap().unwrap().is_empty());
        let any = ChangeRequestFilter::default();
        assert!(db.change_requests(2, any, page()).await.unwrap().unwrap().is_empty());
        assert!(db.runs(2, RunFilter::default(), page()).await.unwrap().unwrap().is_empty());
        let any = ArtifactFilter::default();
        assert!(db.artifacts(2, any, page()).await.unwrap().unwrap().is_empty());
        assert!(db.approvals(2, None, page()).await.unwrap().unwrap().is_empty());
        assert!(db.approvals(2, Some(id), page()).await.unwrap().unwrap().is_empty());

        db.pause(2, at(2)).await.unwrap().unwrap();
        assert!(!db.control(P).await.unwrap().unwrap().paused);
        let events = db.events_after(2, 0, 10).await.unwrap();
        let told: Vec<_> = events.iter().map(|event| event.event_type.as_str()).collect();
        assert_eq!(told, ["project_created", "execution_paused"]);
        assert_eq!(db.delete_events_before(2, at(9)).await.unwrap(), 2);
        assert!(!db.events_after(P, 0, 10).await.unwrap().is_empty());
    });
}

/// Text that tends to go wrong somewhere.
const HOSTILE: [&str; 10] = [
    "O'Brien",
    "\"; DROP TABLE tasks; --",
    "%_\\",
    "$1 ? :x",
    "\n\t\r",
    "\u{202e}moc",
    "\u{1f980}\u{1f469}\u{200d}\u{1f4bb}",
    "Zoe\u{308}",
    "",
    "NULL",
];

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn texts_come_back_as_they_went_in(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, .. }| {
        for hostile in HOSTILE {
            let (own, given) = (|| hostile.to_owned(), || Some(hostile.to_owned()));
            let new = NewTask {
                text: TaskText { title: own(), description: given() },
                engine_override: given(),
                ..new_task("", &[])
            };
            let id = db.create_task(P, new, at(0)).await.unwrap().unwrap().id;
            db.approve_task(P, id, own(), given(), None, at(1)).await.unwrap().unwrap();
            let gates = vec![json!({ "command": hostile })];
            db.set_gates(P, id, gates.clone(), None, at(1)).await.unwrap().unwrap();
            let request =
                db.create_change_request(P, id, Phase::Coder, own(), at(1)).await.unwrap();
            let run = db.start_run(P, id, own(), at(1)).await.unwrap().unwrap().id;
            db.set_run_log(P, run, given(), at(1)).await.unwrap().unwrap();
            let file = NewArtifact {
                name: own(),
                file_path: own(),
                extra_data: given(),
                ..artifact(Some(id), Some(run))
            };
            let file = db.create_artifact(P, file, at(1)).await.unwrap().unwrap().id;
            let update = ProjectUpdate {
                name: Some(own()),
                description: Some(given()),
                ..ProjectUpdate::default()
            };
            db.update_project(P, update, at(1)).await.unwrap().unwrap();

            let task = db.task(P, id).await.unwrap().unwrap();
            assert_eq!((task.title, task.description), (own(), given()));
            assert_eq!(task.engine_override, given());
            assert_eq!(db.gates(P, id).await.unwrap(), Some(gates));
            let Approval { approver, comment, .. } =
                db.approvals(P, Some(id), page()).await.unwrap().unwrap().remove(0);
            assert_eq!((approver, comment), (own(), given()));
            let request = db.change_request(P, request.unwrap().id).await.unwrap().unwrap();
            assert_eq!(request.content, hostile);
            let run = db.run(P, run).await.unwrap().unwrap();
            assert_eq!((run.engine, run.log_path), (own(), given()));
            let file = db.artifact(P, file).await.unwrap().unwrap();
            assert_eq!((file.name, file.file_path, file.extra_data), (own(), own(), given()));
            let project = db.project(P).await.unwrap().unwrap();
            assert_eq!((project.name, project.description), (own(), given()));
            let events = db.events_after(P, 0, i64::MAX).await.unwrap();
            let named = events.iter().rev().find(|event| event.event_type == "artifact_created");
            let data: serde_json::Value = serde_json::from_str(&named.unwrap().data).unwrap();
            assert_eq!(data["name"], hostile);
        }
    });
}

#[test]
fn on_postgres_a_project_lives_in_a_schema() {
    on_head(Dialect::Postgres, async |Rig { db, on }| {
        on.batch("ALTER SCHEMA public RENAME TO \"Project 1\"; CREATE SCHEMA public");
        let Db::Postgres { pool, .. } = db else { panic!("PostgreSQL") };
        let db = Db::Postgres { pool: pool.clone(), schema: Some("Project 1".into()) };

        let [one, ..] = fill(&db).await;
        let two = task(&db, "two").await;

        let tasks = db.tasks(P, TaskFilter::default(), page()).await.unwrap().unwrap();
        assert_eq!(tasks.iter().map(|task| task.id).collect::<Vec<_>>(), [one, two.id]);
        assert_eq!(db.next_task(P).await.unwrap(), None);
        assert_eq!(on.texts("SELECT count(*) FROM \"Project 1\".tasks"), ["2"]);
    });
}
