//! Projects whose schema is not the one that is wanted.

use rstest::rstest;
use underpin::{Engine, Goal, Options};
use underpin_db::ConnectOptions;
use underpin_migrations::{CODE, project};
use underpin_projects::{ProjectError, Settings};
use underpin_testkit::{Dialect, block_on};

use crate::{Ground, named, now};

/// One project, one migration behind.
async fn behind(ground: &Ground) {
    ground.projects().await.create(named("one"), now()).await.unwrap();
    let url = ground.url(1);
    let engine = Engine::new(project(ground.dialect()), CODE, &url, Options::default()).unwrap();
    engine.migrate(&Goal::Down(1)).await.unwrap();
}

/// How often the newest migration was applied.
fn upgrades(ground: &Ground) -> usize {
    let head = project(ground.dialect()).head().unwrap().version.to_string();
    let query = format!(
        "SELECT action FROM underpin_history WHERE version = '{head}' AND action = 'upgrade'"
    );
    ground.texts(1, &query).len()
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn it_is_refused_with_the_command_to_run(#[case] dialect: Dialect) {
    let ground = Ground::new(dialect);
    block_on(async || {
        behind(&ground).await;
        let settings = Settings { migrate: false, ..ground.settings() };
        let projects = ground.projects_with(settings).await;

        let error = projects.open(1, now()).await.err().unwrap();

        let url = ground.url(1);
        let command = format!("underpin --set project --database-url '{url}' upgrade");
        assert_eq!(error, ProjectError::Behind { id: 1, pending: 1, command: command.clone() });
        assert!(error.to_string().contains(&command));
        assert_eq!(upgrades(&ground), 1);
        // What the command does.
        let engine = Engine::new(project(dialect), CODE, &url, Options::default()).unwrap();
        engine.migrate(&Goal::Head).await.unwrap();
        drop(projects.open(1, now()).await.unwrap());
    });
}

/// Two processes, many callers.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn it_is_migrated_once_when_it_is_first_opened(#[case] dialect: Dialect) {
    let ground = Ground::new(dialect);
    block_on(async || {
        behind(&ground).await;
        let (one, other) = (ground.projects().await, ground.projects().await);
        let callers = (0..8).map(|caller| {
            let projects = if caller % 2 == 0 { one.clone() } else { other.clone() };
            async move { projects.open(1, now()).await.map(drop) }
        });
        for result in futures_util::future::join_all(callers).await {
            result.unwrap();
        }
        assert_eq!(upgrades(&ground), 2);
        let head = project(dialect).head().unwrap().version.to_string();
        assert_eq!(one.registered(1).await.unwrap().head, Some(head));
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn one_that_is_newer_than_the_program_is_refused(#[case] dialect: Dialect) {
    let ground = Ground::new(dialect);
    block_on(async || {
        ground.projects().await.create(named("one"), now()).await.unwrap();
        let url = ground.url(1);
        let mut conn = url.connect(&ConnectOptions::default()).await.unwrap();
        let version = "INSERT INTO __diesel_schema_migrations (version) VALUES ('20991231000000')";
        conn.batch(version).await.unwrap();

        let error = ground.projects().await.open(1, now()).await.err().unwrap();

        assert!(error.to_string().contains("20991231000000"), "{error}");
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn one_whose_data_is_gone_is_an_error_and_stays_gone(#[case] dialect: Dialect) {
    let ground = Ground::new(dialect);
    block_on(async || {
        let projects = ground.projects().await;
        projects.create(named("one"), now()).await.unwrap();
        match dialect {
            Dialect::Sqlite => {
                std::fs::remove_file(ground.data_dir().join("project_1.db")).unwrap();
            }
            Dialect::Postgres => ground.main.batch("DROP SCHEMA project_1 CASCADE"),
        }

        let error = ground.projects().await.open(1, now()).await.err().unwrap();

        assert_eq!(error, ProjectError::Gone { id: 1, url: ground.url(1).to_string() });
        assert!(error.to_string().contains("project_1"), "{error}");
    });
    assert!(ground.targets().is_empty());
}
