//! Lines of chat as the bot publishes them.

use std::time::Duration;

use async_nats::{Client, jetstream};
use futures_util::{StreamExt as _, stream};
use serde_json::json;
use tokio::time::Instant;

use crate::{
    database::{MESSAGE, Watch, user},
    service::Setting,
};

/// Publications of a stream that may wait for the server's word.
const IN_FLIGHT: usize = 1_024;
/// How soon new lines must become visible, or they never will.
const PATIENCE: Duration = Duration::from_secs(30);

/// Publishes `count` lines; to a stream, until it has each of them.
pub(crate) async fn publish(
    client: &Client,
    setting: &Setting,
    count: usize,
) -> anyhow::Result<()> {
    let subject = format!("{}.message.log", setting.prefix);
    let lines = (0..count)
        .map(|number| json!({ "username": user(number), "message": MESSAGE }).to_string());
    if setting.jetstream {
        let context = jetstream::new(client.clone());
        let sent = stream::iter(lines).map(|line| {
            let (context, subject) = (context.clone(), subject.clone());
            async move { anyhow::Ok(context.publish(subject, line.into()).await?.await?) }
        });
        let mut sent = sent.buffered(IN_FLIGHT);
        while let Some(sent) = sent.next().await {
            sent?;
        }
    } else {
        for line in lines {
            client.publish(subject.clone(), line.into()).await?;
        }
        client.flush().await?;
    }
    Ok(())
}

/// Waits until `count` lines are counted.
pub(crate) async fn visible(watch: &mut Watch, count: usize) -> anyhow::Result<()> {
    let (mut before, mut progress) = (0, Instant::now());
    loop {
        let counted = watch.counted().await?;
        if counted >= count {
            anyhow::ensure!(counted == count, "expected {count} lines, found {counted}");
            return Ok(());
        }
        if counted > before {
            (before, progress) = (counted, Instant::now());
        }
        anyhow::ensure!(progress.elapsed() < PATIENCE, "{counted} of {count} lines are visible");
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}
