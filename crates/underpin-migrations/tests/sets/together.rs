//! Every set comes to the same in one transaction and in one each: in a file, and in two schemas in turn on one
//! connection that is lent for them, to the server itself and behind a pooler.

use rstest::rstest;
use underpin::{Access, Engine, Goal, Grouping, Options, Schema};
use underpin_db::{ConnectOptions, DatabaseUrl};
use underpin_migrations::CODE;
use underpin_testkit::{Dialect, PgBouncer, Settings, TestDb, block_on};

use crate::set;

const GROUPINGS: [Grouping; 2] = [Grouping::Together, Grouping::PerMigration];

fn options(grouping: Grouping) -> Options {
    Options { grouping, ..Options::default() }
}

#[rstest]
#[case::bot_sqlite("bot")]
#[case::project_sqlite("project")]
#[case::registry_sqlite("registry")]
fn a_set_comes_to_the_same_in_one_file_and_another(#[case] name: &str) {
    let catalog = set(name, Dialect::Sqlite);
    let built = GROUPINGS.map(|grouping| {
        let db = TestDb::new(Dialect::Sqlite);
        let url = db.database_url();
        let schema = block_on(async || {
            let engine = Engine::new(catalog, CODE, &url, options(grouping)).unwrap();
            engine.migrate(&Goal::Head).await.unwrap();
            engine.schema().await.unwrap()
        });
        let rows = db.dump().into_iter().flat_map(|(table, rows)| {
            rows.into_iter().map(move |row| format!("{table} {}", without_times(&row)))
        });
        (schema, rows.collect::<Vec<_>>())
    });

    assert_eq!(built[0].0.differences(&built[1].0), []);
    assert_eq!(built[0].1, built[1].1);
}

#[rstest]
fn a_set_comes_to_the_same_in_each_schema_postgres(
    #[values("bot", "project", "registry")] name: &str,
    #[values(false, true)] pooled: bool,
) {
    let db = TestDb::new(Dialect::Postgres);
    let bouncer = PgBouncer::start(&db, Settings::Ignored);
    let direct = db.database_url();
    let url: DatabaseUrl = if pooled { bouncer.url(&db).parse().unwrap() } else { direct.clone() };
    let catalog = set(name, Dialect::Postgres);
    db.batch("CREATE SCHEMA one; CREATE SCHEMA two; CREATE SCHEMA three; CREATE SCHEMA four");

    let built = block_on(async || {
        let mut built = Vec::new();
        let mut conn = None;
        for (number, schema) in ["one", "two", "three", "four"].into_iter().enumerate() {
            let engine = Engine::new(catalog, CODE, &url, options(GROUPINGS[number / 2])).unwrap();
            if conn.is_none() {
                conn = Some(engine.connect(Access::ReadWrite).await.unwrap());
            }
            let conn = conn.as_mut().unwrap();
            let goal = if number < 2 { Goal::Head } else { Goal::Up(1) };
            while !engine.migrate_in(conn, schema, &goal).await.unwrap().steps.is_empty() {}
            built.push(state(&direct.in_schema(schema), name).await);
        }
        built
    });

    for other in &built[1..] {
        assert_eq!(built[0].0.differences(&other.0), []);
        assert_eq!(built[0].1, other.1);
    }
    assert!(db.tables().is_empty(), "{:?}", db.tables());
}

/// What is in a schema: definitions, and rows without the times at which they were made.
async fn state(url: &DatabaseUrl, name: &str) -> (Schema, Vec<String>) {
    let engine = Engine::new(set(name, Dialect::Postgres), CODE, url, Options::default()).unwrap();
    let schema = engine.schema().await.unwrap();
    let mut conn = url.connect(&ConnectOptions::default()).await.unwrap();
    let tables = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = current_schema() AND \
                  tablename NOT IN ('__diesel_schema_migrations', 'underpin_history', 'underpin_lease') ORDER BY 1";
    let mut rows = Vec::new();
    for table in conn.texts(tables).await.unwrap() {
        let query = format!("SELECT '{table} ' || to_jsonb(t)::text FROM {table} AS t ORDER BY 1");
        rows.extend(conn.texts(&query).await.unwrap().iter().map(|row| without_times(row)));
    }
    (schema, rows)
}

/// Seconds since 1970 have ten digits.
fn without_times(row: &str) -> String {
    let part = |part: &str| {
        let is_time = part.len() == 10 && part.chars().all(|c| c.is_ascii_digit());
        if is_time { "TIME".to_owned() } else { part.to_owned() }
    };
    let parts = row.split_inclusive(|c: char| !c.is_ascii_digit()).map(|text| {
        let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
        part(digits) + &text[digits.len()..]
    });
    parts.collect()
}
