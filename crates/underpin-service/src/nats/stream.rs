//! Events of a JetStream stream: each is applied exactly once, in the order of the stream.
//!
//! How far the stream has been applied stands in the database and moves in the transaction of the
//! events, so whatever dies at whatever moment, the two agree. The consumer on the server starts
//! after that position whenever this process begins or loses track, and acknowledges what was
//! committed: it tells operators how far the service is, and decides nothing.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, bail, ensure};
use async_nats::{
    Client,
    jetstream::{
        self, AckKind,
        consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull},
        stream::{self, StorageType, Stream},
    },
};
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::watch;
use underpin_db::Db;
use underpin_models::bot::EventPositionRepository as _;

use super::{
    Settings, Waiting,
    apply::{Applier, LARGEST_GROUP, Position},
    arrived::Arrived,
    event::Event,
    request,
};

/// How long the server waits for an acknowledgement before it sends an event again.
const ACK_WAIT: Duration = Duration::from_secs(30);
/// How soon a consumer that failed is made anew.
const PAUSE: Duration = Duration::from_secs(1);

/// What the stream's reader works with.
pub(crate) struct Reader {
    pub(crate) client: Client,
    pub(crate) settings: Arc<Settings>,
    pub(crate) db: Db,
    /// Whether this process leads: one reads, the others stand by.
    pub(crate) leads: watch::Receiver<bool>,
    /// Counts how often the connection was made; what was on its way over an old one is lost.
    pub(crate) connections: watch::Receiver<u64>,
    pub(crate) waiting: Arc<Waiting>,
}

impl Reader {
    /// Finds the stream or makes it.
    ///
    /// # Errors
    ///
    /// When the server has no JetStream, or a stream of this name holds something else.
    pub(crate) async fn prepare(&self) -> anyhow::Result<()> {
        self.stream().await?;
        tracing::info!("events come from the JetStream stream `{}`", self.settings.stream);
        Ok(())
    }

    /// The stream, which may have been deleted since the start.
    async fn stream(&self) -> anyhow::Result<Stream> {
        let settings = &self.settings;
        let context = jetstream::new(self.client.clone());
        let subjects: Vec<_> =
            Event::SUBJECTS.iter().map(|subject| settings.subject(subject)).collect();
        let name = &settings.stream;
        let wanted = stream::Config {
            name: name.clone(),
            subjects: subjects.clone(),
            storage: StorageType::File,
            max_age: settings.stream_max_age,
            description: Some("events of the chat bot, applied by underpin-service".to_owned()),
            ..stream::Config::default()
        };
        let found = context.get_or_create_stream(wanted).await.with_context(|| {
            format!("cannot use the JetStream stream `{name}`: is JetStream switched on?")
        })?;
        let captured = &found.cached_info().config.subjects;
        let holds = |subject: &str| captured.iter().any(|pattern| matches(pattern, subject));
        if let Some(missing) = subjects.iter().find(|subject| !holds(subject)) {
            bail!(
                "the stream `{name}` exists, but does not capture `{missing}`: add it to the \
                 stream's subjects, or name another stream with `NATS_STREAM`"
            );
        }
        let asked = request::SUBJECTS.iter().map(|subject| settings.subject(subject));
        for subject in asked {
            ensure!(
                !holds(&subject),
                "the stream `{name}` captures the requests of `{subject}`, which the server would \
                 then answer itself: take it out of the stream's subjects"
            );
        }
        Ok(found)
    }

    /// Applies events while this process leads, until `stop` ends. What is not committed then stays in
    /// the stream.
    pub(crate) async fn run(mut self, stop: impl Future<Output = ()>) {
        let read = async {
            // The other end lives as long as the process leads or stands by.
            while self.leads.wait_for(|leads| *leads).await.is_ok() {
                if let Err(error) = self.lead().await {
                    let pause = PAUSE.as_secs();
                    tracing::warn!("the event stream is read anew in {pause} s: {error:#}");
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        tokio::select! {
            () = stop => {}
            () = read => {}
        }
    }

    /// Applies events until this process does not lead any more, or loses track.
    async fn lead(&mut self) -> anyhow::Result<()> {
        self.connections.mark_unchanged();
        let stream = self.stream().await?;
        let position = self.position(&stream).await?;
        let mut next = position.sequence;
        let consumer = self.consumer(&stream, position.sequence).await?;
        let silence = self.settings.session_silence;
        let mut applier =
            Applier::new(self.db.clone(), silence, Some(position), Arc::clone(&self.waiting));
        let mut messages = consumer
            .stream()
            .max_messages_per_batch(LARGEST_GROUP * 4)
            .heartbeat(Duration::from_secs(5))
            .expires(Duration::from_secs(15))
            .messages()
            .await?;
        let mut delivered = 0;
        loop {
            let first = tokio::select! {
                biased;
                _ = self.leads.wait_for(|leads| !*leads) => return Ok(()),
                _ = self.connections.changed() => return Ok(()),
                message = messages.next() => message,
            };
            ensure!(first.is_some(), "the subscription has ended");
            let mut group = Group::default();
            let mut message = first;
            while let Some(received) = message {
                let received = received?;
                let info = received.info().map_err(|error| anyhow::anyhow!(error))?;
                delivered += 1;
                ensure!(info.consumer_sequence == delivered, "a delivery was lost on its way");
                let sequence = i64::try_from(info.stream_sequence)?;
                lag(info.pending);
                // The server sends again what took long to be acknowledged.
                if sequence > next {
                    next = sequence;
                    group.push(&self.settings, received, sequence);
                }
                if group.messages >= LARGEST_GROUP {
                    break;
                }
                message = messages.next().now_or_never().flatten();
            }
            let Some(last) = group.last else { continue };
            tokio::select! {
                biased;
                // Events may wait for long. The position lets one replica alone apply them, should this
                // one be in the middle of it.
                _ = self.leads.wait_for(|leads| !*leads) => return Ok(()),
                result = applier.apply(group.events, next) => if result.is_err() {
                    bail!("another replica has applied the same events");
                },
            }
            if let Err(error) = last.ack_with(AckKind::Ack).await {
                tracing::debug!(%error, "committed events could not be acknowledged");
            }
        }
    }

    /// How far the stream has been applied, as the database knows.
    async fn position(&self, stream: &Stream) -> anyhow::Result<Position> {
        let info = stream.cached_info();
        let (name, incarnation) =
            (info.config.name.clone(), info.created.unix_timestamp_nanos().to_string());
        let (first, last) =
            (i64::try_from(info.state.first_sequence)?, i64::try_from(info.state.last_sequence)?);
        let mut sequence = self.db.event_position(name.clone(), incarnation.clone()).await?;
        if sequence > last {
            // A server that lost power gives the same numbers to other events.
            tracing::error!(
                "the stream `{name}` ends at {last}, yet {sequence} was applied: the server has lost \
                 its last events; the next ones are applied from {last} on"
            );
            let position = (name.clone(), incarnation.clone());
            self.db.advance_event_position(position.0, position.1, sequence, last).await?;
            sequence = last;
        }
        let unread = first - sequence - 1;
        if sequence > 0 && unread > 0 {
            tracing::error!(
                unread,
                "the stream `{name}` begins at {first}, yet {sequence} was the last to be applied: \
                 {unread} events were removed before anybody read them"
            );
        }
        Ok(Position { stream: name, incarnation, sequence })
    }

    /// The durable consumer, made anew after `position`: what another one has in flight would come
    /// too late, and out of order.
    async fn consumer(&self, stream: &Stream, position: i64) -> anyhow::Result<PullConsumer> {
        let name = &self.settings.queue_group;
        if let Err(error) = stream.delete_consumer(name).await {
            tracing::debug!(%error, "there was no consumer `{name}`");
        }
        let config = pull::Config {
            durable_name: Some(name.clone()),
            description: Some("the replica of underpin-service that leads".to_owned()),
            deliver_policy: DeliverPolicy::ByStartSequence {
                start_sequence: u64::try_from(position)? + 1,
            },
            ack_policy: AckPolicy::All,
            ack_wait: ACK_WAIT,
            max_ack_pending: i64::try_from(LARGEST_GROUP * 16)?,
            filter_subject: self.settings.subject(">"),
            ..pull::Config::default()
        };
        Ok(stream.create_consumer(config).await?)
    }
}

/// Messages that share a transaction.
#[derive(Default)]
struct Group {
    events: Vec<Arrived>,
    /// The last message, whose acknowledgement stands for all before it.
    last: Option<jetstream::Message>,
    /// Including those of other subjects.
    messages: usize,
}

impl Group {
    fn push(&mut self, settings: &Settings, message: jetstream::Message, sequence: i64) {
        let subject = settings.without_prefix(&message.subject).unwrap_or_default();
        let at = message.info().map_or(0, |info| info.published.unix_timestamp());
        self.events.extend(Arrived::read(subject, &message.payload, at, sequence));
        self.last = Some(message);
        self.messages += 1;
    }
}

/// Whether a stream's subject `pattern`, with `*` for a token and `>` for the rest, takes `subject`.
fn matches(pattern: &str, subject: &str) -> bool {
    let mut tokens = subject.split('.');
    for part in pattern.split('.') {
        match (part, tokens.next()) {
            (">", Some(_)) => return true,
            ("*", Some(_)) => {}
            (part, Some(token)) if part == token => {}
            _ => return false,
        }
    }
    tokens.next().is_none()
}

fn lag(pending: u64) {
    let pending = u32::try_from(pending).unwrap_or(u32::MAX);
    metrics::gauge!("underpin_stream_lag").set(f64::from(pending));
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_take_what_the_server_takes() {
        assert!(matches("a.b", "a.b") && matches("a.*", "a.b") && matches("a.>", "a.b.c"));
        assert!(matches(">", "a"));
        assert!(!matches("a", "a.b") && !matches("a.b", "a") && !matches("a.*", "a.b.c"));
        assert!(!matches("a.>", "a") && !matches("a.b", "a.c"));
    }
}
