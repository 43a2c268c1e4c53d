//! The engine on real databases: one behaviour, one test, one case per dialect.

#![expect(clippy::unwrap_used, reason = "a test ends where its ground is missing")]

mod adopting;
mod agree;
mod alone;
mod backup;
mod code;
mod concurrent;
mod diesel;
mod files;
mod goals;
mod history;
mod hostile;
mod index;
mod kept_out;
mod leftovers;
mod lent;
mod mark;
mod odd;
mod pooler;
mod probe;
mod proof;
mod rebuild;
mod refusals;
mod refused;
mod repair;
mod resume;
mod rights;
mod stepwise;
mod transaction;
mod triggers;
mod unannounced;
mod whole;
mod words;

use std::borrow::Cow;

use code::CODE;

use underpin::{Catalog, Checksum, Engine, Error, Goal, Metadata, Migration, Options, Report};
use underpin_catalog::Down;
use underpin_testkit::{Dialect, TestDb, block_on};

/// A migration as a folder would give it; an empty `down` is none.
fn migration(version: u32, name: &str, up: &str, down: &str) -> Migration {
    Migration {
        version: format!("{version:04}").parse().unwrap(),
        name: Cow::Owned(name.to_owned()),
        up: Cow::Owned(up.to_owned()),
        down: if down.is_empty() { Down::None } else { Down::Text(Cow::Owned(down.to_owned())) },
        checksum: Checksum::of(up),
        metadata: Metadata::DEFAULT,
    }
}

/// Migration `version` creates the table `t<version>` with a row, and drops it on the way down.
fn table(version: u32) -> Migration {
    migration(
        version,
        &format!("create_t{version}"),
        &format!(
            "CREATE TABLE t{version} (id INTEGER NOT NULL PRIMARY KEY);\n\
             INSERT INTO t{version} VALUES ({version});"
        ),
        &format!("DROP TABLE t{version}"),
    )
}

fn catalog(dialect: Dialect, migrations: Vec<Migration>) -> Catalog {
    Catalog::new("test", dialect, migrations).unwrap()
}

/// The first `count` of the tables above.
fn tables(dialect: Dialect, count: u32) -> Catalog {
    catalog(dialect, (1..=count).map(table).collect())
}

/// Runs `work` with an engine on `db`.
fn with_engine<T: Send>(
    db: &TestDb,
    catalog: &Catalog,
    options: Options,
    work: impl AsyncFnOnce(Engine<'_>) -> T + Send,
) -> T {
    let url = db.database_url();
    block_on(async || work(Engine::new(catalog, CODE, &url, options).unwrap()).await)
}

fn migrate(db: &TestDb, catalog: &Catalog, goal: &Goal) -> Result<Report, Error> {
    with_engine(db, catalog, Options::default(), async |engine| engine.migrate(goal).await)
}

/// The versions of a run, in the order in which they ran.
fn ran(report: &Report) -> Vec<&str> {
    report.steps.iter().map(|step| step.version.as_str()).collect()
}

/// The tables of the test, without the engine's own.
fn own_tables(db: &TestDb) -> Vec<String> {
    db.dump().into_keys().collect()
}

/// What Diesel's table says is applied.
fn applied(db: &TestDb) -> Vec<String> {
    db.texts("SELECT version FROM __diesel_schema_migrations ORDER BY version")
}
