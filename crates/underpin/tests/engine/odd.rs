//! PostgreSQL: migrations that share a transaction come to what one transaction each comes to, and so does
//! every other way to the same schema, whatever a script leaves behind.
//!
//! The scripts are in `odd/*.sql`, one a paragraph. Those that cannot share a transaction and those that a
//! pooler cannot keep apart say so in a comment, and the run finds that out by itself.

use std::fmt::Write as _;

use rstest::rstest;
use underpin::{Access, Conn, DatabaseUrl, Engine, Error, Goal, Grouping, Options};
use underpin_db::ConnectOptions;
use underpin_testkit::{Dialect, PgBouncer, Settings, TestDb, block_on};

use crate::{CODE, catalog, migration};

const BASE: &str = include_str!("odd/base.sql");
const LOOK: &str = include_str!("odd/look.sql");
const DUMP: &str = include_str!("odd/dump.sql");
const SCRIPTS: [&str; 3] = [
    include_str!("odd/settings.sql"),
    include_str!("odd/objects.sql"),
    include_str!("odd/changes.sql"),
];

/// A script that leaves nothing: what all others are compared with.
const PLAIN: &str = "SELECT 1";

/// One way to bring a schema to the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Way {
    pooled: bool,
    /// On a connection that many schemas share.
    lent: bool,
    merged: bool,
}

/// What a way came to in one schema.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Outcome {
    single: bool,
    /// Definitions and rows.
    lines: Vec<String>,
    /// How the last migration found its session.
    session: Vec<String>,
    /// How the next one finds the connection, or the pooler's next client.
    after: Vec<String>,
}

fn scripts(text: &str) -> Vec<&str> {
    text.split("\n\n").map(str::trim).filter(|one| !one.starts_with('#')).collect()
}

/// Every way, twice in a row where the connection is shared.
fn ways() -> Vec<Way> {
    let mut ways = Vec::new();
    for pooled in [false, true] {
        for lent in [true, false] {
            for merged in [true, false] {
                let times = if lent { 2 } else { 1 };
                ways.extend(std::iter::repeat_n(Way { pooled, lent, merged }, times));
            }
        }
    }
    ways
}

struct Homes<'a> {
    db: &'a TestDb,
    bouncer: &'a PgBouncer,
}

impl Homes<'_> {
    fn url(&self, pooled: bool) -> DatabaseUrl {
        if pooled { self.bouncer.url(self.db).parse().unwrap() } else { self.db.database_url() }
    }

    /// All ways in the database, each in two schemas of its own.
    fn outcomes(&self, script: &str) -> Vec<Result<Outcome, String>> {
        let migrations = vec![
            migration(1, "base", BASE, ""),
            migration(2, "leaves", script, ""),
            migration(3, "looks", LOOK, ""),
        ];
        let catalog = catalog(Dialect::Postgres, migrations);
        let ways = ways();
        let create = (0..ways.len()).map(|number| format!("CREATE SCHEMA {}", tenant(number)));
        self.db.batch(&create.collect::<Vec<_>>().join(";"));
        block_on(async || {
            let mut outcomes = Vec::new();
            let mut lent: Option<Conn> = None;
            for (number, way) in ways.iter().enumerate() {
                let url = self.url(way.pooled);
                let name = tenant(number);
                let grouping = if way.merged { Grouping::Together } else { Grouping::PerMigration };
                let options = Options { grouping, ..Options::default() };
                let in_schema = url.in_schema(&name);
                let engine =
                    Engine::new(&catalog, CODE, if way.lent { &url } else { &in_schema }, options)
                        .unwrap();
                if number == 0 || ways[number - 1].pooled != way.pooled {
                    lent = Some(engine.connect(Access::ReadWrite).await.unwrap());
                }
                let conn = lent.as_mut().unwrap();
                let ran = reach(&engine, conn, *way, &name).await;
                let after = if way.pooled {
                    // The pooler gives its next client the connection that was used last.
                    sees(&mut engine.connect(Access::ReadWrite).await.unwrap()).await
                } else {
                    sees(conn).await
                };
                let outcome = |single| Outcome { single, after, ..Outcome::default() };
                outcomes.push(ran.map(outcome).map_err(|error| underpin::exit::explain(&error)));
            }
            drop(lent);
            let mut conn =
                self.db.database_url().connect(&ConnectOptions::default()).await.unwrap();
            for (number, outcome) in outcomes.iter_mut().enumerate() {
                if let Ok(outcome) = outcome {
                    (outcome.lines, outcome.session) = dump(&mut conn, &tenant(number)).await;
                }
            }
            outcomes
        })
    }
}

/// Brings the schema to the head, and says whether in one transaction.
async fn reach(engine: &Engine<'_>, conn: &mut Conn, way: Way, name: &str) -> Result<bool, Error> {
    let report = match way {
        Way { lent: false, .. } => engine.migrate(&Goal::Head).await?,
        Way { merged: true, .. } => engine.migrate_in(conn, name, &Goal::Head).await?,
        Way { .. } => {
            for _ in 0..2 {
                engine.migrate_in(conn, name, &Goal::Up(1)).await?;
            }
            engine.migrate_in(conn, name, &Goal::Up(1)).await?
        }
    };
    Ok(report.single_transaction)
}

/// How a connection is.
async fn sees(conn: &mut Conn) -> Vec<String> {
    let query = LOOK.split(";\n").next().unwrap();
    let query = query.split_once("CREATE TABLE seen AS").unwrap().1;
    conn.texts(&format!("SELECT concat_ws(' = ', what, how) FROM ({query}) AS q ORDER BY 1"))
        .await
        .unwrap()
        .into_iter()
        // It is one of the engine's own, and does no harm.
        .filter(|line| !line.starts_with("client_connection_check_interval"))
        .collect()
}

/// Its letters are in no other text.
fn tenant(number: usize) -> String {
    format!("zq{number:02}")
}

/// What is in a schema, and what its table `seen` says; without the schema's name.
async fn dump(conn: &mut Conn, name: &str) -> (Vec<String>, Vec<String>) {
    let mut lines = conn.texts(&DUMP.replace("TENANT", name)).await.unwrap();
    // Numbers of large objects are another each time.
    let rows = format!(
        "SELECT format('SELECT %L || regexp_replace(to_jsonb(t)::text, %L, %L) FROM %I.%I AS t', \
         'row ' || tablename || ' ', '\"file\": \"\\d+\"', '', schemaname, tablename) FROM pg_tables WHERE \
         starts_with(schemaname, '{name}') AND tablename NOT IN ('seen', '__diesel_schema_migrations', \
         'underpin_history', 'underpin_lease')"
    );
    let rows = conn.texts(&rows).await.unwrap().join(" UNION ALL ");
    lines.extend(conn.texts(&format!("{rows} ORDER BY 1")).await.unwrap());
    let seen = format!("SELECT concat_ws(' = ', what, how) FROM {name}.seen ORDER BY 1");
    let seen = conn.texts(&seen).await.unwrap();
    let same = |line: &String| line.replace(name, "TENANT");
    (lines.iter().map(same).collect(), seen.iter().map(same).collect())
}

/// Lines that only one of them has.
fn differences(one: &[String], other: &[String]) -> String {
    let mut text = String::new();
    for (sign, some, others) in [('-', one, other), ('+', other, one)] {
        for line in some.iter().filter(|line| !others.contains(line)) {
            let _infallible = write!(text, "\n        {sign} {line}");
        }
    }
    text
}

/// What is wrong with the outcomes of a script.
fn faults(
    script: &str,
    outcomes: &[Result<Outcome, String>],
    plain: &[Result<Outcome, String>],
) -> Vec<String> {
    let mut faults = Vec::new();
    let first =
        outcomes.iter().zip(ways()).find(|(_, way)| !way.merged && !way.lent && !way.pooled);
    let Some((Ok(expected), _)) = first else { return vec![format!("{first:?}")] };
    let refused = script.starts_with("-- refused behind a pooler");
    for ((outcome, plain), way) in outcomes.iter().zip(plain).zip(ways()) {
        if refused && way.pooled {
            if !outcome.as_ref().is_err_and(|error| error.contains("the default search path")) {
                faults.push(format!("{way:?}: {outcome:?}"));
            }
            continue;
        }
        let (outcome, plain) = match (outcome, plain) {
            (Ok(outcome), Ok(plain)) => (outcome, plain),
            other => {
                faults.push(format!("{way:?}: {other:?}"));
                continue;
            }
        };
        for (what, one, other) in [
            ("database", &expected.lines, &outcome.lines),
            ("session", &plain.session, &outcome.session),
            ("connection afterwards", &plain.after, &outcome.after),
        ] {
            if one != other {
                faults.push(format!("{way:?}: {what}{}", differences(one, other)));
            }
        }
        let shares = way.merged && !script.starts_with("-- alone");
        if outcome.single != shares {
            faults.push(format!("{way:?}: one transaction: {}", outcome.single));
        }
    }
    faults
}

#[rstest]
#[case::settings_postgres(0)]
#[case::objects_postgres(1)]
#[case::changes_postgres(2)]
fn every_way_to_a_schema_comes_to_the_same(#[case] part: usize, #[values(0, 1, 2)] third: usize) {
    let home = TestDb::new(Dialect::Postgres);
    let bouncer = PgBouncer::start(&home, Settings::Ignored);
    let outcomes = |script: &str| {
        let db = TestDb::new(Dialect::Postgres);
        Homes { db: &db, bouncer: &bouncer }.outcomes(script)
    };
    let plain = outcomes(PLAIN);
    let mut all = String::new();
    let scripts = scripts(SCRIPTS[part]);

    for script in scripts.iter().skip(third).step_by(3) {
        for fault in faults(script, &outcomes(script), &plain) {
            let _infallible = write!(all, "{script}\n    {fault}\n");
        }
    }

    assert!(all.is_empty(), "\n{all}");
}

#[test]
fn there_are_more_than_two_hundred_odd_scripts() {
    let count: usize = SCRIPTS.iter().map(|text| scripts(text).len()).sum();

    assert!(count > 200, "{count}");
}
