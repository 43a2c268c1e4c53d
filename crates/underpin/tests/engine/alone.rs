//! A migration is alone with its SQLite session: what one leaves of it reaches neither the next nor the
//! history, whether they share a transaction or not.

use std::collections::BTreeSet;

use rstest::rstest;
use underpin::{Goal, Grouping, Migration, Options, Report};
use underpin_testkit::{Dialect, TestDb};

use crate::{applied, catalog, migrate, migration, table, with_engine};

/// Settings of a connection, each with a value that no connection begins with, and whether a transaction
/// takes it.
const SETTINGS: [(&str, &str, bool); 34] = [
    ("analysis_limit", "77", true),
    ("automatic_index", "OFF", true),
    ("busy_timeout", "7", true),
    ("cache_size", "77", true),
    ("cache_spill", "OFF", true),
    ("cell_size_check", "ON", true),
    ("checkpoint_fullfsync", "ON", true),
    ("count_changes", "ON", true),
    ("defer_foreign_keys", "ON", true),
    ("empty_result_callbacks", "ON", true),
    ("foreign_keys", "OFF", false),
    ("full_column_names", "ON", true),
    ("fullfsync", "ON", true),
    ("ignore_check_constraints", "ON", true),
    ("journal_mode", "MEMORY", false),
    ("journal_size_limit", "77777", true),
    ("legacy_alter_table", "ON", true),
    ("locking_mode", "EXCLUSIVE", true),
    ("max_page_count", "77777", true),
    ("mmap_size", "77777", true),
    ("query_only", "ON", true),
    ("read_uncommitted", "ON", true),
    ("recursive_triggers", "ON", true),
    ("reverse_unordered_selects", "ON", true),
    ("secure_delete", "FAST", true),
    ("short_column_names", "OFF", true),
    ("soft_heap_limit", "77777777", true),
    ("synchronous", "OFF", false),
    ("temp_store", "MEMORY", true),
    ("threads", "3", true),
    ("trusted_schema", "OFF", true),
    ("wal_autocheckpoint", "77", true),
    ("writable_schema", "ON", true),
    ("case_sensitive_like", "ON", true),
];

/// Pragmas that set nothing for a connection: they ask, they do something once, or the file keeps it.
const OTHERS: [&str; 32] = [
    "application_id",
    "auto_vacuum",
    "collation_list",
    "compile_options",
    "data_version",
    "database_list",
    "default_cache_size",
    "encoding",
    "foreign_key_check",
    "foreign_key_list",
    "freelist_count",
    "function_list",
    "hard_heap_limit",
    "incremental_vacuum",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "module_list",
    "optimize",
    "page_count",
    "page_size",
    "pragma_list",
    "quick_check",
    "schema_version",
    "shrink_memory",
    "table_info",
    "table_list",
    "table_xinfo",
    "temp_store_directory",
    "user_version",
    "wal_checkpoint",
];

/// Anything else that a script can leave in its session.
const STATES: [(&str, bool); 16] = [
    ("CREATE TEMP TABLE parent AS SELECT * FROM main.parent", true),
    ("CREATE TEMPORARY TABLE child (id INTEGER PRIMARY KEY AUTOINCREMENT)", true),
    ("CREATE TABLE temp.seen (a)", true),
    ("CREATE TABLE \"TEMP\".parent (id INTEGER); CREATE INDEX temp.i ON parent (id)", true),
    ("CREATE TEMP VIEW parent AS SELECT 7 AS id", true),
    ("CREATE TEMP TRIGGER t AFTER INSERT ON main.parent BEGIN DELETE FROM parent; END", true),
    ("CREATE VIRTUAL TABLE temp.words USING fts5(word)", true),
    (
        "CREATE TEMP TABLE a (id INTEGER PRIMARY KEY, b REFERENCES b (id)); \
         CREATE TEMP TABLE b (id INTEGER PRIMARY KEY, a REFERENCES a (id)); \
         INSERT INTO a VALUES (1, NULL); INSERT INTO b VALUES (1, 1); UPDATE a SET b = 1",
        true,
    ),
    ("CREATE TEMP TABLE schema_like AS SELECT * FROM main.sqlite_schema", true),
    ("CREATE TEMP TABLE underpin_history (id, set_name, version)", true),
    ("CREATE TEMP TABLE __diesel_schema_migrations (version, run_on)", true),
    ("PRAGMA temp_store = MEMORY; CREATE TEMP TABLE held (id); INSERT INTO held VALUES (1)", true),
    (
        "PRAGMA recursive_triggers = ON; PRAGMA case_sensitive_like = ON; CREATE TEMP TABLE held (id)",
        true,
    ),
    ("ATTACH ':memory:' AS other; CREATE TABLE other.parent (id)", false),
    ("PRAGMA locking_mode = EXCLUSIVE; INSERT INTO parent (id) VALUES (90)", false),
    (
        "PRAGMA journal_mode = OFF; PRAGMA locking_mode = EXCLUSIVE; CREATE TEMP TABLE parent (id)",
        false,
    ),
];

/// One a paragraph.
const MORE: &str = include_str!("odd/sqlite.sql");

const BASE: &str = "CREATE TABLE parent (id INTEGER PRIMARY KEY, name TEXT CHECK (name <> ''));
    CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parent (id) ON DELETE CASCADE);
    INSERT INTO parent (id) VALUES (1), (2); INSERT INTO child VALUES (1, 1), (2, 2);";

/// A statement that writes down how a migration finds its session.
fn look(table: &str) -> String {
    let without = ["case_sensitive_like", "mmap_size", "wal_autocheckpoint"];
    let settings = SETTINGS.iter().filter(|(name, ..)| !without.contains(name));
    let settings =
        settings.map(|(name, ..)| format!("SELECT '{name}', (SELECT * FROM pragma_{name})"));
    format!(
        "CREATE TABLE main.{table} AS SELECT 'like' AS what, 'a' LIKE 'A' AS how UNION ALL {} UNION ALL \
         SELECT 'temporary', group_concat(name) FROM temp.sqlite_schema UNION ALL \
         SELECT 'attached', group_concat(name) FROM pragma_database_list WHERE seq > 1 UNION ALL \
         SELECT 'rows', count(*) FROM main.child UNION ALL SELECT 'number', last_insert_rowid()",
        settings.collect::<Vec<_>>().join(" UNION ALL ")
    )
}

/// Every way to leave something, and whether a transaction takes it.
fn odd() -> Vec<(String, bool)> {
    let settings = SETTINGS.map(|(name, value, within)| {
        let then = if name == "query_only" { "" } else { "; UPDATE child SET id = id" };
        (format!("PRAGMA {name} = {value}{then}"), within)
    });
    let states = STATES.map(|(script, within)| (script.to_owned(), within));
    let more = MORE.split("\n\n").map(str::trim).filter(|one| !one.starts_with('#'));
    let more = more.map(|script| (script.to_owned(), !script.starts_with("-- outside")));
    settings.into_iter().chain(states).chain(more).collect()
}

fn outside(mut migration: Migration) -> Migration {
    migration.metadata.run_in_transaction = false;
    migration
}

fn one_each(db: &TestDb, catalog: &underpin::Catalog) {
    for _ in catalog.migrations() {
        migrate(db, catalog, &Goal::Up(1)).unwrap();
    }
}

/// What `look` found, and every other row.
fn differences(a: &TestDb, b: &TestDb) -> Vec<String> {
    let (a, b) = (a.dump(), b.dump());
    let tables: BTreeSet<_> = a.keys().chain(b.keys()).collect();
    let differs = |table: &&&String| a.get(**table) != b.get(**table);
    tables
        .iter()
        .filter(differs)
        .map(|table| format!("{table}: {:?} {:?}", a.get(*table), b.get(*table)))
        .collect()
}

/// A setting that a later SQLite brings must be thought of.
#[test]
fn sqlite_every_pragma_is_known_as_the_sessions_or_not() {
    let known: BTreeSet<_> = SETTINGS.iter().map(|(name, ..)| *name).chain(OTHERS).collect();

    let all = TestDb::new(Dialect::Sqlite).texts("SELECT name FROM pragma_pragma_list");

    let unknown: Vec<_> = all.iter().filter(|name| !known.contains(name.as_str())).collect();
    assert!(all.len() > 60 && unknown.is_empty(), "{unknown:?}");
}

#[test]
fn sqlite_what_one_migration_leaves_does_not_reach_the_next() {
    let all = odd();
    assert!(all.len() > 100, "{}", all.len());
    let mut faults = Vec::new();
    for (script, within) in all {
        // The history of a script outside a transaction is written while it runs, and between its statements.
        let inside_alone =
            ["query_only", "last_insert_rowid"].iter().any(|one| script.contains(one));
        let ways: &[bool] = match (within, inside_alone) {
            (true, true) => &[true],
            (true, false) => &[true, false],
            (false, _) => &[false],
        };
        for inside in ways {
            let found = reaches(&script, *inside);
            faults.extend(found.into_iter().map(|fault| format!("{script}, {inside}: {fault}")));
        }
    }

    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// What of a script another migration sees, by the way in which they ran.
fn reaches(script: &str, inside: bool) -> Vec<String> {
    let leaves = migration(2, "leaves", script, "");
    let leaves = if inside { leaves } else { outside(leaves) };
    let looks = migration(3, "looks", &look("seen"), "");
    let catalog = catalog(Dialect::Sqlite, vec![migration(1, "base", BASE, ""), leaves, looks]);
    let [merged, grown, apart] = [(); 3].map(|()| TestDb::new(Dialect::Sqlite));

    let ran = migrate(&merged, &catalog, &Goal::Head)
        .and_then(|_| migrate(&grown, &catalog, &Goal::Up(1)))
        .and_then(|_| migrate(&grown, &catalog, &Goal::Head));
    if let Err(error) = ran {
        return vec![underpin::exit::explain(&error)];
    }
    one_each(&apart, &catalog);

    let mut faults = differences(&merged, &apart);
    faults.extend(differences(&grown, &apart));
    for db in [&merged, &grown, &apart] {
        if applied(db) != ["0001", "0002", "0003"] {
            faults.push(format!("applied: {:?}", applied(db)));
        }
    }
    faults
}

/// What a transaction can take back does not part the migrations that share it.
#[test]
fn sqlite_many_odd_migrations_in_one_transaction_are_the_same_as_one_each() {
    let mut migrations = vec![migration(1, "base", BASE, "")];
    let apart = ["defer_foreign_keys", "temp_store", "AUTOINCREMENT", "REFERENCES b"];
    let together = odd()
        .into_iter()
        .take(SETTINGS.len() + STATES.len())
        .filter(|(script, within)| *within && !apart.iter().any(|word| script.contains(word)));
    for (number, (script, _)) in (1..).zip(together) {
        migrations.push(migration(number * 10, "leaves", &script, ""));
        migrations.push(migration(number * 10 + 1, "looks", &look(&format!("seen_{number}")), ""));
    }
    let catalog = catalog(Dialect::Sqlite, migrations);
    let [merged, apart] = [(); 2].map(|()| TestDb::new(Dialect::Sqlite));

    let report = migrate(&merged, &catalog, &Goal::Head).unwrap();
    one_each(&apart, &catalog);

    assert!(report.single_transaction);
    assert!(catalog.migrations().len() > 70, "{}", catalog.migrations().len());
    assert_eq!(differences(&merged, &apart), [""; 0]);
}

fn together(db: &TestDb, migrations: Vec<Migration>) -> Report {
    let catalog = catalog(Dialect::Sqlite, migrations);
    let options = Options { grouping: Grouping::Together, ..Options::default() };
    with_engine(db, &catalog, options, async |engine| engine.migrate(&Goal::Head).await).unwrap()
}

/// What COMMIT refuses after one migration is refused although a later one would mend it.
#[rstest]
#[case::by_the_table("INSERT INTO late VALUES (1, 404)")]
#[case::by_the_session("PRAGMA defer_foreign_keys = ON; INSERT INTO child VALUES (3, 404)")]
fn sqlite_a_reference_that_is_checked_late_is_checked_after_each(#[case] dangles: &str) {
    let late = "CREATE TABLE late (id INTEGER, parent INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED);";
    let migrations = vec![
        migration(1, "base", &format!("{BASE} {late}"), ""),
        migration(2, "dangles", dangles, ""),
        migration(3, "mends", "INSERT INTO parent (id) VALUES (404)", ""),
    ];
    let catalog = catalog(Dialect::Sqlite, migrations);
    let [merged, apart] = [(); 2].map(|()| TestDb::new(Dialect::Sqlite));
    migrate(&apart, &catalog, &Goal::Up(1)).unwrap();

    let errors = [&merged, &apart].map(|db| migrate(db, &catalog, &Goal::Head).unwrap_err());

    for error in errors {
        let text = underpin::exit::explain(&error);
        assert!(text.contains("migration 0002 dangles failed"), "{text}");
    }
    assert_eq!(applied(&apart), ["0001"]);
}

/// Rows beside a rebuild, which switches foreign keys off, go apart: also those that a trigger takes away.
#[rstest]
#[case::sqlite_deletes("DELETE FROM parent WHERE id = 1", false)]
#[case::sqlite_inserts("INSERT INTO parent (id) VALUES (3)", false)]
#[case::sqlite_upserts(
    "INSERT INTO parent (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET name = 'y'",
    false
)]
#[case::sqlite_comments("/* INSERT */ DELETE FROM parent WHERE id = 1", false)]
#[case::sqlite_defines("CREATE TABLE more (id INTEGER); CREATE INDEX i ON more (id)", true)]
#[case::sqlite_adds("ALTER TABLE parent ADD COLUMN more TEXT", true)]
#[case::sqlite_refers("ALTER TABLE child ADD COLUMN other INTEGER REFERENCES parent (id)", false)]
fn beside_a_rebuild_only_definitions_share_a_transaction(
    #[case] script: &str,
    #[case] single: bool,
) {
    let trigger =
        "CREATE TRIGGER gone AFTER INSERT ON parent BEGIN DELETE FROM parent WHERE id = 2; END;";
    let mut rebuild = migration(3, "rebuild", "UPDATE parent SET name = 'x'", "");
    rebuild.metadata.foreign_keys = false;
    let migrations = || {
        let mut base = migration(1, "base", &format!("{BASE} {trigger}"), "");
        base.metadata.foreign_keys = true;
        vec![base, migration(2, "beside", script, ""), rebuild.clone()]
    };
    let [merged, apart] = [(); 2].map(|()| TestDb::new(Dialect::Sqlite));
    for db in [&merged, &apart] {
        migrate(db, &catalog(Dialect::Sqlite, migrations()[..1].to_vec()), &Goal::Head).unwrap();
    }

    let report = together(&merged, migrations());
    one_each_of(&apart, migrations());

    assert_eq!(report.single_transaction, single);
    assert_eq!(differences(&merged, &apart), [""; 0]);
}

fn one_each_of(db: &TestDb, migrations: Vec<Migration>) {
    let catalog = catalog(Dialect::Sqlite, migrations);
    for _ in 0..2 {
        migrate(db, &catalog, &Goal::Up(1)).unwrap();
    }
}

/// Who looks into the temporary database opens it, and where it is kept cannot be changed then.
#[test]
fn sqlite_a_look_at_temporary_objects_does_not_reach_the_next() {
    let db = TestDb::new(Dialect::Sqlite);
    let look = migration(2, "look", "SELECT count(*) FROM sqlite_temp_schema", "");
    let store = migration(3, "store", "PRAGMA temp_store = MEMORY", "");
    let catalog = catalog(Dialect::Sqlite, vec![table(1), look, store]);
    migrate(&db, &catalog, &Goal::Up(1)).unwrap();

    migrate(&db, &catalog, &Goal::Head).unwrap();

    assert_eq!(applied(&db), ["0001", "0002", "0003"]);
}

#[test]
fn sqlite_what_notes_leave_does_not_reach_the_next() {
    let db = TestDb::new(Dialect::Sqlite);
    let mut leave = table(2);
    leave.metadata.notes = Some("PRAGMA foreign_keys = OFF".into());
    let mut temporary = table(3);
    temporary.metadata.notes = Some("CREATE TEMP TABLE t1 AS SELECT 7 AS id".into());
    let seen = "CREATE TABLE seen AS SELECT (SELECT foreign_keys FROM pragma_foreign_keys) || ' ' || \
                (SELECT count(*) FROM t1 WHERE id = 7) AS what";
    let catalog =
        catalog(Dialect::Sqlite, vec![table(1), leave, temporary, migration(4, "see", seen, "")]);
    migrate(&db, &catalog, &Goal::Up(1)).unwrap();

    migrate(&db, &catalog, &Goal::Head).unwrap();

    assert_eq!(db.texts("SELECT what FROM seen"), ["1 0"]);
}
