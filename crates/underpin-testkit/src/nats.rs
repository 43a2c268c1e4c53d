//! A NATS server for tests.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::port;

/// A NATS server with JetStream, on a port and with a store of its own; stopped and gone when it is
/// dropped. It comes from the installed program `nats-server`.
pub struct NatsServer {
    port: u16,
    store: TempDir,
    options: Vec<String>,
    /// `None` after [`NatsServer::kill`].
    process: Option<Child>,
}

impl NatsServer {
    /// Starts a server.
    ///
    /// # Panics
    ///
    /// When there is none; the text says how to get one.
    #[must_use]
    pub fn start() -> Self {
        Self::with_options(&[])
    }

    /// Starts a server with more arguments on its command line.
    ///
    /// # Panics
    ///
    /// When there is none; the text says how to get one.
    #[must_use]
    pub fn with_options(options: &[&str]) -> Self {
        let store = tempfile::tempdir().expect("a temporary directory");
        let options = options.iter().map(ToString::to_string).collect();
        let mut server = Self { port: port::free(), store, options, process: None };
        server.restart();
        server
    }

    /// A port that a server is to come to, with [`NatsServer::restart`].
    ///
    /// # Panics
    ///
    /// When no directory can be had.
    #[must_use]
    pub fn not_started() -> Self {
        let store = tempfile::tempdir().expect("a temporary directory");
        Self { port: port::free(), store, options: Vec::new(), process: None }
    }

    /// `nats://127.0.0.1:<port>`, of this server from one start to the next.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://{}", self.address())
    }

    /// Host and port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Ends the server in the middle of whatever it does.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            drop(process.kill());
            drop(process.wait());
        }
    }

    /// Starts the server again on its port and its store, and waits until it answers.
    ///
    /// # Panics
    ///
    /// When it does not start within 30 s.
    pub fn restart(&mut self) {
        self.kill();
        let limit = Instant::now() + Duration::from_secs(30);
        loop {
            let mut process = self.spawn();
            while process.try_wait().expect("a child process").is_none() {
                if TcpStream::connect(self.address()).is_ok() {
                    self.process = Some(process);
                    return;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            // The port may be busy for a moment.
            assert!(Instant::now() < limit, "`nats-server` ends at its start: run it by hand");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn spawn(&self) -> Child {
        Command::new(program())
            .args(["-js", "-a", "127.0.0.1", "-p", &self.port.to_string(), "-sd"])
            .arg(self.store.path())
            .args(&self.options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!(
                    "no NATS server for the tests: cannot run `nats-server`: {error}\ninstall the \
                     package `nats-server` (2.9 or newer): `scripts/test` does it for you"
                )
            })
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Debian puts the program where the search path of users does not look.
fn program() -> &'static str {
    let debian = "/usr/sbin/nats-server";
    if std::path::Path::new(debian).exists() { debian } else { "nats-server" }
}
