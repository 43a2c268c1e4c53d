//! What is written in one project is seen in no other.

use std::time::Duration;

use futures_util::{FutureExt as _, future::join_all};
use rstest::rstest;
use underpin_db::{Db, DbError};
use underpin_models::project::{NewProject, ProjectRepository as _};
use underpin_projects::{Projects, Settings};
use underpin_testkit::{Dialect, block_on};

use crate::{Ground, named, now};

const PROJECTS: i32 = 100;
const ROWS: i32 = 4;

/// Something that is told apart: row `number` of project `id`.
fn row(id: i32, number: i32) -> NewProject {
    named(&format!("{id}/{number}"))
}

async fn write(db: &Db, id: i32, number: i32) -> Result<(), DbError> {
    db.create_project(1_000 + number, row(id, number), now()).await.map(drop)
}

/// Writes and then fails, or is forgotten in the middle: nothing of it is to be seen.
async fn waste(db: &Db, id: i32, number: i32) {
    let wasted = db.transaction(move |conn| {
        async move {
            conn.create_project(9_000, row(id, -1), now()).await?;
            if number % 2 == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Err::<(), _>(DbError { message: "on purpose".to_owned(), ..DbError::default() })
        }
        .boxed()
    });
    assert!(!matches!(tokio::time::timeout(Duration::from_millis(2), wasted).await, Ok(Ok(()))));
}

async fn work_on(projects: &Projects, id: i32) {
    for number in 0..ROWS {
        let open = projects.open(id, now()).await.unwrap();
        if number % 3 == 0 {
            waste(&open, id, number).await;
        }
        write(&open, id, number).await.unwrap();
        let found = open.project(1_000 + number).await.unwrap().unwrap();
        assert_eq!(found.name, format!("{id}/{number}"));
    }
}

/// A hundred projects take turns on four connections; on SQLite ten of them are open at a time.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_hundred_projects_at_once_stay_apart(#[case] dialect: Dialect) {
    let ground = Ground::new(dialect);
    block_on(async || {
        let settings = Settings { max_open: 10, ..ground.settings() };
        let projects = ground.projects_with(settings).await;
        for id in 1..=PROJECTS {
            assert_eq!(projects.create(named(&format!("p{id}")), now()).await.unwrap().id, id);
        }

        let all = (1..=PROJECTS).map(|id| {
            let projects = projects.clone();
            tokio::spawn(async move { work_on(&projects, id).await })
        });
        for done in join_all(all).await {
            done.unwrap();
        }

        // Whoever gets one of the connections next finds it as it was.
        let main = ground.db().await;
        main.ping().await.unwrap();
        assert_eq!(projects.registered(1).await.unwrap().name, "p1");
        assert!(projects.open_count() <= 10, "{}", projects.open_count());
    });
    for id in 1..=PROJECTS {
        let mut expected: Vec<_> = (0..ROWS).map(|number| format!("{id}/{number}")).collect();
        expected.insert(0, format!("p{id}"));
        expected.sort();
        let mut found = ground.texts(id, "SELECT name FROM projects");
        found.sort();
        assert_eq!(found, expected);
    }
    let strays = ground.main.tables().into_iter().filter(|table| table == "projects");
    assert_eq!(strays.count(), 0);
}
