//! Requests: each is answered once, by one replica, whatever else is going on.

use std::sync::Arc;

use anyhow::ensure;
use async_nats::{Client, Message, Subscriber};
use futures_util::{StreamExt as _, stream::select_all};
use tokio::sync::Semaphore;
use underpin_db::Db;

use super::{
    PATIENCE, Settings, drain,
    request::{self, Unanswered},
};
use crate::clock;

/// Requests at work at once; more get their fallback, for who waits long does not wait any more.
const AT_ONCE: u32 = 256;

/// Asks for a share of the requests.
pub(crate) async fn subscribe(
    client: &Client,
    settings: &Settings,
) -> anyhow::Result<Vec<Subscriber>> {
    // Not the group of the events: to the server, all subscriptions of one group that fit a message
    // are one, and it would hand requests to the events' as well.
    let group = format!("{}-requests", settings.queue_group);
    let mut subscriptions = Vec::new();
    for subject in request::SUBJECTS {
        let subject = settings.subject(subject);
        subscriptions.push(client.queue_subscribe(subject, group.clone()).await?);
    }
    Ok(subscriptions)
}

/// Answers the requests that come over `subscriptions` until `stop` ends, then those that have come
/// before.
pub(crate) async fn run(
    client: &Client,
    settings: &Settings,
    subscriptions: Vec<Subscriber>,
    db: &Db,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let mut messages = select_all(subscriptions);
    let room = Arc::new(Semaphore::new(AT_ONCE as usize));
    let mut stop = std::pin::pin!(stop);
    let mut stopping = false;
    loop {
        tokio::select! {
            message = messages.next() => {
                let Some(message) = message else { break };
                let Some(subject) = settings.without_prefix(&message.subject) else { continue };
                let Some(known) = request::SUBJECTS.iter().find(|known| **known == subject) else {
                    continue;
                };
                serve(client, db, known, message, &room).await;
            }
            () = &mut stop, if !stopping => {
                stopping = true;
                // A stream that is ended from here is looked at again only when it is put in anew.
                let mut subscriptions: Vec<_> = std::mem::take(&mut messages).into_iter().collect();
                drain(client, &mut subscriptions).await;
                messages = select_all(subscriptions);
            }
        }
    }
    ensure!(stopping, "the subscriptions to NATS have ended");
    // Those at work give their room back when they are done.
    drop(room.acquire_many(AT_ONCE).await);
    match tokio::time::timeout(PATIENCE, client.flush()).await {
        Ok(flushed) => Ok(flushed?),
        // Nobody is there to hear the last replies.
        Err(_) => Ok(()),
    }
}

async fn serve(
    client: &Client,
    db: &Db,
    subject: &'static str,
    message: Message,
    room: &Arc<Semaphore>,
) {
    let Some(inbox) = message.reply else {
        tracing::warn!(
            subject,
            "a request of `{subject}` was dropped: it names no inbox for a reply"
        );
        count(subject, "malformed");
        return;
    };
    let Ok(place) = Arc::clone(room).try_acquire_owned() else {
        tracing::warn!(
            subject,
            "{AT_ONCE} requests are at work: one of `{subject}` gets its fallback"
        );
        count(subject, "busy");
        send(client, subject, inbox, request::fallback(subject).to_string()).await;
        return;
    };
    let (client, db) = (client.clone(), db.clone());
    tokio::spawn(async move {
        let (answer, trouble) = request::reply(subject, &message.payload, &db, clock::now()).await;
        count(subject, outcome(subject, trouble.as_ref()));
        let mut text = answer.to_string();
        let room = client.max_payload();
        if text.len() > room {
            let bytes = text.len();
            tracing::warn!(
                subject,
                bytes,
                "a reply of `{subject}` has {bytes} bytes, and NATS takes {room}: ask for fewer"
            );
            text = request::fallback(subject).to_string();
        }
        send(&client, subject, inbox, text).await;
        drop(place);
    });
}

/// Logs why there is only a fallback.
fn outcome(subject: &'static str, trouble: Option<&Unanswered>) -> &'static str {
    match trouble {
        None => "answered",
        Some(Unanswered::Malformed(malformed)) => {
            tracing::warn!(subject, "a request of `{subject}` got its fallback: {malformed}");
            "malformed"
        }
        Some(Unanswered::Late) => {
            tracing::error!(
                subject,
                "a request of `{subject}` got its fallback: the database is slow"
            );
            "late"
        }
        Some(Unanswered::Failed(error)) => {
            tracing::error!(subject, "a request of `{subject}` got its fallback: {error}");
            "failed"
        }
    }
}

async fn send(client: &Client, subject: &'static str, inbox: async_nats::Subject, text: String) {
    if let Err(error) = client.publish(inbox, text.into()).await {
        tracing::warn!(subject, "a reply of `{subject}` could not be sent: {error}");
    }
}

fn count(subject: &'static str, outcome: &'static str) {
    metrics::counter!("underpin_requests_total", "subject" => subject, "outcome" => outcome)
        .increment(1);
}
