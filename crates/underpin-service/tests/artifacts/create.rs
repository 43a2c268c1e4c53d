//! Contents that become artifacts.

use std::{collections::BTreeSet, fs, os::unix::fs::symlink};

use futures_util::future::join_all;
use rstest::rstest;
use underpin_db::Dialect;
use underpin_models::project::{ArtifactRepository as _, Kind, NewArtifact, Refusal};
use underpin_service::artifacts::StoreError;

use crate::{P, at, bytes, eventually, new, on_head, receive};

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn an_artifact_says_where_its_content_is(#[case] dialect: Dialect) {
    on_head(dialect, async |rig| {
        let made = rig.upload("../out/räport.txt", b"abc").await;

        let place = format!("artifacts/project_1/artifact_{}/räport.txt", made.id);
        assert_eq!(made.storage_path.as_ref(), Some(&place));
        assert_eq!(made.file_path, "../out/räport.txt");
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!((made.sha256.as_deref(), made.file_size), (Some(sha256), Some(3)));
        assert_eq!(rig.db.artifact(P, made.id).await.unwrap(), Some(made.clone()));
        assert_eq!(rig.files(), [place]);
        let content = rig.store.open(&made).await.unwrap();
        assert_eq!((content.name(), content.size()), ("räport.txt", 3));
        assert_eq!(bytes(content).await, b"abc");
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn two_uploads_of_one_name_are_two_artifacts(#[case] dialect: Dialect) {
    on_head(dialect, async |rig| {
        let one = rig.upload("a.txt", b"one").await;
        let two = rig.upload("a.txt", b"two").await;

        assert_ne!(one.storage_path, two.storage_path);
        assert_eq!(bytes(rig.store.open(&one).await.unwrap()).await, b"one");
        assert_eq!(bytes(rig.store.open(&two).await.unwrap()).await, b"two");
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn uploads_at_the_same_time_do_not_meet(#[case] dialect: Dialect) {
    on_head(dialect, async |rig| {
        let contents: Vec<_> = (0..24_u8).map(|byte| vec![byte; 300_000]).collect();

        let made = join_all(contents.iter().map(|content| rig.upload("a.bin", content))).await;

        let ids: BTreeSet<_> = made.iter().map(|artifact| artifact.id).collect();
        assert_eq!(ids.len(), contents.len());
        for (artifact, content) in made.iter().zip(&contents) {
            let found = bytes(rig.store.open(artifact).await.unwrap()).await;
            assert!(found == *content, "{artifact:?}");
        }
        eventually("no file but theirs", || rig.files().len() == contents.len()).await;
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_refused_artifact_leaves_nothing(#[case] dialect: Dialect) {
    on_head(dialect, async |rig| {
        let before = rig.on.dump();
        let received = receive(&rig.store, b"abc").await;
        let new = NewArtifact { task_id: Some(7), ..new("a.txt") };

        let refused = rig.store.create(&rig.db, P, new, received, at(1)).await.unwrap();

        assert_eq!(refused, Err(Refusal::NotFound { kind: Kind::Task, id: 7 }));
        eventually("no file", || rig.files().is_empty()).await;
        assert_eq!(rig.on.dump(), before);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn another_content_than_announced_leaves_nothing(#[case] dialect: Dialect) {
    on_head(dialect, async |rig| {
        let announced = |sha256: &str| NewArtifact { sha256: Some(sha256.into()), ..new("a") };
        let received = receive(&rig.store, b"abc").await;
        let sha256 = received.sha256().to_owned();

        let result = rig.store.create(&rig.db, P, announced("ab"), received, at(1)).await;

        let expected =
            format!("expected a content with the SHA-256 ab, found {sha256}: send it again");
        assert_eq!(result.unwrap_err().to_string(), expected);
        eventually("no file", || rig.files().is_empty()).await;
        assert!(rig.rows().is_empty());

        let received = receive(&rig.store, b"abc").await;
        let announced = announced(&sha256.to_uppercase());
        let made = rig.store.create(&rig.db, P, announced, received, at(1)).await.unwrap().unwrap();
        assert_eq!(made.sha256, Some(sha256));
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_is_left_of_another_artifact_is_replaced(#[case] dialect: Dialect) {
    on_head(dialect, async |rig| {
        let leftover = rig.dir.join("artifacts/project_1/artifact_1");
        fs::create_dir_all(leftover.join("deep")).unwrap();
        fs::write(leftover.join("a.txt"), b"old").unwrap();
        fs::write(leftover.join("deep/b.txt"), b"old").unwrap();

        let made = rig.upload("a.txt", b"new").await;

        assert_eq!(made.id, 1);
        assert_eq!(rig.files(), ["artifacts/project_1/artifact_1/a.txt"]);
        assert_eq!(bytes(rig.store.open(&made).await.unwrap()).await, b"new");
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_link_that_leads_elsewhere_is_not_followed(#[case] dialect: Dialect) {
    on_head(dialect, async |rig| {
        let elsewhere = rig.on.dir().join("elsewhere");
        fs::create_dir_all(rig.dir.join("artifacts")).unwrap();
        fs::create_dir(&elsewhere).unwrap();
        symlink(&elsewhere, rig.dir.join("artifacts/project_1")).unwrap();
        let received = receive(&rig.store, b"abc").await;

        let result = rig.store.create(&rig.db, P, new("a.txt"), received, at(1)).await;

        let error = result.unwrap_err();
        assert!(matches!(error, StoreError::File { .. }), "{error}");
        let expected = "artifact_1`: a link leads elsewhere, and is not followed";
        assert!(error.to_string().ends_with(expected), "{error}");
        assert!(rig.rows().is_empty() && crate::files(&elsewhere).is_empty());
    });
}
