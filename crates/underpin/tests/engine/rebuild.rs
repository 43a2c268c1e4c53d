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

/// What tools that run without foreign keys have taught people to write.
const ORDINARY: &str = "CREATE TABLE new_parent (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
    INSERT INTO new_parent (id, name) SELECT id, name FROM parent;
    DROP TABLE parent;
    ALTER TABLE new_parent RENAME TO parent;";

#[rstest]
#[case::in_a_transaction(true)]
#[case::outside(false)]
fn a_rebuild_that_does_not_say_so_is_stopped_before_children_are_lost(#[case] inside: bool) {
    let db = TestDb::new(Dialect::Sqlite);
    let mut ordinary = migration(2, "ordinary", ORDINARY, "");
    ordinary.metadata.run_in_transaction = inside;
    let catalog = catalog(Dialect::Sqlite, vec![migration(1, "parents", PARENTS, ""), ordinary]);
    migrate(&db, &catalog, &Goal::Up(1)).unwrap();
    let before = db.dump();

    let error = migrate(&db, &catalog, &Goal::Head).unwrap_err();

    let text = underpin::exit::explain(&error);
    assert!(text.contains("dropping `parent` deletes or empties 3 rows of `child`"), "{text}");
    assert!(text.contains("set `foreign_keys = false`"), "{text}");
    let mut after = db.dump();
    after.remove("new_parent");
    assert_eq!(after, before);
}

#[test]
fn a_table_may_go_together_with_what_refers_to_it() {
    let db = TestDb::new(Dialect::Sqlite);
    let both = migration(2, "both", "DROP TABLE parent; DROP TABLE IF EXISTS main.child", "");
    let catalog = catalog(Dialect::Sqlite, vec![migration(1, "parents", PARENTS, ""), both]);
    migrate(&db, &catalog, &Goal::Up(1)).unwrap();

    migrate(&db, &catalog, &Goal::Head).unwrap();

    assert!(db.dump().is_empty());
}

/// A rebuild switches foreign keys off, and the step beside it counts on them.
#[test]
fn a_fresh_database_is_the_same_as_a_grown_one() {
    let (fresh, grown) = (TestDb::new(Dialect::Sqlite), TestDb::new(Dialect::Sqlite));
    let deletes = migration(2, "deletes", "DELETE FROM parent WHERE id = 2", "");
    let mut last = rebuild("UPDATE parent SET name = 'x'");
    last.version = "0003".parse().unwrap();
    let catalog =
        catalog(Dialect::Sqlite, vec![migration(1, "parents", PARENTS, ""), deletes, last]);

    let report = migrate(&fresh, &catalog, &Goal::Head).unwrap();
    for _ in 0..3 {
        migrate(&grown, &catalog, &Goal::Up(1)).unwrap();
    }

    assert!(!report.single_transaction);
    assert_eq!(fresh.dump(), grown.dump());
    assert_eq!(fresh.texts("SELECT CAST(count(*) AS TEXT) FROM child"), ["2"]);
}

const KEYED: &str = "CREATE TABLE t (id INT PRIMARY KEY, n TEXT);
    CREATE TABLE u (code TEXT NOT NULL UNIQUE, n TEXT);
    INSERT INTO t VALUES (1, 'a'), (2, NULL), (3, 'c'); INSERT INTO u VALUES ('x', 'a'), ('y', NULL);";

/// As many rows as before are not the same rows, also where a key has another type or is no primary one.
#[rstest]
#[case::another_type_of_the_key(
    "CREATE TABLE new (id INTEGER PRIMARY KEY, n TEXT NOT NULL);
     INSERT INTO new SELECT id, n FROM t WHERE n IS NOT NULL; INSERT INTO new VALUES (99, 'seed');
     DROP TABLE t; ALTER TABLE new RENAME TO t;",
    Some("table `t`")
)]
#[case::a_unique_key(
    "CREATE TABLE new (code TEXT NOT NULL UNIQUE, n TEXT NOT NULL);
     INSERT INTO new SELECT code, n FROM u WHERE n IS NOT NULL; INSERT INTO new VALUES ('z', 'seed');
     DROP TABLE u; ALTER TABLE new RENAME TO u;",
    Some("table `u`")
)]
#[case::all_rows_under_another_type(
    "CREATE TABLE new (id INTEGER PRIMARY KEY, n TEXT); INSERT INTO new SELECT id, n FROM t;
     DROP TABLE t; ALTER TABLE new RENAME TO t;",
    None
)]
#[case::keys_that_are_converted(
    "CREATE TABLE new (id TEXT PRIMARY KEY, n TEXT); INSERT INTO new SELECT 'id-' || id, n FROM t;
     DROP TABLE t; ALTER TABLE new RENAME TO t;",
    None
)]
#[case::a_unique_key_that_goes(
    "CREATE TABLE new (id INTEGER PRIMARY KEY, n TEXT); INSERT INTO new (n) SELECT n FROM u;
     DROP TABLE u; ALTER TABLE new RENAME TO u;",
    None
)]
fn sqlite_rows_that_are_gone_are_not_made_up_for_by_others(
    #[case] script: &str,
    #[case] lost: Option<&str>,
    #[values(true, false)] foreign_keys: bool,
) {
    let db = TestDb::new(Dialect::Sqlite);
    let mut change = migration(2, "rebuild", script, "");
    change.metadata.foreign_keys = foreign_keys;
    let catalog = catalog(Dialect::Sqlite, vec![migration(1, "keyed", KEYED, ""), change]);
    migrate(&db, &catalog, &Goal::Up(1)).unwrap();

    let result =
        migrate(&db, &catalog, &Goal::Head).map_err(|error| underpin::exit::explain(&error));

    match lost {
        Some(table) => {
            let error = result.unwrap_err();
            assert!(error.contains(table) && error.contains("would be gone"), "{error}");
        }
        None => assert!(result.is_ok(), "{result:?}"),
    }
}

/// Letters beyond ASCII have no second form in SQLite's names.
#[rstest]
fn sqlite_a_deletion_is_meant_whatever_letters_the_name_has() {
    let db = TestDb::new(Dialect::Sqlite);
    let base = "CREATE TABLE Ünits (id INTEGER PRIMARY KEY); INSERT INTO Ünits VALUES (1), (2)";
    let change = rebuild("DELETE FROM Ünits WHERE id = 2");
    let catalog = catalog(Dialect::Sqlite, vec![migration(1, "base", base, ""), change]);

    migrate(&db, &catalog, &Goal::Head).unwrap();
}

/// What is dropped elsewhere takes no rows of the database along.
#[rstest]
#[case::of_another_file(
    "ATTACH 'other.db' AS arch; CREATE TABLE arch.parent (id INTEGER PRIMARY KEY); DROP TABLE arch.parent"
)]
#[case::temporary("CREATE TEMP TABLE parent (id INTEGER PRIMARY KEY); DROP TABLE parent")]
fn sqlite_a_table_of_the_same_name_elsewhere_may_go(#[case] script: &str) {
    let db = TestDb::new(Dialect::Sqlite);
    let other = db.dir().join("other.db");
    let script = script.replace("other.db", &other.display().to_string());
    let mut change = migration(2, "elsewhere", &script, "");
    change.metadata.run_in_transaction = false;
    let catalog = catalog(Dialect::Sqlite, vec![migration(1, "parents", PARENTS, ""), change]);

    migrate(&db, &catalog, &Goal::Head).unwrap();

    assert_eq!(db.texts("SELECT id FROM child ORDER BY id"), ["10", "11", "12"]);
}
