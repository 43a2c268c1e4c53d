//! Making projects, against the plain client running the same statements, and opening one of many.

use std::{
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context as _, ensure};
use chrono::{DateTime, NaiveDateTime};
use underpin::{Engine, Goal, Options};
use underpin_db::{Db, PoolOptions};
use underpin_models::{
    project::{NewProject, ProjectRepository as _},
    registry::ProjectState,
};
use underpin_projects::{Projects, Settings};
use underpin_testkit::{Dialect, TestDb};

use crate::{database::NOW, fleet::makes_as_new, report};

/// Projects of a turn of each side.
const TURN: usize = 50;
/// The schema that the script is written for.
const PLAIN: &str = "plain_project";
/// Projects that are kept open when not all of them are.
const FEW_OPEN: u64 = 100;

struct Ground {
    on: TestDb,
    dir: PathBuf,
    /// What the plain client runs for each project, history rows included.
    script: String,
}

impl Ground {
    async fn new(dialect: Dialect) -> anyhow::Result<Self> {
        let on = TestDb::new(dialect);
        let code = underpin_migrations::CODE;
        let url = on.database_url();
        let project = underpin_migrations::project(dialect);
        if dialect == Dialect::Postgres {
            on.batch(&format!("CREATE SCHEMA {PLAIN}"));
        }
        let empty = url.in_schema(PLAIN);
        let script = Engine::new(project, code, &empty, Options::default())?;
        let script = script.script(&Goal::Head).await?;
        let lines = script.lines().filter(|line| !makes_as_new(line));
        let script = lines.collect::<Vec<_>>().join("\n") + "\n";
        let registry = underpin_migrations::registry(dialect);
        Engine::new(registry, code, &url, Options::default())?.migrate(&Goal::Head).await?;
        let dir = on.dir().join("data");
        std::fs::create_dir_all(&dir)?;
        Ok(Self { on, dir, script })
    }

    async fn projects(&self, max_open: u64) -> anyhow::Result<Projects> {
        let url = self.on.database_url();
        let main = Db::connect(&url, &PoolOptions::default()).await?;
        let settings = Settings { max_open, ..Settings::new(self.dir.clone()) };
        Ok(Projects::new(main, &url, settings))
    }

    /// One process per project.
    fn plain(&self, number: usize) -> anyhow::Result<()> {
        let mut command;
        let mut script = self.script.clone();
        match self.on.dialect() {
            Dialect::Sqlite => {
                command = Command::new("sqlite3");
                command.arg("-bail").arg(self.dir.join(format!("plain_{number}.db")));
            }
            Dialect::Postgres => {
                command = Command::new(psql());
                command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", self.on.url()]);
                let schema = format!("{PLAIN}_{number}");
                command.env("PGOPTIONS", format!("-c search_path={schema}"));
                script = format!("CREATE SCHEMA {schema};\n{}", script.replace(PLAIN, &schema));
            }
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        let mut input = child.stdin.take().context("there is a standard input")?;
        input.write_all(script.as_bytes())?;
        drop(input);
        ensure!(child.wait()?.success(), "the plain client failed");
        Ok(())
    }
}

/// Debian's `psql` is a wrapper in Perl, which takes longer than the program.
fn psql() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut programs: Vec<_> = versions.map(|one| one.path().join("bin/psql")).collect();
    programs.retain(|program| program.exists());
    programs.sort();
    programs.pop().unwrap_or_else(|| PathBuf::from("psql"))
}

pub(crate) async fn run(dialect: Dialect, count: usize) -> anyhow::Result<()> {
    let ground = Ground::new(dialect).await?;
    let projects = ground.projects(FEW_OPEN).await?;
    report::paragraph(format!("Making {count} projects on {dialect}, one after the other"))?;
    let columns = ["against", "ours /s", "theirs /s", "ratio", "quartiles", "load"];
    report::head(&columns, 1)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    // The first turn warms up, and makes the template.
    for turn in 0..=count / TURN {
        let numbers = turn * TURN..(turn + 1) * TURN;
        let start = Instant::now();
        for number in numbers.clone() {
            projects.create(named(number), now()).await?;
        }
        let elapsed = start.elapsed();
        let start = Instant::now();
        for number in numbers {
            ground.plain(number)?;
        }
        if turn > 0 {
            ours.push(report::per_second(TURN, elapsed));
            theirs.push(report::per_second(TURN, start.elapsed()));
        }
    }
    let (ratio, quartiles) = report::ratio(&ours, &theirs);
    report::row(&[
        if dialect == Dialect::Sqlite { "sqlite3" } else { "psql" }.to_owned(),
        format!("{:.0}", report::median(&ours)),
        format!("{:.0}", report::median(&theirs)),
        format!("**{ratio:.2}**"),
        quartiles,
        report::load(),
    ])?;
    drop(projects);
    open(&ground).await
}

/// Opens projects at random and reads a row of each.
async fn open(ground: &Ground) -> anyhow::Result<()> {
    let all = ground.projects(1).await?.list(vec![ProjectState::Ready], 0, i64::MAX).await?;
    let ids: Vec<_> = all.into_iter().map(|project| project.id).collect();
    report::paragraph(format!("Reading a row of one of {} projects, opened at random", ids.len()))?;
    let columns = ["of", "kept open", "p50 µs", "p99 µs", "descriptors", "MiB"];
    report::head(&columns, 2)?;
    let all_open = u64::try_from(ids.len())?;
    for (some, kept) in [(&ids[..1], FEW_OPEN), (&ids[..], FEW_OPEN), (&ids[..], all_open)] {
        let projects = ground.projects(kept).await?;
        for id in some {
            read(&projects, *id).await?;
        }
        let mut times = Vec::new();
        // A number without a common divisor visits all of them in an order that looks like none.
        for step in 0..5_000 {
            let id = some[step * 7_919 % some.len()];
            let start = Instant::now();
            read(&projects, id).await?;
            times.push(report::millis(start) * 1_000.0);
        }
        let (descriptors, memory) = report::size("/proc/self");
        report::row(&[
            some.len().to_string(),
            kept.to_string(),
            format!("{:.0}", report::median(&times)),
            format!("{:.0}", report::quantile(&times, 0.99)),
            descriptors,
            memory,
        ])?;
    }
    Ok(())
}

async fn read(projects: &Projects, id: i32) -> anyhow::Result<()> {
    let open = projects.open(id, now()).await?;
    let found = open.project(id).await?;
    ensure!(found.is_some_and(|row| row.id == id), "project {id} is not in its own database");
    Ok(())
}

fn named(number: usize) -> NewProject {
    NewProject { name: format!("project {number}"), ..NewProject::default() }
}

fn now() -> NaiveDateTime {
    DateTime::from_timestamp(NOW, 0).unwrap_or_default().naive_utc()
}
