//! The bot: what publishes events and asks.

use std::time::Duration;

use async_nats::{Client, HeaderMap, Request, Subscriber, jetstream};
use futures_util::StreamExt as _;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::replica::eventually;

/// A connection of the bot, with subjects after the prefix.
pub(crate) struct Bus {
    runtime: Runtime,
    client: Client,
    prefix: String,
}

/// How long an answer may take that is sure to come.
const LIMIT: Duration = Duration::from_mins(1);

impl Bus {
    pub(crate) fn connect(url: &str, prefix: &str) -> Self {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build().unwrap();
        let delay = |_| Duration::from_millis(50);
        let options = async_nats::ConnectOptions::new().reconnect_delay_callback(delay);
        let client = runtime.block_on(options.connect(url)).unwrap();
        Self { runtime, client, prefix: prefix.to_owned() }
    }

    fn subject(&self, rest: &str) -> String {
        format!("{}.{rest}", self.prefix)
    }

    pub(crate) fn publish(&self, subject: &str, payload: &Value) {
        self.publish_bytes(subject, payload.to_string().into_bytes());
    }

    pub(crate) fn publish_bytes(&self, subject: &str, payload: Vec<u8>) {
        let published = self.client.publish(self.subject(subject), payload.into());
        self.runtime.block_on(published).unwrap();
    }

    /// Returns when the server has taken all that was published.
    pub(crate) fn flush(&self) {
        let inbox = self.client.new_inbox();
        self.runtime.block_on(async {
            let mut echo = self.client.subscribe(inbox.clone()).await.unwrap();
            self.client.publish(inbox, "".into()).await.unwrap();
            tokio::time::timeout(LIMIT, echo.next()).await.unwrap().unwrap();
        });
    }

    /// The reply to a request.
    pub(crate) fn ask(&self, subject: &str, payload: &Value) -> Value {
        self.ask_bytes(subject, payload.to_string().into_bytes())
    }

    pub(crate) fn ask_bytes(&self, subject: &str, payload: Vec<u8>) -> Value {
        let request = Request::new().payload(payload.into()).timeout(Some(LIMIT));
        let reply = self.client.send_request(self.subject(subject), request);
        let reply = self.runtime.block_on(reply).unwrap();
        serde_json::from_slice(&reply.payload).unwrap()
    }

    /// Publishes to a stream until the server has said that it is kept; `id` tells the server that
    /// a repetition is one.
    pub(crate) fn put(&self, subject: &str, payload: &Value, id: &str) {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", id);
        loop {
            let request = Request::new()
                .payload(payload.to_string().into())
                .headers(headers.clone())
                .timeout(Some(Duration::from_millis(500)));
            let reply = self.client.send_request(self.subject(subject), request);
            if let Ok(reply) = self.runtime.block_on(reply)
                && let Ok(ack) = serde_json::from_slice::<Value>(&reply.payload)
                && ack["seq"].is_u64()
            {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until somebody answers.
    pub(crate) fn wait_for_service(&self) {
        eventually("a service that answers", || {
            let request = self.client.request(self.subject("query.channel_stats"), "{}".into());
            self.runtime.block_on(request).is_ok()
        });
    }

    /// All that is published on a subject from now on.
    pub(crate) fn listen(&self, subject: &str) -> Subscriber {
        let messages = self.runtime.block_on(self.client.subscribe(subject.to_owned())).unwrap();
        self.flush();
        messages
    }

    /// Asks without waiting: the reply goes to `inbox`.
    pub(crate) fn publish_request(&self, subject: &str, payload: &Value, inbox: &str) {
        let payload = payload.to_string().into();
        let subject = self.subject(subject);
        let published = self.client.publish_with_reply(subject, inbox.to_owned(), payload);
        self.runtime.block_on(published).unwrap();
    }

    /// So many messages, which are JSON.
    pub(crate) fn received(&self, messages: &mut Subscriber, number: usize) -> Vec<Value> {
        let all = messages
            .take(number)
            .map(|message| serde_json::from_slice::<Value>(&message.payload).unwrap());
        self.runtime.block_on(async { tokio::time::timeout(LIMIT, all.collect()).await }).unwrap()
    }

    pub(crate) fn make_stream(&self, name: &str, subjects: &[&str]) {
        let config = jetstream::stream::Config {
            name: name.to_owned(),
            subjects: subjects.iter().map(ToString::to_string).collect(),
            ..jetstream::stream::Config::default()
        };
        self.with(async |client| {
            jetstream::new(client.clone()).create_stream(config).await.unwrap();
        });
    }

    pub(crate) fn delete_stream(&self, name: &str) {
        self.with(async |client| {
            jetstream::new(client.clone()).delete_stream(name).await.unwrap();
        });
    }

    /// Runs what needs the client itself.
    pub(crate) fn with<T>(&self, work: impl AsyncFnOnce(&Client) -> T) -> T {
        self.runtime.block_on(work(&self.client))
    }
}
