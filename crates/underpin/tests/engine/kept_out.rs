//! Behind a pooler and beside it: who is at work keeps others out for as long as that takes.

use std::{
    thread,
    time::{Duration, Instant},
};

use rstest::rstest;
use underpin::{Access, Catalog, Engine, Error, Goal, Options};
use underpin_testkit::{Dialect, Settings, TestDb, block_on};

use crate::{
    applied, catalog, migration,
    pooler::{Pooled, run, short},
    ran,
};

/// A migration that is busy until it is told to end.
struct Busy<'a> {
    db: &'a TestDb,
}

impl<'a> Busy<'a> {
    fn new(db: &'a TestDb) -> Self {
        db.batch("CREATE SCHEMA signal; CREATE TABLE signal.done ()");
        Self { db }
    }

    fn catalog() -> Catalog {
        let waits = "DO $$ BEGIN PERFORM pg_advisory_xact_lock_shared(7788); FOR tries IN 1 .. 1200 LOOP EXIT WHEN EXISTS (SELECT FROM signal.done); \
                     PERFORM pg_sleep(0.05); END LOOP; END $$";
        catalog(Dialect::Postgres, vec![migration(1, "busy", waits, "")])
    }

    /// Waits until its script runs.
    fn begun(&self) {
        let limit = Instant::now() + Duration::from_mins(1);
        let busy = "SELECT pid::text FROM pg_locks WHERE locktype = 'advisory' AND objid = 7788 AND \
                    database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        while self.db.texts(busy).is_empty() {
            assert!(Instant::now() < limit, "the script does not begin");
            thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.db.batch("INSERT INTO signal.done DEFAULT VALUES");
    }
}

#[rstest]
#[case::one_behind_the_pooler_postgres(true, true)]
#[case::a_direct_one_postgres(true, false)]
#[case::one_behind_the_pooler_by_a_direct_one_postgres(false, true)]
fn a_runner_is_kept_out_and_told_by_whom(#[case] first: bool, #[case] second: bool) {
    let pooled = Pooled::new(Settings::Ignored);
    let url = |behind: bool| if behind { pooled.url() } else { pooled.db.database_url() };
    let (first, second) = (url(first), url(second));
    let catalog = Busy::catalog();
    thread::scope(|scope| {
        let busy = Busy::new(&pooled.db);
        scope.spawn(|| run(&first, &catalog, short(1000), &Goal::Head).unwrap());
        busy.begun();
        // Longer than a lease: it has to be renewed.
        thread::sleep(Duration::from_millis(2500));
        let options = Options { lock_wait: Duration::from_millis(300), ..short(1000) };

        let error = run(&second, &catalog, options.clone(), &Goal::Head).unwrap_err();
        let lent = block_on(async || {
            let engine = Engine::new(&catalog, &[], &second, options).unwrap();
            let mut conn = engine.connect(Access::ReadWrite).await.unwrap();
            engine.migrate_in(&mut conn, "public", &Goal::Head).await.unwrap_err()
        });

        for error in [error, lent] {
            let Error::Locked { holder, .. } = &error else { panic!("{error:?}") };
            assert!(holder.starts_with("process "), "{holder}");
        }
    });
    assert_eq!(applied(&pooled.db), ["0001"]);
}

#[rstest]
#[case::behind_the_pooler_postgres(true)]
#[case::direct_postgres(false)]
fn a_lent_connection_keeps_out_a_runner_behind_the_pooler(#[case] behind: bool) {
    let pooled = Pooled::new(Settings::Ignored);
    let lent = if behind { pooled.url() } else { pooled.db.database_url() };
    let catalog = Busy::catalog();
    thread::scope(|scope| {
        let busy = Busy::new(&pooled.db);
        scope.spawn(|| {
            block_on(async || {
                let engine = Engine::new(&catalog, &[], &lent, Options::default()).unwrap();
                let mut conn = engine.connect(Access::ReadWrite).await.unwrap();
                engine.migrate_in(&mut conn, "public", &Goal::Head).await.unwrap()
            })
        });
        busy.begun();
        let options = Options { lock_wait: Duration::from_millis(300), ..Options::default() };

        let error = run(&pooled.url(), &catalog, options, &Goal::Head).unwrap_err();

        assert!(matches!(error, Error::Locked { .. }), "{error:?}");
    });
    let again = run(&pooled.url(), &catalog, Options::default(), &Goal::Head).unwrap();
    assert_eq!(ran(&again), [""; 0]);
}
