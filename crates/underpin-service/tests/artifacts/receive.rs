//! What comes in.

use std::{
    fs, io,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use underpin_service::artifacts::{Store, StoreError};
use underpin_testkit::block_on;

use crate::{LIMIT, eventually, files, pieces, receive};

const MIB: usize = 1 << 20;

fn tempdir() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn a_content_is_hashed_on_its_way() {
    let dir = tempdir();
    block_on(async || {
        let store = Store::new(dir.path(), LIMIT);

        let empty = receive(&store, b"").await;
        let whole = receive(&store, b"abc").await;
        let largest = receive(&store, &vec![b'a'; MIB]).await;

        // What `sha256sum` says of them.
        let (of_empty, of_abc, of_largest) = (
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "9bc1b2a288b26af7257a36277ae3816a7d4f16e89c1e7e77d0a5c48bad62b360",
        );
        assert_eq!((empty.sha256(), empty.size()), (of_empty, 0));
        assert_eq!((whole.sha256(), whole.size()), (of_abc, 3));
        assert_eq!((largest.sha256(), largest.size()), (of_largest, 1 << 20));
        drop((empty, whole, largest));
        eventually("nothing is left", || files(dir.path()).is_empty()).await;
    });
}

#[test]
fn a_content_that_is_too_large_is_not_read_to_its_end() {
    let dir = tempdir();
    block_on(async || {
        let store = Store::new(dir.path(), LIMIT);
        let asked = AtomicUsize::new(0);
        let endless = stream::repeat_with(|| {
            asked.fetch_add(1, Ordering::Relaxed);
            Ok::<_, io::Error>(Bytes::from_static(&[0; 1_024]))
        });

        let error = store.receive(endless).await.unwrap_err();

        assert!(matches!(error, StoreError::TooLarge { limit: LIMIT }), "{error}");
        assert_eq!(asked.into_inner(), 1_025);
        eventually("nothing is left", || files(dir.path()).is_empty()).await;
    });
}

#[test]
fn no_limit_is_above_what_a_row_can_say() {
    assert_eq!(Store::new("data".as_ref(), u64::MAX).limit(), 2_147_483_647);
}

#[test]
fn a_client_that_goes_away_leaves_nothing() {
    let dir = tempdir();
    block_on(async || {
        let store = Store::new(dir.path(), LIMIT);
        let gone = || Err(io::Error::from(io::ErrorKind::ConnectionReset));
        let broken = pieces(&vec![1; 700_000]).chain(stream::once(async move { gone() }));

        let error = store.receive(broken).await.unwrap_err();

        let expected = "the content did not come to its end: connection reset";
        assert_eq!(error.to_string(), expected);
        eventually("nothing is left", || files(dir.path()).is_empty()).await;
    });
}

#[test]
fn a_request_that_is_dropped_leaves_nothing() {
    let dir = tempdir();
    block_on(async || {
        let store = Store::new(dir.path(), LIMIT);
        let stuck = pieces(&vec![1; 700_000]).chain(stream::pending());

        let mut work = Box::pin(store.receive(stuck));
        let wait = tokio::time::timeout(Duration::from_millis(200), &mut work);
        assert!(wait.await.is_err());
        let seen = files(dir.path());
        assert!(seen.len() == 1 && seen[0].starts_with("artifacts/incoming/upload-"), "{seen:?}");
        drop(work);

        eventually("nothing is left", || files(dir.path()).is_empty()).await;
    });
}

#[test]
fn a_stream_that_panics_leaves_nothing() {
    let dir = tempdir();
    block_on(async || {
        let store = Store::new(dir.path(), LIMIT);
        let panicking = pieces(&[1; 3_000]).map(|piece| {
            assert!(piece.is_err(), "as a handler might");
            piece
        });

        let work = tokio::spawn(async move { store.receive(panicking).await.map(drop) });
        assert!(work.await.unwrap_err().is_panic());

        eventually("nothing is left", || files(dir.path()).is_empty()).await;
    });
}

#[test]
fn what_was_left_behind_is_swept_after_an_hour() {
    let dir = tempdir();
    block_on(async || {
        let store = Store::new(dir.path(), LIMIT);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let now = i64::try_from(now).unwrap();
        assert_eq!(store.sweep(now).await.unwrap(), 0);
        let young = receive(&store, b"young").await;
        let old = dir.path().join("artifacts/incoming/upload-old");
        let file = fs::File::create(&old).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(3_700)).unwrap();

        assert_eq!(store.sweep(now).await.unwrap(), 1);

        assert!(!old.exists() && files(dir.path()).len() == 1);
        assert_eq!(store.sweep(now + 3_700).await.unwrap(), 1);
        assert!(files(dir.path()).is_empty());
        drop(young);
    });
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let dir = tempdir();
    block_on(async || {
        let file = dir.path().join("file");
        fs::write(&file, b"").unwrap();

        let error = Store::new(&file, LIMIT).receive(pieces(b"a")).await.unwrap_err();

        let place = file.join("artifacts/incoming");
        let expected = format!("cannot create the directory `{}`: ", place.display());
        assert!(error.to_string().starts_with(&expected), "{error}");
    });
}
