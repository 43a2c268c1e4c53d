//! How long a reply takes, beside a bare echo: at rest, and while events are written.

use std::{
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use async_nats::Client;
use serde_json::{Value, json};
use underpin_testkit::TestDb;

use crate::{
    With,
    database::{self, Watch},
    load, report,
    service::{self, Process, Setting},
};

/// Rows of a reply.
const LINES: usize = 20;
/// Lines that may wait to be applied while requests are measured: some always do.
const BACKLOG: usize = 20_000;
const WAVE: usize = 5_000;

/// Milliseconds of requests.
#[derive(Default)]
struct Times {
    /// Medians of the rounds.
    p50: Vec<f64>,
    /// 99 of 100 are faster, in each round.
    p99: Vec<f64>,
    longest: f64,
}

impl Times {
    fn add(&mut self, times: &[f64]) {
        self.p50.push(report::median(times));
        self.p99.push(report::quantile(times, 0.99));
        self.longest = times.iter().copied().fold(self.longest, f64::max);
    }
}

/// Who is asked, and how.
struct Asked {
    client: Client,
    subject: String,
    question: String,
    /// Of each reply.
    bytes: usize,
}

pub(crate) async fn run(with: &With, requests: usize) -> anyhow::Result<()> {
    let (test_db, _, about) = database::prepare(with.dialect).await?;
    let setting = Setting {
        database_url: test_db.url().to_owned(),
        nats: with.nats.clone(),
        prefix: format!("bench-{}", std::process::id()),
        jetstream: false,
    };
    let mut service = service::start(&with.service, &setting, 1).await?;
    let client = async_nats::connect(&with.nats).await?;
    let subject = format!("{}.stats.recent_chat.get", setting.prefix);
    let question = json!({ "limit": LINES }).to_string();
    let reply = client.request(subject.clone(), question.clone().into()).await?.payload;
    let lines: Vec<Value> = serde_json::from_slice(&reply)?;
    ensure!(lines.len() == LINES, "expected {LINES} lines, found {}", lines.len());
    let echo_subject = format!("{}-echo", setting.prefix);
    let _echo = echo(with, &echo_subject, reply.len()).await?;
    let ours =
        Asked { client: client.clone(), subject, question: question.clone(), bytes: reply.len() };
    let echo = Asked { client, subject: echo_subject, question, bytes: reply.len() };
    report::paragraph(format!(
        "Replies of `stats.recent_chat.get`, {LINES} lines, {} bytes; {about}; {} rounds of {requests} \
         requests, one after the other",
        reply.len(),
        with.rounds
    ))?;
    let columns = [
        "while",
        "ours p50 ms",
        "echo p50 ms",
        "ratio",
        "quartiles",
        "aim",
        "ours p99 ms",
        "echo p99 ms",
        "aim",
        "longest ms",
        "load",
    ];
    report::head(&columns, 1)?;
    let (at_rest, at_rest_echo) = measure(&ours, &echo, with.rounds, requests).await?;
    print("nothing else happens", (&at_rest, &at_rest_echo), Some(1.3), None)?;
    let writer = Writer::start(test_db, setting).await?;
    let (busy, busy_echo) = measure(&ours, &echo, with.rounds, requests).await?;
    let (speed, _test_db) = writer.stop()?;
    let what = format!("{speed:.0} events /s are written");
    print(&what, (&busy, &busy_echo), None, Some(6.0))?;
    service.pop().context("there is a replica")?.stop().await
}

async fn echo(with: &With, subject: &str, bytes: usize) -> anyhow::Result<Process> {
    let mut command = Command::new(std::env::current_exe()?);
    let process = Process::start(command.args(["echo", &with.nats, subject, &bytes.to_string()]))?;
    // Nobody else could say that it listens.
    tokio::time::sleep(Duration::from_millis(500)).await;
    Ok(process)
}

/// Both sides in turns; the first round warms up.
async fn measure(
    ours: &Asked,
    echo: &Asked,
    rounds: usize,
    requests: usize,
) -> anyhow::Result<(Times, Times)> {
    let (mut times, mut echo_times) = (Times::default(), Times::default());
    for round in 0..=rounds {
        let (ours, echo) = (ours.turn(requests).await?, echo.turn(requests).await?);
        if round > 0 {
            times.add(&ours);
            echo_times.add(&echo);
        }
    }
    Ok((times, echo_times))
}

impl Asked {
    /// The milliseconds of each request.
    async fn turn(&self, requests: usize) -> anyhow::Result<Vec<f64>> {
        let mut times = Vec::with_capacity(requests);
        for _ in 0..requests {
            let question = self.question.clone().into();
            let start = Instant::now();
            let reply = self.client.request(self.subject.clone(), question).await?;
            times.push(report::millis(start));
            ensure!(
                reply.payload.len() == self.bytes,
                "expected a reply of {} bytes, found {}",
                self.bytes,
                reply.payload.len()
            );
        }
        Ok(times)
    }
}

fn print(
    what: &str,
    (ours, echo): (&Times, &Times),
    aim_p50: Option<f64>,
    aim_p99: Option<f64>,
) -> anyhow::Result<()> {
    let aim = |aim: Option<f64>, found: f64| match aim {
        Some(aim) if found > aim => format!("{aim}, missed"),
        Some(aim) => aim.to_string(),
        None => "-".to_owned(),
    };
    let (ratio, quartiles) = report::ratio(&ours.p50, &echo.p50);
    let p99 = report::median(&ours.p99);
    report::row(&[
        what.to_owned(),
        format!("{:.2}", report::median(&ours.p50)),
        format!("{:.2}", report::median(&echo.p50)),
        format!("**{ratio:.2}**"),
        quartiles,
        aim(aim_p50, ratio),
        format!("**{p99:.2}**"),
        format!("{:.2}", report::median(&echo.p99)),
        aim(aim_p99, p99),
        format!("{:.1}", ours.longest),
        report::load(),
    ])
}

/// Publishes lines so that some always wait, on a thread and a connection of its own.
struct Writer {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<anyhow::Result<(f64, TestDb)>>,
}

impl Writer {
    async fn start(test_db: TestDb, setting: Setting) -> anyhow::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let speed = runtime.block_on(write(&test_db, &setting, &stopped))?;
            Ok((speed, test_db))
        });
        // Until lines are waiting.
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(Self { stop, thread })
    }

    /// Gives how many lines became visible per second, and expects each of them.
    fn stop(self) -> anyhow::Result<(f64, TestDb)> {
        self.stop.store(true, Ordering::Relaxed);
        match self.thread.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

async fn write(test_db: &TestDb, setting: &Setting, stop: &AtomicBool) -> anyhow::Result<f64> {
    let client = async_nats::connect(&setting.nats).await?;
    let mut watch = Watch::open(test_db).await?;
    let start = Instant::now();
    let mut published = 0;
    while !stop.load(Ordering::Relaxed) {
        if published < watch.counted().await? + BACKLOG {
            load::publish(&client, setting, WAVE).await?;
            published += WAVE;
        } else {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    load::visible(&mut watch, published).await?;
    Ok(report::per_second(published, start.elapsed()))
}
