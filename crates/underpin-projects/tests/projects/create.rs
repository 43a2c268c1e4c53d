//! Making projects.

use rstest::rstest;
use underpin_models::{project::NewProject, registry::ProjectState};
use underpin_projects::ProjectError;
use underpin_testkit::{Dialect, block_on};

use crate::{Ground, named, now};

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_project_is_made_at_head_and_found_again(#[case] dialect: Dialect) {
    let ground = Ground::new(dialect);
    block_on(async || {
        let projects = ground.projects().await;
        let new = NewProject {
            name: "Cathedral".to_owned(),
            description: Some("long".to_owned()),
            root_path: Some("/srv/c".to_owned()),
            default_engine: Some("copilot_cli".to_owned()),
            db_path: "wherever it says".to_owned(),
        };

        let made = projects.create(new, now()).await.unwrap();

        assert_eq!(
            (made.id, made.name.as_str(), made.state),
            (1, "Cathedral", ProjectState::Ready)
        );
        assert_eq!(made.target, "project_1");
        let head = underpin_migrations::project(dialect).head().unwrap().version.to_string();
        assert_eq!(made.head, Some(head));
        drop(projects.open(1, now()).await.unwrap());
        // Another process.
        let again = ground.projects().await;
        drop(again.open(1, now()).await.unwrap());
        assert_eq!(again.registered(1).await.unwrap(), made);
        let listed = again.list(vec![ProjectState::Ready], 0, 10).await.unwrap();
        assert_eq!(listed, [made]);
    });
    assert_eq!(ground.targets(), ["project_1"]);
    let row = ground.texts(
        1,
        "SELECT id || name || description || root_path || default_engine || db_path FROM projects",
    );
    assert_eq!(row, ["1Cathedrallong/srv/ccopilot_cliproject_1"]);
    let limits = ground.texts(
        1,
        "SELECT project_id || ' ' || max_attempts || ' ' || timeout_seconds FROM control_state",
    );
    assert_eq!(limits, ["1 3 300"]);
    assert_eq!(ground.main.tables().iter().filter(|table| *table == "projects").count(), 0);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_number_is_never_given_twice(#[case] dialect: Dialect) {
    let ground = Ground::new(dialect);
    block_on(async || {
        let projects = ground.projects().await;
        for name in ["a", "b", "c"] {
            projects.create(named(name), now()).await.unwrap();
        }
        projects.archive(3, now()).await.unwrap();
        projects.purge(3, now()).await.unwrap();
        assert_eq!(projects.open(3, now()).await.err(), Some(ProjectError::Unknown(3)));

        let again = ground.projects().await.create(named("c"), now()).await.unwrap();

        assert!(again.id > 3, "{}", again.id);
    });
    assert_eq!(ground.targets().len(), 3);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_is_not_registered_is_not_found_and_not_created(#[case] dialect: Dialect) {
    let ground = Ground::new(dialect);
    block_on(async || {
        let projects = ground.projects().await;
        for id in [404, 0, -1, i32::MAX, i32::MIN] {
            assert_eq!(projects.open(id, now()).await.err(), Some(ProjectError::Unknown(id)));
            assert_eq!(projects.archive(id, now()).await, Err(ProjectError::Unknown(id)));
            assert_eq!(projects.restore(id, now()).await, Err(ProjectError::Unknown(id)));
            assert_eq!(projects.purge(id, now()).await, Err(ProjectError::Unknown(id)));
        }
    });
    assert!(ground.targets().is_empty() && ground.registry().is_empty());
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_hostile_name_is_a_name_and_nothing_else(#[case] dialect: Dialect) {
    let ground = Ground::new(dialect);
    let names = [
        "'; DROP TABLE registered_projects; --",
        "\"; DROP SCHEMA public CASCADE; --",
        "../../etc/passwd",
        "project_1",
        "a/b\\c:d",
        "%_?$1",
        " ",
        "\u{202e}moc",
        "\u{1f980}",
        "Zoe\u{308}",
        "Zo\u{eb}",
    ];
    block_on(async || {
        let projects = ground.projects().await;
        for name in names {
            let made = projects.create(named(name), now()).await.unwrap();
            assert_eq!(made.name, name);
            assert_eq!(
                projects.create(named(name), now()).await,
                Err(ProjectError::NameTaken(name.to_owned()))
            );
        }
        let long = "\u{1f980}".repeat(255);
        projects.create(named(&long), now()).await.unwrap();
        for (name, found) in [(String::new(), 0), (long + "x", 256)] {
            let refused = projects.create(named(&name), now()).await;
            assert_eq!(refused, Err(ProjectError::Name { found, most: 255 }));
        }
    });
    let made = names.len() + 1;
    assert_eq!(ground.registry().len(), made);
    assert_eq!(ground.targets().len(), made);
    for (index, target) in ground.targets().iter().enumerate() {
        let number: i32 = target.strip_prefix("project_").unwrap().parse().unwrap();
        assert!(number > 0, "{index}");
        assert_eq!(ground.texts(number, "SELECT name FROM projects").len(), 1);
    }
}

/// Who creates the same name at once: one does.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn of_many_with_one_name_one_is_made(#[case] dialect: Dialect) {
    let ground = Ground::new(dialect);
    block_on(async || {
        let projects = ground.projects().await;
        let tries = (0..6).map(|_| projects.create(named("one"), now()));
        let results = futures_util::future::join_all(tries).await;
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
        for refused in results.into_iter().filter_map(Result::err) {
            assert_eq!(refused, ProjectError::NameTaken("one".to_owned()));
        }
    });
    assert_eq!(ground.targets().len(), 1);
}

/// What cannot be made leaves nothing behind, its name is free, and what was in its way is untouched.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_is_in_the_way_stays(#[case] dialect: Dialect) {
    let ground = Ground::new(dialect);
    let theirs = ground.data_dir().join("project_1.db");
    match dialect {
        Dialect::Sqlite => {
            std::fs::create_dir(ground.data_dir()).unwrap();
            std::fs::write(&theirs, "theirs").unwrap();
        }
        Dialect::Postgres => {
            ground
                .main
                .batch("CREATE SCHEMA project_1; CREATE TABLE project_1.theirs (id INTEGER)");
        }
    }
    block_on(async || {
        let projects = ground.projects().await;

        let error = projects.create(named("one"), now()).await.unwrap_err();

        assert!(error.to_string().contains("project_1"), "{error}");
        assert!(ground.registry().is_empty());
        assert_eq!(ground.targets(), ["project_1"]);
        let made = projects.create(named("one"), now()).await.unwrap();
        assert_eq!(made.id, 2);
    });
    match dialect {
        Dialect::Sqlite => assert_eq!(std::fs::read(theirs).unwrap(), b"theirs"),
        Dialect::Postgres => {
            assert!(ground.main.texts("SELECT id FROM project_1.theirs").is_empty());
        }
    }
    assert_eq!(ground.targets(), ["project_1", "project_2"]);
}

/// A template that is damaged, or of other migrations, is made anew.
#[test]
fn a_template_is_looked_at_before_it_is_copied() {
    let ground = Ground::new(Dialect::Sqlite);
    block_on(async || ground.projects().await.create(named("one"), now()).await.unwrap());
    let head = underpin_migrations::project(Dialect::Sqlite).head().unwrap().version.to_string();
    let template = ground.data_dir().join(format!("template_{head}.db"));
    let good = std::fs::read(&template).unwrap();
    let mut torn = good.clone();
    torn.truncate(good.len() / 2);
    for bad in [torn, b"not a database".to_vec(), Vec::new()] {
        std::fs::write(&template, &bad).unwrap();

        block_on(async || {
            let projects = ground.projects().await;
            let name = format!("after {} bytes", bad.len());
            let made = projects.create(named(&name), now()).await.unwrap();
            drop(projects.open(made.id, now()).await.unwrap());
        });

        assert!(std::fs::read(&template).unwrap().len() >= good.len());
    }
}
