//! The chat bot's side: events that change something, and requests that are answered.
//!
//! One file per subject says how its messages are read and what they do; `event` and `request`
//! list them. An event comes through `subscription`, or through `stream` when JetStream keeps it
//! until it is applied; both hand it to `apply`.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use async_nats::{Client, ConnectOptions, ServerAddr};
use tokio::sync::watch;
use underpin_db::Db;

mod answer;
mod apply;
mod channel_stats;
mod enqueue;
mod event;
mod high_water;
mod mark_failed;
mod mark_sent;
mod message_log;
mod outbound_get;
mod payload;
mod pm_command;
mod recent_chat;
mod request;
mod status_update;
mod stream;
mod subscription;
mod user_count;
mod user_joined;
mod user_left;
mod user_stats;

/// Messages that the client keeps for a subscription before it drops new ones.
const BUFFER: usize = 262_144;

/// What the service is told about NATS. Printing it shows no password.
#[derive(Clone)]
pub struct Settings {
    /// `NATS_URL`
    pub servers: Vec<ServerAddr>,
    /// `NATS_CREDENTIALS_FILE`
    pub credentials_file: Option<PathBuf>,
    /// `NATS_WAIT_SECONDS`
    pub wait: Duration,
    /// `NATS_SUBJECT_PREFIX`
    pub prefix: String,
    /// `NATS_QUEUE_GROUP`
    pub queue_group: String,
    /// `NATS_JETSTREAM`
    pub jetstream: bool,
    /// `NATS_STREAM`
    pub stream: String,
    /// `NATS_STREAM_MAX_AGE_HOURS`
    pub stream_max_age: Duration,
    /// `SESSION_SILENCE_SECONDS`
    pub session_silence: Duration,
}

impl Settings {
    /// The whole subject of what follows the prefix.
    fn subject(&self, rest: &str) -> String {
        format!("{}.{rest}", self.prefix)
    }

    /// What follows the prefix; `None` when `subject` has another one.
    fn without_prefix<'s>(&self, subject: &'s str) -> Option<&'s str> {
        subject.strip_prefix(&self.prefix)?.strip_prefix('.')
    }
}

impl fmt::Display for Settings {
    /// The servers, without who logs in.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers: Vec<_> =
            self.servers.iter().map(|one| format!("{}:{}", one.host(), one.port())).collect();
        f.write_str(&servers.join(","))
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Settings({self})")
    }
}

/// A connection to NATS that is made again whenever it is lost.
pub(crate) struct Nats {
    client: Client,
    settings: Arc<Settings>,
    /// Counts how often it was made.
    connections: watch::Receiver<u64>,
}

impl Nats {
    /// Connects, and waits for a server that is still starting.
    ///
    /// # Errors
    ///
    /// When no server answers in time, or one refuses.
    pub(crate) async fn connect(settings: Settings) -> anyhow::Result<Self> {
        let start = tokio::time::Instant::now();
        loop {
            let (made, connections) = watch::channel(0);
            let servers = settings.servers.clone();
            let tried = options(&settings, made).await?.connect(servers).await;
            match tried {
                Ok(client) => {
                    tracing::info!("connected to NATS at {settings}");
                    return Ok(Self { client, settings: Arc::new(settings), connections });
                }
                Err(error) if start.elapsed() >= settings.wait => {
                    return Err(error).with_context(|| {
                        format!("cannot connect to NATS at {settings}: see `NATS_URL`")
                    });
                }
                Err(error) => {
                    if start.elapsed() < Duration::from_millis(500) {
                        let limit = settings.wait.as_secs();
                        tracing::warn!("waiting up to {limit} s for NATS at {settings}: {error}");
                    }
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
            }
        }
    }

    /// Makes sure that the stream of the events is there, where there is one.
    pub(crate) async fn prepare(
        &self,
        db: &Db,
        leads: &watch::Receiver<bool>,
    ) -> anyhow::Result<()> {
        if self.settings.jetstream { self.reader(db, leads).prepare().await } else { Ok(()) }
    }

    /// Applies events and answers requests until `stop` ends, then finishes what has come before.
    pub(crate) async fn run(
        self,
        db: Db,
        leads: watch::Receiver<bool>,
        stop: impl Future<Output = ()> + Clone,
    ) -> anyhow::Result<()> {
        let settings = &self.settings;
        let requests = answer::run(self.client.clone(), settings, db.clone(), stop.clone());
        let events = async {
            if settings.jetstream {
                self.reader(&db, &leads).run(stop).await;
                Ok(())
            } else {
                let applier = apply::Applier::new(db.clone(), settings.session_silence, None);
                subscription::run(self.client.clone(), settings, applier, stop).await
            }
        };
        tokio::try_join!(requests, events)?;
        Ok(())
    }

    fn reader(&self, db: &Db, leads: &watch::Receiver<bool>) -> stream::Reader {
        stream::Reader {
            client: self.client.clone(),
            settings: Arc::clone(&self.settings),
            db: db.clone(),
            leads: leads.clone(),
            connections: self.connections.clone(),
        }
    }
}

async fn options(settings: &Settings, made: watch::Sender<u64>) -> anyhow::Result<ConnectOptions> {
    let options = ConnectOptions::new()
        .name("underpin-service")
        .subscription_capacity(BUFFER)
        .event_callback(move |event| {
            tell(&event);
            if matches!(event, async_nats::Event::Connected) {
                made.send_modify(|count| *count += 1);
            }
            async {}
        });
    match &settings.credentials_file {
        Some(file) => options.credentials_file(file).await.with_context(|| {
            format!("cannot read `{}`: see `NATS_CREDENTIALS_FILE`", file.display())
        }),
        None => Ok(options),
    }
}

fn tell(event: &async_nats::Event) {
    use async_nats::Event;
    let connected = match event {
        Event::Connected => 1.0,
        Event::Disconnected => 0.0,
        // The connection is given up at the end alone.
        Event::Closed => return,
        Event::SlowConsumer(_) => {
            metrics::counter!("underpin_events_dropped_total").increment(1);
            tracing::error!(
                "messages come faster than they are applied, and {BUFFER} wait: one was dropped \
                 (JetStream drops none)"
            );
            return;
        }
        other => return tracing::warn!("NATS: {other}"),
    };
    metrics::gauge!("underpin_nats_connected").set(connected);
    if connected > 0.0 {
        tracing::info!("NATS: {event}");
    } else {
        tracing::warn!("NATS: {event}");
    }
}
