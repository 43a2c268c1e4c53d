//! Events: told with the change, in order, without gaps.

use rstest::rstest;
use underpin_db::Dialect;
use underpin_models::project::{
    DependencyFault, EVENT_TYPES, EventRepository as _, Page, ProjectRepository as _, Refusal,
    RunRepository as _, TaskFilter, TaskRepository as _, TaskStatus, TaskUpdate,
};

use crate::{P, Rig, approved, at, create_project, new_task, newest, on_head, rows, task, told};

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn events_are_read_on_from_a_number(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, .. }| {
        for title in ["a", "b", "c"] {
            task(db, title).await;
        }
        let numbers = async |after, limit| {
            let events = db.events_after(P, after, limit).await.unwrap();
            events.into_iter().map(|event| event.number).collect::<Vec<_>>()
        };

        assert_eq!(numbers(0, 100).await, [1, 2, 3, 4]);
        assert_eq!(numbers(1, 2).await, [2, 3]);
        assert!(numbers(4, 100).await.is_empty());
        assert!(numbers(0, -1).await.is_empty());
        assert!(db.events_after(9, 0, 100).await.unwrap().is_empty());
        assert_eq!(db.events_after(P, 0, 1).await.unwrap()[0].created_at, at(0));
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_is_kept_has_no_gaps(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, .. }| {
        create_project(db, 2).await;
        // The clock goes back: 6, 7, 3, 8.
        for seconds in [6, 7, 3, 8] {
            db.create_task(P, new_task("t", &[]), at(seconds)).await.unwrap().unwrap();
        }
        let delete = async |seconds| db.delete_events_before(P, at(seconds)).await.unwrap();

        assert_eq!(delete(0).await, 0);
        assert_eq!(delete(7).await, 2);
        assert_eq!(told(db, 2).await.len(), 3);
        assert_eq!(delete(8).await, 2);
        assert_eq!(told(db, 4).await.len(), 1);
        assert_eq!(delete(9).await, 1);
        assert_eq!(db.events_after(2, 0, 9).await.unwrap().len(), 1);

        // The numbers go on.
        task(db, "next").await;
        assert_eq!(newest(db).await, 6);
        assert_eq!(told(db, 5).await, ["task_created"]);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_cannot_be_told_does_not_happen(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, on }| {
        let id = task(db, "one").await.id;
        on.batch(match dialect {
            Dialect::Sqlite => {
                "CREATE TRIGGER refuse BEFORE INSERT ON events WHEN new.event_type <> 'task_updated' \
                 BEGIN SELECT RAISE(ABORT, 'no'); END"
            }
            Dialect::Postgres => {
                "ALTER TABLE events ADD CONSTRAINT refuse CHECK (event_type = 'task_updated') NOT VALID"
            }
        });
        let before = rows(on);

        db.create_task(P, new_task("two", &[]), at(1)).await.unwrap_err();
        db.approve_task(P, id, "ann".to_owned(), None, None, at(1)).await.unwrap_err();
        // The second of two events.
        let status = Some(underpin_models::project::TaskStatus::Cancelled);
        let update = TaskUpdate { title: Some("new".to_owned()), status, ..TaskUpdate::default() };
        db.update_task(P, id, update, at(1)).await.unwrap_err();

        assert_eq!(rows(on), before);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn many_at_once_leave_no_gap(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, .. }| {
        let mut writers = Vec::new();
        for writer in 0..8 {
            let db = db.clone();
            writers.push(tokio::spawn(async move {
                for one in 0..5 {
                    let new = new_task(&format!("{writer}.{one}"), &[]);
                    db.create_task(P, new, at(one)).await.unwrap().unwrap();
                }
            }));
        }
        for writer in writers {
            writer.await.unwrap();
        }

        assert_eq!(newest(db).await, 41);
        assert_eq!(told(db, 1).await, ["task_created"; 40]);
        let tasks = db.tasks(P, TaskFilter::default(), Page::default()).await.unwrap().unwrap();
        assert_eq!(tasks.len(), 40);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn of_two_at_once_that_exclude_each_other_one_is_refused(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, .. }| {
        for _ in 0..5 {
            let id = approved(db, "one").await.id;
            let start = || {
                let db = db.clone();
                tokio::spawn(async move {
                    db.start_run(P, id, "engine".to_owned(), at(1)).await.unwrap().err()
                })
            };
            let (one, other) = (start(), start());
            let refused: Vec<_> =
                [one.await.unwrap(), other.await.unwrap()].into_iter().flatten().collect();
            assert!(matches!(refused[..], [Refusal::Running { .. }]), "{refused:?}");

            let (a, b) = (task(db, "a").await.id, task(db, "b").await.id);
            let wait = |id: i32, first: i32| {
                let db = db.clone();
                tokio::spawn(async move {
                    db.set_dependencies(P, id, vec![first], None, at(1)).await.unwrap().err()
                })
            };
            let (one, other) = (wait(a, b), wait(b, a));
            let refused: Vec<_> =
                [one.await.unwrap(), other.await.unwrap()].into_iter().flatten().collect();
            let cycle = DependencyFault::Cycle { id: a };
            let other_cycle = DependencyFault::Cycle { id: b };
            assert!(refused == [cycle.into()] || refused == [other_cycle.into()], "{refused:?}");
        }
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_project_made_by_many_at_once_is_told_once(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, .. }| {
        let makers: Vec<_> = (0..6)
            .map(|_| {
                let db = db.clone();
                tokio::spawn(async move { create_project(&db, 2).await })
            })
            .collect();
        for maker in makers {
            assert_eq!(maker.await.unwrap().id, 2);
        }

        assert_eq!(db.events_after(2, 0, 10).await.unwrap().len(), 1);
        assert_eq!(db.projects(Page::default()).await.unwrap().len(), 2);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn the_newest_events_come_newest_first(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, .. }| {
        create_project(db, 2).await;
        for title in ["a", "b", "c"] {
            task(db, title).await;
        }
        let numbers = async |limit| {
            let events = db.newest_events(P, limit).await.unwrap();
            events.into_iter().map(|event| event.number).collect::<Vec<_>>()
        };

        assert_eq!(numbers(100).await, [4, 3, 2, 1]);
        assert_eq!(numbers(2).await, [4, 3]);
        assert!(numbers(-1).await.is_empty());
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn tasks_are_counted_by_status(#[case] dialect: Dialect) {
    on_head(dialect, async |Rig { db, .. }| {
        create_project(db, 2).await;
        assert!(db.task_counts(P).await.unwrap().is_empty());
        for title in ["a", "b"] {
            task(db, title).await;
        }
        approved(db, "c").await;
        db.create_task(2, new_task("of another", &[]), at(0)).await.unwrap().unwrap();

        let mut counts = db.task_counts(P).await.unwrap();

        counts.sort_by_key(|(status, _)| status.wire());
        assert_eq!(counts, [(TaskStatus::Approved, 1), (TaskStatus::Pending, 2)]);
    });
}

#[test]
fn the_types_of_events_are_sorted() {
    assert!(EVENT_TYPES.is_sorted());
}
