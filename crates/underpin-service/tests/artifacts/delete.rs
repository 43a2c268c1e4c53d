//! Contents that are not wanted any more.

use std::{fs, time::Duration};

use rstest::rstest;
use underpin_db::Dialect;
use underpin_models::project::{ArtifactRepository as _, Kind, Refusal};
use underpin_service::artifacts::StoreError;

use crate::{P, at, bytes, eventually, new, on_head};

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn an_artifact_takes_its_content_with_it(#[case] dialect: Dialect) {
    on_head(dialect, async |rig| {
        let kept = rig.upload("a.txt", b"kept").await;
        let made = rig.upload("a.txt", b"abc").await;
        let bare = rig.db.create_artifact(P, new("b.txt"), at(2)).await.unwrap().unwrap();
        let gone = rig.upload("gone.txt", b"gone").await;
        fs::remove_file(rig.file(&gone)).unwrap();

        for artifact in [&made, &bare, &gone] {
            let deleted = rig.store.delete(&rig.db, P, artifact.id, at(3)).await.unwrap();
            assert_eq!(deleted.as_ref(), Ok(artifact));
        }

        assert!(!rig.file(&made).parent().unwrap().exists());
        assert!(!rig.file(&gone).parent().unwrap().exists());
        assert_eq!(rig.files(), [kept.storage_path.clone().unwrap()]);
        assert_eq!(rig.rows().len(), 1);
        let again = rig.store.delete(&rig.db, P, made.id, at(4)).await.unwrap();
        assert_eq!(again, Err(Refusal::NotFound { kind: Kind::Artifact, id: made.id }));
        let other = rig.store.delete(&rig.db, 2, kept.id, at(4)).await.unwrap();
        assert!(other.is_err());
        assert_eq!(bytes(rig.store.open(&kept).await.unwrap()).await, b"kept");
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_number_that_is_given_again_keeps_its_content(#[case] dialect: Dialect) {
    on_head(dialect, async |rig| {
        let rounds = async |name: &str| {
            for round in 0..15 {
                let made = rig.upload("a.txt", format!("{name} {round}").as_bytes()).await;
                let content = rig.store.read_text(&made, 100).await.unwrap();
                assert_eq!(content, format!("{name} {round}"));
                let work = rig.store.delete(&rig.db, P, made.id, at(2));
                // Half of them are done behind the back of whoever asked.
                drop(tokio::time::timeout(Duration::from_millis(round % 2 * 1_000), work).await);
            }
        };

        tokio::join!(rounds("one"), rounds("two"), rounds("three"));

        eventually("nothing is left", || rig.rows().is_empty() && rig.files().is_empty()).await;
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn an_artifact_that_cannot_be_deleted_keeps_its_content(#[case] dialect: Dialect) {
    on_head(dialect, async |rig| {
        let made = rig.upload("a.txt", b"abc").await;
        rig.on.batch(match dialect {
            Dialect::Sqlite => {
                "CREATE TRIGGER refuse AFTER DELETE ON artifacts \
                 BEGIN SELECT RAISE(ABORT, 'no'); END"
            }
            Dialect::Postgres => {
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
                 $$ BEGIN RAISE 'no'; END $$; CREATE TRIGGER refuse AFTER DELETE ON artifacts \
                 FOR EACH ROW EXECUTE FUNCTION refuse()"
            }
        });

        let error = rig.store.delete(&rig.db, P, made.id, at(2)).await.unwrap_err();

        assert!(matches!(error, StoreError::Database(_)), "{error}");
        assert_eq!(bytes(rig.store.open(&made).await.unwrap()).await, b"abc");
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_project_takes_its_contents_with_it(#[case] dialect: Dialect) {
    on_head(dialect, async |rig| {
        rig.upload("a.txt", b"one").await;
        rig.upload("b.txt", b"two").await;
        let neighbour = rig.dir.join("artifacts/project_10/artifact_1/a.txt");
        fs::create_dir_all(neighbour.parent().unwrap()).unwrap();
        fs::write(&neighbour, b"kept").unwrap();

        rig.store.delete_project(P).await.unwrap();
        rig.store.delete_project(P).await.unwrap();

        assert_eq!(rig.files(), ["artifacts/project_10/artifact_1/a.txt"]);
        assert!(!rig.dir.join("artifacts/project_1").exists());
    });
}
