//! Which file an SQLite URL means, and leases beside it.

use std::{fs, os::unix::fs::symlink};

use rstest::rstest;
use underpin_db::{
    Access, ConnectError, ConnectOptions, DatabaseUrl, Db, Hold, Lease, PoolOptions,
};
use underpin_testkit::block_on;

#[rstest]
#[case::no_slash("")]
#[case::four_in_all("///")]
#[case::five_in_all("////")]
#[case::seven_in_all("//////")]
fn sqlite_every_number_of_slashes_before_an_absolute_path_is_one_file(#[case] slashes: &str) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().canonicalize().unwrap().join("a b%20.db");
    let url: DatabaseUrl = format!("sqlite:{slashes}{}", path.display()).parse().unwrap();
    let options = ConnectOptions { access: Access::Create, ..ConnectOptions::default() };

    block_on(async || url.connect(&options).await.unwrap().batch("CREATE TABLE t (id)").await)
        .unwrap();

    assert_eq!(url.database_file().unwrap().unwrap().path(), path);
    assert!(path.metadata().unwrap().len() > 0);
}

#[rstest]
#[case("sqlite://localhost/app.db")]
#[case("sqlite://localhost")]
#[case("sqlite:file:app.db")]
#[case("sqlite:///file:///app.db")]
#[case("file:app.db")]
#[case("sqlite://")]
#[case("sqlite:///app.db?mode=rwc")]
fn sqlite_a_url_that_means_something_else_is_refused(#[case] url: &str) {
    assert!(url.parse::<DatabaseUrl>().is_err(), "{url}");
}

#[rstest]
#[case("sqlite:x.db?key=SECRET", "`?key=…` is not understood")]
#[case(
    "sqlite:x.db?mode=ro&key=SECRET&cache=shared",
    "`?mode=ro&key=…&cache=shared` is not understood"
)]
#[case("sqlite:x.db?mode=SECRET", "`?mode=…` is not understood")]
#[case("sqlite:x.db?SECRET", "`?…` is not understood")]
#[case("sqlite:x.db?S!ECRET=SECRET", "`?…` is not understood")]
#[case("sqlite+pysqlcipher://:SECRET@/x.db", "before `@`")]
#[case("sqlite+pysqlcipher:///:SECRET@/x.db", "before `@`")]
#[case("sqlite+pysqlcipher:////u:SECRET@/x.db?cipher=aes", "before `@`")]
#[case("sqlite://u:SECRET@/x.db", "before `@`")]
#[case("sqlite://SECRET@/x.db", "before `@`")]
#[case("sqlite://u:SECRET@localhost/x.db", "before `@`")]
#[case("sqlite://:SEC/RET@/x.db", "before `@`")]
#[case("sqlite://:SEC?RET=SECRET@/x.db", "before `@`")]
#[case("sqlite:u:SECRET@/x.db", "before `@`")]
fn sqlite_a_secret_in_a_url_is_not_shown(#[case] url: &str, #[case] expected: &str) {
    let error = url.parse::<DatabaseUrl>().unwrap_err();

    let (shown, debugged) = (error.to_string(), format!("{error:?}"));
    assert!(shown.contains(expected), "{shown}");
    assert!(!["SEC", "RET"].iter().any(|part| shown.contains(part) || debugged.contains(part)));
}

#[rstest]
#[case("sqlite:data/a@b.db", "data/a@b.db")]
#[case("sqlite://data/a@b.db", "data/a@b.db")]
#[case("sqlite:///a@b.db", "a@b.db")]
#[case("sqlite:./u:x@/a.db", "./u:x@/a.db")]
#[case("sqlite:////tmp/a:b@c.db", "/tmp/a:b@c.db")]
#[case("sqlite://:memory:", "")]
fn sqlite_a_path_with_such_a_letter_is_a_path(#[case] url: &str, #[case] path: &str) {
    let url: DatabaseUrl = url.parse().unwrap();

    assert_eq!(url.sqlite_path().map_or("", |path| path.to_str().unwrap()), path);
}

/// The head of a rollback journal of a database that had so many pages.
fn rollback(pages: u8) -> Vec<u8> {
    let mut head = vec![0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7, 0, 0, 0, 1, 1, 2, 3, 4];
    head.extend([0, 0, 0, pages]);
    head.resize(512, 0);
    head
}

#[rstest]
fn sqlite_a_journal_without_its_database_stays(
    #[values(("-wal", vec![1; 4152]), ("-journal", rollback(7)), ("-journal", b"short".to_vec()))]
    journal: (&str, Vec<u8>),
    #[values(true, false)] empty: bool,
    #[values(Access::Create, Access::ReadWrite, Access::ReadOnly)] access: Access,
    #[values(true, false)] linked: bool,
) {
    let dir = tempfile::tempdir().unwrap();
    let (end, bytes) = journal;
    let path = dir.path().join("app.db");
    let left = dir.path().canonicalize().unwrap().join(format!("app.db{end}"));
    fs::write(&left, &bytes).unwrap();
    if empty {
        fs::write(&path, "").unwrap();
    }
    let named = if linked { dir.path().join("link.db") } else { path.clone() };
    if linked {
        symlink("app.db", &named).unwrap();
    }
    let url = DatabaseUrl::file(&named);
    let options = ConnectOptions { access, ..ConnectOptions::default() };

    let error = block_on(async || url.connect(&options).await.err().unwrap());
    let pool = block_on(async || Db::connect(&url, &PoolOptions::default()).await.err().unwrap());

    assert!(error.is_configuration() && pool.is_configuration());
    let text = error.to_string();
    if empty || access == Access::Create {
        let there = if empty { "has no bytes" } else { "is not there" };
        assert!(text.contains(&left.display().to_string()) && text.contains(there), "{text}");
        assert!(text.contains("put the database back beside it"), "{text}");
    } else {
        assert!(matches!(error, ConnectError::NoFile(_)), "{text}");
    }
    assert_eq!(fs::read(&left).unwrap(), bytes);
    assert_eq!(path.exists(), empty, "nothing was created");
}

/// Whoever makes a database is at that point for a moment, and may be killed there.
#[rstest]
#[case::begun({ let mut head = rollback(0); head[..12].fill(0); head })]
#[case::written(rollback(0))]
#[case::ended(vec![0; 512])]
#[case::nothing(vec![])]
fn sqlite_a_database_that_was_only_begun_is_begun_again(#[case] journal: Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.db");
    fs::write(&path, "").unwrap();
    fs::write(dir.path().join("app.db-journal"), journal).unwrap();
    let options = ConnectOptions { access: Access::Create, ..ConnectOptions::default() };

    block_on(async || {
        let mut conn = DatabaseUrl::file(&path).connect(&options).await.unwrap();
        conn.batch("CREATE TABLE t (id)").await.unwrap();
    });

    assert!(path.metadata().unwrap().len() > 0);
}

/// As long as somebody makes one, others find it without a page and with a journal.
#[test]
fn sqlite_a_database_that_is_being_made_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    let url = DatabaseUrl::file(&dir.path().join("app.db"));
    let options = ConnectOptions { access: Access::Create, ..ConnectOptions::default() };
    block_on(async || {
        let mut maker = url.connect(&options).await.unwrap();
        maker.batch("BEGIN IMMEDIATE; CREATE TABLE t (id)").await.unwrap();
        assert!(url.database_file().unwrap().unwrap().has_journal());

        let mut other = url.connect(&options).await.unwrap();
        maker.batch("COMMIT").await.unwrap();

        let count = other.text("SELECT CAST(count(*) AS TEXT) FROM t").await.unwrap();
        assert_eq!(count.as_deref(), Some("0"));
    });
}

/// A pool goes on to open connections, also when the file has been emptied behind its back.
#[test]
fn sqlite_a_pool_destroys_no_journal() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().canonicalize().unwrap().join("app.db");
    let url = DatabaseUrl::file(&path);
    let options = ConnectOptions { access: Access::Create, ..ConnectOptions::default() };
    block_on(async || {
        url.connect(&options).await.unwrap().batch("CREATE TABLE t (id)").await.unwrap();
        let wait = std::time::Duration::from_secs(1);
        let db = Db::connect(&url, &PoolOptions { wait, ..PoolOptions::default() }).await.unwrap();
        // No connection has been opened yet.
        fs::write(&path, "").unwrap();
        fs::write(dir.path().join("app.db-wal"), [1; 4152]).unwrap();

        assert!(db.ping().await.unwrap_err().no_connection);
    });

    assert_eq!(fs::read(dir.path().join("app.db-wal")).unwrap(), [1; 4152]);
}

#[test]
fn sqlite_an_absolute_path_without_its_fourth_slash_is_explained() {
    let dir = tempfile::tempdir().unwrap();
    let url: DatabaseUrl = format!("sqlite://{}/app.db", dir.path().display()).parse().unwrap();

    let error = block_on(async || url.connect(&ConnectOptions::default()).await.err().unwrap());

    assert!(error.to_string().contains("takes four slashes"), "{error}");
}

#[rstest]
#[case::removed(|path: &std::path::Path| fs::remove_file(path).unwrap())]
#[case::replaced(|path: &std::path::Path| {
    fs::remove_file(path).unwrap();
    fs::write(path, "").unwrap();
})]
fn sqlite_a_lease_notices_that_its_file_is_another(#[case] change: fn(&std::path::Path)) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.db"), "").unwrap();
    symlink(dir.path(), dir.path().join("in")).unwrap();
    symlink(dir.path().join("a.db"), dir.path().join("b.db")).unwrap();
    let url = |path: &str| DatabaseUrl::file(&dir.path().join(path));
    block_on(async || {
        let mut first = Lease::open(&url("a.db"), "leader").await.unwrap();
        let mut others = Vec::new();
        for path in ["b.db", "in/a.db", "in/in/b.db"] {
            others.push(Lease::open(&url(path), "leader").await.unwrap());
        }
        assert!(first.hold(Hold::Alone).await.unwrap());
        for other in &mut others {
            assert!(!other.hold(Hold::Alone).await.unwrap());
        }

        change(&dir.path().canonicalize().unwrap().join("a.db.underpin.leader"));
        assert!(others[0].hold(Hold::Alone).await.unwrap());

        assert!(!first.hold(Hold::Alone).await.unwrap());
        others[0].release().await;
        assert!(first.hold(Hold::Alone).await.unwrap());
    });
}

#[test]
fn sqlite_a_link_in_the_place_of_a_lease_is_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    symlink(dir.path().join("made"), dir.path().join("a.db.underpin.leader")).unwrap();
    let url = DatabaseUrl::file(&dir.path().join("a.db"));

    let error = block_on(async || Lease::open(&url, "leader").await.err().unwrap());

    assert!(underpin_db::with_causes(&error).contains("symbolic link"), "{error}");
    assert!(!dir.path().join("made").exists());
}
