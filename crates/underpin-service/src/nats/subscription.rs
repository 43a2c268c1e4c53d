//! Events as they are published, without a stream: each goes to one replica, at most once.

use anyhow::ensure;
use async_nats::{Client, Message};
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::mpsc;

use super::{
    Settings,
    apply::{Applier, Arrived, LARGEST_GROUP, count},
    event::Event,
    payload::Malformed,
};
use crate::clock;

/// Events that may wait here for the database; then the client's own buffer fills.
const WAITING: usize = 65_536;

/// Applies events until `stop` ends, then those that have come before.
///
/// One subscription takes the events of all subjects, for only within one does NATS keep the order.
pub(crate) async fn run(
    client: Client,
    settings: &Settings,
    mut applier: Applier,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let subject = settings.subject(">");
    let mut messages = client.queue_subscribe(subject, settings.queue_group.clone()).await?;
    client.flush().await?;
    let (queue, mut waiting) = mpsc::channel::<Arrived>(WAITING);
    let mut stopped = false;
    let take = async {
        let mut stop = std::pin::pin!(stop.fuse());
        loop {
            tokio::select! {
                message = messages.next() => match message {
                    Some(message) => {
                        if let Some(arrived) = understand(settings, &message)
                            && queue.send(arrived).await.is_err()
                        {
                            break;
                        }
                    }
                    None => break,
                },
                () = &mut stop => {
                    stopped = true;
                    // Nothing more comes, and what has come is still handed out.
                    if let Err(error) = messages.drain().await {
                        tracing::debug!(%error, "the subscription has ended already");
                        break;
                    }
                }
            }
        }
        drop(queue);
    };
    let write = async {
        let mut group = Vec::new();
        while waiting.recv_many(&mut group, LARGEST_GROUP).await > 0 {
            lag(waiting.len());
            // Outside a stream nobody else applies the same events.
            drop(applier.apply(std::mem::take(&mut group), 0).await);
        }
        lag(0);
    };
    tokio::join!(take, write);
    ensure!(stopped, "the subscription to NATS has ended");
    Ok(())
}

fn understand(settings: &Settings, message: &Message) -> Option<Arrived> {
    let subject = settings.without_prefix(&message.subject)?;
    match Event::read(subject, &message.payload)? {
        Ok(event) => Some(Arrived { event, at: clock::now(), sequence: 0 }),
        Err(malformed) => {
            dropped(subject, &malformed);
            None
        }
    }
}

/// Tells that a message of `subject` was dropped, and why.
pub(crate) fn dropped(subject: &str, malformed: &Malformed) {
    tracing::warn!(subject, "a message of `{subject}` was dropped: {malformed}");
    if let Some(subject) = Event::SUBJECTS.iter().find(|known| **known == subject) {
        count(subject, "malformed");
    }
}

fn lag(waiting: usize) {
    metrics::gauge!("underpin_events_waiting")
        .set(f64::from(u32::try_from(waiting).unwrap_or(u32::MAX)));
}
