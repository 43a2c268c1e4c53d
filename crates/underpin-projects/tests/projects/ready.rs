//! Who works on all projects asks the registry where they are.

use rstest::rstest;
use underpin::{Engine, Goal, Options};
use underpin_migrations::{CODE, registry};
use underpin_projects::{RegistryError, ready_projects};
use underpin_testkit::{Dialect, block_on};

use crate::{Ground, named, now};

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn the_ready_ones_are_listed_with_their_databases(#[case] dialect: Dialect) {
    let ground = Ground::new(dialect);

    let found = block_on(async || {
        let projects = ground.projects().await;
        for name in ["one", "two", "three"] {
            projects.create(named(name), now()).await.unwrap();
        }
        projects.archive(2, now()).await.unwrap();
        ready_projects(&ground.main.database_url(), &ground.data_dir()).await.unwrap()
    });

    let ids: Vec<_> = found.iter().map(|one| (one.id, one.target.as_str())).collect();
    assert_eq!(ids, [(1, "project_1"), (3, "project_3")]);
    match dialect {
        Dialect::Sqlite => {
            let file = ground.data_dir().join("project_3.db");
            assert_eq!(found[1].url.sqlite_path(), Some(file.as_path()));
            assert!(file.exists());
        }
        Dialect::Postgres => {
            let url = ground.main.database_url().in_schema("project_3");
            assert_eq!(found[1].url.expose(), url.expose());
        }
    }
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_registry_that_is_missing_or_behind_stays_so(#[case] dialect: Dialect) {
    let ground = Ground::new(dialect);
    let url = ground.main.database_url();

    let (missing, behind) = block_on(async || {
        let missing = ready_projects(&url, &ground.data_dir()).await.unwrap_err();
        let engine = Engine::new(registry(dialect), CODE, &url, Options::default()).unwrap();
        engine.migrate(&Goal::Up(1)).await.unwrap();
        (missing, ready_projects(&url, &ground.data_dir()).await.unwrap_err())
    });

    assert!(matches!(missing, RegistryError::Missing { .. }), "{missing}");
    let all = registry(dialect).migrations().len();
    let pending = all - 1;
    assert!(matches!(behind, RegistryError::Behind { pending: found, .. } if found == pending));
    assert!(!ground.data_dir().exists());
    let applied = ground.main.texts("SELECT version FROM __diesel_schema_migrations");
    assert_eq!(applied.len(), 1);
}
