//! Runs over many databases, against a bare loop of the same statements with as many workers.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use underpin::{Catalog, Engine, Goal, Options, Version};
use underpin_db::DatabaseUrl;
use underpin_fleet::{Action, Fleet, Found, Journal, Names, Outcome, RunOptions, Source, Stop};
use underpin_testkit::{Dialect, TestDb};

use crate::report;

/// Targets that one process each is started for, of all.
const PROCESSES: usize = 50;
/// Targets of a fleet whose memory others are compared with.
const SMALL: usize = 100;

/// What is measured.
#[derive(clap::Args)]
pub(crate) struct Sizes {
    /// Targets that are migrated
    #[arg(long, default_value_t = 1_000)]
    targets: usize,
    /// Targets that have nothing to do [default: 10000 files, 2000 schemas]
    #[arg(long)]
    idle: Option<usize>,
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    #[arg(long, default_value_t = 8)]
    jobs: usize,
    /// The newest version of the `project` set that targets are migrated to, so that figures compare as
    /// the set grows [default: the set's own]
    #[arg(long)]
    head: Option<Version>,
    /// The command, to be started once per target
    #[arg(long)]
    command: PathBuf,
}

/// A fleet in a directory, or in a database.
struct Ground {
    db: TestDb,
    dir: PathBuf,
}

impl Ground {
    fn new(dialect: Dialect, targets: usize) -> anyhow::Result<Self> {
        let db = TestDb::new(dialect);
        let dir = db.dir().join("fleet");
        fs::create_dir(&dir)?;
        let ground = Self { db, dir };
        let numbers: Vec<_> = (1..=targets).collect();
        match dialect {
            Dialect::Sqlite => {
                for number in numbers {
                    fs::write(ground.file(number), "")?;
                }
            }
            Dialect::Postgres => {
                for some in numbers.chunks(100) {
                    let create =
                        some.iter().map(|number| format!("CREATE SCHEMA project_{number};"));
                    ground.db.batch(&create.collect::<String>());
                }
            }
        }
        Ok(ground)
    }

    fn file(&self, number: usize) -> PathBuf {
        self.dir.join(format!("project_{number}.db"))
    }

    fn found(&self) -> anyhow::Result<Found> {
        Ok(source(self.db.dialect(), &self.db.database_url(), &self.dir).find()?)
    }

    fn journal(&self) -> PathBuf {
        self.dir.join("journal")
    }

    /// Brings every target to head, and expects that many have to be worked on.
    fn upgrade(&self, catalog: &Catalog, jobs: usize, verify: bool) -> anyhow::Result<Duration> {
        let start = Instant::now();
        let journal = Journal::begin(&self.journal())?;
        let options = RunOptions { verify, ..RunOptions::default() };
        let action = Action::Migrate(Goal::Head);
        let found = self.found()?;
        let run =
            fleet(catalog, jobs).run(&found, &action, &options, &journal, &(), &Stop::default())?;
        let elapsed = start.elapsed();
        ensure!(journal.run(Some(run))?.outcome == Outcome::Done, "{:?}", journal.summary(run)?);
        Ok(elapsed)
    }

    /// What a target at this state of the fleet needs, for a client that does nothing else.
    async fn script(&self, catalog: &Catalog) -> anyhow::Result<String> {
        let url = match self.db.dialect() {
            Dialect::Sqlite => DatabaseUrl::file(&self.file(1)),
            Dialect::Postgres => self.db.database_url().in_schema("project_1"),
        };
        let options = Options { grouping: underpin::Grouping::Together, ..Options::default() };
        let engine = Engine::new(catalog, underpin_migrations::CODE, &url, options)?;
        let script = engine.script(&Goal::Head).await?;
        let lines = script.lines().filter(|line| !line.starts_with(['.', '\\']));
        let lines = lines.filter(|line| !makes_as_new(line));
        Ok(lines.collect::<Vec<_>>().join("\n"))
    }

    /// The same statements with the driver alone, on as many threads.
    fn bare(&self, targets: usize, script: &str, jobs: usize) -> anyhow::Result<Duration> {
        let start = Instant::now();
        let taken = AtomicUsize::new(1);
        std::thread::scope(|scope| {
            let one = || -> anyhow::Result<()> {
                let mut worker = Bare::default();
                loop {
                    let number = taken.fetch_add(1, Ordering::Relaxed);
                    if number > targets {
                        return Ok(());
                    }
                    worker.run(self, number, script)?;
                }
            };
            let threads: Vec<_> = (0..jobs).map(|_| scope.spawn(one)).collect();
            threads.into_iter().try_for_each(|thread| match thread.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            })
        })?;
        Ok(start.elapsed())
    }
}

/// Whether a line of a script makes the session as new, which a client that does nothing else leaves out.
pub(crate) fn makes_as_new(line: &str) -> bool {
    line.starts_with("CLOSE ALL; ")
}

/// A worker of the bare loop.
#[derive(Default)]
struct Bare {
    server: Option<(tokio::runtime::Runtime, tokio_postgres::Client)>,
}

impl Bare {
    fn run(&mut self, ground: &Ground, number: usize, script: &str) -> anyhow::Result<()> {
        if ground.db.dialect() == Dialect::Sqlite {
            let conn = rusqlite::Connection::open(ground.file(number))?;
            conn.execute_batch("PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON")?;
            return Ok(conn.execute_batch(script)?);
        }
        let server = match self.server.take() {
            Some(server) => server,
            None => connect(ground.db.url())?,
        };
        let (runtime, client) = self.server.insert(server);
        let schema = format!("project_{number}");
        let script = script.replace("project_1", &schema);
        let path = format!("SET search_path TO {schema}");
        let message = format!("{path};\n{script}");
        Ok(runtime.block_on(client.batch_execute(&message))?)
    }
}

fn connect(url: &str) -> anyhow::Result<(tokio::runtime::Runtime, tokio_postgres::Client)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let client = runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
        tokio::spawn(connection);
        anyhow::Ok(client)
    })?;
    Ok((runtime, client))
}

fn source(dialect: Dialect, url: &DatabaseUrl, dir: &Path) -> Source {
    let names = Names::Numbers;
    match dialect {
        Dialect::Sqlite => {
            Source::Files { pattern: dir.join("project_*.db").display().to_string(), names }
        }
        Dialect::Postgres => {
            Source::Schemas { url: url.clone(), pattern: "project_%".to_owned(), names }
        }
    }
}

fn fleet(catalog: &Catalog, jobs: usize) -> Fleet<'_> {
    let options = Options::default();
    Fleet { catalog, code: underpin_migrations::CODE, options, jobs, thorough: false }
}

/// The oldest `count` migrations of `catalog`.
fn oldest(catalog: &Catalog, count: usize) -> anyhow::Result<Catalog> {
    let migrations = catalog.migrations()[..count].to_vec();
    Ok(Catalog::new(catalog.set().to_owned(), catalog.dialect(), migrations)?)
}

/// `catalog` as it was when `head` was its newest version.
fn up_to(catalog: &Catalog, head: &Version) -> anyhow::Result<Catalog> {
    let place = catalog.migrations().iter().position(|one| one.version == *head);
    let place = place.with_context(|| format!("no migration of `project` is {head}"))?;
    ensure!(place > 0, "before {head} there is no migration that could be applied already");
    oldest(catalog, place + 1)
}

pub(crate) fn run(dialect: Dialect, sizes: &Sizes) -> anyhow::Result<()> {
    let whole = underpin_migrations::project(dialect);
    let catalog = &match &sizes.head {
        Some(head) => up_to(whole, head)?,
        None => whole.clone(),
    };
    let all_but_one = oldest(catalog, catalog.migrations().len() - 1)?;
    let Sizes { targets, jobs, .. } = *sizes;
    report::paragraph(format!("{targets} targets on {dialect}, {jobs} workers"))?;
    let columns = ["what", "against", "ours ms", "theirs ms", "ratio", "quartiles", "load"];
    report::head(&columns, 2)?;
    let driver = if dialect == Dialect::Sqlite { "rusqlite" } else { "tokio-postgres" };
    for (what, from_empty, verify) in [
        ("empty to head", true, true),
        ("empty to head, not verified", true, false),
        ("one pending", false, true),
        ("one pending, not verified", false, false),
    ] {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        // The first round warms up.
        for round in 0..=sizes.rounds {
            let first = round % 2 == 0;
            for is_ours in [first, !first] {
                let ground = Ground::new(dialect, targets)?;
                if !from_empty {
                    ground.upgrade(&all_but_one, jobs, false)?;
                }
                let elapsed = if is_ours {
                    ground.upgrade(catalog, jobs, verify)?
                } else {
                    let script = on_runtime(ground.script(catalog))?;
                    ground.bare(targets, &script, jobs)?
                };
                if round > 0 {
                    let side = if is_ours { &mut ours } else { &mut theirs };
                    side.push(elapsed.as_secs_f64() * 1_000.0);
                }
            }
        }
        let (ratio, quartiles) = report::ratio(&ours, &theirs);
        let (ours, theirs) = (report::median(&ours), report::median(&theirs));
        report::row(&[
            what.to_owned(),
            driver.to_owned(),
            format!("{ours:.0}"),
            format!("{theirs:.0}"),
            format!("**{ratio:.2}**"),
            quartiles,
            report::load(),
        ])?;
    }
    processes(dialect, sizes)?;
    idle(dialect, sizes, whole)
}

/// One process per target, of a part of the targets.
fn processes(dialect: Dialect, sizes: &Sizes) -> anyhow::Result<()> {
    let ground = Ground::new(dialect, PROCESSES)?;
    let start = Instant::now();
    for number in 1..=PROCESSES {
        let url = match dialect {
            Dialect::Sqlite => DatabaseUrl::file(&ground.file(number)),
            Dialect::Postgres => ground.db.database_url().in_schema(&format!("project_{number}")),
        };
        let mut command = Command::new(&sizes.command);
        command.args(["--set", "project", "upgrade"]).env("DATABASE_URL", url.expose());
        ensure!(command.stdout(Stdio::null()).status()?.success(), "the command failed");
    }
    let each = report::millis(start) / f64::from(u32::try_from(PROCESSES)?);
    report::paragraph(format!(
        "One process per target, {PROCESSES} targets from empty to head, one after the other: {each:.1} ms each."
    ))
}

/// Runs that have nothing to do, and what a process of its own holds meanwhile.
fn idle(dialect: Dialect, sizes: &Sizes, catalog: &Catalog) -> anyhow::Result<()> {
    let many = sizes.idle.unwrap_or(if dialect == Dialect::Sqlite { 10_000 } else { 2_000 });
    report::paragraph("Nothing to do, in a process of its own")?;
    let columns = ["targets", "ms", "ms per target", "descriptors", "peak MiB", "load"];
    report::head(&columns, 0)?;
    for targets in [SMALL, many] {
        let ground = Ground::new(dialect, targets)?;
        ground.upgrade(catalog, sizes.jobs, false)?;
        let mut best = Vec::new();
        for _ in 0..sizes.rounds {
            best.push(ground.once(sizes.jobs)?);
        }
        best.sort_by(|one, other| one.0.total_cmp(&other.0));
        let (ms, descriptors, memory) = best.swap_remove(best.len() / 2);
        report::row(&[
            targets.to_string(),
            format!("{ms:.0}"),
            format!("{:.3}", ms / f64::from(u32::try_from(targets)?)),
            descriptors,
            memory,
            report::load(),
        ])?;
    }
    Ok(())
}

impl Ground {
    /// A run in a process of its own: milliseconds, descriptors and peak memory in MiB as it tells them.
    fn once(&self, jobs: usize) -> anyhow::Result<(f64, String, String)> {
        let output = Command::new(std::env::current_exe()?)
            .args(["fleet-once", &self.db.dialect().to_string(), self.db.url()])
            .args([&self.dir, &self.journal()])
            .arg(jobs.to_string())
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let error = String::from_utf8_lossy(&output.stderr);
        let mut words = text.split_whitespace().map(str::to_owned);
        let mut next = || words.next().with_context(|| format!("no figures: {error}"));
        Ok((next()?.parse()?, next()?, next()?))
    }
}

/// A run that has nothing to do, for [`Ground::once`].
pub(crate) fn once(
    dialect: Dialect,
    url: &str,
    dir: &Path,
    journal: &Path,
    jobs: usize,
) -> anyhow::Result<()> {
    let catalog = underpin_migrations::project(dialect);
    let start = Instant::now();
    let found = source(dialect, &url.parse()?, dir).find()?;
    let journal = Journal::begin(journal)?;
    let (action, options) = (Action::Migrate(Goal::Head), RunOptions::default());
    let run =
        fleet(catalog, jobs).run(&found, &action, &options, &journal, &(), &Stop::default())?;
    let counts = journal.summary(run)?;
    ensure!(counts.unchanged == counts.targets(), "there was something to do: {counts:?}");
    let elapsed = report::millis(start);
    let (descriptors, _) = report::size("/proc/self");
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak: f64 = peak
        .and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok())
        .unwrap_or(f64::NAN);
    report::line(format!("{elapsed} {descriptors} {:.1}", peak / 1024.0))
}

/// Runs what connects, which nothing else here does.
fn on_runtime<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}
