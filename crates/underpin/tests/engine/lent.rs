//! Many schemas of one database, in turn on one connection.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use rstest::rstest;
use underpin::{
    Access, Catalog, Conn, DatabaseUrl, Engine, Error, Goal, Grouping, Left, Options, Report,
};
use underpin_testkit::{Dialect, TestDb, block_on};

use crate::{CODE, catalog, migration, ran, table, tables};

const POSTGRES: Dialect = Dialect::Postgres;

/// A database with `count` empty schemas `s000`, `s001`, …
fn schemas(count: usize) -> (TestDb, Vec<String>) {
    let db = TestDb::new(POSTGRES);
    let names: Vec<_> = (0..count).map(|number| format!("s{number:03}")).collect();
    let create: Vec<_> = names.iter().map(|name| format!("CREATE SCHEMA {name}")).collect();
    db.batch(&create.join(";"));
    (db, names)
}

/// Runs `work` with an engine and one connection to lend.
fn lend<T: Send>(
    url: &DatabaseUrl,
    catalog: &Catalog,
    options: Options,
    work: impl AsyncFnOnce(&Engine<'_>, &mut Conn) -> T + Send,
) -> T {
    block_on(async || {
        let engine = Engine::new(catalog, CODE, url, options).unwrap();
        let mut conn = engine.connect(Access::ReadWrite).await.unwrap();
        work(&engine, &mut conn).await
    })
}

fn migrate_in(db: &TestDb, catalog: &Catalog, schema: &str) -> Result<Report, Error> {
    lend(&db.database_url(), catalog, Options::default(), async |engine, conn| {
        engine.migrate_in(conn, schema, &Goal::Head).await
    })
}

/// The tables of the test in `schema`.
fn tables_of(db: &TestDb, schema: &str) -> Vec<String> {
    db.texts(&format!(
        "SELECT tablename FROM pg_tables WHERE schemaname = '{schema}' AND tablename LIKE 't%' ORDER BY 1"
    ))
}

/// What must be as the connection began.
const LEFT: &str = "SELECT concat_ws('; ', current_setting('search_path'), \
                    current_setting('lock_timeout'), current_setting('statement_timeout'), \
                    pg_current_xact_id_if_assigned()::text)";

#[test]
fn a_hundred_schemas_on_one_connection_leave_it_as_it_was_postgres() {
    let (db, names) = schemas(100);
    let (first, second) = (tables(POSTGRES, 3), tables(POSTGRES, 5));

    let settings = lend(&db.database_url(), &second, Options::default(), async |engine, conn| {
        let before = conn.text(LEFT).await.unwrap();
        // What the lender had there goes as well: it must not reach a script.
        conn.batch("SET search_path TO public, s000; SET lock_timeout = 77").await.unwrap();
        let url = db.database_url();
        let older = Engine::new(&first, CODE, &url, Options::default()).unwrap();
        for name in &names {
            let report = older.migrate_in(conn, name, &Goal::Head).await.unwrap();
            assert_eq!(ran(&report), ["0001", "0002", "0003"]);
            assert!(report.single_transaction);
            assert_eq!(report.head.unwrap().as_str(), "0003");
        }
        let one = Goal::Up(1);
        for name in &names {
            assert_eq!(ran(&engine.migrate_in(conn, name, &one).await.unwrap()), ["0004"]);
            assert_eq!(ran(&engine.migrate_in(conn, name, &one).await.unwrap()), ["0005"]);
            assert_eq!(ran(&engine.migrate_in(conn, name, &one).await.unwrap()), [""; 0]);
        }
        let report = engine.migrate_in(conn, "s007", &Goal::Down(1)).await.unwrap();
        assert_eq!(ran(&report), ["0005"]);
        (before, conn.text(LEFT).await.unwrap())
    });

    assert_eq!(settings.0, settings.1);
    assert_eq!(tables_of(&db, "s042"), ["t1", "t2", "t3", "t4", "t5"]);
    assert_eq!(tables_of(&db, "s007"), ["t1", "t2", "t3", "t4"]);
    let records = db.texts(
        "SELECT version FROM s042.underpin_history WHERE duration_ms >= 0 AND action = 'upgrade' ORDER BY id",
    );
    assert_eq!(records, ["0001", "0002", "0003", "0004", "0005"]);
    assert!(db.tables().is_empty(), "{:?}", db.tables());
}

#[test]
fn a_script_that_fails_leaves_nothing_and_the_connection_as_it_was_postgres() {
    let (db, _) = schemas(2);
    let broken = migration(
        3,
        "broken",
        "SET search_path TO public;\nSET lock_timeout = '1h';\nINSERT INTO no_such_table VALUES (1)",
        "",
    );
    let catalog = catalog(POSTGRES, vec![table(1), table(2), broken]);

    let (error, before, after) =
        lend(&db.database_url(), &catalog, Options::default(), async |engine, conn| {
            let before = conn.text(LEFT).await.unwrap();
            let error = engine.migrate_in(conn, "s000", &Goal::Head).await.unwrap_err();
            (error, before, conn.text(LEFT).await.unwrap())
        });

    let Error::Step(step) = &error else { panic!("{error:?}") };
    assert_eq!((step.version.as_str(), step.left), ("0003", Left::Nothing));
    let place = step.place.as_ref().unwrap();
    assert_eq!((place.statement, place.line), (3, 3), "{error}");
    assert_eq!(before, after);
    assert!(tables_of(&db, "s000").is_empty());
}

/// The step is found although all travel together, wherever the server says it failed.
#[rstest]
#[case::understood_postgres("SELECT 1;\nINSERT INTO t1 VALUES (1)", Some(2))]
#[case::not_understood_postgres("SELECT 1;\nSELECT FROM nothing", Some(2))]
#[case::no_sql_postgres("SELECT 1;\nSELEKT 1", Some(2))]
#[case::its_claim_postgres(
    "DO $$ BEGIN EXECUTE 'DELETE FROM __diesel' || '_schema_migrations'; \
     INSERT INTO __diesel_schema_migrations VALUES ('0003'); END $$",
    None
)]
fn the_step_that_failed_is_named(#[case] script: &str, #[case] statement: Option<usize>) {
    let (db, _) = schemas(1);
    let failing = migration(2, "failing", script, "");
    let catalog = catalog(POSTGRES, vec![table(1), failing, table(3)]);

    let error = migrate_in(&db, &catalog, "s000").unwrap_err();

    let Error::Step(step) = &error else { panic!("{error:?}") };
    let version = if statement.is_some() { "0002" } else { "0003" };
    assert_eq!(step.version.as_str(), version, "{error}");
    assert_eq!(step.place.as_ref().map(|place| place.statement), statement, "{error}");
}

#[test]
fn a_script_that_sets_the_search_path_does_not_lead_the_next_astray_postgres() {
    let (db, _) = schemas(2);
    let moves = "SET search_path TO s001; SET statement_timeout = '1h'";
    let catalog = catalog(POSTGRES, vec![table(1), migration(2, "moves", moves, ""), table(3)]);

    let (before, after) =
        lend(&db.database_url(), &catalog, Options::default(), async |engine, conn| {
            let before = conn.text(LEFT).await.unwrap();
            engine.migrate_in(conn, "s000", &Goal::Head).await.unwrap();
            (before, conn.text(LEFT).await.unwrap())
        });

    assert_eq!(before, after);
    assert_eq!(tables_of(&db, "s000"), ["t1", "t3"]);
    assert!(tables_of(&db, "s001").is_empty());
}

#[test]
fn a_schema_that_does_not_exist_is_named_and_nothing_is_made_postgres() {
    let (db, _) = schemas(0);

    let error = migrate_in(&db, &tables(POSTGRES, 1), "nowhere").unwrap_err();

    assert!(matches!(error, Error::NoSchema), "{error:?}");
    assert!(db.tables().is_empty());
}

/// A name that the server would read as another one without quotes.
#[test]
fn a_schema_has_its_name_whatever_letters_are_in_it_postgres() {
    let (db, _) = schemas(0);
    let name = "My \"Odd\" $underpin$'; \\ Schema";
    db.batch(&format!("CREATE SCHEMA \"{}\"; CREATE SCHEMA my", name.replace('"', "\"\"")));
    let mut outside = migration(2, "outside", "CREATE TABLE t2 (id INTEGER)", "");
    outside.metadata.run_in_transaction = false;

    migrate_in(&db, &tables(POSTGRES, 1), name).unwrap();
    let report = migrate_in(&db, &catalog(POSTGRES, vec![table(1), outside]), name).unwrap();

    assert_eq!(ran(&report), ["0002"]);
    assert_eq!(tables_of(&db, &name.replace('\'', "''")), ["t1", "t2"]);
}

#[test]
fn what_takes_more_than_one_transaction_is_done_all_the_same_postgres() {
    let (db, _) = schemas(2);
    migrate_in(&db, &tables(POSTGRES, 1), "s000").unwrap();
    let mut concurrent = migration(2, "concurrent", "CREATE INDEX CONCURRENTLY i ON t1 (id)", "");
    concurrent.metadata.run_in_transaction = false;
    let catalog = catalog(POSTGRES, vec![table(1), concurrent, table(3)]);

    assert_eq!(ran(&migrate_in(&db, &catalog, "s000").unwrap()), ["0002", "0003"]);

    // A schema without a history is recognised.
    db.batch("CREATE TABLE s001.t1 (id INTEGER NOT NULL PRIMARY KEY)");
    let report = migrate_in(&db, &catalog, "s001").unwrap();
    assert_eq!(report.adopted.as_ref().unwrap().version.as_str(), "0001");
    assert_eq!(ran(&report), ["0002", "0003"]);
    assert_eq!(tables_of(&db, "s001"), ["t1", "t3"]);
}

#[test]
fn code_and_notes_run_in_the_schema_postgres() {
    let (db, _) = schemas(1);
    let mut noted = migration(2, "noted", "CREATE TABLE t2 (id INTEGER)", "");
    noted.metadata.notes = Some("SELECT current_schema()::text".into());
    let catalog = catalog(POSTGRES, vec![table(1), noted, table(3)]);

    let report = migrate_in(&db, &catalog, "s000").unwrap();

    assert_eq!(report.steps[1].notes, ["s000"]);
    assert!(report.steps.iter().all(|step| step.elapsed_ms.is_some()), "{report:?}");
    assert_eq!(tables_of(&db, "s000"), ["t1", "t2", "t3"]);
}

/// Holds the lock of the schema for as long as its only migration sleeps.
fn slow() -> Catalog {
    catalog(POSTGRES, vec![migration(1, "slow", "SELECT pg_sleep(2)", "")])
}

#[rstest]
#[case::an_ordinary_runner_postgres(false)]
#[case::another_lender_postgres(true)]
fn another_runner_keeps_it_out_and_is_named(#[case] lent: bool) {
    let (db, _) = schemas(2);
    let (slow, fast) = (slow(), tables(POSTGRES, 1));
    let (db, slow) = (&db, &slow);
    thread::scope(|scope| {
        scope.spawn(move || {
            if lent {
                return migrate_in(db, slow, "s000").unwrap();
            }
            let url = db.database_url().in_schema("s000");
            block_on(async || {
                let engine = Engine::new(slow, CODE, &url, Options::default()).unwrap();
                engine.migrate(&Goal::Head).await.unwrap()
            })
        });
        thread::sleep(Duration::from_millis(700));
        let options = Options { lock_wait: Duration::from_millis(200), ..Options::default() };
        lend(&db.database_url(), &fast, options, async |engine, conn| {
            let error = engine.migrate_in(conn, "s000", &Goal::Head).await.unwrap_err();
            let Error::Locked { holder, .. } = &error else { panic!("{error:?}") };
            assert!(holder.contains("underpin"), "{holder}");
            assert_eq!(ran(&engine.migrate_in(conn, "s001", &Goal::Head).await.unwrap()), ["0001"]);
        });
        // Whoever waits long enough finds it done by the other.
        assert!(ran(&migrate_in(db, slow, "s000").unwrap()).is_empty());
    });
}

#[test]
fn it_keeps_an_ordinary_runner_out_postgres() {
    let (db, _) = schemas(1);
    let slow = slow();
    let url = db.database_url().in_schema("s000");
    thread::scope(|scope| {
        scope.spawn(|| migrate_in(&db, &slow, "s000").unwrap());
        thread::sleep(Duration::from_millis(700));
        let options = Options { lock_wait: Duration::from_millis(200), ..Options::default() };
        let error = block_on(async || {
            let engine = Engine::new(&slow, CODE, &url, options).unwrap();
            engine.migrate(&Goal::Head).await.unwrap_err()
        });
        assert!(matches!(error, Error::Locked { .. }), "{error:?}");
    });
}

#[test]
fn a_table_that_others_use_is_tried_again_postgres() {
    let (db, _) = schemas(1);
    migrate_in(&db, &tables(POSTGRES, 1), "s000").unwrap();
    let alter = migration(2, "alter", "ALTER TABLE t1 ADD COLUMN a INTEGER", "");
    let catalog = catalog(POSTGRES, vec![table(1), alter]);
    thread::scope(|scope| {
        scope.spawn(|| db.batch("BEGIN; SELECT * FROM s000.t1; SELECT pg_sleep(1.5); COMMIT"));
        thread::sleep(Duration::from_millis(300));
        let short = Duration::from_millis(100);
        let once = Options { lock_timeout: short, lock_retries: 1, ..Options::default() };
        lend(&db.database_url(), &catalog, once, async |engine, conn| {
            let error = engine.migrate_in(conn, "s000", &Goal::Head).await.unwrap_err();
            assert!(matches!(&error, Error::Step(step) if step.left == Left::Nothing), "{error}");
        });
        let often = Options { lock_timeout: short, lock_retries: 9, ..Options::default() };
        lend(&db.database_url(), &catalog, often, async |engine, conn| {
            let report = engine.migrate_in(conn, "s000", &Goal::Head).await.unwrap();
            assert_eq!(ran(&report), ["0002"]);
        });
    });
}

/// A way to `url` that counts what a client asks.
fn counted(url: &str) -> (DatabaseUrl, Arc<AtomicUsize>) {
    let (front, rest) = url.rsplit_once('@').unwrap();
    let (server, name) = rest.split_once('/').unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let name = name.split('?').next().unwrap();
    let counted = format!("{front}@{address}/{name}?sslmode=disable").parse().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let (server, queries) = (server.to_owned(), Arc::clone(&count));
    thread::spawn(move || {
        for client in listener.incoming() {
            let (mut client, mut server) = (client.unwrap(), TcpStream::connect(&server).unwrap());
            let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            thread::spawn(move || {
                drop(std::io::copy(&mut from, &mut to));
                drop(to.shutdown(Shutdown::Both));
            });
            let queries = Arc::clone(&queries);
            thread::spawn(move || {
                let mut tag = [0; 1];
                // The first message has no tag.
                let mut tagged = false;
                loop {
                    if tagged && client.read_exact(&mut tag).is_err() {
                        break;
                    }
                    let mut length = [0; 4];
                    if client.read_exact(&mut length).is_err() {
                        break;
                    }
                    let mut body = vec![0; u32::from_be_bytes(length) as usize - 4];
                    client.read_exact(&mut body).unwrap();
                    if tag == *b"Q" {
                        queries.fetch_add(1, Ordering::SeqCst);
                    }
                    let tag = if tagged { &tag[..] } else { &[] };
                    server.write_all(&[tag, &length, &body].concat()).unwrap();
                    tagged = true;
                }
            });
        }
    });
    (counted, count)
}

#[test]
fn a_schema_takes_two_round_trips_postgres() {
    let (db, _) = schemas(2);
    let catalog = tables(POSTGRES, 9);
    let (url, count) = counted(db.url());
    let single = Options { grouping: Grouping::Together, ..Options::default() };
    lend(&url, &catalog, single, async |engine, conn| {
        let asked = async |conn: &mut Conn, goal: Goal| {
            let before = count.load(Ordering::SeqCst);
            let report = engine.migrate_in(conn, "s000", &goal).await.unwrap();
            (ran(&report).len(), count.load(Ordering::SeqCst) - before)
        };
        // Who is at the other end is asked once.
        assert_eq!(asked(conn, Goal::Up(4)).await, (4, 3));
        assert_eq!(asked(conn, Goal::Head).await, (5, 2));
        assert_eq!(asked(conn, Goal::Head).await, (0, 2));
        assert_eq!(asked(conn, Goal::Base).await, (9, 2));
        // What it built is gone, and our own tables do not count.
        assert_eq!(asked(conn, Goal::Head).await, (9, 2));
    });
}
