//! Events per second, from the first that is published to the last that is visible in the database.

use std::{process::Command, time::Instant};

use anyhow::{Context as _, ensure};
use async_nats::Client;
use underpin_testkit::{Dialect, TestDb};

use crate::{
    With,
    database::{self, Watch},
    load, report,
    service::{self, Process, Setting},
};

/// Where events go: a database, and who applies them to it.
struct Side {
    test_db: TestDb,
    watch: Watch,
    /// Lives as long as the side: what a connection has sent may be lost when it ends.
    client: Client,
    setting: Setting,
    processes: Vec<Process>,
    published: usize,
    /// Events per second of each round.
    speeds: Vec<f64>,
}

pub(crate) async fn run(with: &With, events: usize) -> anyhow::Result<()> {
    let dialect = with.dialect;
    let (_, about) = Side::prepare(with, "none", false).await?;
    let rounds = with.rounds;
    report::paragraph(format!(
        "Events until visible; {about}; {rounds} rounds of {events} lines; the reference is a bare \
         subscriber on SQLite that groups commits and knows no other event"
    ))?;
    let columns = ["way", "replicas", "events /s", "quartiles", "bare /s", "ratio", "load"];
    report::head(&columns, 2)?;
    for (jetstream, replicas) in [(false, 1), (false, 2), (true, 1), (true, 2)] {
        let mut ours = Side::service(with, jetstream, replicas).await?;
        let mut bare = Side::bare(with).await?;
        for round in 0..=with.rounds {
            for side in [&mut ours, &mut bare] {
                let speed = side.round(events).await?;
                if round > 0 {
                    side.speeds.push(speed);
                }
            }
        }
        let (ratio, _) = report::ratio(&ours.speeds, &bare.speeds);
        let quartile = |part| report::quantile(&ours.speeds, part);
        report::row(&[
            if jetstream { "JetStream" } else { "core" }.to_owned(),
            replicas.to_string(),
            format!("**{:.0}**", report::median(&ours.speeds)),
            format!("{:.0}–{:.0}", quartile(0.25), quartile(0.75)),
            format!("{:.0}", report::median(&bare.speeds)),
            if dialect == Dialect::Sqlite { format!("{ratio:.2}") } else { "-".to_owned() },
            report::load(),
        ])?;
        ours.close().await?;
        drop(bare);
    }
    Ok(())
}

impl Side {
    async fn service(with: &With, jetstream: bool, replicas: usize) -> anyhow::Result<Self> {
        let name = format!("{jetstream}{replicas}");
        let (mut side, _) = Self::prepare(with, &name, jetstream).await?;
        side.processes = service::start(&with.service, &side.setting, replicas).await?;
        Ok(side)
    }

    /// The bare subscriber, on SQLite.
    async fn bare(with: &With) -> anyhow::Result<Self> {
        let with = With { dialect: Dialect::Sqlite, ..with.clone() };
        let (mut side, _) = Self::prepare(&with, "bare", false).await?;
        let mut command = Command::new(std::env::current_exe()?);
        let subject = format!("{}.message.log", side.setting.prefix);
        command.args(["applier", &with.nats, &subject]).arg(side.test_db.file());
        side.processes.push(Process::start(&mut command)?);
        // Nobody else could say that it listens.
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        Ok(side)
    }

    async fn prepare(with: &With, name: &str, jetstream: bool) -> anyhow::Result<(Self, String)> {
        let (test_db, _, about) = database::prepare(with.dialect).await?;
        let setting = Setting {
            database_url: test_db.url().to_owned(),
            nats: with.nats.clone(),
            prefix: format!("bench-{}-{name}", std::process::id()),
            jetstream,
        };
        let watch = Watch::open(&test_db).await?;
        let client = async_nats::connect(&with.nats).await?;
        let side = Self {
            client,
            test_db,
            watch,
            setting,
            processes: Vec::new(),
            published: 0,
            speeds: vec![],
        };
        Ok((side, about))
    }

    /// Publishes `count` lines and waits until all are visible; gives how many those are per second.
    async fn round(&mut self, count: usize) -> anyhow::Result<f64> {
        let (client, setting) = (self.client.clone(), self.setting.clone());
        let start = Instant::now();
        let publish = tokio::spawn(async move { load::publish(&client, &setting, count).await });
        self.published += count;
        let visible = load::visible(&mut self.watch, self.published).await;
        visible.with_context(|| format!("events of {}", self.setting.prefix))?;
        let speed = report::per_second(count, start.elapsed());
        publish.await??;
        let kept = self.watch.kept().await?;
        ensure!(kept == self.published, "expected {} lines, found {kept}", self.published);
        Ok(speed)
    }

    async fn close(self) -> anyhow::Result<()> {
        for process in self.processes {
            process.stop().await?;
        }
        if self.setting.jetstream {
            let stream = self.setting.prefix.to_uppercase();
            async_nats::jetstream::new(self.client).delete_stream(stream).await?;
        }
        Ok(())
    }
}
