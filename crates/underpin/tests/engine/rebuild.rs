//! SQLite tables that are built anew: `foreign_keys = false` in `metadata.toml`.
//!
//! PostgreSQL alters tables in place; there the setting changes nothing, which the cases show.

use rstest::rstest;
use underpin::{Goal, Migration};
use underpin_testkit::{Dialect, TestDb};

use crate::{applied, catalog, migrate, migration};

const PARENTS: &str = "CREATE TABLE parent (id INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE child (id INTEGER PRIMARY KEY,
        parent_id INTEGER REFERENCES parent (id) ON DELETE CASCADE);
    INSERT INTO parent VALUES (1, 'a'), (2, 'b');
    INSERT INTO child VALUES (10, 1), (11, 1), (12, 2);";

fn rebuild(up: &str) -> Migration {
    let mut migration = migration(2, "rebuild", up, "");
    migration.metadata.foreign_keys = false;
    migration
}

/// What facts call the silent loss: dropping the parent would cascade into its children.
#[rstest]
#[case::sqlite(
    Dialect::Sqlite,
    "CREATE TABLE new_parent (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
     INSERT INTO new_parent (id, name) SELECT id, name FROM parent;
     DROP TABLE parent;
     ALTER TABLE new_parent RENAME TO parent;"
)]
#[case::postgres(Dialect::Postgres, "ALTER TABLE parent ALTER COLUMN name SET NOT NULL")]
fn a_rebuilt_parent_keeps_its_children(#[case] dialect: Dialect, #[case] up: &str) {
    let db = TestDb::new(dialect);
    let catalog = catalog(dialect, vec![migration(1, "parents", PARENTS, ""), rebuild(up)]);
    migrate(&db, &catalog, &Goal::Up(1)).unwrap();

    migrate(&db, &catalog, &Goal::Head).unwrap();

    assert_eq!(db.texts("SELECT id FROM child ORDER BY id"), ["10", "11", "12"]);
    assert_eq!(applied(&db), ["0001", "0002"]);
}

/// The same script without the setting meets the cascade; the engine cannot see that as wrong.
#[test]
fn the_cascade_that_the_setting_prevents_is_real() {
    let db = TestDb::new(Dialect::Sqlite);
    let drops = migration(2, "drops", "DELETE FROM parent", "");
    let catalog = catalog(Dialect::Sqlite, vec![migration(1, "parents", PARENTS, ""), drops]);

    migrate(&db, &catalog, &Goal::Head).unwrap();

    assert!(db.texts("SELECT id FROM child").is_empty());
}

#[test]
fn a_rebuild_that_loses_a_row_is_rolled_back() {
    let db = TestDb::new(Dialect::Sqlite);
    let loses = "CREATE TABLE new_child (id INTEGER PRIMARY KEY, parent_id INTEGER);
        INSERT INTO new_child SELECT id, parent_id FROM child WHERE id <> 12;
        DROP TABLE child; ALTER TABLE new_child RENAME TO child;";
    let catalog =
        catalog(Dialect::Sqlite, vec![migration(1, "parents", PARENTS, ""), rebuild(loses)]);
    migrate(&db, &catalog, &Goal::Up(1)).unwrap();
    let before = db.dump();

    let error = migrate(&db, &catalog, &Goal::Head).unwrap_err();

    let text = underpin::exit::explain(&error);
    assert!(text.contains("table `child` had 3 rows and would have 2"), "{text}");
    assert_eq!(db.dump(), before);
    assert_eq!(applied(&db), ["0001"]);
}

#[test]
fn a_rebuild_that_makes_orphans_is_rolled_back() {
    let db = TestDb::new(Dialect::Sqlite);
    let catalog = catalog(
        Dialect::Sqlite,
        vec![
            migration(1, "parents", PARENTS, ""),
            rebuild("UPDATE parent SET id = 3 WHERE id = 2"),
        ],
    );
    migrate(&db, &catalog, &Goal::Up(1)).unwrap();
    let before = db.dump();

    let error = migrate(&db, &catalog, &Goal::Head).unwrap_err();

    let text = underpin::exit::explain(&error);
    assert!(text.contains("1 rows of `child` would point to no row of `parent`"), "{text}");
    assert_eq!(db.dump(), before);
}

/// Orphans that were there before are none of this migration's business.
#[test]
fn orphans_from_before_do_not_stand_in_the_way() {
    let db = TestDb::new(Dialect::Sqlite);
    let catalog = catalog(
        Dialect::Sqlite,
        vec![migration(1, "parents", PARENTS, ""), rebuild("UPDATE parent SET name = 'x'")],
    );
    migrate(&db, &catalog, &Goal::Up(1)).unwrap();
    db.batch("PRAGMA foreign_keys = OFF; INSERT INTO child VALUES (13, 404)");

    migrate(&db, &catalog, &Goal::Head).unwrap();

    assert_eq!(db.texts("SELECT parent_id FROM child WHERE id = 13"), ["404"]);
}
