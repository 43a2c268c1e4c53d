//! Which file an SQLite URL means, and leases beside it.

use std::{fs, os::unix::fs::symlink};

use rstest::rstest;
use underpin_db::{Access, ConnectOptions, DatabaseUrl, Hold, Lease};
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
