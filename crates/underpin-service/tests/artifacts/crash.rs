//! What dies between the file and the commit.

use std::{fs, time::Duration};

use rstest::rstest;
use underpin_db::Dialect;
use underpin_models::project::{ArtifactFilter, ArtifactRepository as _, Page};
use underpin_service::artifacts::StoreError;

use crate::{P, Rig, at, bytes, eventually, new, on_head, receive};

/// Lets the word of a row about its content fail with `failure`, a statement of a trigger.
fn fail_on_storage(rig: &Rig<'_>, failure: &str) {
    rig.on.batch(&match rig.on.dialect() {
        Dialect::Sqlite => format!(
            "CREATE TRIGGER refuse AFTER UPDATE OF storage_path ON artifacts BEGIN {failure}; END"
        ),
        Dialect::Postgres => format!(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN {failure}; RETURN NULL; END $$; \
             CREATE TRIGGER refuse AFTER UPDATE OF storage_path ON artifacts \
             FOR EACH ROW EXECUTE FUNCTION refuse()"
        ),
    });
}

async fn fails(rig: &Rig<'_>) -> StoreError {
    let received = receive(&rig.store, b"abc").await;
    rig.store.create(&rig.db, P, new("a.txt"), received, at(1)).await.unwrap_err()
}

/// Nothing is left, and the next artifact is not troubled.
async fn nothing_is_left(rig: &Rig<'_>) {
    eventually("no file", || rig.files().is_empty()).await;
    assert!(rig.on.texts("SELECT name FROM artifacts").is_empty());
    rig.on.batch(match rig.on.dialect() {
        Dialect::Sqlite => "DROP TRIGGER refuse",
        Dialect::Postgres => "DROP TRIGGER refuse ON artifacts",
    });
    let made = rig.upload("b.txt", b"next").await;
    assert_eq!(bytes(rig.store.open(&made).await.unwrap()).await, b"next");
    assert_eq!(rig.files().len(), 1);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite, "SELECT RAISE(ABORT, 'no')")]
#[case::postgres(Dialect::Postgres, "RAISE 'no'")]
fn a_row_that_cannot_say_where_its_content_is_leaves_nothing(
    #[case] dialect: Dialect,
    #[case] failure: &str,
) {
    on_head(dialect, async |rig| {
        fail_on_storage(rig, failure);

        let error = fails(rig).await;

        assert!(matches!(error, StoreError::Database(_)), "{error}");
        nothing_is_left(rig).await;
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_commit_that_fails_leaves_nothing(#[case] dialect: Dialect) {
    on_head(dialect, async |rig| {
        rig.on.batch(
            "CREATE TABLE whole (id INTEGER PRIMARY KEY); CREATE TABLE part \
             (id INTEGER REFERENCES whole (id) DEFERRABLE INITIALLY DEFERRED)",
        );
        fail_on_storage(rig, "INSERT INTO part VALUES (1)");

        let error = fails(rig).await;

        assert!(matches!(error, StoreError::Database(_)), "{error}");
        nothing_is_left(rig).await;
    });
}

#[test]
fn a_connection_that_is_lost_over_the_commit_leaves_nothing_on_postgres() {
    on_head(Dialect::Postgres, async |rig| {
        rig.on.batch(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$; \
             CREATE CONSTRAINT TRIGGER refuse AFTER UPDATE ON artifacts \
             DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()",
        );

        let error = fails(rig).await;

        assert!(matches!(error, StoreError::Database(_)), "{error}");
        nothing_is_left(rig).await;
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn who_stops_waiting_leaves_a_whole_artifact_or_none(#[case] dialect: Dialect) {
    on_head(dialect, async |rig| {
        let content = vec![7; 300_000];
        for delay in 0..20 {
            let received = receive(&rig.store, &content).await;
            let work = rig.store.create(&rig.db, P, new("a.txt"), received, at(1));
            drop(tokio::time::timeout(Duration::from_micros(delay * 200), work).await);
        }

        // Each comes to its end behind the back of whoever waited.
        eventually("every row has its file, and every file its row", || {
            rig.files().len() == 20 && rig.rows().len() == 20
        })
        .await;
        let (filter, page) = (ArtifactFilter::default(), Page::default());
        for artifact in rig.db.artifacts(P, filter, page).await.unwrap().unwrap() {
            assert_eq!(bytes(rig.store.open(&artifact).await.unwrap()).await, content);
        }
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_file_that_disappeared_before_it_was_placed_leaves_no_row(#[case] dialect: Dialect) {
    on_head(dialect, async |rig| {
        let received = receive(&rig.store, b"abc").await;
        fs::remove_file(rig.dir.join(&rig.files()[0])).unwrap();

        let result = rig.store.create(&rig.db, P, new("a.txt"), received, at(1)).await;

        let error = result.unwrap_err().to_string();
        let place = rig.dir.join("artifacts/project_1/artifact_1/a.txt");
        assert!(error.starts_with(&format!("cannot create `{}`: ", place.display())), "{error}");
        assert!(rig.rows().is_empty() && rig.files().is_empty());
        assert!(!place.parent().unwrap().exists());
    });
}
