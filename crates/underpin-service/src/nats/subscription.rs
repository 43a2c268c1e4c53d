//! Events as they are published, without a stream: each goes to one replica, at most once.

use anyhow::ensure;
use async_nats::{Client, Message, Subscriber};
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::mpsc;

use super::{
    Settings,
    apply::{Applier, LARGEST_GROUP},
    arrived::Arrived,
    drain,
};
use crate::clock;

/// Events that may wait here for the database; then the client's own buffer fills.
const WAITING: usize = 65_536;

/// Asks for a share of the events.
///
/// One subscription takes the events of all subjects, for only within one does NATS keep the order.
pub(crate) async fn subscribe(client: &Client, settings: &Settings) -> anyhow::Result<Subscriber> {
    let subject = settings.subject(">");
    Ok(client.queue_subscribe(subject, settings.queue_group.clone()).await?)
}

/// Applies the events among `messages` until `stop` ends, then those that have come before.
pub(crate) async fn run(
    client: &Client,
    settings: &Settings,
    mut messages: Subscriber,
    mut applier: Applier,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let (queue, mut waiting) = mpsc::channel::<Arrived>(WAITING);
    let mut stopped = false;
    let take = async {
        let mut stop = std::pin::pin!(stop.fuse());
        loop {
            tokio::select! {
                message = messages.next() => {
                    let Some(message) = message else { break };
                    if let Some(arrived) = read(settings, &message)
                        && queue.send(arrived).await.is_err()
                    {
                        break;
                    }
                }
                () = &mut stop => {
                    stopped = true;
                    drain(client, std::slice::from_mut(&mut messages)).await;
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

fn read(settings: &Settings, message: &Message) -> Option<Arrived> {
    let subject = settings.without_prefix(&message.subject)?;
    Arrived::read(subject, &message.payload, clock::now(), 0)
}

fn lag(waiting: usize) {
    metrics::gauge!("underpin_events_waiting")
        .set(f64::from(u32::try_from(waiting).unwrap_or(u32::MAX)));
}
