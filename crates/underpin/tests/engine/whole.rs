//! After any script of SQLite nothing is gone that it did not say, and nothing dangles that did not before.

use rstest::rstest;
use underpin::{Goal, Migration};
use underpin_testkit::{Dialect, TestDb};

use crate::{applied, catalog, migrate, migration};

/// A table with what can hang on it.
const BASE: &str = "CREATE TABLE log (id INTEGER PRIMARY KEY AUTOINCREMENT, what TEXT);
    CREATE TABLE task (id INTEGER PRIMARY KEY, status TEXT);
    CREATE TABLE mark (id INTEGER PRIMARY KEY, log_id INTEGER REFERENCES log (id) ON DELETE CASCADE);
    CREATE TABLE star (id INTEGER PRIMARY KEY, mark_id INTEGER REFERENCES mark (id) ON DELETE CASCADE);
    INSERT INTO log (what) VALUES ('a'), ('b'), ('c'), ('d'), ('e');
    DELETE FROM log WHERE id > 3;";
const VIEW: &str = "CREATE VIEW v AS SELECT what FROM log;";
const TRIGGER: &str = "CREATE TRIGGER note AFTER UPDATE ON task BEGIN INSERT INTO log (what) VALUES (NEW.status); END;";
const ROWS: &str =
    "INSERT INTO mark VALUES (1, 1), (2, 2); INSERT INTO star VALUES (1, 1), (2, 2);";

const NUMBERS: &str = "DELETE FROM sqlite_sequence WHERE name = 'new_log';
    INSERT INTO sqlite_sequence (name, seq) SELECT 'new_log', seq FROM sqlite_sequence WHERE name = 'log';";

/// A rebuild by the recipe, with `copy` between table and drop.
fn recipe(copy: &str) -> String {
    format!(
        "CREATE TABLE new_log (id INTEGER PRIMARY KEY AUTOINCREMENT, what TEXT NOT NULL);
         INSERT INTO new_log (id, what) SELECT id, what FROM log; {copy}
         DROP TABLE log; ALTER TABLE new_log RENAME TO log;"
    )
}

const SWAP: &str = "ALTER TABLE log RENAME TO log_old;
    CREATE TABLE log (id INTEGER PRIMARY KEY AUTOINCREMENT, what TEXT, at TEXT);
    INSERT INTO log (id, what) SELECT id, what FROM log_old;
    UPDATE sqlite_sequence SET seq = 5 WHERE name = 'log';
    DROP TABLE log_old;";

/// How a script runs.
#[derive(Debug, Clone, Copy)]
enum Way {
    Plain,
    Rebuild,
    Outside,
    Down,
}

fn step(way: Way, script: &str) -> Migration {
    let mut step = match way {
        Way::Down => migration(2, "change", "SELECT 1", script),
        _ => migration(2, "change", script, ""),
    };
    step.metadata.foreign_keys = !matches!(way, Way::Rebuild);
    step.metadata.run_in_transaction = !matches!(way, Way::Outside);
    step
}

/// Runs `script` on `base`, and gives what the engine said against it.
fn run(way: Way, base: &str, script: &str) -> (TestDb, Option<String>) {
    let db = TestDb::new(Dialect::Sqlite);
    let catalog = catalog(Dialect::Sqlite, vec![migration(1, "base", base, ""), step(way, script)]);
    migrate(&db, &catalog, &Goal::Up(1)).unwrap();
    let goal = match way {
        Way::Down => {
            migrate(&db, &catalog, &Goal::Head).unwrap();
            Goal::Down(1)
        }
        _ => Goal::Head,
    };
    let result = migrate(&db, &catalog, &goal);
    let error = result.err().map(|error| underpin::exit::explain(&error));
    (db, error)
}

#[rstest]
#[case::a_trigger_names_a_table(TRIGGER, SWAP, "trigger `note`")]
#[case::a_view_names_a_table(VIEW, SWAP, "view `v`")]
#[case::a_reference_names_a_table("", SWAP, "the foreign key of `mark` to `log_old`")]
#[case::a_trigger_writes_a_column(
    TRIGGER,
    "DROP TABLE star; DROP TABLE mark; CREATE TABLE logs AS SELECT * FROM log; DROP TABLE log; \
     CREATE TABLE log (id INTEGER PRIMARY KEY, text_ TEXT); INSERT INTO log SELECT * FROM logs; DROP TABLE logs",
    "trigger `note`"
)]
#[case::a_trigger_counts_columns(
    "CREATE TRIGGER note AFTER DELETE ON task BEGIN INSERT INTO log VALUES (NULL, 'x'); END;",
    "ALTER TABLE log ADD COLUMN more TEXT",
    "trigger `note`"
)]
#[case::a_view_is_dropped(
    "CREATE VIEW w AS SELECT * FROM v0; CREATE VIEW v0 AS SELECT 1 AS one;",
    "DROP VIEW v0",
    "view `w`"
)]
#[case::a_reference_names_a_column(
    "CREATE TABLE u (id INTEGER PRIMARY KEY, k TEXT UNIQUE); CREATE TABLE c (k TEXT REFERENCES u (k));",
    "DROP TABLE u; CREATE TABLE u (id INTEGER PRIMARY KEY, other TEXT UNIQUE)",
    "the foreign key of `c`"
)]
#[case::a_reference_to_no_key(
    "CREATE TABLE u (id INTEGER PRIMARY KEY, k TEXT); CREATE UNIQUE INDEX uk ON u (k); CREATE TABLE c (k TEXT REFERENCES u (k));",
    "DROP INDEX uk",
    "the foreign key of `c`"
)]
#[case::a_table_that_was_waited_for_has_no_key(
    "CREATE TABLE c (k TEXT REFERENCES late (k));",
    "CREATE TABLE late (id INTEGER PRIMARY KEY, k TEXT)",
    "the foreign key of `c`"
)]
#[case::a_reference_to_the_name_of_an_index(
    "CREATE TABLE u (id INTEGER PRIMARY KEY); CREATE TABLE c (id INTEGER REFERENCES u (id)); CREATE TABLE x (id);",
    "DROP TABLE u; CREATE INDEX u ON x (id)",
    "the foreign key of `c` to `u`"
)]
#[case::a_table_goes_and_its_empty_child_stays(
    "",
    "DROP TABLE log",
    "the foreign key of `mark` to `log`"
)]
#[case::a_new_view("", "CREATE VIEW v AS SELECT * FROM missing", "view `v`")]
#[case::a_new_trigger(
    "",
    "CREATE TRIGGER note AFTER INSERT ON task BEGIN DELETE FROM missing; END",
    "trigger `note`"
)]
fn sqlite_what_a_script_breaks_is_named(
    #[case] hanging: &str,
    #[case] script: &str,
    #[case] named: &str,
    #[values(Way::Plain, Way::Rebuild, Way::Outside, Way::Down)] way: Way,
) {
    let (db, error) = run(way, &format!("{BASE} {hanging}"), script);

    let error = error.unwrap_or_default();
    assert!(error.contains("it would leave behind") && error.contains(named), "{error}");
    if !matches!(way, Way::Outside | Way::Down) {
        assert_eq!(applied(&db), ["0001"]);
        assert_eq!(db.texts("SELECT id FROM log").len(), 3);
    }
}

#[rstest]
fn sqlite_what_notes_break_is_named(#[values(Way::Plain, Way::Rebuild, Way::Outside)] way: Way) {
    let db = TestDb::new(Dialect::Sqlite);
    let base = "CREATE VIEW v AS SELECT 1 AS one; CREATE VIEW w AS SELECT one FROM v;";
    let mut change = step(way, "SELECT 1");
    change.metadata.notes = Some("DROP VIEW v".into());
    let catalog = catalog(Dialect::Sqlite, vec![migration(1, "base", base, ""), change]);
    migrate(&db, &catalog, &Goal::Up(1)).unwrap();

    let error = underpin::exit::explain(&migrate(&db, &catalog, &Goal::Head).unwrap_err());

    assert!(error.contains("it would leave behind") && error.contains("view `w`"), "{error}");
}

/// Its cascade leads to a table that refers to one of a later migration. Without foreign keys nothing cascades.
#[rstest]
fn sqlite_a_trigger_three_references_away_is_looked_at(
    #[values(Way::Plain, Way::Outside, Way::Down)] way: Way,
) {
    let base = format!("{BASE} CREATE TRIGGER note AFTER DELETE ON log BEGIN SELECT 1; END;");
    let script = "CREATE TABLE point (id INTEGER PRIMARY KEY, star_id INTEGER REFERENCES star (id) \
                  ON DELETE CASCADE, other INTEGER REFERENCES later (id))";

    let (_db, error) = run(way, &base, script);

    let error = error.unwrap_or_default();
    assert!(error.contains("trigger `note` of `log`: no such table"), "{error}");
}

#[rstest]
#[case::what_dangled_before(
    "CREATE VIEW bad AS SELECT * FROM gone; CREATE VIEW w AS SELECT * FROM bad;",
    ""
)]
#[case::functions_of_the_program(
    "CREATE VIEW w AS SELECT mine(what) FROM log;",
    "CREATE VIEW x AS SELECT yours(1)"
)]
#[case::a_table_of_a_later_migration("", "CREATE TABLE early (id INTEGER REFERENCES late (id))")]
#[case::broken_between(
    "CREATE VIEW w AS SELECT what FROM log;",
    "DROP VIEW w; CREATE VIEW w AS SELECT id FROM task"
)]
fn sqlite_what_is_none_of_the_scripts_doing_stays(
    #[case] hanging: &str,
    #[case] script: &str,
    #[values(Way::Plain, Way::Rebuild, Way::Outside, Way::Down)] way: Way,
) {
    let db = TestDb::new(Dialect::Sqlite);
    let script = format!("CREATE TABLE more (id INTEGER); {script}");
    let catalog =
        catalog(Dialect::Sqlite, vec![migration(1, "base", BASE, ""), step(way, &script)]);
    migrate(&db, &catalog, &Goal::Up(1)).unwrap();
    // As it stands where another tool was at work.
    db.batch(hanging);

    migrate(&db, &catalog, &Goal::Head).unwrap();
    if matches!(way, Way::Down) {
        migrate(&db, &catalog, &Goal::Down(1)).unwrap();
    }

    assert_eq!(db.texts("SELECT name FROM sqlite_schema WHERE name = 'more'"), ["more"]);
}

#[rstest]
#[case::forgotten(recipe(""), Some("would go on after 3"))]
#[case::carried_over(recipe(NUMBERS), None)]
#[case::set_in_place("UPDATE sqlite_sequence SET seq = 3 WHERE name = 'log'".to_owned(), None)]
#[case::given_up(recipe("").replace(" AUTOINCREMENT", ""), None)]
fn sqlite_numbers_that_were_given_are_not_given_again(
    #[case] script: String,
    #[case] refused: Option<&str>,
    #[values(Way::Rebuild, Way::Outside, Way::Down)] way: Way,
) {
    let (_, error) = run(way, BASE, &script);

    match (refused, &error) {
        (None, None) => {}
        (Some(part), Some(error)) => assert!(error.contains(part), "{error}"),
        _ => panic!("{refused:?} {error:?}"),
    }
}

/// Rows that are gone are found by their keys, whatever the counts say.
#[rstest]
#[case::fewer("DELETE FROM new_log WHERE id = 2".to_owned(), false)]
#[case::others(
    "UPDATE new_log SET id = 90 WHERE id = 2".to_owned(), true
)]
#[case::more_but_one(
    "UPDATE new_log SET id = 90 WHERE id = 2; INSERT INTO new_log VALUES (91, 'x')".to_owned(), true
)]
#[case::all(String::new(), false)]
fn sqlite_a_rebuilt_table_has_the_rows_that_it_had(
    #[case] between: String,
    #[case] lost: bool,
    #[values(Way::Rebuild, Way::Outside, Way::Down)] way: Way,
) {
    let (_, error) = run(way, BASE, &recipe(&format!("{between}; {NUMBERS}")));

    let said = error.as_deref().is_some_and(|error| error.contains("1 of those that it had"));
    assert_eq!(said, lost, "{error:?}");
    assert_eq!(error.is_some(), lost, "{error:?}");
}

/// A dropped table takes children along, and theirs.
#[rstest]
#[case::child(
    "DROP TABLE star; CREATE TABLE kept AS SELECT * FROM mark; DROP TABLE log; CREATE TABLE log (id INTEGER PRIMARY KEY, what TEXT);",
    Some("`mark`")
)]
#[case::grandchild(
    "CREATE TABLE kept AS SELECT * FROM mark; CREATE TABLE logs AS SELECT * FROM log; DROP TABLE log; \
     CREATE TABLE log (id INTEGER PRIMARY KEY, what TEXT); INSERT INTO log SELECT * FROM logs; \
     INSERT INTO mark SELECT * FROM kept;",
    Some("`star`")
)]
#[case::as_many_others(
    "DROP TABLE star; CREATE TABLE logs AS SELECT * FROM log; DROP TABLE log; \
     CREATE TABLE log (id INTEGER PRIMARY KEY, what TEXT); INSERT INTO log SELECT * FROM logs; \
     INSERT INTO mark VALUES (8, 1), (9, 2)",
    Some("`mark`")
)]
#[case::put_back(
    "DROP TABLE star; CREATE TABLE kept AS SELECT * FROM mark; CREATE TABLE logs AS SELECT * FROM log; \
     DROP TABLE log; CREATE TABLE log (id INTEGER PRIMARY KEY, what TEXT); INSERT INTO log SELECT * FROM logs; \
     INSERT INTO mark SELECT * FROM kept;",
    None
)]
#[case::on_purpose("DELETE FROM star; DELETE FROM mark; DELETE FROM log WHERE id = 2", None)]
#[case::all_of_them("DROP TABLE star; DROP TABLE mark; DROP TABLE log", None)]
fn sqlite_rows_that_a_dropped_table_takes_along_are_named(
    #[case] script: &str,
    #[case] named: Option<&str>,
    #[values(Way::Plain, Way::Down)] way: Way,
) {
    let (_, error) = run(way, &format!("{BASE} {ROWS}"), script);

    match (named, &error) {
        (None, None) => {}
        (Some(child), Some(error)) => {
            assert!(error.contains("dropping `log`") && error.contains(child), "{error}");
        }
        _ => panic!("{named:?} {error:?}"),
    }
}
