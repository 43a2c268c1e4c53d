//! What a row says of its content, and what is there.

use std::{fs, io::Write as _, os::unix::fs::symlink, process::Command};

use futures_util::StreamExt as _;
use rstest::rstest;
use underpin_db::Dialect;
use underpin_models::project::Artifact;
use underpin_service::artifacts::{Store, StoreError};

use crate::{LIMIT, bytes, on_head};

fn at_place(artifact: &Artifact, place: &str) -> Artifact {
    Artifact { storage_path: Some(place.to_owned()), ..artifact.clone() }
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn only_the_artifact_s_own_place_is_looked_at(#[case] dialect: Dialect) {
    on_head(dialect, async |rig| {
        let other = rig.upload("secret.txt", b"other").await;
        let made = rig.upload("a.txt", b"abc").await;
        let own = format!("artifacts/project_1/artifact_{}", made.id);
        let file = rig.file(&made);
        symlink(rig.file(&other), rig.dir.join(&own).join("link")).unwrap();
        symlink(&file, rig.dir.join(&own).join("link_inside")).unwrap();
        symlink(rig.file(&other).parent().unwrap(), rig.dir.join(&own).join("dir")).unwrap();
        let pipe = Command::new("mkfifo").arg(rig.dir.join(&own).join("pipe")).status();
        assert!(pipe.unwrap().success());

        for place in [
            "",
            "/",
            "/etc/passwd",
            "..",
            "a.txt",
            file.to_str().unwrap(),
            rig.file(&other).to_str().unwrap(),
            other.storage_path.as_ref().unwrap(),
            &own,
            &format!("{own}/"),
            &format!("{own}/."),
            &format!("{own}/.."),
            &format!("{own}/./a.txt"),
            &format!("{own}/a.txt/"),
            &format!("{own}/a.txt/."),
            &format!("{own}//a.txt"),
            &format!("./{own}/a.txt"),
            &format!("{own}/../artifact_{}/secret.txt", other.id),
            &format!("{own}/../../../../../etc/passwd"),
            &format!("{own}/a.txt\0"),
            &format!("{own}/link"),
            &format!("{own}/link_inside"),
            &format!("{own}/dir"),
            &format!("{own}/dir/secret.txt"),
            &format!("{own}/pipe"),
        ] {
            let row = at_place(&made, place);
            for error in [
                rig.store.open(&row).await.map(drop).unwrap_err(),
                rig.store.read_text(&row, LIMIT).await.unwrap_err(),
            ] {
                assert!(matches!(error, StoreError::NotStored { .. }), "{place:?}: {error}");
            }
        }
        let none = Artifact { storage_path: None, ..made.clone() };
        let error = rig.store.open(&none).await.unwrap_err();
        assert_eq!(error.to_string(), format!("artifact {} has no content here", made.id));
        assert_eq!(bytes(rig.store.open(&made).await.unwrap()).await, b"abc");
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_place_that_leads_out_by_a_link_above_it_is_none(#[case] dialect: Dialect) {
    on_head(dialect, async |rig| {
        let made = rig.upload("a.txt", b"abc").await;
        let (inside, outside) = (rig.dir.join("artifacts/project_1"), rig.on.dir().join("moved"));
        fs::rename(&inside, &outside).unwrap();
        symlink(&outside, &inside).unwrap();

        let error = rig.store.open(&made).await.unwrap_err();

        assert!(matches!(error, StoreError::NotStored { .. }), "{error}");
        // The whole directory may be a link: that is whoever runs the service.
        fs::remove_file(&inside).unwrap();
        fs::rename(&outside, &inside).unwrap();
        let link = rig.on.dir().join("link");
        symlink(&rig.dir, &link).unwrap();
        let content = Store::new(&link, LIMIT).open(&made).await.unwrap();
        assert_eq!(bytes(content).await, b"abc");
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_content_that_changed_is_not_given(#[case] dialect: Dialect) {
    on_head(dialect, async |rig| {
        let made = rig.upload("a.txt", b"abc").await;
        let (id, file) = (made.id, rig.file(&made));
        let damaged = |found: &str| {
            let place = file.display();
            format!(
                "the content of artifact {id} at `{place}` is damaged: {found}: restore it from a \
                 backup"
            )
        };

        fs::write(&file, b"abd").unwrap();
        let error = rig.store.open(&made).await.unwrap_err();
        let found = "a52d159f262b2c6ddb724a61840befc36eb30c88877a4030b65cbe86298449c9";
        let expected = made.sha256.as_ref().unwrap();
        let expected = format!("expected SHA-256 {expected}, found SHA-256 {found}");
        assert_eq!(error.to_string(), damaged(&expected));
        let error = rig.store.read_text(&made, 3).await.unwrap_err();
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");

        fs::write(&file, b"abcd").unwrap();
        let error = rig.store.open(&made).await.unwrap_err();
        assert_eq!(error.to_string(), damaged("expected 3 bytes, found 4 bytes"));

        fs::remove_file(&file).unwrap();
        let error = rig.store.open(&made).await.unwrap_err();
        let place = file.display();
        let expected = format!(
            "the content of artifact {id} is gone, expected at `{place}`: restore it from a backup"
        );
        assert_eq!(error.to_string(), expected);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_large_content_comes_out_as_it_went_in(#[case] dialect: Dialect) {
    on_head(dialect, async |rig| {
        let content: Vec<u8> = (0..900_001_u32).map(|number| number.to_le_bytes()[1]).collect();
        let made = rig.upload("a.bin", &content).await;

        let open = rig.store.open(&made).await.unwrap();
        // Deleted or cut meanwhile: it is given whole, or the answer breaks off.
        let cut = rig.store.open(&made).await.unwrap();
        fs::remove_file(rig.file(&made)).unwrap();
        assert!(bytes(open).await == content);

        fs::File::create(rig.file(&made)).unwrap().write_all(&content).unwrap();
        assert!(bytes(cut).await == content);
        let cut = rig.store.open(&made).await.unwrap();
        fs::OpenOptions::new().write(true).open(rig.file(&made)).unwrap().set_len(5).unwrap();
        let pieces: Vec<_> = futures_util::StreamExt::collect(cut.into_stream()).await;
        let error = pieces.last().unwrap().as_ref().unwrap_err();
        assert!(matches!(error, StoreError::File { what: "read", .. }), "{error}");
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_text_is_short_and_utf_8(#[case] dialect: Dialect) {
    on_head(dialect, async |rig| {
        let made = rig.upload("a.txt", "räume".as_bytes()).await;
        let binary = rig.upload("a.bin", b"\xff\xfe").await;
        let empty = rig.upload("empty", b"").await;

        assert_eq!(rig.store.read_text(&made, 6).await.unwrap(), "räume");
        assert_eq!(rig.store.read_text(&empty, 0).await.unwrap(), "");
        let error = rig.store.read_text(&made, 5).await.unwrap_err();
        let expected = "expected a text of at most 5 bytes, found 6: download it instead";
        assert_eq!(error.to_string(), expected);
        let error = rig.store.read_text(&binary, 5).await.unwrap_err();
        assert!(matches!(error, StoreError::NotText { .. }), "{error}");
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_large_content_that_changed_never_comes_whole(#[case] dialect: Dialect) {
    on_head(dialect, async |rig| {
        let whole = vec![b'x'; 400_000];
        let made = rig.upload("a.txt", &whole).await;
        assert_eq!(bytes(rig.store.open(&made).await.unwrap()).await, whole);

        for at in [0, 200_000, 399_999] {
            let mut damaged = whole.clone();
            damaged[at] = b'y';
            fs::write(rig.file(&made), &damaged).unwrap();
            let pieces: Vec<_> = rig.store.open(&made).await.unwrap().into_stream().collect().await;
            let (last, before) = pieces.split_last().unwrap();
            assert!(matches!(last, Err(StoreError::Corrupt { .. })), "{at}");
            let came: usize = before.iter().map(|piece| piece.as_ref().unwrap().len()).sum();
            assert!(0 < came && came < whole.len(), "{at}: {came}");
        }
    });
}
