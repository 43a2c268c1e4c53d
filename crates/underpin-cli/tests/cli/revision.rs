//! `revision` writes what a person then fills in.

use std::fs;

use underpin_testkit::{Dialect, TestDb};

use crate::{bare, said, succeed, underpin};

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
    for path in &paths {
        for script in ["up.sql", "down.sql"] {
            let text = fs::read_to_string(db.dir().join(path).join(script)).unwrap();
            assert!(text.starts_with("-- Say here "), "{text}");
        }
    }
    refused_until_it_is_written(&db, &paths);
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
    refused_until_it_is_written(&db, &[paths.trim()]);
    succeed(&db, &["--migrations", "migrations", "upgrade"]);
}

/// A script of comments alone is refused, and then gets a statement.
fn refused_until_it_is_written(db: &TestDb, paths: &[&str]) {
    let refused = underpin(db, &["--migrations", "migrations", "upgrade"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(3), "{}", said(&refused));
    assert!(said(&refused).contains("has no statement"), "{}", said(&refused));
    for path in paths {
        for script in ["up.sql", "down.sql"] {
            let path = db.dir().join(path).join(script);
            let text = fs::read_to_string(&path).unwrap();
            fs::write(&path, text + "SELECT 1;\n").unwrap();
        }
    }
}

/// Every verb but this one tells a folder in which no migration is.
#[test]
fn a_folder_without_a_migration_is_refused_by_every_other_verb() {
    let db = TestDb::new(Dialect::Sqlite);
    fs::create_dir(db.dir().join("migrations")).unwrap();
    let verbs: [&[&str]; 12] = [
        &["upgrade"],
        &["upgrade", "--dry-run"],
        &["upgrade", "--sql"],
        &["downgrade", "base", "--yes"],
        &["redo"],
        &["current"],
        &["history"],
        &["heads"],
        &["check"],
        &["stamp", "1"],
        &["adopt"],
        &["repair", "1", "--reason", "x"],
    ];
    let layouts = [("README.md", "no migration in"), ("1_a.up.sql", "of sqlx or golang-migrate")];
    for (file, message) in layouts {
        fs::write(db.dir().join("migrations").join(file), "").unwrap();
        for verb in verbs {
            let args = [&["--migrations", "migrations"], verb].concat();
            let output = underpin(&db, &args).output().unwrap();

            assert_eq!(output.status.code(), Some(2), "{verb:?}: {}", said(&output));
            assert!(said(&output).contains(message), "{verb:?}: {}", said(&output));
        }
    }
    succeed(&db, &["--migrations", "migrations", "revision", "-m", "x"]);
}
