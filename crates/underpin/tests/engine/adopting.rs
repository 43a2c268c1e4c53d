//! What adopting decides is decided inside the transaction that acts: a row that another program
//! commits meanwhile is never lost.

use std::{borrow::Cow, sync::mpsc, time::Duration};

use rstest::rstest;
use underpin::{Adopted, Catalog, Error, Goal, Options};
use underpin_catalog::Shape;
use underpin_testkit::{Dialect, TestDb};

use crate::{catalog, migrate, migration, with_engine};

const BASE: &str = "CREATE TABLE a (id INTEGER NOT NULL PRIMARY KEY, n TEXT)";

/// A set with one version, and one shape that leads to it.
fn known(dialect: Dialect, shape: Shape) -> Catalog {
    catalog(dialect, vec![migration(1, "base", BASE, "")])
        .with_adoption(vec![shape], Vec::new())
        .unwrap()
}

fn shape(leftovers: &[&'static str]) -> Shape {
    Shape {
        name: "old".into(),
        description: "an old file".into(),
        version: "0001".parse().unwrap(),
        schema: None,
        up: None,
        foreign_keys: true,
        optional: Cow::Borrowed(&[]),
        leftovers: leftovers.iter().map(|one| (*one).into()).collect::<Vec<_>>().into(),
        notes: None,
    }
}

/// The shape whose table has another name for a column, which is mapped.
fn mapped(foreign_keys: bool) -> Shape {
    Shape {
        schema: Some("CREATE TABLE a (id INTEGER NOT NULL PRIMARY KEY, old TEXT)".into()),
        up: Some(
            "ALTER TABLE a RENAME TO b; CREATE TABLE a (id INTEGER NOT NULL PRIMARY KEY, n TEXT); \
             INSERT INTO a (id, n) SELECT id, old FROM b; DROP TABLE b"
                .into(),
        ),
        foreign_keys,
        ..shape(&[])
    }
}

/// Adopts while another program, which wrote `statement`, has not committed yet.
fn adopt_beside(db: &TestDb, catalog: &Catalog, statement: &str) -> Result<Option<Adopted>, Error> {
    beside(db, statement, || {
        with_engine(db, catalog, Options::default(), async |engine| engine.adopt().await)
    })
}

/// Works while another program, which wrote `statement`, has not committed yet.
fn beside<T>(db: &TestDb, statement: &str, work: impl FnOnce() -> T) -> T {
    let url = db.database_url();
    std::thread::scope(|scope| {
        let (told, wait) = mpsc::channel();
        let writer = scope.spawn(move || {
            underpin_testkit::block_on(async || {
                let options = underpin_db::ConnectOptions::default();
                let mut conn = url.connect(&options).await.unwrap();
                let begin = if url.sqlite_path().is_some() { "BEGIN IMMEDIATE" } else { "BEGIN" };
                conn.batch(&format!("{begin}; {statement}")).await.unwrap();
                told.send(()).unwrap();
                // Long enough for a look that is taken outside the transaction.
                std::thread::sleep(Duration::from_millis(1200));
                conn.batch("COMMIT").await.unwrap();
            });
        });
        wait.recv().unwrap();
        let done = work();
        writer.join().unwrap();
        done
    })
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_leftover_that_gets_a_row_meanwhile_is_kept(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    db.batch(&format!("{BASE}; CREATE TABLE inbox (id INTEGER NOT NULL PRIMARY KEY, n TEXT)"));
    let known = known(dialect, shape(&["inbox"]));

    let refused = adopt_beside(&db, &known, "INSERT INTO inbox VALUES (1, 'an order')");

    assert!(matches!(refused, Err(Error::Adopt(_))), "{refused:?}");
    assert_eq!(db.texts("SELECT n FROM inbox"), ["an order"]);
    assert!(!db.tables().iter().any(|table| table.starts_with("underpin")), "nothing is recorded");
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_leftover_that_stays_empty_is_dropped(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    db.batch(&format!("{BASE}; CREATE TABLE inbox (id INTEGER NOT NULL PRIMARY KEY, n TEXT)"));
    let known = known(dialect, shape(&["inbox"]));

    let adopted = adopt_beside(&db, &known, "INSERT INTO a VALUES (1, 'kept')").unwrap().unwrap();

    assert_eq!(adopted.changes, ["drops the empty table `inbox`"]);
    assert_eq!(db.texts("SELECT n FROM a"), ["kept"]);
}

#[rstest]
fn a_row_that_is_mapped_may_come_at_the_last_moment(
    #[values(Dialect::Sqlite, Dialect::Postgres)] dialect: Dialect,
    #[values(true, false)] foreign_keys: bool,
) {
    let db = TestDb::new(dialect);
    db.batch(
        "CREATE TABLE a (id INTEGER NOT NULL PRIMARY KEY, old TEXT); INSERT INTO a VALUES (1, 'x')",
    );
    let known = known(dialect, mapped(foreign_keys));

    let adopted = adopt_beside(&db, &known, "INSERT INTO a VALUES (2, 'late')");

    assert!(matches!(adopted, Ok(Some(_))), "{adopted:?}");
    assert_eq!(db.texts("SELECT n FROM a ORDER BY id"), ["x", "late"]);
}

/// SQLite lets nobody change the schema beside the transaction that begins after it.
#[rstest]
#[case::a_table_more(
    "CREATE TABLE b (id INTEGER); INSERT INTO b VALUES (7)",
    "SELECT id FROM b",
    "7"
)]
#[case::a_column_more(
    "ALTER TABLE a ADD COLUMN m TEXT; INSERT INTO a VALUES (1, 'n', 'm')",
    "SELECT m FROM a",
    "m"
)]
#[case::another_table(
    "DROP TABLE a; CREATE TABLE a (x TEXT); INSERT INTO a VALUES ('y')",
    "SELECT x FROM a",
    "y"
)]
fn a_schema_that_changes_meanwhile_is_looked_at_again_sqlite(
    #[case] statement: &str,
    #[case] query: &str,
    #[case] value: &str,
) {
    let db = TestDb::new(Dialect::Sqlite);
    db.batch(BASE);
    let known = known(Dialect::Sqlite, shape(&[]));

    let refused = adopt_beside(&db, &known, statement);

    assert!(matches!(refused, Err(Error::Adopt(_))), "{refused:?}");
    assert_eq!(db.texts(query), [value]);
    assert!(!db.tables().iter().any(|table| table.starts_with("underpin")), "nothing is recorded");
}

/// What is missing is added, and a row of the writer stays.
#[test]
fn what_is_missing_is_added_beside_a_late_row_sqlite() {
    let db = TestDb::new(Dialect::Sqlite);
    db.batch("CREATE TABLE a (id INTEGER NOT NULL PRIMARY KEY)");
    let optional = Cow::Owned(vec!["a.n".into()]);
    let known = known(Dialect::Sqlite, Shape { optional, ..shape(&[]) });

    let adopted = adopt_beside(&db, &known, "INSERT INTO a VALUES (5)").unwrap().unwrap();

    assert_eq!(adopted.changes, ["adds column `a.n`"]);
    assert_eq!(db.texts("SELECT CAST(id AS TEXT) FROM a WHERE n IS NULL"), ["5"]);
}

/// What is recorded without running anything is true when it is recorded.
#[rstest]
#[case::stamp_sqlite(Dialect::Sqlite, "stamp")]
#[case::base_sqlite(Dialect::Sqlite, "stamp to base")]
#[case::repair_sqlite(Dialect::Sqlite, "repair")]
#[case::stamp_postgres(Dialect::Postgres, "stamp")]
#[case::repair_postgres(Dialect::Postgres, "repair")]
fn a_schema_that_changes_meanwhile_is_not_recorded(#[case] dialect: Dialect, #[case] verb: &str) {
    let db = TestDb::new(dialect);
    let known = catalog(dialect, vec![migration(1, "base", BASE, "")]);
    let edited = catalog(dialect, vec![migration(1, "base", &format!("{BASE} -- edited"), "")]);
    let change = match verb {
        "stamp to base" => "CREATE TABLE late (id INTEGER)",
        _ => "ALTER TABLE a ADD COLUMN late TEXT",
    };
    match verb {
        "stamp" => db.batch(BASE),
        "repair" => drop(migrate(&db, &known, &Goal::Head).unwrap()),
        _ => db.batch("CREATE TABLE gone (id INTEGER); DROP TABLE gone"),
    }

    let error = beside(&db, change, || {
        with_engine(&db, &edited, Options::default(), async |engine| {
            let migration = &edited.migrations()[0];
            match verb {
                "repair" => engine.repair(migration, "why", false).await,
                "stamp" => engine.stamp(Some(&migration.version), false).await,
                _ => engine.stamp(None, false).await,
            }
        })
        .unwrap_err()
    });

    assert!(matches!(error, Error::Adopt(_)), "{error:?}");
    assert!(error.to_string().contains("late"), "{error}");
    let recorded = "SELECT action FROM underpin_history WHERE action IN ('stamp', 'repair')";
    if db.tables().iter().any(|table| table == "underpin_history") {
        assert_eq!(db.texts(recorded), [""; 0]);
    }
}

/// A table that another program makes after the look is found in the transaction.
#[test]
fn a_file_that_does_not_stay_empty_is_not_built() {
    let db = TestDb::new(Dialect::Sqlite);
    db.batch("CREATE TABLE gone (id INTEGER); DROP TABLE gone");
    let base = migration(1, "base", "CREATE TABLE IF NOT EXISTS a (id INTEGER, n TEXT)", "");
    let known = catalog(Dialect::Sqlite, vec![base]);

    let error = beside(&db, "CREATE TABLE a (id INTEGER)", || {
        migrate(&db, &known, &Goal::Head).unwrap_err()
    });

    assert!(underpin::exit::explain(&error).contains("run again"), "{error:?}");
    assert!(!db.tables().iter().any(|table| table.contains("diesel")), "{:?}", db.tables());
    let again = migrate(&db, &known, &Goal::Head).unwrap_err();
    assert!(matches!(again, Error::Adopt(_)), "{again:?}");
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_notes_change_is_compared_too(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    db.batch("CREATE TABLE a (id INTEGER NOT NULL PRIMARY KEY, old TEXT); INSERT INTO a VALUES (1, 'kept')");
    let notes = Some("ALTER TABLE a ADD COLUMN more TEXT".into());
    let known = known(dialect, Shape { notes, ..mapped(true) });

    let error = underpin::exit::explain(&migrate(&db, &known, &Goal::Head).unwrap_err());

    assert!(error.contains("more"), "{error}");
    assert_eq!(db.texts("SELECT old FROM a"), ["kept"]);
    assert!(!db.tables().iter().any(|table| table.starts_with("underpin")), "nothing is recorded");
}
