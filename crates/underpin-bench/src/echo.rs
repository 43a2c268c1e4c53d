//! The fastest service there is: it answers with bytes that it has.

use async_nats::Subject;
use futures_util::StreamExt as _;

pub(crate) async fn run(nats: &str, subject: String, bytes: usize) -> anyhow::Result<()> {
    let client = async_nats::connect(nats).await?;
    let body = "x".repeat(bytes);
    let mut requests = client.subscribe(Subject::from(subject)).await?;
    while let Some(request) = requests.next().await {
        if let Some(inbox) = request.reply {
            client.publish(inbox, body.clone().into()).await?;
        }
    }
    Ok(())
}
