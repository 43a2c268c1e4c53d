//! The copy of an SQLite file before it is changed.

use std::fs;

use underpin::{Error, Goal, Options};
use underpin_testkit::{Dialect, TestDb};

use crate::{applied, migrate, own_tables, tables, with_engine};

fn back_up(db: &TestDb, to: &std::path::Path, goal: &Goal) -> Result<(), Error> {
    let catalog = tables(Dialect::Sqlite, 3);
    with_engine(db, &catalog, Options::default(), async |engine| {
        engine.backing_up(to.to_owned())?.migrate(goal).await.map(drop)
    })
}

#[test]
fn sqlite_the_copy_is_what_was_there_before() {
    let db = TestDb::new(Dialect::Sqlite);
    migrate(&db, &tables(Dialect::Sqlite, 2), &Goal::Head).unwrap();
    db.batch("INSERT INTO t1 VALUES (77)");
    let (expected, to) = (db.dump(), db.dir().join("it's a copy.db"));

    back_up(&db, &to, &Goal::Head).unwrap();

    assert_eq!(own_tables(&db), ["t1", "t2", "t3"]);
    let copy = TestDb::copy_of(&to);
    assert_eq!((copy.dump(), applied(&copy).len()), (expected, 2));
    // A file of that name is the copy of another moment: it stays, and nothing is changed without a new one.
    let error = back_up(&db, &to, &Goal::Down(1)).unwrap_err();
    assert!(error.to_string().starts_with("cannot back the database up to `"), "{error}");
    assert_eq!(applied(&TestDb::copy_of(&to)).len(), 2);
    assert_eq!(own_tables(&db), ["t1", "t2", "t3"]);
}

/// It may be the copy that another run is making.
#[test]
fn sqlite_half_a_copy_of_another_run_stays() {
    let db = TestDb::new(Dialect::Sqlite);
    migrate(&db, &tables(Dialect::Sqlite, 2), &Goal::Head).unwrap();
    let (to, half) = (db.dir().join("copy.db"), db.dir().join("copy.db.new"));
    fs::write(&half, "half").unwrap();

    let error = back_up(&db, &to, &Goal::Head).unwrap_err();

    assert!(error.to_string().contains("copy.db.new` is there"), "{error}");
    assert_eq!(fs::read(&half).unwrap(), b"half");
    assert_eq!(own_tables(&db), ["t1", "t2"]);
}

#[test]
fn sqlite_without_a_copy_nothing_is_changed() {
    let db = TestDb::new(Dialect::Sqlite);
    migrate(&db, &tables(Dialect::Sqlite, 2), &Goal::Head).unwrap();

    let error = back_up(&db, &db.dir().join("missing/copy.db"), &Goal::Head).unwrap_err();

    assert!(error.to_string().starts_with("cannot back the database up to `"), "{error}");
    assert_eq!(applied(&db).len(), 2);
    // Nothing to do needs no copy.
    let done = db.dir().join("done.db");
    back_up(&db, &done, &Goal::UpTo("0002".parse().unwrap())).unwrap();
    assert!(!done.exists());
}

/// Adopting may map rows and drop leftovers, so it is a change as well.
#[test]
fn sqlite_what_is_adopted_is_copied_before() {
    let db = TestDb::new(Dialect::Sqlite);
    db.batch("CREATE TABLE t1 (id INTEGER NOT NULL PRIMARY KEY)");
    let (catalog, to) = (tables(Dialect::Sqlite, 2), db.dir().join("copy.db"));

    with_engine(&db, &catalog, Options::default(), async |engine| {
        engine.backing_up(to.clone()).unwrap().adopt().await.unwrap().unwrap();
    });

    assert_eq!(applied(&db), ["0001"]);
    assert_eq!(TestDb::copy_of(&to).tables(), ["t1"]);
}

#[test]
fn postgres_is_left_to_its_own_programs() {
    let db = TestDb::new(Dialect::Postgres);
    let catalog = tables(Dialect::Postgres, 1);
    with_engine(&db, &catalog, Options::default(), async |engine| {
        let error = engine.backing_up("copy".into()).unwrap_err();
        assert!(error.to_string().contains("use `pg_dump`"), "{error}");
    });
}
