//! The service, as it is deployed: processes of their own.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::report;

/// How long a replica may take to start, or to stop.
const PATIENCE: Duration = Duration::from_secs(30);

/// What replicas are started with.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) database_url: String,
    pub(crate) nats: String,
    /// Of their own, so that another run meets none of their messages.
    pub(crate) prefix: String,
    pub(crate) jetstream: bool,
}

/// A process that is killed when it is dropped.
pub(crate) struct Process(Child);

impl Process {
    /// Starts a program, which says only what goes wrong.
    pub(crate) fn start(command: &mut Command) -> anyhow::Result<Self> {
        let child = command.stdin(Stdio::null()).stdout(std::io::stderr()).spawn();
        Ok(Self(child.with_context(|| format!("cannot start {command:?}"))?))
    }

    /// Open files and connections, and memory in MiB.
    pub(crate) fn size(&self) -> (String, String) {
        report::size(&format!("/proc/{}", self.0.id()))
    }

    /// Asks it to stop, and expects that it does so in order.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        let asked = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status()?;
        ensure!(asked.success(), "cannot stop process {}", self.0.id());
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(status) = self.0.try_wait()? {
                ensure!(status.success(), "a replica ended with {status}");
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("a replica does not stop")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Starts `count` replicas and waits until each is ready.
pub(crate) async fn start(
    program: &Path,
    setting: &Setting,
    count: usize,
) -> anyhow::Result<Vec<Process>> {
    let jetstream = setting.jetstream.to_string();
    let environment = [
        ("DATABASE_URL", &*setting.database_url),
        ("NATS_URL", &setting.nats),
        ("NATS_SUBJECT_PREFIX", &setting.prefix),
        ("NATS_JETSTREAM", &jetstream),
    ];
    let mut replicas = Vec::new();
    for _ in 0..count {
        replicas.push(start_with(program, &environment).await?.0);
    }
    Ok(replicas)
}

/// Starts a replica with these settings, waits until it is ready, and says where it listens.
pub(crate) async fn start_with(
    program: &Path,
    environment: &[(&str, &str)],
) -> anyhow::Result<(Process, SocketAddr)> {
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let mut command = Command::new(program);
    command
        .args(["--env-file", "/dev/null", "--migrate"])
        .env("HTTP_ADDR", address.to_string())
        .env("LOG_LEVEL", "warn")
        // What is measured is old enough to be deleted.
        .env("RETENTION_INTERVAL_SECONDS", "0")
        .envs(environment.iter().copied());
    let process = Process::start(&mut command)?;
    ready(address).await?;
    Ok((process, address))
}

async fn ready(address: SocketAddr) -> anyhow::Result<()> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if get(address, "/ready").await.is_ok_and(|answer| answer.starts_with("HTTP/1.0 200")) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bail!("a replica is not ready after {} s", PATIENCE.as_secs())
}

async fn get(address: SocketAddr, path: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
