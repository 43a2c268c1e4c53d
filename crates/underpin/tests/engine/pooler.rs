//! Behind a pooler that gives each transaction to whichever of its connections is free.

use std::{
    borrow::Cow,
    thread,
    time::{Duration, Instant},
};

use rstest::rstest;
use underpin::{
    Access, Catalog, Code, Conn, DatabaseUrl, Engine, Error, Goal, Migration, Options, Refusal,
    Refused, Report, StepCause, probe_schemas,
};
use underpin_db::ConnectOptions;
use underpin_testkit::{Dialect, PgBouncer, Settings, TestDb, block_on};

use crate::{applied, catalog, migration, own_tables, ran, table, tables};

const POSTGRES: Dialect = Dialect::Postgres;

/// Blocks the thread, as if the process were stopped: nothing renews its lease.
const STOPPED: Code = Code {
    name: "stopped/1",
    run: |_| {
        Box::pin(async {
            thread::sleep(Duration::from_secs(3));
            Ok(())
        })
    },
};

pub(crate) struct Pooled {
    pub(crate) db: TestDb,
    bouncer: PgBouncer,
}

impl Pooled {
    pub(crate) fn new(settings: Settings) -> Self {
        let db = TestDb::new(POSTGRES);
        let bouncer = PgBouncer::start(&db, settings);
        Self { db, bouncer }
    }

    pub(crate) fn url(&self) -> DatabaseUrl {
        self.bouncer.url(&self.db).parse().unwrap()
    }

    /// Somebody else's settings on every connection of the pooler.
    fn soil(&self) {
        let url = self.url();
        block_on(async || {
            let mut others = Vec::new();
            for _ in 0..5 {
                let mut conn = url.connect(&ConnectOptions::default()).await.unwrap();
                // As long as the transactions are open they are on connections of their own.
                conn.batch("BEGIN; CREATE SCHEMA IF NOT EXISTS soiled; SET search_path TO soiled; SET lock_timeout = 1; SET statement_timeout = 0").await.unwrap();
                drop(conn.batch("COMMIT").await);
                others.push(conn);
            }
        });
    }
}

pub(crate) fn run(
    url: &DatabaseUrl,
    catalog: &Catalog,
    options: Options,
    goal: &Goal,
) -> Result<Report, Error> {
    block_on(async || Engine::new(catalog, &[STOPPED], url, options).unwrap().migrate(goal).await)
}

fn migrate(url: &DatabaseUrl, catalog: &Catalog, goal: &Goal) -> Result<Report, Error> {
    run(url, catalog, Options::default(), goal)
}

pub(crate) fn short(lease: u64) -> Options {
    Options { lease: Duration::from_millis(lease), ..Options::default() }
}

fn tables_of(db: &TestDb, schema: &str) -> Vec<String> {
    db.texts(&format!(
        "SELECT tablename FROM pg_tables WHERE schemaname = '{schema}' AND tablename LIKE 't%' ORDER BY 1"
    ))
}

/// Who has the lease, if anybody.
fn holders(db: &TestDb) -> Vec<String> {
    db.texts("SELECT holder FROM underpin_lease WHERE holder IS NOT NULL")
}

#[rstest]
#[case::refused_postgres(Settings::Refused)]
#[case::ignored_postgres(Settings::Ignored)]
fn up_down_and_history_are_as_on_a_connection_of_ones_own(#[case] settings: Settings) {
    let pooled = Pooled::new(settings);
    pooled.soil();
    let (url, catalog) = (pooled.url(), tables(POSTGRES, 3));

    assert_eq!(ran(&migrate(&url, &catalog, &Goal::Up(2)).unwrap()), ["0001", "0002"]);
    pooled.soil();
    assert_eq!(ran(&migrate(&url, &catalog, &Goal::Head).unwrap()), ["0003"]);
    assert_eq!(ran(&migrate(&url, &catalog, &Goal::Head).unwrap()), [""; 0]);
    assert_eq!(own_tables(&pooled.db), ["t1", "t2", "t3"]);
    assert_eq!(ran(&migrate(&url, &catalog, &Goal::Down(1)).unwrap()), ["0003"]);
    let (log, schema) = block_on(async || {
        let engine = Engine::new(&catalog, &[], &url, Options::default()).unwrap();
        (engine.log().await.unwrap(), engine.schema().await.unwrap())
    });

    assert_eq!(log.records.len(), 4);
    assert!(schema.tables.keys().eq(["t1", "t2"]), "{schema:?}");
    assert!(holders(&pooled.db).is_empty());
    assert!(tables_of(&pooled.db, "soiled").is_empty());
    assert_eq!(applied(&pooled.db), ["0001", "0002"]);
}

#[rstest]
#[case::refused_postgres(Settings::Refused)]
#[case::ignored_postgres(Settings::Ignored)]
fn a_url_in_a_schema_leads_there_and_nowhere_else(#[case] settings: Settings) {
    let pooled = Pooled::new(settings);
    pooled.soil();
    pooled.db.batch("CREATE SCHEMA one; CREATE SCHEMA \"Two\"; CREATE TABLE \"Two\".t1 (id INTEGER NOT NULL PRIMARY KEY)");
    let moves = "CREATE VIEW seen AS SELECT 1 AS one; SET search_path TO soiled";
    let moves = migration(2, "moves", moves, "");
    let catalog = catalog(POSTGRES, vec![table(1), moves, table(3)]);

    migrate(&pooled.url().in_schema("one"), &catalog, &Goal::Head).unwrap();
    // This one is recognised first.
    let report = migrate(&pooled.url().in_schema("Two"), &catalog, &Goal::Head).unwrap();
    let error = migrate(&pooled.url().in_schema("three"), &catalog, &Goal::Head).unwrap_err();

    assert_eq!(report.adopted.unwrap().version.as_str(), "0001");
    assert!(matches!(error, Error::NoSchema), "{error:?}");
    for schema in ["one", "Two"] {
        assert_eq!(tables_of(&pooled.db, schema), ["t1", "t3"]);
    }
    assert!(tables_of(&pooled.db, "soiled").is_empty());
    assert!(pooled.db.tables().is_empty());
}

#[rstest]
#[case::refused_postgres(Settings::Refused)]
#[case::ignored_postgres(Settings::Ignored)]
fn time_limits_hold_although_they_cannot_be_sent_ahead(#[case] settings: Settings) {
    let pooled = Pooled::new(settings);
    let catalog = catalog(POSTGRES, vec![migration(1, "slow", "SELECT pg_sleep(20)", "")]);
    let limit = Some(Duration::from_millis(200));
    let options = Options { statement_timeout: limit, ..Options::default() };

    let start = Instant::now();
    let error = run(&pooled.url(), &catalog, options, &Goal::Head).unwrap_err();

    assert!(underpin::exit::explain(&error).contains("statement timeout"), "{error:?}");
    let Error::Step(step) = &error else { panic!("{error:?}") };
    assert_eq!(step.place.as_ref().map(|place| (place.statement, place.line)), Some((1, 1)));
    assert!(start.elapsed() < Duration::from_secs(10));
}

/// What fails is named as on a connection of one's own, although other statements stand before it.
#[test]
fn the_place_of_an_error_is_the_scripts_own_postgres() {
    let pooled = Pooled::new(Settings::Refused);
    let script = "CREATE TABLE a (id INTEGER);\nINSERT INTO no_such_table VALUES (1)";
    let catalog = catalog(POSTGRES, vec![table(1), migration(2, "broken", script, "")]);

    let error = migrate(&pooled.url(), &catalog, &Goal::Head).unwrap_err();

    let Error::Step(step) = &error else { panic!("{error:?}") };
    assert_eq!(step.version.as_str(), "0002");
    assert_eq!(step.place.as_ref().map(|place| (place.statement, place.line)), Some((2, 2)));
    assert!(own_tables(&pooled.db).is_empty());
    assert!(holders(&pooled.db).is_empty());
}

#[test]
fn notes_and_code_run_in_the_transaction_of_their_script_postgres() {
    let pooled = Pooled::new(Settings::Ignored);
    let mut noted = migration(2, "noted", "CREATE TABLE t2 (id INTEGER)", "");
    noted.metadata.notes = Some("SELECT current_schema() || count(*)::text FROM t2".into());
    pooled.db.batch("CREATE SCHEMA one");
    let catalog = catalog(POSTGRES, vec![table(1), noted]);

    let report = migrate(&pooled.url().in_schema("one"), &catalog, &Goal::Head).unwrap();

    assert_eq!(report.steps[1].notes, ["one0"]);
}

fn concurrent(version: u32) -> Migration {
    let mut one = migration(version, "concurrent", "CREATE INDEX CONCURRENTLY i ON t1 (id)", "");
    one.metadata.run_in_transaction = false;
    one
}

#[test]
fn a_script_outside_a_transaction_runs_where_the_servers_own_path_leads_postgres() {
    let pooled = Pooled::new(Settings::Refused);
    let catalog = catalog(POSTGRES, vec![table(1), concurrent(2), table(3)]);

    let report = migrate(&pooled.url(), &catalog, &Goal::Head).unwrap();

    assert_eq!(ran(&report), ["0001", "0002", "0003"]);
    assert_eq!(pooled.db.texts("SELECT indexname FROM pg_indexes WHERE indexname = 'i'"), ["i"]);
}

#[test]
fn a_script_outside_a_transaction_that_needs_settings_is_refused_before_anything_runs_postgres() {
    let pooled = Pooled::new(Settings::Refused);
    pooled.db.batch("CREATE SCHEMA one");
    let mut sets = migration(2, "sets", "SET lock_timeout = 1; VACUUM", "");
    sets.metadata.run_in_transaction = false;
    let in_schema = pooled.url().in_schema("one");

    for (url, second) in [(&in_schema, concurrent(2)), (&pooled.url(), sets)] {
        let catalog = catalog(POSTGRES, vec![table(1), second]);
        let error = migrate(url, &catalog, &Goal::Head).unwrap_err();
        let Error::Refused(Refused(refusals)) = &error else { panic!("{error:?}") };
        assert!(matches!(refusals.as_slice(), [Refusal::NeedsSession { .. }]), "{error}");
    }
    assert!(pooled.db.tables().is_empty());
    assert!(tables_of(&pooled.db, "one").is_empty());
}

#[rstest]
#[case::two_postgres(2, 0)]
#[case::five_postgres(5, 0)]
#[case::five_and_three_direct_postgres(5, 3)]
fn starters_apply_each_migration_once(#[case] pooled_ones: usize, #[case] direct: usize) {
    let pooled = Pooled::new(Settings::Refused);
    let (url, straight) = (pooled.url(), pooled.db.database_url());
    let steps = (1..=8).map(|number| {
        let up = format!("CREATE TABLE t{number} (id INTEGER); SELECT pg_sleep(0.05)");
        migration(number, &format!("create_t{number}"), &up, "")
    });
    let catalog = catalog(POSTGRES, steps.collect());

    let mut counts = thread::scope(|scope| {
        let urls =
            std::iter::repeat_n(&url, pooled_ones).chain(std::iter::repeat_n(&straight, direct));
        let runners: Vec<_> = urls
            .map(|url| scope.spawn(|| ran(&migrate(url, &catalog, &Goal::Head).unwrap()).len()))
            .collect();
        runners.into_iter().map(|runner| runner.join().unwrap()).collect::<Vec<_>>()
    });

    counts.sort_unstable();
    assert_eq!(counts.pop(), Some(8), "{counts:?}");
    assert!(counts.iter().all(|count| *count == 0), "{counts:?}");
    assert_eq!(own_tables(&pooled.db).len(), 8);
}

/// The process is stopped in a migration, for longer than its lease lasts.
#[rstest]
#[case::behind_the_pooler_postgres(true)]
#[case::direct_postgres(false)]
fn a_holder_that_was_stopped_finds_the_lock_lost(#[case] behind: bool) {
    let pooled = Pooled::new(Settings::Refused);
    let mut stops = table(2);
    stops.metadata.code = Some(Cow::Borrowed(STOPPED.name));
    // It stops in its second transaction, which nobody may take away from it as long as it is open.
    let stopped = catalog(POSTGRES, vec![table(1), stops.clone(), table(3)]);
    let url = pooled.url();
    let next = if behind { pooled.url() } else { pooled.db.database_url() };
    migrate(&url, &tables(POSTGRES, 1), &Goal::Head).unwrap();

    thread::scope(|scope| {
        let holder = scope.spawn(|| run(&url, &stopped, short(800), &Goal::Head).unwrap_err());
        thread::sleep(Duration::from_secs(1));

        let start = Instant::now();
        let report = run(&next, &stopped, short(800), &Goal::UpTo("0003".parse().unwrap()));

        let error = holder.join().unwrap();
        let Error::Step(step) = &error else { panic!("{error:?}") };
        assert_eq!(step.version.as_str(), "0003", "{error}");
        assert!(matches!(step.cause, StepCause::LockLost), "{error:?}");
        assert_eq!(ran(&report.unwrap()), ["0003"]);
        assert!(start.elapsed() < Duration::from_secs(20));
    });
    assert_eq!(applied(&pooled.db), ["0001", "0002", "0003"]);
}

/// Its process dies: nothing is renewed, nothing released.
#[test]
fn a_holder_that_died_is_replaced_when_its_lease_has_run_out_postgres() {
    let pooled = Pooled::new(Settings::Refused);
    let (url, done) = (pooled.url(), tables(POSTGRES, 1));
    migrate(&url, &done, &Goal::Head).unwrap();
    let busy = catalog(POSTGRES, vec![table(1), migration(2, "busy", "SELECT pg_sleep(60)", "")]);
    block_on(async || {
        let engine = Engine::new(&busy, &[], &url, short(2000)).unwrap();
        let end = tokio::time::timeout(Duration::from_millis(700), engine.migrate(&Goal::Head));
        assert!(end.await.is_err());
    });
    assert_eq!(holders(&pooled.db).len(), 1);

    let direct = pooled.db.database_url();
    let wait = Options { lock_wait: Duration::from_millis(100), ..short(2000) };
    for url in [&url, &direct] {
        let error = run(url, &tables(POSTGRES, 2), wait.clone(), &Goal::Head).unwrap_err();
        assert!(matches!(error, Error::Locked { .. }), "{error:?}");
    }
    let report = run(&url, &tables(POSTGRES, 2), short(2000), &Goal::Head).unwrap();

    assert_eq!(ran(&report), ["0002"]);
    assert_eq!(own_tables(&pooled.db), ["t1", "t2"]);
}

#[test]
fn records_are_fenced_as_scripts_are_postgres() {
    let pooled = Pooled::new(Settings::Ignored);
    let (url, catalog) = (pooled.url(), tables(POSTGRES, 2));
    block_on(async || {
        let engine = Engine::new(&catalog, &[], &url, Options::default()).unwrap();
        let status = engine.stamp(None, false).await.unwrap();
        assert_eq!(status.applied, 0);
        let first = &catalog.migrations()[0].version;
        assert_eq!(engine.stamp(Some(first), true).await.unwrap().applied, 1);
        let mut edited = crate::table(1);
        edited.checksum = underpin::Checksum::of("another text");
        let edited = underpin::Catalog::new("test", POSTGRES, vec![edited]).unwrap();
        let editor = Engine::new(&edited, &[], &url, Options::default()).unwrap();
        let migration = &edited.migrations()[0];
        assert!(editor.repair(migration, "why not", true).await.unwrap().problems.is_empty());
        assert!(engine.adopt().await.unwrap().is_none());
    });
    assert!(holders(&pooled.db).is_empty());
    let token = pooled.db.texts("SELECT token::text FROM underpin_lease");
    assert_eq!(token, ["4"]);
}

#[rstest]
#[case::refused_postgres(Settings::Refused)]
#[case::ignored_postgres(Settings::Ignored)]
fn a_fleet_goes_through_it(#[case] settings: Settings) {
    let pooled = Pooled::new(settings);
    pooled.soil();
    let names: Vec<_> = (0..30).map(|number| format!("s{number}")).collect();
    let create: Vec<_> = names.iter().map(|name| format!("CREATE SCHEMA {name}")).collect();
    pooled.db.batch(&create.join(";"));
    let moves = migration(2, "moves", "SET search_path TO soiled; SET lock_timeout = 1", "");
    let catalog = catalog(POSTGRES, vec![table(1), moves, table(3)]);
    let url = pooled.url();

    let standings = block_on(async || {
        let engine = Engine::new(&catalog, &[], &url, Options::default()).unwrap();
        let mut conns: Vec<Conn> = Vec::new();
        for _ in 0..3 {
            conns.push(engine.connect(Access::ReadWrite).await.unwrap());
        }
        for (number, name) in names.iter().enumerate() {
            let report = engine.migrate_in(&mut conns[number % 3], name, &Goal::Head).await;
            assert_eq!(report.unwrap().steps.len(), 3);
        }
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        probe_schemas(&mut conns[0], &catalog, &names).await.unwrap()
    });

    assert!(standings.iter().all(|one| one.as_ref().unwrap().history.applied.len() == 3));
    assert!(names.iter().all(|name| tables_of(&pooled.db, name) == ["t1", "t3"]));
    assert!(tables_of(&pooled.db, "soiled").is_empty());
}

/// The record of a statement must not end the transaction that the script has begun.
#[rstest]
#[case::behind_the_pooler_postgres(true)]
#[case::direct_postgres(false)]
fn a_script_outside_a_transaction_may_begin_one_of_its_own(#[case] behind: bool) {
    let pooled = Pooled::new(Settings::Refused);
    let script = "BEGIN; INSERT INTO t1 VALUES (2); INSERT INTO t1 VALUES (2); COMMIT";
    let mut own = migration(2, "own", script, "");
    own.metadata.run_in_transaction = false;
    let catalog = catalog(POSTGRES, vec![table(1), own]);
    let url = if behind { pooled.url() } else { pooled.db.database_url() };

    migrate(&url, &catalog, &Goal::Head).unwrap_err();

    assert_eq!(pooled.db.texts("SELECT id::text FROM t1"), ["1"]);
}
