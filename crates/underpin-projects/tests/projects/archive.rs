//! Projects put aside, brought back and deleted.

use std::time::Duration;

use rstest::rstest;
use underpin_db::ConnectOptions;
use underpin_models::registry::ProjectState;
use underpin_projects::ProjectError;
use underpin_testkit::{Dialect, block_on};

use crate::{Ground, named, now};

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn an_archived_project_is_not_opened_until_it_is_restored(#[case] dialect: Dialect) {
    let ground = Ground::new(dialect);
    block_on(async || {
        let projects = ground.projects().await;
        projects.create(named("one"), now()).await.unwrap();
        drop(projects.open(1, now()).await.unwrap());

        projects.archive(1, now()).await.unwrap();

        assert_eq!(ground.targets(), ["archived_project_1"]);
        let state = |state, expected| Some(ProjectError::State { id: 1, state, expected });
        let archived = ProjectState::Archived;
        assert_eq!(projects.open(1, now()).await.err(), state(archived, "ready"));
        assert_eq!(projects.archive(1, now()).await.err(), state(archived, "ready"));
        assert_eq!(
            projects.create(named("one"), now()).await.err(),
            Some(ProjectError::NameTaken("one".to_owned()))
        );

        projects.restore(1, now()).await.unwrap();

        let ready = ProjectState::Ready;
        assert_eq!(projects.restore(1, now()).await.err(), state(ready, "archived"));
        assert_eq!(projects.purge(1, now()).await.err(), state(ready, "archived"));
        drop(projects.open(1, now()).await.unwrap());
    });
    assert_eq!(ground.targets(), ["project_1"]);
    assert_eq!(ground.texts(1, "SELECT name FROM projects"), ["one"]);
}

/// Nothing of it is left, and the other project is as it was.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_purged_project_is_gone(#[case] dialect: Dialect) {
    let ground = Ground::new(dialect);
    block_on(async || {
        let projects = ground.projects().await;
        for name in ["one", "two"] {
            projects.create(named(name), now()).await.unwrap();
        }
        projects.archive(1, now()).await.unwrap();

        projects.purge(1, now()).await.unwrap();

        assert_eq!(projects.open(1, now()).await.err(), Some(ProjectError::Unknown(1)));
        drop(projects.open(2, now()).await.unwrap());
    });
    assert_eq!(ground.targets(), ["project_2"]);
    assert_eq!(ground.registry(), ["2 two READY"]);
    if dialect == Dialect::Sqlite {
        assert!(ground.files().iter().all(|file| file.starts_with("project_2.")));
    }
}

/// Who holds a project keeps it; who comes after the archiving has begun finds it archived.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn an_archiving_waits_for_who_works_with_the_project(#[case] dialect: Dialect) {
    let ground = Ground::new(dialect);
    block_on(async || {
        let projects = ground.projects().await;
        projects.create(named("one"), now()).await.unwrap();
        let held = projects.open(1, now()).await.unwrap();
        let archiving = tokio::spawn({
            let projects = projects.clone();
            async move { projects.archive(1, now()).await }
        });
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(!archiving.is_finished());
        held.ping().await.unwrap();
        let late = tokio::spawn({
            let projects = projects.clone();
            async move { projects.open(1, now()).await.err() }
        });

        drop(held);

        archiving.await.unwrap().unwrap();
        let archived = ProjectState::Archived;
        let expected = ProjectError::State { id: 1, state: archived, expected: "ready" };
        assert_eq!(late.await.unwrap(), Some(expected));
    });
}

/// A file that another program has open is not moved away from under it.
#[test]
fn a_file_that_is_in_use_stays_where_it_is() {
    let ground = Ground::new(Dialect::Sqlite);
    block_on(async || {
        let projects = ground.projects().await;
        projects.create(named("one"), now()).await.unwrap();
        drop(projects.open(1, now()).await.unwrap());
        let mut theirs = ground.url(1).connect(&ConnectOptions::default()).await.unwrap();
        theirs.batch("BEGIN; UPDATE projects SET description = 'theirs'").await.unwrap();

        assert_eq!(projects.archive(1, now()).await, Err(ProjectError::InUse { id: 1 }));

        assert_eq!(ground.targets(), ["project_1"]);
        theirs.batch("COMMIT").await.unwrap();
        drop(theirs);
        drop(projects.open(1, now()).await.unwrap());
        projects.archive(1, now()).await.unwrap();
        projects.restore(1, now()).await.unwrap();
    });
    assert_eq!(ground.texts(1, "SELECT description FROM projects"), ["theirs"]);
}
