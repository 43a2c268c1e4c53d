//! A disk that is full.

use std::{os::unix::fs::MetadataExt as _, process::Command};

use underpin_testkit::Dialect;

use crate::{HEAD, Home, fleet, migration, tables, whatever};

/// The directory of the disk, for the process that is started in a namespace of its own.
const DISK: &str = "UNDERPIN_TEST_SMALL_DISK";

#[test]
fn sqlite_a_full_disk_fails_what_it_meets_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=1m tmpfs \"$1\" && exec \"$2\" --exact \"$3\" --ignored --nocapture";
    let root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    let output = Command::new("unshare")
        .arg(if root { "-m" } else { "-rm" })
        .args(["sh", "-c", script, "sh"])
        .arg(dir.path())
        .arg(std::env::current_exe().unwrap())
        .arg("disk::on_a_small_disk")
        .env(DISK, dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
#[ignore = "runs on a disk of its own, which the test above makes"]
fn on_a_small_disk() {
    let disk = std::path::PathBuf::from(std::env::var(DISK).unwrap());
    let small = tables(Dialect::Sqlite, 1);
    let mut home = Home::at_head(&small, 20);
    // A hundred kilobytes for each of twenty is more than the disk has.
    let fill = "CREATE TABLE t2 (data BLOB); INSERT INTO t2 VALUES (zeroblob(100000))";
    let large =
        crate::catalog(Dialect::Sqlite, vec![crate::table(1), migration(2, fill, "DROP TABLE t2")]);
    for number in 1..=20 {
        let name = format!("project_{number}.db");
        std::fs::copy(home.db.dir().join(&name), disk.join(&name)).unwrap();
    }
    home.elsewhere = Some(disk.clone());

    let report = home.run(&fleet(&large), &HEAD, &whatever());

    let counts = report.counts;
    assert!(counts.done > 3 && counts.failed > 3 && counts.targets() == 20, "{counts:?}");
    for (number, row) in (1..).zip(&report.targets) {
        let applied = home.applied(number).len();
        assert_eq!(applied, if row.state.as_str() == "done" { 2 } else { 1 }, "{row:?}");
        assert_eq!(home.texts(number, "PRAGMA integrity_check"), ["ok"]);
        if row.state.as_str() == "failed" {
            let message = row.message.as_ref().unwrap();
            assert!(message.contains("full") || message.contains("No space"), "{row:?}");
        }
    }
}
