//! A process that dies at any step leaves nothing half-made, or what the next one repairs.

use std::process::Command;

use chrono::TimeDelta;
use rstest::rstest;
use underpin_db::{DatabaseUrl, Db, PoolOptions};
use underpin_models::registry::ProjectState;
use underpin_projects::{Projects, Settings};
use underpin_testkit::{Dialect, block_on};

use crate::{Ground, named, now};

#[cfg(not(feature = "failpoints"))]
compile_error!(
    "these tests need fail points: `scripts/test`, or `--features underpin-projects/failpoints`"
);

const URL: &str = "UNDERPIN_TEST_URL";
const DATA_DIR: &str = "UNDERPIN_TEST_DATA_DIR";
const WORK: &str = "UNDERPIN_TEST_WORK";

/// What the process does that dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Create,
    Archive,
    Restore,
    Purge,
}

/// Not a test of its own: the tests below run it as another process.
#[test]
#[ignore = "the other tests run it as another process"]
fn child() {
    // As by `kill -9`: nothing is tidied up.
    std::panic::set_hook(Box::new(|_| std::process::abort()));
    let _scenario = fail::FailScenario::setup();
    let variable = |name| std::env::var(name).unwrap();
    let url: DatabaseUrl = variable(URL).parse().unwrap();
    let work = variable(WORK);
    block_on(async || {
        let main = Db::connect(&url, &PoolOptions::default()).await.unwrap();
        let settings = Settings::new(variable(DATA_DIR).into());
        let projects = Projects::new(main, &url, settings);
        match work.as_str() {
            "Create" => projects.create(named("new"), now()).await.map(drop),
            "Archive" => projects.archive(1, now()).await,
            "Restore" => projects.restore(1, now()).await,
            _ => projects.purge(1, now()).await,
        }
        .unwrap();
    });
}

/// Whether the process dies when it has passed `steps` of its numbered steps.
fn dies_after(ground: &Ground, steps: usize, work: Work) -> bool {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child", "--ignored"])
        .env(URL, ground.main.url())
        .env(DATA_DIR, ground.data_dir())
        .env(WORK, format!("{work:?}"))
        .env("FAILPOINTS", format!("projects::step={steps}*off->panic"))
        .output()
        .unwrap()
        .status;
    assert!(status.success() || status.code().is_none(), "after {steps}: {status}");
    !status.success()
}

/// A project with data, aside for what needs that, on a ground of its own.
fn prepared(dialect: Dialect, work: Work) -> Ground {
    let ground = Ground::new(dialect);
    block_on(async || {
        let projects = ground.projects().await;
        projects.create(named("old"), now()).await.unwrap();
        if matches!(work, Work::Restore | Work::Purge) {
            projects.archive(1, now()).await.unwrap();
        }
    });
    ground
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_creation_is_finished_or_taken_back(#[case] dialect: Dialect) {
    let mut steps = 0;
    let (mut finished, mut taken_back) = (0, 0);
    loop {
        let ground = prepared(dialect, Work::Create);
        if !dies_after(&ground, steps, Work::Create) {
            break;
        }
        block_on(async || {
            let projects = ground.projects().await;
            // Who is still at it is let alone.
            assert_eq!(projects.repair(now()).await.unwrap(), 0);
            let repaired = projects.repair(now() + TimeDelta::minutes(2)).await.unwrap();
            assert_eq!(repaired, 1, "after {steps}");
            assert!(projects.list(vec![ProjectState::Creating], 0, 9).await.unwrap().is_empty());
            let ready = projects.list(vec![ProjectState::Ready], 0, 9).await.unwrap();
            assert_eq!(ground.targets().len(), ready.len(), "after {steps}: {:?}", ground.files());
            for project in &ready {
                drop(projects.open(project.id, now()).await.unwrap());
                assert_eq!(
                    ground.texts(project.id, "SELECT name FROM projects"),
                    [project.name.as_str()]
                );
            }
            if ready.len() == 2 {
                finished += 1;
            } else {
                taken_back += 1;
                projects.create(named("new"), now()).await.unwrap();
            }
        });
        steps += 1;
    }
    assert!(finished > 0 && taken_back > 2, "{finished} {taken_back}: are the fail points there?");
}

#[rstest]
#[case::archive_sqlite(Work::Archive, Dialect::Sqlite)]
#[case::archive_postgres(Work::Archive, Dialect::Postgres)]
#[case::restore_sqlite(Work::Restore, Dialect::Sqlite)]
#[case::restore_postgres(Work::Restore, Dialect::Postgres)]
#[case::purge_sqlite(Work::Purge, Dialect::Sqlite)]
#[case::purge_postgres(Work::Purge, Dialect::Postgres)]
fn the_others_can_be_done_again(#[case] work: Work, #[case] dialect: Dialect) {
    let mut steps = 0;
    loop {
        let ground = prepared(dialect, work);
        if !dies_after(&ground, steps, work) {
            break;
        }
        block_on(async || {
            let projects = ground.projects().await;
            match work {
                Work::Create => unreachable!(),
                // The registry says so first.
                Work::Archive | Work::Restore => projects.restore(1, now()).await.unwrap(),
                Work::Purge => projects.purge(1, now()).await.unwrap(),
            }
            if work == Work::Purge {
                assert!(ground.registry().is_empty() && ground.targets().is_empty());
            } else {
                drop(projects.open(1, now()).await.unwrap());
                assert_eq!(ground.targets(), ["project_1"]);
                assert_eq!(ground.texts(1, "SELECT name FROM projects"), ["old"]);
            }
        });
        steps += 1;
    }
    assert!(steps > 0, "are the fail points there?");
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_deletion_has_not_begun_or_is_finished(#[case] dialect: Dialect) {
    let (mut steps, mut finished) = (0, 0);
    loop {
        let ground = prepared(dialect, Work::Purge);
        if !dies_after(&ground, steps, Work::Purge) {
            break;
        }
        block_on(async || {
            let projects = ground.projects().await;
            assert_eq!(projects.repair(now()).await.unwrap(), 0);
            if projects.list(vec![ProjectState::Archived], 0, 9).await.unwrap().is_empty() {
                projects.restore(1, now()).await.unwrap_err();
                projects.repair(now() + TimeDelta::minutes(2)).await.unwrap();
                assert!(ground.registry().is_empty() && ground.targets().is_empty());
                finished += 1;
            } else {
                projects.restore(1, now()).await.unwrap();
                assert_eq!(ground.texts(1, "SELECT name FROM projects"), ["old"]);
            }
        });
        steps += 1;
    }
    assert!(finished > 1, "{finished} of {steps}: are the fail points there?");
}
