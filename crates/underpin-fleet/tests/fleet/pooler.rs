//! A fleet of schemas behind a transaction pooler.

use std::time::{Duration, Instant};

use rstest::rstest;
use underpin::Goal;
use underpin_fleet::{Action, Names, RunOptions, Source, Stop};
use underpin_testkit::{Dialect, PgBouncer, Settings};

use crate::{HEAD, Home, fleet, tables};

#[rstest]
#[case::refused_postgres(Settings::Refused)]
#[case::ignored_postgres(Settings::Ignored)]
fn a_fleet_goes_through_it(#[case] settings: Settings) {
    let home = Home::new(Dialect::Postgres, 20);
    let bouncer = PgBouncer::start(&home.db, settings);
    let source = Source::Schemas {
        url: bouncer.url(&home.db).parse().unwrap(),
        pattern: "project_%".to_owned(),
        names: Names::Numbers,
    };
    let catalog = tables(Dialect::Postgres, 3);
    let found = source.find().unwrap();
    let journal = home.journal();
    let run = |action: &Action, options: &RunOptions| {
        let stop = Stop::default();
        fleet(&catalog).run(&found, action, options, &journal, &(), &stop).unwrap();
        journal.report(None).unwrap()
    };

    // The canaries take connections and leases of their own, the others share those of the workers.
    let report = run(&HEAD, &RunOptions { canary: 2, ..RunOptions::default() });
    assert_eq!((report.counts.done, report.run.outcome.as_str()), (20, "done"), "{report:#?}");
    assert!((1..=20).all(|number| home.applied(number).len() == 3));
    assert!(home.db.tables().is_empty(), "the schema of nobody got {:?}", home.db.tables());

    home.batch(7, "DROP TABLE __diesel_schema_migrations; DROP TABLE underpin_history");
    let report = run(&Action::Adopt, &RunOptions::default());
    assert_eq!((report.counts.done, report.counts.unchanged), (1, 19), "{report:#?}");

    let report = run(&Action::Migrate(Goal::Down(1)), &RunOptions::default());
    assert_eq!(report.counts.done, 20, "{report:#?}");
    assert!((1..=20).all(|number| home.applied(number).len() == 2));
}

/// The run keeps a connection for its lock, and everything else takes turns on the others.
#[rstest]
#[case::one_refused_postgres(Settings::Refused, 1)]
#[case::one_ignored_postgres(Settings::Ignored, 1)]
#[case::two_refused_postgres(Settings::Refused, 2)]
#[case::two_ignored_postgres(Settings::Ignored, 2)]
fn a_run_needs_two_connections_of_it(#[case] settings: Settings, #[case] connections: u32) {
    let home = Home::new(Dialect::Postgres, 20);
    let bouncer = PgBouncer::with_connections(&home.db, settings, connections);
    let source = Source::Schemas {
        url: bouncer.url(&home.db).parse().unwrap(),
        pattern: "project_%".to_owned(),
        names: Names::Numbers,
    };
    let (found, catalog) = (source.find().unwrap(), tables(Dialect::Postgres, 2));
    let (journal, stop) = (home.journal(), Stop::default());
    let options = RunOptions { canary: 2, ..RunOptions::default() };
    let start = Instant::now();

    let result = fleet(&catalog).run(&found, &HEAD, &options, &journal, &(), &stop);

    if connections > 1 {
        result.unwrap();
        let report = journal.report(None).unwrap();
        assert_eq!(report.counts.done, 20, "{report:#?}");
        return;
    }
    let error = result.unwrap_err();
    let text = error.to_string();
    assert_eq!(error.exit_code(), 2, "{text}");
    for told in ["gave no second connection within 2", "`default_pool_size`", "server itself"] {
        assert!(text.contains(told), "{text}");
    }
    assert!(start.elapsed() < Duration::from_mins(1), "{:?}", start.elapsed());
    assert!(journal.run(None).is_err(), "no run was begun");
    assert!(home.db.texts("SELECT tablename FROM pg_tables WHERE tablename = 't1'").is_empty());
    // The lock is free again.
    fleet(&catalog).run(&home.found(), &HEAD, &options, &journal, &(), &stop).unwrap();
}

/// What a pooler cannot take is told before the run as it is told by the run.
#[test]
fn a_dry_run_says_of_a_script_outside_a_transaction_what_the_run_says_postgres() {
    let home = Home::new(Dialect::Postgres, 2);
    let bouncer = PgBouncer::start(&home.db, Settings::Ignored);
    let mut index = crate::migration(2, "CREATE INDEX CONCURRENTLY i1 ON t1 (id)", "DROP INDEX i1");
    index.metadata.run_in_transaction = false;
    let catalog = crate::catalog(Dialect::Postgres, vec![crate::table(1), index]);
    let fleet = fleet(&catalog);
    for (url, takes) in [(home.db.url().to_owned(), true), (bouncer.url(&home.db), false)] {
        let source = Source::Schemas {
            url: url.parse().unwrap(),
            pattern: "project_%".to_owned(),
            names: Names::Numbers,
        };
        let found = source.find().unwrap();

        let announced = fleet.announce(&found, &HEAD).unwrap();

        for one in announced {
            let refused = one.error.is_some_and(|error| error.contains("to the server itself"));
            assert_eq!((refused, one.report.is_some()), (!takes, takes), "{}", one.id);
        }
    }
}
