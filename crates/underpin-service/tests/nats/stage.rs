//! What a test plays on: a database, a NATS server and any number of replicas.

use std::process::Command;

use serde_json::json;
use underpin_testkit::{Dialect, NatsServer, TestDb};

use crate::{
    bus::Bus,
    replica::{Replica, eventually},
};

/// How events come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// As they are published.
    Core,
    /// Kept by a stream.
    Stream,
}

pub(crate) struct Stage {
    pub(crate) db: TestDb,
    pub(crate) nats: NatsServer,
    pub(crate) mode: Mode,
    prefix: String,
    environment: Vec<(String, String)>,
}

impl Stage {
    pub(crate) fn new(dialect: Dialect, mode: Mode) -> Self {
        Self::on(TestDb::new(dialect), mode)
    }

    pub(crate) fn on(db: TestDb, mode: Mode) -> Self {
        let nats = NatsServer::start();
        Self { db, nats, mode, prefix: "rosey.db".to_owned(), environment: Vec::new() }
    }

    /// With one more variable in the environment of the service.
    pub(crate) fn with(mut self, key: &str, value: &str) -> Self {
        if key == "NATS_SUBJECT_PREFIX" {
            value.clone_into(&mut self.prefix);
        }
        self.environment.push((key.to_owned(), value.to_owned()));
        self
    }

    /// The service, without anything that the tests' own environment says.
    pub(crate) fn command(&self) -> Command {
        self.wrapped(Command::new(env!("CARGO_BIN_EXE_underpin-service")))
    }

    /// Whatever runs the service in the end.
    pub(crate) fn wrapped(&self, mut command: Command) -> Command {
        command.env_clear().current_dir(self.db.dir()).envs([
            ("ENV", "production"),
            ("DATABASE_URL", self.db.url()),
            ("HTTP_ADDR", "127.0.0.1:0"),
            ("LOG_FORMAT", "json"),
            ("NATS_URL", &self.nats.url()),
            ("NATS_JETSTREAM", if self.mode == Mode::Stream { "true" } else { "false" }),
        ]);
        command.envs(self.environment.clone());
        command
    }

    pub(crate) fn replica(&self) -> Replica {
        Replica::start(self.command())
    }

    pub(crate) fn bus(&self) -> Bus {
        Bus::connect(&self.nats.url(), &self.prefix)
    }

    /// Waits until all that was published on `bus` is applied. One replica keeps the order, so one
    /// more event is enough to know.
    pub(crate) fn settle(&self, bus: &Bus) {
        let marker = format!("marker-{:?}", std::time::Instant::now());
        bus.publish("user.joined", &json!({ "username": marker }));
        bus.flush();
        let query = format!("SELECT username FROM user_stats WHERE username = '{marker}'");
        eventually("the last event", || !self.db.texts(&query).is_empty());
        self.db.batch(&format!("DELETE FROM user_stats WHERE username = '{marker}'"));
    }

    /// One number.
    pub(crate) fn count(&self, query: &str) -> i64 {
        let texts = self.db.texts(&format!("SELECT CAST(({query}) AS TEXT)"));
        texts[0].parse().unwrap()
    }
}
