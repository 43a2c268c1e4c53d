//! What is announced and what is done are the same: for every state of a database and every goal, the dry run,
//! the script, the status and the run tell one story.

use rstest::rstest;
use underpin::{Adopted, Catalog, Error, Goal, Grouping, Options, Policy, Report, Version};
use underpin_testkit::{Dialect, TestDb};

use crate::{applied, catalog, migrate, migration, table, tables, with_engine};

/// A database, and the catalog that is brought to it.
fn state(name: &str, dialect: Dialect) -> (TestDb, Catalog) {
    let db = TestDb::new(dialect);
    let mut ours = tables(dialect, 4);
    let upto = |count| migrate(&db, &ours, &Goal::Up(count)).map(drop).unwrap();
    match name {
        "absent" => {}
        "empty" => db.batch("SELECT 1"),
        "half" => upto(2),
        "head" => upto(4),
        "one" => upto(1),
        "fits a version" => db.batch(&format!("{}; {}", table(1).up, table(2).up)),
        "fits nothing" => db.batch("CREATE TABLE strange (id INTEGER)"),
        "edited" => {
            upto(2);
            let edited = migration(2, "create_t2", "CREATE TABLE t2 (id TEXT)", "DROP TABLE t2");
            ours = catalog(dialect, vec![table(1), edited, table(3), table(4)]);
        }
        "unknown" => {
            upto(4);
            ours = tables(dialect, 3);
        }
        "late" => {
            let gap = catalog(dialect, vec![table(1), table(3)]);
            migrate(&db, &gap, &Goal::Head).unwrap();
        }
        "interrupted" => {
            upto(1);
            let up = "CREATE TABLE x (id INTEGER); INSERT INTO nowhere VALUES (1)";
            let mut broken = migration(2, "broken", up, "DROP TABLE x");
            broken.metadata.run_in_transaction = false;
            ours = catalog(dialect, vec![table(1), broken, table(3)]);
            migrate(&db, &ours, &Goal::Head).unwrap_err();
        }
        "another set's" => {
            let other = catalog_of("other", dialect);
            migrate(&db, &other, &Goal::Head).unwrap();
        }
        "no way back" => {
            upto(2);
            let one_way = migration(2, "create_t2", &table(2).up, "");
            ours = catalog(dialect, vec![table(1), one_way, table(3), table(4)]);
        }
        "a script that is refused" => {
            upto(1);
            let refused = migration(2, "refused", "CREATE TABLE y (id INTEGER); COMMIT", "");
            ours = catalog(dialect, vec![table(1), refused, table(3)]);
        }
        other => panic!("no state `{other}`"),
    }
    (db, ours)
}

fn catalog_of(set: &'static str, dialect: Dialect) -> Catalog {
    let own = migration(9, "own", "CREATE TABLE of_the_other (id INTEGER)", "");
    Catalog::new(set, dialect, vec![own]).unwrap()
}

fn goals() -> Vec<Goal> {
    let version = |number: u32| -> Version { format!("{number:04}").parse().unwrap() };
    vec![
        Goal::Head,
        Goal::Up(1),
        Goal::UpTo(version(2)),
        Goal::Only(version(2)),
        Goal::Down(1),
        Goal::Down(9),
        Goal::DownTo(version(1)),
        Goal::Base,
    ]
}

/// What of a report is the same before and after: all but times and what is found in the rows.
fn story(report: &Report) -> impl PartialEq + std::fmt::Debug {
    let steps: Vec<_> =
        report.steps.iter().map(|one| (one.version.clone(), one.direction, one.code)).collect();
    let adopted = report.adopted.as_ref().map(|one| {
        let Adopted { description, version, changes, .. } = one.clone();
        (description, version, changes)
    });
    (report.set.clone(), adopted, steps, report.single_transaction, report.head.clone())
}

fn told(error: &Error) -> String {
    underpin::exit::explain(error)
}

/// With the flags that make a run lenient, where they make a difference.
#[rstest]
fn so_it_is_with_every_flag(
    #[values(Dialect::Sqlite, Dialect::Postgres)] dialect: Dialect,
    #[values("half", "fits a version", "unknown", "late", "interrupted")] name: &str,
) {
    let policy = Policy { allow_out_of_order: true, allow_missing: true, resume: false };
    compare(dialect, name, &Options { policy, grouping: Grouping::Single, ..Options::default() });
}

#[rstest]
fn what_is_announced_is_what_is_done(
    #[values(Dialect::Sqlite, Dialect::Postgres)] dialect: Dialect,
    #[values(
        "absent",
        "empty",
        "half",
        "head",
        "one",
        "fits a version",
        "fits nothing",
        "edited",
        "unknown",
        "late",
        "interrupted",
        "another set's",
        "no way back",
        "a script that is refused"
    )]
    name: &str,
) {
    compare(dialect, name, &Options::default());
}

fn compare(dialect: Dialect, name: &str, options: &Options) {
    let strict = options.policy == Policy::default();
    for goal in goals() {
        let (db, catalog) = state(name, dialect);
        let case = format!("{name}, {goal:?}");
        with_engine(&db, &catalog, options.clone(), async |engine| {
            let exists = db.dialect() == Dialect::Postgres || db.file().exists();
            let status = if exists { Some(engine.status().await.unwrap()) } else { None };
            let announced = engine.dry_run(&goal).await;
            let script = engine.script(&goal).await;

            let done = engine.migrate(&goal).await;

            match (&announced, &done) {
                (Ok(announced), Ok(done)) => assert_eq!(story(announced), story(done), "{case}"),
                (Err(announced), Err(done)) => assert_eq!(told(announced), told(done), "{case}"),
                (announced, done) => panic!("{case}: {announced:?}, but {done:?}"),
            }
            match (&script, &announced) {
                (Ok(_) | Err(Error::ScriptNeedsHistory(_)), Ok(_)) => {}
                (Err(script), Err(announced)) => {
                    assert_eq!(told(script), told(announced), "{case}");
                }
                (script, announced) => panic!("{case}: {script:?}, but {announced:?}"),
            }
            if let (Some(status), Goal::Head, Ok(done), true) = (status, &goal, &done, strict) {
                assert!(status.problems.is_empty(), "{case}");
                assert_eq!(status.is_current(), done.steps.is_empty(), "{case}");
            }
        });
    }
}

/// A run that is to spare the last migration ends before it changes anything, whichever goal leads there.
#[rstest]
#[case::by_count("one", Goal::Down(1), true)]
#[case::by_more("half", Goal::Down(7), true)]
#[case::to_base("head", Goal::Base, true)]
#[case::not_quite("half", Goal::Down(1), false)]
#[case::nothing_there("empty", Goal::Base, false)]
fn the_last_one_is_spared(
    #[values(Dialect::Sqlite, Dialect::Postgres)] dialect: Dialect,
    #[case] name: &str,
    #[case] goal: Goal,
    #[case] leaves_nothing: bool,
) {
    let (db, catalog) = state(name, dialect);
    let before = db.dump();

    let done = with_engine(&db, &catalog, Options::default(), async |engine| {
        engine.sparing_last().migrate(&goal).await
    });

    match done {
        Err(Error::LeavesNothing) => assert!(leaves_nothing && db.dump() == before),
        Ok(_) => assert!(!leaves_nothing),
        Err(other) => panic!("{other:?}"),
    }
}

#[rstest]
fn what_is_done_again_is_spared_too(
    #[values(Dialect::Sqlite, Dialect::Postgres)] dialect: Dialect,
    #[values("one", "half")] name: &str,
) {
    let (db, catalog) = state(name, dialect);
    let before = (db.dump(), applied(&db));

    let done = with_engine(&db, &catalog, Options::default(), async |engine| {
        engine.sparing_last().redo().await
    });

    match done {
        Err(Error::LeavesNothing) => assert_eq!(name, "one"),
        done => assert_eq!((name, done.unwrap().steps.len()), ("half", 2)),
    }
    assert_eq!((db.dump(), applied(&db)), before);
}

/// What goes back to the default path, in spellings that a comment, quotes or a view hide.
const BACK: [&str; 8] = [
    "RESET ALL",
    "RESET /* our settings */ ALL",
    "RESET --x\n ALL",
    "SET search_path /* back */ TO DEFAULT",
    "SET search_path = /*x*/ default",
    "RESET U&\"search\\005fpath\"",
    "SELECT set_config('search_path', /* none */ NULL, false)",
    "UPDATE pg_settings SET setting = reset_val WHERE name = 'search_path'",
];

fn going_back(back: &str) -> Catalog {
    let change = format!("{back}; ALTER TABLE a ADD COLUMN b INTEGER; CREATE TABLE c (id INTEGER)");
    let first = migration(1, "first", "CREATE TABLE a (id INTEGER)", "");
    catalog(Dialect::Postgres, vec![first, migration(2, "back", &change, "")])
}

/// The tables of [`going_back`], with their schemas.
fn made(db: &TestDb) -> Vec<String> {
    db.texts(
        "SELECT (schemaname || '.' || tablename)::text FROM pg_tables WHERE tablename IN ('a', 'c') ORDER BY 1",
    )
}

/// On a connection that many schemas share, the default path is another's.
#[test]
fn postgres_what_goes_back_to_the_default_path_stays_in_its_schema() {
    for back in BACK {
        let db = TestDb::new(Dialect::Postgres);
        db.batch("CREATE SCHEMA tenant; CREATE TABLE public.a (id INTEGER)");
        let catalog = going_back(back);
        let url = db.database_url();

        let done = underpin_testkit::block_on(async || {
            let engine =
                underpin::Engine::new(&catalog, crate::CODE, &url, Options::default()).unwrap();
            let mut conn = engine.connect(underpin::Access::ReadWrite).await.unwrap();
            engine.migrate_in(&mut conn, "tenant", &Goal::Head).await
        });

        assert!(done.is_ok(), "{back}: {done:?}");
        assert_eq!(made(&db), ["public.a", "tenant.a", "tenant.c"], "{back}");
    }
}

/// What a version builds is looked at in a schema of its own, which is where such a script goes back to.
#[rstest]
fn postgres_what_goes_back_to_the_default_path_is_proven(#[values(false, true)] named: bool) {
    for back in BACK {
        let db = TestDb::new(Dialect::Postgres);
        db.batch("CREATE SCHEMA tenant");
        let catalog = going_back(back);
        let url = if named { db.database_url().in_schema("tenant") } else { db.database_url() };

        let done = underpin_testkit::block_on(async || {
            let engine =
                underpin::Engine::new(&catalog, crate::CODE, &url, Options::default()).unwrap();
            let proof = engine.proof().await?;
            engine.proving(&proof, false).migrate(&Goal::Head).await
        });

        assert!(done.is_ok(), "{back}: {done:?}");
        let schema = if named { "tenant" } else { "public" };
        assert_eq!(made(&db), [format!("{schema}.a"), format!("{schema}.c")], "{back}");
    }
}

/// What lasts until a transaction ends, or is its own, in whatever spelling.
#[rstest]
#[case::constraints("SET /* c */ CONSTRAINTS ALL DEFERRED", false)]
#[case::constraints_of_code("DO $$ BEGIN SET --x\n CONSTRAINTS ALL DEFERRED; END $$", false)]
#[case::its_number_in_rows("CREATE TABLE n AS SELECT xmin::text AS x FROM t1", false)]
#[case::its_number_in_rows_by_letters("SELECT U&\"xma\\0078\" FROM t1", false)]
#[case::its_snapshot("SELECT pg_current_snapshot()", false)]
#[case::its_older_snapshot("SELECT txid_current_snapshot()", false)]
#[case::what_it_sees("SELECT pg_visible_in_snapshot('1'::xid8, '1:1:'::pg_snapshot)", false)]
#[case::a_comment("SELECT 1 /* SET CONSTRAINTS, txid_current(), xmin */", true)]
fn postgres_what_is_a_transactions_own_parts_migrations(
    #[case] script: &str,
    #[case] single: bool,
) {
    let db = TestDb::new(Dialect::Postgres);
    let catalog = catalog(Dialect::Postgres, vec![table(1), migration(2, "own", script, "")]);
    let options = Options { grouping: Grouping::Together, ..Options::default() };

    let report = with_engine(&db, &catalog, options, async |engine| {
        engine.migrate(&Goal::Head).await.unwrap()
    });

    assert_eq!(report.single_transaction, single);
    assert_eq!(applied(&db), ["0001", "0002"]);
}
