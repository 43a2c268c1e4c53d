//! A registry and a place that disagree, as a power failure or an old backup leaves them.

use std::fs;

use chrono::TimeDelta;
use rstest::rstest;
use underpin_models::registry::ProjectState;
use underpin_projects::ProjectError;
use underpin_testkit::{Dialect, block_on};

use crate::{Ground, named, now};

/// Where the database of project 1 is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Here,
    Aside,
    /// Two names of one file: a move that was interrupted.
    Both,
    Nowhere,
}

/// A project with the name `one`, brought out of step.
fn out_of_step(dialect: Dialect, state: ProjectState, place: Place) -> Ground {
    let ground = Ground::new(dialect);
    block_on(async || {
        ground.projects().await.create(named("one"), now()).await.unwrap();
    });
    ground
        .main
        .batch(&format!("UPDATE registered_projects SET state = '{state:?}'").to_uppercase());
    match dialect {
        Dialect::Sqlite => {
            let (here, aside) =
                (ground.data_dir().join("project_1.db"), ground.data_dir().join("archived"));
            fs::create_dir_all(&aside).unwrap();
            if matches!(place, Place::Aside | Place::Both) {
                fs::hard_link(&here, aside.join("project_1.db")).unwrap();
            }
            if matches!(place, Place::Aside | Place::Nowhere) {
                fs::remove_file(here).unwrap();
            }
        }
        Dialect::Postgres => match place {
            Place::Here | Place::Both => {}
            Place::Aside => {
                ground.main.batch("ALTER SCHEMA project_1 RENAME TO archived_project_1");
            }
            Place::Nowhere => ground.main.batch("DROP SCHEMA project_1 CASCADE"),
        },
    }
    ground
}

fn cases(dialect: Dialect) -> Vec<(ProjectState, Place)> {
    let mut places = vec![Place::Here, Place::Aside, Place::Nowhere];
    // A schema has one name.
    places.extend((dialect == Dialect::Sqlite).then_some(Place::Both));
    let states = [ProjectState::Ready, ProjectState::Archived];
    states.iter().flat_map(|state| places.iter().map(|place| (*state, *place))).collect()
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn the_repair_lets_the_place_decide(#[case] dialect: Dialect) {
    for (state, place) in cases(dialect) {
        let ground = out_of_step(dialect, state, place);
        let (expected, targets) = match (state, place) {
            (_, Place::Here | Place::Both) => ("READY", vec!["project_1"]),
            (_, Place::Aside) => ("ARCHIVED", vec!["archived_project_1"]),
            (ProjectState::Ready, _) => ("READY", vec![]),
            _ => ("ARCHIVED", vec![]),
        };
        let in_step = matches!(
            (state, place),
            (ProjectState::Ready, Place::Here)
                | (ProjectState::Archived, Place::Aside)
                | (_, Place::Nowhere)
        );
        block_on(async || {
            let projects = ground.projects().await;
            // Somebody may be at it still.
            assert_eq!(projects.repair(now()).await.unwrap(), 0);

            let repaired = projects.repair(now() + TimeDelta::minutes(2)).await.unwrap();

            assert_eq!(repaired, usize::from(!in_step), "{state:?} {place:?}");
            assert_eq!(projects.repair(now() + TimeDelta::minutes(9)).await.unwrap(), 0);
        });
        assert_eq!(ground.registry(), [format!("1 one {expected}")], "{state:?} {place:?}");
        assert_eq!(ground.targets(), targets, "{state:?} {place:?}");
    }
}

/// Without a repair, too: what can be served is served, what can be restored is restored.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn nothing_that_is_somewhere_is_stuck(#[case] dialect: Dialect) {
    for (state, place) in cases(dialect) {
        let ground = out_of_step(dialect, state, place);
        block_on(async || {
            let projects = ground.projects().await;
            if let Err(error) = projects.open(1, now()).await {
                let restored = projects.restore(1, now()).await;
                if place == Place::Nowhere {
                    let gone = |error: &ProjectError| matches!(error, ProjectError::Gone { .. });
                    let told = restored.as_ref().err().is_some_and(gone) || gone(&error);
                    assert!(told, "{state:?}: {error}; {restored:?}");
                    return;
                }
                assert_eq!(restored, Ok(()), "{state:?} {place:?}");
                drop(projects.open(1, now()).await.unwrap());
            }
            projects.archive(1, now()).await.unwrap();
            assert_eq!(ground.targets(), ["archived_project_1"], "{state:?} {place:?}");
            projects.restore(1, now()).await.unwrap();
            drop(projects.open(1, now()).await.unwrap());
        });
    }
}

/// What the registry says of project 1, to the moment at which it was told.
fn registered(ground: &Ground) -> Vec<String> {
    ground.main.texts("SELECT state || ' ' || CAST(updated_at AS TEXT) FROM registered_projects")
}

/// It cannot be put aside or brought back, and the registry does not say that it was.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_is_gone_stays_what_it_was(#[case] dialect: Dialect) {
    for state in [ProjectState::Ready, ProjectState::Archived] {
        let ground = out_of_step(dialect, state, Place::Nowhere);
        let before = registered(&ground);
        let later = now() + TimeDelta::minutes(2);
        block_on(async || {
            let projects = ground.projects().await;

            let done = match state {
                ProjectState::Ready => projects.archive(1, later).await,
                _ => projects.restore(1, later).await,
            };

            assert_eq!(done, Err(ProjectError::Gone { id: 1, url: ground.url(1).to_string() }));
            assert_eq!(projects.repair(later).await.unwrap(), 0);
        });
        assert_eq!(registered(&ground), before, "{state:?}");
        // What is nowhere can still be deleted for good.
        if state == ProjectState::Archived {
            block_on(async || ground.projects().await.purge(1, later).await.unwrap());
            assert!(ground.registry().is_empty());
        }
    }
}

/// Somebody takes the database away, the project is to be archived, and the database comes back: no repair
/// takes back an archiving that never was, and the next one is whole.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_comes_back_was_never_archived(#[case] dialect: Dialect) {
    let ground = Ground::new(dialect);
    let shift = |from: &str, to: &str| match dialect {
        Dialect::Sqlite => {
            let path = |name: &str| ground.data_dir().join(format!("{name}.db"));
            fs::rename(path(from), path(to)).unwrap();
        }
        Dialect::Postgres => ground.main.batch(&format!("ALTER SCHEMA {from} RENAME TO {to}")),
    };
    block_on(async || {
        let projects = ground.projects().await;
        projects.create(named("one"), now()).await.unwrap();
        shift("project_1", "elsewhere");
        let refused = projects.archive(1, now()).await;
        assert!(matches!(refused, Err(ProjectError::Gone { id: 1, .. })), "{refused:?}");
        assert_eq!(projects.repair(now() + TimeDelta::minutes(2)).await.unwrap(), 0);

        shift("elsewhere", "project_1");

        assert_eq!(projects.repair(now() + TimeDelta::minutes(9)).await.unwrap(), 0);
        drop(projects.open(1, now()).await.unwrap());
        projects.archive(1, now()).await.unwrap();
    });
    assert_eq!(ground.registry(), ["1 one ARCHIVED"]);
    assert_eq!(ground.targets(), ["archived_project_1"]);
}

/// A power failure took back what the registry had been told.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_is_aside_already_is_archived(#[case] dialect: Dialect) {
    let ground = out_of_step(dialect, ProjectState::Ready, Place::Aside);
    block_on(async || {
        let projects = ground.projects().await;

        projects.archive(1, now()).await.unwrap();

        assert_eq!(ground.registry(), ["1 one ARCHIVED"]);
        assert_eq!(ground.targets(), ["archived_project_1"]);
        projects.restore(1, now()).await.unwrap();
        drop(projects.open(1, now()).await.unwrap());
    });
}

#[test]
fn another_file_in_the_way_is_kept_and_named() {
    let ground = out_of_step(Dialect::Sqlite, ProjectState::Archived, Place::Aside);
    fs::write(ground.data_dir().join("project_1.db"), "theirs").unwrap();
    block_on(async || {
        let projects = ground.projects().await;
        assert_eq!(projects.repair(now() + TimeDelta::minutes(2)).await.unwrap(), 0);

        let refused = projects.restore(1, now()).await.unwrap_err().to_string();

        assert!(refused.contains("project_1.db") && refused.contains("exists"), "{refused}");
    });
    assert_eq!(ground.targets(), ["archived_project_1", "project_1"]);
    assert_eq!(fs::read(ground.data_dir().join("project_1.db")).unwrap(), b"theirs");
}
