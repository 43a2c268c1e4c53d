//! What the registry knows of events.

use rstest::rstest;
use underpin_db::Db;
use underpin_models::{
    project::{NewTask, ProjectRepository as _, ProjectUpdate, TaskRepository as _, TaskText},
    registry::{ProjectChangeRepository as _, RegistryRepository as _},
};
use underpin_testkit::{Dialect, block_on};

use crate::{Ground, named, now};

async fn task(db: &Db, id: i32) {
    let text = TaskText { title: "t".to_owned(), description: None };
    let new = NewTask { text, priority: 0, engine_override: None, dependencies: Vec::new() };
    db.create_task(id, new, now()).await.unwrap().unwrap();
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_new_project_is_noted_with_its_first_event(#[case] dialect: Dialect) {
    let ground = Ground::new(dialect);
    block_on(async || {
        let projects = ground.projects().await;
        let db = ground.db().await;
        assert_eq!(db.newest_project_change().await.unwrap(), 0);

        let id = projects.create(named("one"), now()).await.unwrap().id;
        let other = projects.create(named("other"), now()).await.unwrap().id;

        let changes = db.project_changes_after(0, 10).await.unwrap();
        let seen: Vec<_> = changes
            .iter()
            .map(|one| (one.project_id, one.events_before, one.last_event, one.change))
            .collect();
        assert_eq!(seen, [(id, 0, 1, 1), (other, 0, 1, 2)]);
        assert_eq!(db.project_changes_after(1, 10).await.unwrap(), changes[1..]);
        assert_eq!(db.project_changes_after(0, 1).await.unwrap(), changes[..1]);
        assert!(db.project_changes_after(0, -1).await.unwrap().is_empty());
        assert_eq!(db.newest_project_change().await.unwrap(), 2);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn opening_tells_the_registry_what_nobody_did(#[case] dialect: Dialect) {
    let ground = Ground::new(dialect);
    block_on(async || {
        let projects = ground.projects().await;
        let db = ground.db().await;
        let id = projects.create(named("one"), now()).await.unwrap().id;
        task(&projects.open(id, now()).await.unwrap(), id).await;
        assert_eq!(db.noted_project_events().await.unwrap(), [(id, 1)]);

        // Somebody died over the note, and another one opens the project.
        ground.projects().await.open(id, now()).await.unwrap();
        let changes = db.project_changes_after(1, 10).await.unwrap();
        assert_eq!((changes[0].last_event, changes[0].events_before), (2, 0));

        // A project from before the registry was told of events.
        ground.main.batch(
            "UPDATE registered_projects SET events_before = NULL, last_event = NULL, change = NULL",
        );
        assert_eq!(db.registered_project(id).await.unwrap().unwrap().last_event, None);
        db.note_project_events(vec![(id, 3)]).await.unwrap();
        assert!(db.noted_project_events().await.unwrap().is_empty());
        ground.projects().await.open(id, now()).await.unwrap();
        assert_eq!(db.noted_project_events().await.unwrap(), [(id, 2)]);
        assert_eq!(db.project_events_before(id).await.unwrap(), Some(2));
        // That is where it was: nothing happened in it.
        assert!(db.project_changes_after(0, 10).await.unwrap().is_empty());

        // What is known is not changed back.
        db.begin_project_events(id, 9).await.unwrap();
        db.note_project_events(vec![(id, 1)]).await.unwrap();
        assert_eq!(db.noted_project_events().await.unwrap(), [(id, 2)]);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn whoever_saw_a_change_has_seen_all_before_it(#[case] dialect: Dialect) {
    let ground = Ground::new(dialect);
    block_on(async || {
        let projects = ground.projects().await;
        let mut ids = Vec::new();
        for one in 0..8 {
            ids.push(projects.create(named(&one.to_string()), now()).await.unwrap().id);
        }
        let db = ground.db().await;
        let begin = db.newest_project_change().await.unwrap();
        let writers: Vec<_> = ids
            .chunks(2)
            .map(|two| {
                let (db, two) = (db.clone(), two.to_vec());
                tokio::spawn(async move {
                    for event in 2..22 {
                        let newest = two.iter().map(|id| (*id, event)).collect();
                        db.note_project_events(newest).await.unwrap();
                    }
                })
            })
            .collect();

        // As a replica does: it goes on from the newest change that it saw.
        let (mut seen, mut newest) = (begin, std::collections::BTreeMap::new());
        let reader = ground.db().await;
        while newest.len() < 8 || newest.values().any(|event| *event < 21) {
            for change in reader.project_changes_after(seen, 3).await.unwrap() {
                assert!(change.change > seen);
                seen = change.change;
                newest.insert(change.project_id, change.last_event);
            }
            tokio::task::yield_now().await;
            if writers.iter().all(tokio::task::JoinHandle::is_finished) {
                let last = reader.project_changes_after(seen, 100).await.unwrap();
                newest
                    .extend(last.into_iter().map(|change| (change.project_id, change.last_event)));
                assert!(newest.values().all(|event| *event == 21), "{newest:?}");
            }
        }
        assert_eq!(seen.max(begin + 160), begin + 160);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_project_that_is_repaired_is_noted_too(#[case] dialect: Dialect) {
    let ground = Ground::new(dialect);
    block_on(async || {
        let projects = ground.projects().await;
        let db = ground.db().await;
        let id = projects.create(named("one"), now()).await.unwrap().id;
        let update =
            ProjectUpdate { description: Some(Some("d".to_owned())), ..Default::default() };
        let project = projects.open(id, now()).await.unwrap();
        project.update_project(id, update, now()).await.unwrap().unwrap();
        drop(project);
        // As if it had died before the last step.
        ground.main.batch("UPDATE registered_projects SET state = 'CREATING'");

        let later = now() + chrono::TimeDelta::minutes(2);
        assert_eq!(projects.repair(later).await.unwrap(), 1);

        assert_eq!(db.noted_project_events().await.unwrap(), [(id, 2)]);
    });
}

/// As the last change of one that died before it told the registry, or of an older program.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn opening_tells_the_registry_when_a_project_was_changed(#[case] dialect: Dialect) {
    let ground = Ground::new(dialect);
    block_on(async || {
        let projects = ground.projects().await;
        let db = ground.db().await;
        let id = projects.create(named("one"), now()).await.unwrap().id;
        let seen = async || db.registered_project(id).await.unwrap().unwrap().updated_at;
        let later = now() + chrono::TimeDelta::microseconds(90_000_001);
        let update =
            ProjectUpdate { description: Some(Some("d".to_owned())), ..Default::default() };
        let project = projects.open(id, now()).await.unwrap();
        project.update_project(id, update, later).await.unwrap().unwrap();
        drop(project);
        assert_eq!(seen().await, now());

        drop(ground.projects().await.open(id, now()).await.unwrap());

        assert_eq!(seen().await, later);
        // What is later already stays.
        projects.note_update(id, now()).await.unwrap();
        assert_eq!(seen().await, later);
    });
}
