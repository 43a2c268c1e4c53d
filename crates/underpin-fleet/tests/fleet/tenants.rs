//! What a script leaves in its session reaches no other tenant: each gets what it would get alone,
//! whoever came before it on the same connection.

use rstest::rstest;
use underpin::{Catalog, Engine, Goal};
use underpin_fleet::{Fleet, Found, Names, Report, RunOptions, Source, Stop};
use underpin_testkit::{Dialect, PgBouncer, Settings, block_on};

use crate::{HEAD, Home, StopAfter, catalog, fleet, migration, whatever};

const TENANTS: usize = 4;

/// Scripts that leave something behind, and show in `got` what they found.
const POSTGRES: [(&str, &str); 14] = [
    (
        "a temporary table, if there is none",
        "CREATE TEMP TABLE IF NOT EXISTS stage AS SELECT secret FROM customers; INSERT INTO got SELECT secret FROM stage",
    ),
    (
        "a temporary table",
        "CREATE TEMP TABLE stage AS SELECT secret FROM customers; INSERT INTO got SELECT secret FROM stage",
    ),
    (
        "a temporary table in the way of one's own",
        "INSERT INTO got SELECT secret FROM customers; CREATE TEMP TABLE customers AS SELECT 'of another' AS secret",
    ),
    (
        "a temporary view",
        "CREATE OR REPLACE TEMP VIEW seen AS SELECT secret FROM customers; INSERT INTO got SELECT secret FROM seen",
    ),
    (
        "a temporary function",
        "CREATE OR REPLACE FUNCTION pg_temp.seen() RETURNS text LANGUAGE sql AS 'SELECT ''a function'''; \
         INSERT INTO got SELECT pg_temp.seen() || secret FROM customers",
    ),
    (
        "a setting of its own",
        "INSERT INTO got SELECT coalesce(current_setting('my.tenant', true), '') || secret FROM customers; \
         SELECT set_config('my.tenant', secret, false) FROM customers",
    ),
    (
        "a setting of the server",
        "INSERT INTO got SELECT current_setting('work_mem') || secret FROM customers; SET work_mem = '1MB'",
    ),
    (
        "triggers that are off",
        "INSERT INTO got SELECT current_setting('session_replication_role') || secret FROM customers; \
         SET session_replication_role = replica",
    ),
    (
        "a setting of the transaction",
        "INSERT INTO got SELECT current_setting('DateStyle') || secret FROM customers; SET LOCAL DateStyle = 'SQL, DMY'",
    ),
    ("a search path", "INSERT INTO got SELECT secret FROM customers; SET search_path = pg_catalog"),
    (
        "a role",
        "INSERT INTO got SELECT current_user || secret FROM customers; SET ROLE pg_read_all_data",
    ),
    (
        "a prepared statement",
        "PREPARE seen AS SELECT secret FROM customers; INSERT INTO got SELECT secret FROM customers",
    ),
    (
        "a cursor",
        "DECLARE seen CURSOR WITH HOLD FOR SELECT secret FROM customers; INSERT INTO got SELECT secret FROM customers",
    ),
    (
        "a lock of the session",
        "INSERT INTO got SELECT (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 77 AND \
         pid = pg_backend_pid()) || secret FROM customers; SELECT pg_advisory_lock(77)",
    ),
];

const SQLITE: [(&str, &str); 3] = [
    (
        "a temporary table",
        "CREATE TEMP TABLE IF NOT EXISTS stage AS SELECT secret FROM customers; INSERT INTO got SELECT secret FROM stage",
    ),
    (
        "a temporary table in the way of one's own",
        "INSERT INTO got SELECT secret FROM customers; CREATE TEMP TABLE customers AS SELECT 'of another' AS secret",
    ),
    (
        "a temporary view",
        "CREATE TEMP VIEW IF NOT EXISTS seen AS SELECT secret FROM main.customers; INSERT INTO got SELECT secret FROM seen",
    ),
];

fn scripts(dialect: Dialect) -> &'static [(&'static str, &'static str)] {
    match dialect {
        Dialect::Sqlite => &SQLITE,
        Dialect::Postgres => &POSTGRES,
    }
}

/// Tenants with a row of their own, and two scripts before them that leave the same behind.
fn tenants(dialect: Dialect, script: &str) -> (Home, Catalog) {
    let base = "CREATE TABLE customers (secret TEXT); CREATE TABLE got (found TEXT)";
    let base = migration(1, base, "DROP TABLE got; DROP TABLE customers");
    let home = Home::at_head(&catalog(dialect, vec![base.clone()]), TENANTS);
    for number in 1..=TENANTS {
        home.batch(number, &format!("INSERT INTO customers VALUES ('secret of {number}')"));
    }
    let last = migration(3, "INSERT INTO got SELECT 'then ' || secret FROM customers", "");
    (home, catalog(dialect, vec![base, migration(2, script, ""), last]))
}

fn rows(home: &Home) -> Vec<Vec<String>> {
    (1..=TENANTS).map(|number| home.texts(number, "SELECT found FROM got ORDER BY 1")).collect()
}

/// What each tenant gets alone.
fn alone(dialect: Dialect, script: &str) -> Vec<Vec<String>> {
    let (home, catalog) = tenants(dialect, script);
    for number in 1..=TENANTS {
        let url = home.url(number);
        let options =
            underpin::Options { grouping: underpin::Grouping::PerMigration, ..Default::default() };
        let engine = Engine::new(&catalog, &[], &url, options).unwrap();
        block_on(async || engine.migrate(&Goal::Head).await).unwrap();
    }
    rows(&home)
}

/// Which way the tenants are come to.
#[derive(Debug, Clone, Copy)]
enum Way {
    One,
    Canary,
    Many,
    Resumed,
    Retried,
    Pooled,
}

fn run(home: &Home, catalog: &Catalog, way: Way) -> Report {
    let jobs = if matches!(way, Way::Many) { 3 } else { 1 };
    let fleet = Fleet { jobs, ..fleet(catalog) };
    let canary = usize::from(matches!(way, Way::Canary));
    let options = RunOptions { canary, ..whatever() };
    let (journal, stop) = (home.journal(), Stop::default());
    let begin = |found: &Found, stop: &Stop| {
        fleet.run(found, &HEAD, &options, &journal, &(), stop).unwrap();
    };
    match way {
        Way::One | Way::Canary | Way::Many => begin(&home.found(), &stop),
        Way::Resumed => {
            let ended = Stop::default();
            let watch = StopAfter { stop: &ended, left: 1.into() };
            fleet.run(&home.found(), &HEAD, &options, &journal, &watch, &ended).unwrap();
            fleet.resume(&home.found(), &journal, &(), &stop).unwrap();
        }
        Way::Retried => {
            home.locked(|| begin(&home.found(), &stop));
            fleet.retry_failed(&home.found(), &journal, &(), &stop).unwrap();
        }
        Way::Pooled => {
            let bouncer = PgBouncer::start(&home.db, Settings::Refused);
            let url = bouncer.url(&home.db).parse().unwrap();
            let (pattern, names) = ("project_%".to_owned(), Names::Numbers);
            begin(&Source::Schemas { url, pattern, names }.find().unwrap(), &stop);
        }
    }
    journal.report(None).unwrap()
}

#[rstest]
#[case::one_sqlite(Dialect::Sqlite, Way::One)]
#[case::canary_sqlite(Dialect::Sqlite, Way::Canary)]
#[case::many_sqlite(Dialect::Sqlite, Way::Many)]
#[case::resumed_sqlite(Dialect::Sqlite, Way::Resumed)]
#[case::retried_sqlite(Dialect::Sqlite, Way::Retried)]
#[case::one_postgres(Dialect::Postgres, Way::One)]
#[case::canary_postgres(Dialect::Postgres, Way::Canary)]
#[case::many_postgres(Dialect::Postgres, Way::Many)]
#[case::resumed_postgres(Dialect::Postgres, Way::Resumed)]
#[case::retried_postgres(Dialect::Postgres, Way::Retried)]
#[case::pooled_postgres(Dialect::Postgres, Way::Pooled)]
fn each_tenant_gets_what_it_gets_alone(#[case] dialect: Dialect, #[case] way: Way) {
    for (name, script) in scripts(dialect) {
        let expected = alone(dialect, script);
        let (home, catalog) = tenants(dialect, script);

        let report = run(&home, &catalog, way);

        assert_eq!(report.counts.failed, 0, "{name}, {way:?}: {report:#?}");
        assert_eq!(rows(&home), expected, "{name}, {way:?}");
        for (number, rows) in (1..).zip(expected) {
            let own = format!("secret of {number}");
            assert!(
                rows.len() == 2 && rows.iter().all(|row| row.ends_with(&own)),
                "{name}: {rows:?}"
            );
        }
    }
}

/// Canaries, what is tried again and what is gone on with are worked on as the rest is: on one connection for many,
/// with the same settings. Canaries alone are looked at in a snapshot, so that their rows can be counted.
#[rstest]
#[case::canary_postgres(Way::Canary)]
#[case::retried_postgres(Way::Retried)]
#[case::resumed_postgres(Way::Resumed)]
fn every_target_goes_the_way_of_the_rest(#[case] way: Way) {
    let look = "INSERT INTO got SELECT concat_ws(' ', 'way', md5(string_agg(name || ' ' || setting, ',' ORDER BY name)), \
                pg_backend_pid()) FROM pg_settings WHERE name NOT IN ('search_path', 'transaction_isolation')";
    let found = |way: Way| {
        let (home, catalog) = tenants(Dialect::Postgres, look);
        let report = run(&home, &catalog, way);
        assert_eq!(
            (report.counts.done, report.counts.failed),
            (i64::try_from(TENANTS).unwrap(), 0),
            "{way:?}: {report:#?}"
        );
        let ways = rows(&home).concat().into_iter().filter(|row| row.starts_with("way "));
        let ways: Vec<_> = ways.collect();
        assert_eq!(ways.len(), TENANTS);
        ways
    };
    let part = |row: &String, number: usize| row.split(' ').nth(number).unwrap().to_owned();

    let (plain, odd) = (found(Way::One), found(way));

    for row in &odd {
        assert_eq!(part(row, 1), part(&plain[0], 1), "{way:?}: other settings");
    }
    let mut connections: Vec<_> = odd.iter().map(|row| part(row, 2)).collect();
    connections.sort();
    connections.dedup();
    // A wave has workers of its own, and what is gone on with is a run of its own.
    let runs = if matches!(way, Way::Retried) { 1 } else { 2 };
    assert!(connections.len() <= runs, "{way:?}: {odd:?}");
}
