//! The chat bot's side: events that change something, and requests that are answered.
//!
//! One file per subject says how its messages are read and what they do; `event` and `request`
//! list them. An event comes through `subscription`, or through `stream` when JetStream keeps it
//! until it is applied; both hand it to `apply`.

use std::{fmt, sync::Arc, time::Duration};

use anyhow::Context as _;
use async_nats::{Client, ConnectOptions, ServerAddr, Subscriber};
use futures_util::StreamExt as _;
use tokio::sync::watch;
use underpin_db::{Db, percent_decoded};

mod answer;
mod apply;
mod arrived;
mod channel_stats;
pub(crate) mod dead_letter;
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
mod waiting;

pub(crate) use waiting::Waiting;

/// Messages that the client keeps for a subscription before it drops new ones.
const BUFFER: usize = 262_144;
/// How long an end waits for a server that may be gone.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the service is told about NATS. Printing it shows no password.
#[derive(Clone)]
pub struct Settings {
    /// `NATS_URL`
    pub servers: Vec<ServerAddr>,
    /// What the file of `NATS_CREDENTIALS_FILE` holds: it may be a pipe, which can be read once.
    pub credentials: Option<String>,
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

/// Connections to NATS that are made again whenever they are lost.
pub(crate) struct Nats {
    events: Client,
    /// Of its own, so that no request waits behind a flood of events.
    requests: Client,
    settings: Arc<Settings>,
    /// Counts how often the one of the events was made.
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
            let events = options(&settings, "events", made)?;
            let requests = options(&settings, "requests", watch::channel(0).0)?;
            let tried = tokio::try_join!(
                events.connect(settings.servers.clone()),
                requests.connect(settings.servers.clone())
            );
            match tried {
                Ok((events, requests)) => {
                    tracing::info!("connected to NATS at {settings}");
                    let settings = Arc::new(settings);
                    return Ok(Self { events, requests, settings, connections });
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

    /// From now on messages come here. Requests wait until [`Listening::run`] answers them.
    ///
    /// # Errors
    ///
    /// When the stream of the events can neither be used nor made.
    pub(crate) async fn listen(
        self,
        db: &Db,
        leads: &watch::Receiver<bool>,
        waiting: &Arc<Waiting>,
    ) -> anyhow::Result<Listening> {
        let requests = answer::subscribe(&self.requests, &self.settings).await?;
        settle(&self.requests).await?;
        let events = if self.settings.jetstream {
            let reader = stream::Reader {
                client: self.events,
                settings: Arc::clone(&self.settings),
                db: db.clone(),
                leads: leads.clone(),
                connections: self.connections,
                waiting: Arc::clone(waiting),
            };
            reader.prepare().await?;
            Events::Stream(reader)
        } else {
            let messages = subscription::subscribe(&self.events, &self.settings).await?;
            settle(&self.events).await?;
            Events::Subscription(self.events, messages)
        };
        Ok(Listening {
            settings: self.settings,
            db: db.clone(),
            client: self.requests,
            requests,
            events,
            waiting: Arc::clone(waiting),
        })
    }
}

/// Messages that come.
pub(crate) struct Listening {
    settings: Arc<Settings>,
    db: Db,
    client: Client,
    requests: Vec<Subscriber>,
    events: Events,
    waiting: Arc<Waiting>,
}

enum Events {
    Stream(stream::Reader),
    Subscription(Client, Subscriber),
}

impl Listening {
    /// Applies events and answers requests until `stop` ends, then finishes what has come before.
    pub(crate) async fn run(self, stop: impl Future<Output = ()> + Clone) -> anyhow::Result<()> {
        let Self { settings, db, client, requests, events, waiting } = self;
        let answer = answer::run(&client, &settings, requests, &db, stop.clone());
        let apply = async {
            match events {
                Events::Stream(reader) => {
                    reader.run(stop).await;
                    Ok(())
                }
                Events::Subscription(client, messages) => {
                    let silence = settings.session_silence;
                    let applier = apply::Applier::new(db.clone(), silence, None, waiting);
                    subscription::run(&client, &settings, messages, applier, stop).await
                }
            }
        };
        tokio::try_join!(answer, apply).map(drop)
    }
}

/// Waits until the server has done all it was told so far, and what it sent until then is here: it
/// works off a connection in order. The client's own `flush` and `drain` wait for no answer.
async fn settle(client: &Client) -> anyhow::Result<()> {
    let inbox = client.new_inbox();
    let mut echo = client.subscribe(inbox.clone()).await?;
    client.publish(inbox, "".into()).await?;
    echo.next().await.context("the connection to NATS was closed")?;
    Ok(())
}

/// Takes `subscriptions` out of the sharing, once what is on its way is here. More may come meanwhile.
async fn drain(client: &Client, subscriptions: &mut [Subscriber]) {
    let settled = tokio::time::timeout(PATIENCE, settle(client)).await;
    let connected = matches!(settled, Ok(Ok(())));
    for messages in subscriptions {
        // Over a lost connection nothing is on its way, and nobody would say when it has come.
        let ended = if connected { messages.drain().await } else { messages.unsubscribe().await };
        if let Err(error) = ended {
            tracing::debug!(%error, "the subscription has ended already");
        }
    }
}

/// How to connect for `what`, which the server's own lists show, too.
fn options(
    settings: &Settings,
    what: &'static str,
    made: watch::Sender<u64>,
) -> anyhow::Result<ConnectOptions> {
    let mut options = ConnectOptions::new()
        .name(format!("underpin-service {what}"))
        .subscription_capacity(BUFFER)
        .event_callback(move |event| {
            tell(what, &event);
            if matches!(event, async_nats::Event::Connected) {
                made.send_modify(|count| *count += 1);
            }
            async {}
        });
    // The client itself does not read them, and takes one for all servers.
    let login = settings.servers.iter().find_map(|server| Some((server.username()?, server)));
    if let Some((name, server)) = login {
        let name = percent_decoded(name);
        options = match server.password() {
            Some(password) => options.user_and_password(name, percent_decoded(password)),
            None => options.token(name),
        };
    }
    match &settings.credentials {
        Some(text) => options.credentials(text).context("`NATS_CREDENTIALS_FILE` cannot be used"),
        None => Ok(options),
    }
}

fn tell(what: &'static str, event: &async_nats::Event) {
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
        other => return tracing::warn!("NATS, for {what}: {other}"),
    };
    metrics::gauge!("underpin_nats_connected", "for" => what).set(connected);
    if connected > 0.0 {
        tracing::info!("NATS, for {what}: {event}");
    } else {
        tracing::warn!("NATS, for {what}: {event}");
    }
}
