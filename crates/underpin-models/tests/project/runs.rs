//! Runs, and which task runs next.

use rstest::rstest;
use serde_json::json;
use underpin_db::{Db, Dialect};
use underpin_models::project::{
    ControlRepository as _, DependencyFault, Kind, Limits, NewTask, Page, Refusal, Run, RunFilter,
    RunRepository as _, RunStatus, TaskRepository as _, TaskStatus, TaskText, TaskUpdate,
};

use crate::{
    P, Rig, approve, approved, at, events, new_task, newest, no, on_head, rows, some, task,
    task_after, text, told,
};

async fn try_start(db: &Db, task: i32, seconds: i64) -> Result<Run, Refusal> {
    db.start_run(P, task, "engine".to_owned(), at(seconds)).await.unwrap()
}

async fn start(db: &Db, task: i32, seconds: i64) -> Run {
    try_start(db, task, seconds).await.unwrap()
}

async fn finish(db: &Db, run: i32, status: RunStatus) -> Result<Run, Refusal> {
    db.finish_run(P, run, status, some("[]"), at(20)).await.unwrap()
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_run_that_succeeds_completes_its_task(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, .. }| {
        let id = approved(db, "one").await.id;
        let before = newest(db).await;

        let run = start(db, id, 10).await;

        assert_eq!((run.task_id, run.engine.as_str()), (id, "engine"));
        assert_eq!((run.status, run.start_time, run.end_time), (RunStatus::Running, at(10), None));
        let task = db.task(P, id).await.unwrap().unwrap();
        assert_eq!((task.status, task.attempts), (TaskStatus::InProgress, 1));
        let control = db.control(P).await.unwrap().unwrap();
        assert_eq!(control.current_task_id, Some(id));

        let done = finish(db, run.id, RunStatus::Success).await.unwrap();

        assert_eq!((done.status, done.end_time), (RunStatus::Success, Some(at(20))));
        assert_eq!(done.gate_results, some("[]"));
        assert_eq!(db.run(P, run.id).await.unwrap(), Some(done));
        let task = db.task(P, id).await.unwrap().unwrap();
        assert_eq!((task.status, task.attempts), (TaskStatus::Completed, 1));
        assert_eq!(db.control(P).await.unwrap().unwrap().current_task_id, None);
        let told = events(db, before).await;
        let types: Vec<_> = told.iter().map(|event| (event.0.as_str(), event.1)).collect();
        assert_eq!(
            types,
            [
                ("run_started", Some(id)),
                ("task_status_changed", Some(id)),
                ("run_completed", Some(id)),
                ("task_status_changed", Some(id)),
            ]
        );
        let done = json!({"run_id": run.id, "old_status": "running", "new_status": "success"});
        assert_eq!(serde_json::Value::from(told[2].2.clone()), done);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_run_that_does_not_succeed_leaves_its_task_approved(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, .. }| {
        let ends = [
            (RunStatus::Failure, "run_failed"),
            (RunStatus::Timeout, "run_failed"),
            (RunStatus::Cancelled, "run_cancelled"),
        ];
        for (status, event_type) in ends {
            let id = approved(db, "one").await.id;
            let run = start(db, id, 10).await;
            let before = newest(db).await;

            if status == RunStatus::Cancelled {
                db.cancel_run(P, run.id, at(20)).await.unwrap().unwrap();
            } else {
                finish(db, run.id, status).await.unwrap();
            }

            let task = db.task(P, id).await.unwrap().unwrap();
            assert_eq!((task.status, task.attempts), (TaskStatus::Approved, 1));
            assert_eq!(told(db, before).await, [event_type, "task_status_changed"]);
            for again in RunStatus::ALL {
                let (from, to) = (status.wire(), again.wire());
                let refused = Refusal::Transition { kind: Kind::Run, id: run.id, from, to };
                assert_eq!(finish(db, run.id, *again).await.unwrap_err(), refused);
            }
        }
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_may_not_run_does_not(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, on }| {
        let first = task(db, "first").await.id;
        let id = task_after(db, "one", &[first]).await.id;
        let refused = async || {
            let before = rows(on);
            let refusal = try_start(db, id, 10).await.unwrap_err();
            assert_eq!(rows(on), before);
            refusal
        };

        assert_eq!(refused().await, Refusal::NotApproved { task: id, status: "pending" });
        approve(db, id).await;
        assert_eq!(refused().await, DependencyFault::Incomplete { id: first }.into());
        approve(db, first).await;
        let run = start(db, first, 10).await;
        finish(db, run.id, RunStatus::Success).await.unwrap();
        db.pause(P, at(1)).await.unwrap().unwrap();
        assert_eq!(refused().await, Refusal::Paused);
        db.resume(P, at(1)).await.unwrap().unwrap();
        let limits = Limits { max_attempts: Some(1), ..Limits::default() };
        db.set_limits(P, limits, at(1)).await.unwrap().unwrap();
        let run = start(db, id, 10).await;
        assert_eq!(refused().await, Refusal::Running { task: id, run: run.id });
        finish(db, run.id, RunStatus::Failure).await.unwrap();
        assert_eq!(
            refused().await.to_string(),
            format!("Task {id} had 1 of 1 attempts: raise the limit first")
        );
        assert_eq!(try_start(db, 99, 10).await.unwrap_err(), no(Kind::Task, 99));
        assert_eq!(finish(db, 99, RunStatus::Success).await.unwrap_err(), no(Kind::Run, 99));
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn an_older_project_runs_without_its_limits(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, on }| {
        let id = approved(db, "one").await.id;
        on.batch("DELETE FROM control_state");

        for _ in 0..3 {
            assert_eq!(db.next_task(P).await.unwrap().map(|task| task.id), Some(id));
            let run = start(db, id, 10).await;
            finish(db, run.id, RunStatus::Failure).await.unwrap();
            on.batch("DELETE FROM control_state");
        }

        assert_eq!(db.next_task(P).await.unwrap(), None);
        let refused = try_start(db, id, 10).await.unwrap_err();
        let (attempts, max_attempts) = (3, 3);
        assert_eq!(refused, Refusal::AttemptsExhausted { task: id, attempts, max_attempts });
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn the_status_of_a_task_that_runs_is_the_runs(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, on }| {
        let id = approved(db, "one").await.id;
        let other = task(db, "other").await.id;
        let run = start(db, id, 10).await;
        let open = Refusal::Running { task: id, run: run.id };
        let before = rows(on);

        let update = TaskUpdate { status: Some(TaskStatus::Cancelled), ..TaskUpdate::default() };
        assert_eq!(db.update_task(P, id, update, at(11)).await.unwrap().unwrap_err(), open);
        let approval = db.approve_task(P, id, "ann".to_owned(), None, None, at(11)).await.unwrap();
        assert_eq!(approval.unwrap_err(), open);
        assert_eq!(db.delete_task(P, id, None, at(11)).await.unwrap().unwrap_err(), open);
        let parts: [TaskText; 2] = ["a", "b"].map(text);
        let split = db.split_task(P, id, parts, String::new(), None, at(11)).await.unwrap();
        assert_eq!(split.unwrap_err(), open);
        let ids = vec![other, id];
        let merge = db.merge_tasks(P, ids, text("m"), String::new(), at(11)).await.unwrap();
        assert_eq!(merge.unwrap_err(), open);
        assert_eq!(rows(on), before);

        let titled = TaskUpdate { title: some("renamed"), ..TaskUpdate::default() };
        assert_eq!(db.update_task(P, id, titled, at(11)).await.unwrap().unwrap().title, "renamed");
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_run_that_an_older_program_left_open_can_be_ended(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, on }| {
        let id = approved(db, "one").await.id;
        let run = start(db, id, 10).await;
        on.batch("UPDATE tasks SET status = 'CANCELLED'");
        let before = newest(db).await;

        finish(db, run.id, RunStatus::Success).await.unwrap();

        assert_eq!(db.task(P, id).await.unwrap().unwrap().status, TaskStatus::Cancelled);
        assert_eq!(told(db, before).await, ["run_completed"]);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn the_most_urgent_task_that_can_runs_next(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, on }| {
        let next = async || db.next_task(P).await.unwrap().map(|task| task.title);
        assert_eq!(next().await, None);
        let tasks = [("low", 0, None), ("high", 5, Some("low")), ("late", 5, Some("high"))];
        for (title, priority, before) in tasks {
            let new = NewTask { priority, ..new_task(title, &[]) };
            let seconds = i64::from(title == "late");
            let id = db.create_task(P, new, at(seconds)).await.unwrap().unwrap().id;
            assert_eq!(next().await.as_deref(), before);
            approve(db, id).await;
        }
        let (low, high) = (1, 2);
        assert_eq!(next().await.as_deref(), Some("high"));
        db.pause(P, at(1)).await.unwrap().unwrap();
        assert_eq!(next().await, None);
        db.resume(P, at(1)).await.unwrap().unwrap();

        db.set_dependencies(P, high, vec![low], None, at(1)).await.unwrap().unwrap();
        assert_eq!(next().await.as_deref(), Some("late"));
        let run = start(db, low, 10).await;
        finish(db, run.id, RunStatus::Success).await.unwrap();
        assert_eq!(next().await.as_deref(), Some("high"));
        start(db, high, 10).await;
        assert_eq!(next().await.as_deref(), Some("late"));
        // An older program may have left both an open run and an approved task.
        on.batch("UPDATE tasks SET status = 'APPROVED' WHERE title = 'high'");
        assert_eq!(next().await.as_deref(), Some("late"));
        on.batch("UPDATE task_versions SET deps_json = '[\"x\"' WHERE title = 'late'");
        assert_eq!(next().await.as_deref(), Some("late"));
        on.batch("UPDATE task_versions SET deps_json = '[99]' WHERE title = 'late'");
        assert_eq!(next().await, None);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn runs_are_listed_newest_first_from_any_place(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, on }| {
        let (one, two) = (approved(db, "one").await.id, approved(db, "two").await.id);
        let mut order = Vec::new();
        for (task, seconds) in [(one, 1), (two, 1), (one, 3), (two, 2)] {
            let run = start(db, task, seconds).await;
            finish(db, run.id, RunStatus::Failure).await.unwrap();
            order.push(run.id);
        }
        let order = [order[2], order[3], order[1], order[0]];
        if on.dialect() == Dialect::Sqlite {
            // As Python wrote it; the same moment.
            on.batch(&format!(
                "UPDATE runs SET start_time = start_time || '.000000' WHERE id = {}",
                order[1]
            ));
        }
        let list = async |filter, limit, after, skip| {
            let runs = db.runs(P, filter, Page { limit, after, skip }).await.unwrap().unwrap();
            runs.into_iter().map(|run| run.id).collect::<Vec<_>>()
        };
        let any = RunFilter::default();

        assert_eq!(list(any, 100, None, 0).await, order);
        for place in 0..order.len() {
            assert_eq!(list(any, 100, Some(order[place]), 0).await, order[place + 1..]);
        }
        assert_eq!(list(any, 1, None, 1).await, order[1..2]);
        let of_one = RunFilter { task_id: Some(one), ..any };
        assert_eq!(list(of_one, 100, None, 0).await, [order[0], order[3]]);
        let running = RunFilter { status: Some(RunStatus::Running), ..any };
        assert!(list(running, 100, None, 0).await.is_empty());
        let page = Page { after: Some(99), ..Page::default() };
        assert_eq!(db.runs(P, any, page).await.unwrap().unwrap_err(), no(Kind::Run, 99));
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_run_says_where_its_log_is(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, .. }| {
        let id = approved(db, "one").await.id;
        let run = start(db, id, 10).await.id;
        let before = newest(db).await;

        for path in [some("/log"), some("/log"), None] {
            let set = db.set_run_log(P, run, path.clone(), at(11)).await.unwrap().unwrap();
            assert_eq!(set.log_path, path);
            assert_eq!(db.run(P, run).await.unwrap(), Some(set));
        }

        assert_eq!(told(db, before).await, ["run_log", "run_log"]);
        let unknown = db.set_run_log(P, 99, None, at(11)).await.unwrap().unwrap_err();
        assert_eq!(unknown.to_string(), "Run 99 not found");
    });
}
