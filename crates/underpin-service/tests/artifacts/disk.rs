//! A disk that is full, or that may not be written. Each test runs itself again, as the only process
//! that sees a small disk.

use std::{
    env, fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use underpin_service::artifacts::{Store, StoreError};
use underpin_testkit::block_on;

use crate::{eventually, files, pieces, receive};

/// Where the disk is, for the second run.
const DISK: &str = "UNDERPIN_TEST_DISK";

/// Runs `work` on a disk that is mounted with `options`, by running `test` again.
fn on_disk(test: &str, options: &str, work: impl AsyncFnOnce(&Path) + Send) {
    if let Some(dir) = env::var_os(DISK) {
        return block_on(async || work(&PathBuf::from(dir)).await);
    }
    let dir = tempfile::tempdir().unwrap();
    let root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let script = "mount -t tmpfs -o \"$1\" tmpfs \"$2\" && exec \"$3\" --exact \"$4\" --nocapture";
    let mut again = Command::new("unshare");
    again.arg(if root { "-m" } else { "-rm" }).args(["sh", "-c", script, "sh", options]);
    again.arg(dir.path()).arg(env::current_exe().unwrap()).arg(test);

    let output = again.env(DISK, dir.path()).output().unwrap();

    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains(" 1 passed"), "{said}{errors}");
}

#[test]
fn a_content_that_finds_no_room_leaves_nothing() {
    on_disk("disk::a_content_that_finds_no_room_leaves_nothing", "size=2m", async |dir| {
        let store = Store::new(dir, 64 << 20);
        let kept = receive(&store, &vec![1; 1 << 20]).await;

        let error = store.receive(pieces(&vec![2; 4 << 20])).await.unwrap_err();

        let StoreError::File { what: "write", path, source } = &error else { panic!("{error}") };
        assert_eq!(source.kind(), io::ErrorKind::StorageFull);
        assert!(path.starts_with(dir.join("artifacts/incoming")), "{error}");
        eventually("what was written is gone", || files(dir).len() == 1).await;
        drop(receive(&store, &vec![3; 900_000]).await);
        drop(kept);
    });
}

#[test]
fn a_disk_that_is_read_only_is_named() {
    on_disk("disk::a_disk_that_is_read_only_is_named", "ro", async |dir| {
        let error = Store::new(dir, 1).receive(pieces(b"a")).await.unwrap_err();

        let StoreError::File { path, source, .. } = &error else { panic!("{error}") };
        assert_eq!(source.kind(), io::ErrorKind::ReadOnlyFilesystem);
        assert_eq!(*path, dir.join("artifacts/incoming"));
    });
}
