//! `revision` writes what a person then fills in.

use std::fs;

use underpin_testkit::{Dialect, TestDb};

use crate::{bare, said, succeed};

#[test]
fn a_set_with_dialects_gets_a_folder_for_each() {
    let db = TestDb::new(Dialect::Sqlite);
    for dialect in ["sqlite", "postgres"] {
        fs::create_dir_all(db.dir().join("migrations").join(dialect)).unwrap();
    }
    let args = ["--migrations", "migrations", "revision", "-m", "Add emoji: count!"];

    let output = bare(&args).current_dir(db.dir()).output().unwrap();

    assert!(output.status.success(), "{}", said(&output));
    let paths = String::from_utf8(output.stdout).unwrap();
    let paths: Vec<_> = paths.lines().collect();
    assert_eq!(paths.len(), 2);
    let name = |path: &str| path.rsplit('/').next().unwrap().to_owned();
    assert_eq!(name(paths[0]), name(paths[1]), "the names are in lockstep");
    assert!(paths.iter().all(|path| path.ends_with("_add_emoji_count")), "{paths:?}");
    for path in paths {
        for script in ["up.sql", "down.sql"] {
            let text = fs::read_to_string(db.dir().join(path).join(script)).unwrap();
            assert!(text.starts_with("-- Say here "), "{text}");
        }
    }
    let applied = succeed(&db, &["--migrations", "migrations", "upgrade"]);
    assert!(applied.contains("add_emoji_count"), "{applied}");
    succeed(&db, &["--migrations", "migrations", "downgrade", "-1", "--yes"]);
}

#[test]
fn a_flat_folder_gets_one() {
    let db = TestDb::new(Dialect::Sqlite);
    fs::create_dir(db.dir().join("migrations")).unwrap();

    let paths = succeed(&db, &["--migrations", "migrations", "revision", "-m", "x"]);

    assert_eq!(paths.lines().count(), 1);
    succeed(&db, &["--migrations", "migrations", "upgrade"]);
}
