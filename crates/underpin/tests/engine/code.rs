//! Migrations that do something in Rust after their script.

use rstest::rstest;
use underpin::{
    Checksum, Code, CodeFuture, Conn, DbError, Error, Goal, Grouping, Left, Migration, Options,
    Refusal, Version, exit,
};
use underpin_testkit::{Dialect, TestDb};

use crate::{applied, catalog, migrate, migration, own_tables, ran, table, tables, with_engine};

/// What the program of these tests brings.
pub(crate) const CODE: &[Code] = &[
    Code { name: "insert/1", run: insert },
    Code { name: "fail/1", run: fail },
    Code { name: "panic/1", run: panic },
    Code { name: "panic_at_once/1", run: |_| panic!("at once") },
    Code { name: "commit/1", run: |conn| batch(conn, "COMMIT") },
    Code { name: "begin_again/1", run: |conn| batch(conn, "COMMIT; BEGIN") },
    Code { name: "create/1", run: |conn| batch(conn, "CREATE TABLE sly (id INTEGER)") },
    Code { name: "delete/1", run: |conn| batch(conn, "DELETE FROM t1") },
    Code { name: "keep_quiet/1", run: keep_quiet },
];

fn batch<'c>(conn: &'c mut Conn, statements: &'c str) -> CodeFuture<'c> {
    Box::pin(conn.batch(statements))
}

fn insert(conn: &mut Conn) -> CodeFuture<'_> {
    Box::pin(async {
        let highest = conn.text("SELECT CAST(max(id) AS TEXT) FROM t2").await?.unwrap_or_default();
        conn.batch(&format!("INSERT INTO t2 VALUES ({highest}00)")).await
    })
}

fn fail(conn: &mut Conn) -> CodeFuture<'_> {
    Box::pin(async {
        conn.batch("INSERT INTO t2 VALUES (3)").await?;
        conn.batch("INSERT INTO no_such_table VALUES (1)").await
    })
}

fn panic(conn: &mut Conn) -> CodeFuture<'_> {
    Box::pin(async {
        conn.batch("INSERT INTO t2 VALUES (3)").await?;
        panic!("half-way");
    })
}

fn keep_quiet(conn: &mut Conn) -> CodeFuture<'_> {
    Box::pin(async {
        drop(conn.batch("INSERT INTO no_such_table VALUES (1)").await);
        Ok::<_, DbError>(())
    })
}

/// `migration` with code, as a folder would give it.
fn with(code: &'static str, mut migration: Migration) -> Migration {
    migration.checksum = Checksum::with_code(&migration.up, code);
    migration.metadata.code = Some(code.into());
    migration
}

/// A database at the first of three migrations, of which the second runs `code`.
fn before(dialect: Dialect, code: &'static str) -> (TestDb, underpin::Catalog) {
    let db = TestDb::new(dialect);
    migrate(&db, &tables(dialect, 1), &Goal::Head).unwrap();
    (db, catalog(dialect, vec![table(1), with(code, table(2)), table(3)]))
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn code_runs_after_the_script_and_the_notes_see_what_it_did(#[case] dialect: Dialect) {
    let (db, _) = before(dialect, "insert/1");
    let mut second = with("insert/1", table(2));
    second.metadata.notes = Some("SELECT CAST(id AS TEXT) AS note FROM t2 ORDER BY id".into());
    let catalog = catalog(dialect, vec![table(1), second, table(3)]);

    let report = migrate(&db, &catalog, &Goal::Head).unwrap();

    assert_eq!(report.steps[0].code, Some("insert/1"));
    assert_eq!(report.steps[0].notes, ["2", "200"]);
    assert_eq!(report.steps[1].code, None);
    assert_eq!(db.texts("SELECT CAST(id AS TEXT) FROM t2 ORDER BY id"), ["2", "200"]);
    let checksum = "SELECT checksum FROM underpin_history WHERE version = '0002'";
    assert_eq!(db.texts(checksum), [catalog.migrations()[1].checksum.to_string()]);
}

/// The way back is the script alone, so a program without the function can go it.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn the_way_back_needs_no_code(#[case] dialect: Dialect) {
    let (db, catalog) = before(dialect, "insert/1");
    migrate(&db, &catalog, &Goal::Head).unwrap();
    let url = db.database_url();

    let report = underpin_testkit::block_on(async || {
        let engine = underpin::Engine::new(&catalog, &[], &url, Options::default()).unwrap();
        engine.migrate(&Goal::Down(2)).await.unwrap()
    });

    assert_eq!(ran(&report), ["0003", "0002"]);
    assert!(report.steps.iter().all(|step| step.code.is_none()));
    assert_eq!(own_tables(&db), ["t1"]);
}

#[rstest]
fn code_that_fails_leaves_nothing(
    #[values(Dialect::Sqlite, Dialect::Postgres)] dialect: Dialect,
    #[values(
        ("fail/1", "its code `fail/1` failed\n  because: "),
        ("panic/1", "its code `panic/1` panicked"),
        ("panic_at_once/1", "its code `panic_at_once/1` panicked"),
        ("create/1", "changed the schema, which is for the script to do:\n  table `sly` is not known")
    )]
    case: (&'static str, &str),
    #[values(Grouping::PerMigration, Grouping::Together)] grouping: Grouping,
) {
    let (code, cause) = case;
    let (db, catalog) = before(dialect, code);
    let options = Options { grouping, ..Options::default() };

    let error = with_engine(&db, &catalog, options, async |engine| {
        engine.migrate(&Goal::Head).await.unwrap_err()
    });

    assert_eq!(
        error.to_string(),
        format!(
            "migration 0002 create_t2 failed (code `{code}`); it was rolled back and left nothing"
        )
    );
    let text = exit::explain(&error);
    assert!(text.contains(cause), "{text}");
    assert_eq!(exit::code(&error), exit::FAILED);
    assert_eq!(own_tables(&db), ["t1"]);
    assert_eq!(applied(&db), ["0001"]);
    // Nothing is left of the lock either.
    migrate(&db, &tables(dialect, 3), &Goal::Head).unwrap();
}

/// What the code wrote goes with the transaction, whichever migration in it fails.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_later_migration_takes_the_code_back_with_it(#[case] dialect: Dialect) {
    let (db, _) = before(dialect, "insert/1");
    let broken = migration(3, "broken", "SELECT * FROM nothing", "");
    let insert =
        migration(2, "insert", "CREATE TABLE t2 (id INTEGER); INSERT INTO t2 VALUES (2)", "");
    let catalog = catalog(dialect, vec![table(1), with("insert/1", insert), broken]);
    let options = Options { grouping: Grouping::Together, ..Options::default() };

    let error = with_engine(&db, &catalog, options, async |engine| {
        engine.migrate(&Goal::Head).await.unwrap_err()
    });

    assert!(matches!(&error, Error::Step(step) if step.version.as_str() == "0003"), "{error}");
    assert_eq!(own_tables(&db), ["t1"]);
}

/// What cannot be taken back is not said to be.
#[rstest]
fn code_that_ends_the_transaction_is_found_out(
    #[values(Dialect::Sqlite, Dialect::Postgres)] dialect: Dialect,
    #[values("commit/1", "begin_again/1")] code: &'static str,
) {
    let (db, catalog) = before(dialect, code);

    let error = migrate(&db, &catalog, &Goal::Head).unwrap_err();

    let Error::Step(step) = &error else { panic!("{error:?}") };
    assert_eq!(step.left, Left::Committed);
    let text = exit::explain(&error);
    assert!(text.contains("may be committed: see `underpin current`"), "{text}");
    assert!(text.contains("it ended the engine's transaction"), "{text}");
    assert_eq!(own_tables(&db), ["t1", "t2"], "and not the third");
}

/// PostgreSQL refuses everything after an error, and what is left out must not look done.
#[test]
fn an_error_that_code_keeps_to_itself_fails_the_migration() {
    let (db, catalog) = before(Dialect::Postgres, "keep_quiet/1");

    let error = migrate(&db, &catalog, &Goal::Head).unwrap_err();

    assert!(error.to_string().contains("(code `keep_quiet/1`); it was rolled back"), "{error}");
    assert_eq!(applied(&db), ["0001"]);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn code_that_the_program_does_not_bring_is_refused(#[case] dialect: Dialect) {
    let (db, catalog) = before(dialect, "of_another_program/1");

    for dry_run in [false, true] {
        let error = with_engine(&db, &catalog, Options::default(), async |engine| {
            let goal = &Goal::Head;
            let run = if dry_run { engine.dry_run(goal).await } else { engine.migrate(goal).await };
            run.unwrap_err()
        });

        assert_eq!(exit::code(&error), exit::REFUSED);
        let text = error.to_string();
        assert!(
            text.starts_with(
                "nothing was run: migration 0002 runs the code `of_another_program/1`, which is \
                 not in this program: "
            ),
            "{text}"
        );
    }
    assert_eq!(own_tables(&db), ["t1"]);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn another_edition_of_the_code_has_diverged(#[case] dialect: Dialect) {
    let (db, with_code) = before(dialect, "insert/1");
    migrate(&db, &with_code, &Goal::Head).unwrap();
    let edited = |code: Option<&'static str>| {
        let second = match code {
            Some(code) => with(code, table(2)),
            None => table(2),
        };
        let catalog = catalog(dialect, vec![table(1), second, table(3)]);
        with_engine(&db, &catalog, Options::default(), async |engine| {
            engine.status().await.unwrap().problems
        })
    };

    assert_eq!(edited(Some("insert/1")), []);
    for other in [Some("insert/2"), None] {
        let problems = edited(other);
        assert!(matches!(problems.as_slice(), [Refusal::Diverged { .. }]), "{problems:?}");
    }
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_dry_run_tells_that_code_runs_and_a_script_cannot(#[case] dialect: Dialect) {
    let (db, catalog) = before(dialect, "insert/1");

    with_engine(&db, &catalog, Options::default(), async |engine| {
        let report = engine.dry_run(&Goal::Head).await.unwrap();
        assert_eq!(report.steps[0].code, Some("insert/1"));

        let error = engine.script(&Goal::Head).await.unwrap_err();
        assert_eq!(exit::code(&error), exit::REFUSED);
        let text = error.to_string();
        assert!(
            text.contains("cannot run the code `insert/1` of migration 0002 create_t2: "),
            "{text}"
        );

        engine.migrate(&Goal::Head).await.unwrap();
        let back = engine.script(&Goal::Base).await.unwrap();
        assert!(back.contains("DROP TABLE t2"), "{back}");
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn runners_at_once_run_the_code_once(#[case] dialect: Dialect) {
    let (db, catalog) = before(dialect, "insert/1");

    let ran: usize = std::thread::scope(|scope| {
        let run = || migrate(&db, &catalog, &Goal::Head).unwrap().steps.len();
        let runners: Vec<_> = (0..4).map(|_| scope.spawn(run)).collect();
        runners.into_iter().map(|runner| runner.join().unwrap()).sum()
    });

    assert_eq!(ran, 2);
    assert_eq!(db.texts("SELECT CAST(id AS TEXT) FROM t2 ORDER BY id"), ["2", "200"]);
}

/// Rows that code loses are rows that the rebuild lost.
#[test]
fn a_rebuild_is_counted_after_its_code() {
    let (db, _) = before(Dialect::Sqlite, "delete/1");
    let mut rebuild = with("delete/1", migration(2, "rebuild", "SELECT 1", ""));
    rebuild.metadata.foreign_keys = false;

    let error = migrate(&db, &catalog(Dialect::Sqlite, vec![table(1), rebuild]), &Goal::Head);

    let text = exit::explain(&error.unwrap_err());
    assert!(text.contains("table `t1` had 1 rows and would have 0"), "{text}");
    assert_eq!(db.texts("SELECT CAST(id AS TEXT) FROM t1"), ["1"]);
}

/// Without enforcement, code might leave behind what foreign keys would have taken along.
#[test]
fn code_and_a_rebuild_do_not_share_a_transaction() {
    let (db, _) = before(Dialect::Sqlite, "insert/1");
    let mut rebuild = migration(3, "rebuild", "CREATE TABLE t3 (id INTEGER)", "");
    rebuild.metadata.foreign_keys = false;
    let all = vec![table(1), with("insert/1", table(2)), rebuild];
    let catalog = catalog(Dialect::Sqlite, all);
    let options = Options { grouping: Grouping::Together, ..Options::default() };

    let report = with_engine(&db, &catalog, options, async |engine| {
        engine.migrate(&Goal::Head).await.unwrap()
    });

    assert!(!report.single_transaction);
}

/// A schema says nothing about what code did to rows: it is stamped as scripts alone build it.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn adopting_runs_no_code(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    db.batch("CREATE TABLE t1 (id INTEGER NOT NULL PRIMARY KEY); CREATE TABLE t2 (id INTEGER NOT NULL PRIMARY KEY)");
    let catalog = catalog(dialect, vec![table(1), with("fail/1", table(2))]);

    let report = migrate(&db, &catalog, &Goal::Head).unwrap();

    assert_eq!(report.adopted.unwrap().version, "0002".parse::<Version>().unwrap());
    assert!(db.texts("SELECT CAST(id AS TEXT) FROM t2").is_empty());
}
