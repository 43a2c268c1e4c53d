//! Runs over many real targets: SQLite files, and schemas of a PostgreSQL database.

#![expect(clippy::unwrap_used, reason = "a test ends where its ground is missing")]

mod copies;
mod decisions;
mod discover;
mod disk;
mod failures;
mod hostile;
mod identity;
mod journal;
mod pooler;
mod run;
mod standing;
mod tenants;
mod together;

use std::{borrow::Cow, collections::BTreeMap, fs, path::PathBuf, time::Duration};

use underpin::{Catalog, Checksum, Goal, Metadata, Migration};
use underpin_db::{Access, ConnectOptions, DatabaseUrl};
use underpin_fleet::{
    Action, Fleet, Found, Journal, Limit, Names, Report, RunOptions, Source, Stop, Target,
};
use underpin_testkit::{Dialect, TestDb, block_on};

/// Migration `version` creates the table `t<version>` with a row.
fn table(version: u32) -> Migration {
    migration(
        version,
        &format!(
            "CREATE TABLE t{version} (id INTEGER NOT NULL PRIMARY KEY); INSERT INTO t{version} VALUES (1);"
        ),
        &format!("DROP TABLE t{version}"),
    )
}

fn migration(version: u32, up: &str, down: &str) -> Migration {
    Migration {
        version: format!("{version:04}").parse().unwrap(),
        name: Cow::Owned(format!("number_{version}")),
        up: Cow::Owned(up.to_owned()),
        down: underpin_catalog::Down::Text(Cow::Owned(down.to_owned())),
        checksum: Checksum::of(up),
        metadata: Metadata::DEFAULT,
    }
}

fn tables(dialect: Dialect, count: u32) -> Catalog {
    catalog(dialect, (1..=count).map(table).collect())
}

fn catalog(dialect: Dialect, migrations: Vec<Migration>) -> Catalog {
    Catalog::new("test", dialect, migrations).unwrap()
}

fn fleet(catalog: &Catalog) -> Fleet<'_> {
    let options = underpin::Options { lock_wait: Duration::from_millis(300), ..Default::default() };
    Fleet { catalog, code: &[], options, jobs: 4, thorough: false }
}

/// Up to head.
const HEAD: Action = Action::Migrate(Goal::Head);

/// Goes on after any failure.
fn whatever() -> RunOptions {
    RunOptions { limit: Limit::None, ..RunOptions::default() }
}

/// Empty targets with numbers from 1, and a place for a journal.
struct Home {
    db: TestDb,
    /// Where the files are, when not beside the journal.
    elsewhere: Option<PathBuf>,
}

impl Home {
    fn new(dialect: Dialect, count: usize) -> Self {
        let home = Self { db: TestDb::new(dialect), elsewhere: None };
        for number in 1..=count {
            home.add(&format!("project_{number}"));
        }
        home
    }

    /// With targets at head of `catalog`.
    fn at_head(catalog: &Catalog, count: usize) -> Self {
        let home = Self::new(catalog.dialect(), count);
        home.run(&fleet(catalog), &HEAD, &RunOptions::default());
        home
    }

    fn add(&self, name: &str) {
        match self.db.dialect() {
            Dialect::Sqlite => fs::write(self.file(name), "").unwrap(),
            Dialect::Postgres => self.db.batch(&format!("CREATE SCHEMA \"{name}\"")),
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.elsewhere.as_deref().unwrap_or(self.db.dir()).join(format!("{name}.db"))
    }

    fn source(&self) -> Source {
        let names = Names::Numbers;
        match self.db.dialect() {
            Dialect::Sqlite => {
                Source::Files { pattern: self.file("project_*").display().to_string(), names }
            }
            Dialect::Postgres => Source::Schemas {
                url: self.db.database_url(),
                pattern: "project_%".to_owned(),
                names,
            },
        }
    }

    fn found(&self) -> Found {
        self.source().find().unwrap()
    }

    fn journal(&self) -> Journal {
        Journal::begin(&self.db.dir().join("journal")).unwrap()
    }

    /// Runs, and gives what the journal says.
    fn run(&self, fleet: &Fleet<'_>, action: &Action, options: &RunOptions) -> Report {
        let journal = self.journal();
        let stop = Stop::default();
        fleet.run(&self.found(), action, options, &journal, &(), &stop).unwrap();
        journal.report(None).unwrap()
    }

    fn resume(&self, fleet: &Fleet<'_>) -> Report {
        let journal = self.journal();
        fleet.resume(&self.found(), &journal, &(), &Stop::default()).unwrap();
        journal.report(None).unwrap()
    }

    fn url(&self, number: usize) -> DatabaseUrl {
        let name = format!("project_{number}");
        match self.db.dialect() {
            Dialect::Sqlite => DatabaseUrl::file(&self.file(&name)),
            Dialect::Postgres => self.db.database_url().in_schema(&name),
        }
    }

    /// Runs statements in one target.
    fn batch(&self, number: usize, statements: &str) {
        let url = self.url(number);
        let options = ConnectOptions { access: Access::Create, ..ConnectOptions::default() };
        block_on(async || {
            let mut conn = url.connect(&options).await.unwrap();
            conn.batch(statements).await.unwrap();
        });
    }

    /// Makes one target what a newer program makes of it.
    fn newer(&self, number: usize) {
        self.batch(
            number,
            "CREATE TABLE t9999 (id INTEGER); \
             INSERT INTO __diesel_schema_migrations (version) VALUES ('9999')",
        );
    }

    fn texts(&self, number: usize, query: &str) -> Vec<String> {
        let url = self.url(number);
        block_on(async || {
            let mut conn = url.connect(&ConnectOptions::default()).await.unwrap();
            conn.texts(query).await.unwrap()
        })
    }

    /// Does `work` while another runner holds the lock of each target.
    fn locked(&self, work: impl FnOnce()) {
        let found = self.found();
        let names = found.targets.iter().map(|target| format!("project_{}", target.id));
        match self.db.dialect() {
            Dialect::Sqlite => {
                let lock = |name: String| underpin::RunLock::take(&self.file(&name)).unwrap();
                let held: Vec<_> = names.map(lock).collect();
                work();
                drop(held);
            }
            Dialect::Postgres => {
                let locks: Vec<_> = names.map(|name| lock_of(&name)).collect();
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let runtime = runtime.unwrap();
                let held = runtime.block_on(async {
                    let url = self.db.database_url();
                    let mut conn = url.connect(&ConnectOptions::default()).await.unwrap();
                    conn.batch(&format!("SELECT {}", locks.join(", "))).await.unwrap();
                    conn
                });
                work();
                drop(held);
            }
        }
    }

    /// What Diesel's table of one target says.
    fn applied(&self, number: usize) -> Vec<String> {
        self.texts(number, "SELECT version FROM __diesel_schema_migrations ORDER BY version")
    }

    /// Every SQLite file of the directory, byte for byte.
    fn bytes(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let entries = fs::read_dir(self.db.dir()).unwrap().map(|entry| entry.unwrap().path());
        let files = entries.filter(|path| path.is_file() && !path.ends_with("journal"));
        files.map(|path| (path.clone(), fs::read(&path).unwrap())).collect()
    }
}

/// PostgreSQL: what takes the lock of a schema.
fn lock_of(schema: &str) -> String {
    format!("pg_advisory_lock(hashtextextended(current_database() || 'underpin:{schema}', 0))")
}

/// State and version of each target, by its id.
fn states(report: &Report) -> BTreeMap<String, (&'static str, Option<String>)> {
    let state = |row: &underpin_fleet::TargetRow| {
        (row.id.clone(), (row.state.as_str(), row.version_after.clone()))
    };
    report.targets.iter().map(state).collect()
}

/// The reason why target `id` failed.
fn reason(report: &Report, id: &str) -> String {
    let row = report.targets.iter().find(|row| row.id == id).unwrap();
    assert_eq!(row.state.as_str(), "failed", "{row:?}");
    row.message.clone().unwrap()
}

/// Somebody who asks for a stop when so many targets are done.
struct StopAfter<'a> {
    stop: &'a Stop,
    left: std::sync::atomic::AtomicUsize,
}

impl underpin_fleet::Watch for StopAfter<'_> {
    fn may_empty(&self, _: usize, _: bool) -> bool {
        true
    }
    fn begins(&self, _: i32, _: usize, _: usize, _: usize) {}
    fn wave(&self, _: i32, _: usize) {}
    fn done(&self, _: &Target, _: Option<&str>, _: Duration, _: Option<&str>) {
        if self.left.fetch_sub(1, std::sync::atomic::Ordering::Relaxed) == 1 {
            self.stop.ask();
        }
    }
}

/// Somebody who does something as soon as the run has looked at all targets.
struct AtWork<'a>(&'a (dyn Fn() + Sync));

impl underpin_fleet::Watch for AtWork<'_> {
    fn may_empty(&self, _: usize, _: bool) -> bool {
        true
    }
    fn begins(&self, _: i32, _: usize, _: usize, _: usize) {
        (self.0)();
    }
    fn wave(&self, _: i32, _: usize) {}
    fn done(&self, _: &Target, _: Option<&str>, _: Duration, _: Option<&str>) {}
}
