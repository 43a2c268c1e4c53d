//! A connection pooler for tests.

use std::{
    fs::{self, Permissions},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{TestDb, port};

/// A `PgBouncer` in transaction mode in front of a test's PostgreSQL server; stopped and gone when it
/// is dropped. It comes from the installed program `pgbouncer`.
pub struct PgBouncer {
    port: u16,
    dir: TempDir,
    process: Option<Child>,
}

/// What a pooler does to settings that come with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settings {
    /// It refuses the connection: what happens when nothing is configured.
    Refused,
    /// It forgets them: `ignore_startup_parameters = options`.
    Ignored,
}

/// The parts of `postgres://user:password@host:port/name`.
pub(crate) struct Parts<'a> {
    pub(crate) user: &'a str,
    pub(crate) password: &'a str,
    pub(crate) host: &'a str,
    pub(crate) port: &'a str,
    pub(crate) name: &'a str,
}

impl PgBouncer {
    /// Starts one in front of the server of `db`.
    ///
    /// # Panics
    ///
    /// When there is none; the text says how to get one.
    #[must_use]
    pub fn start(db: &TestDb, settings: Settings) -> Self {
        Self::with_connections(db, settings, 10)
    }

    /// Starts one that opens at most so many connections to the server of `db`.
    ///
    /// # Panics
    ///
    /// As [`PgBouncer::start`].
    #[must_use]
    pub fn with_connections(db: &TestDb, settings: Settings, connections: u32) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut bouncer = Self { port: port::free(), dir, process: None };
        let limit = Instant::now() + Duration::from_secs(30);
        loop {
            bouncer.configure(&parts(db.url()), settings, connections);
            let mut process = bouncer.spawn();
            while process.try_wait().expect("a child process").is_none() {
                if TcpStream::connect(bouncer.address()).is_ok() {
                    bouncer.process = Some(process);
                    return bouncer;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            // Another test may have taken the port in the meantime.
            let log = fs::read_to_string(bouncer.dir.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < limit, "`pgbouncer` ends at its start:\n{log}");
            bouncer.port = port::free();
        }
    }

    /// The URL of `db` through the pooler.
    ///
    /// # Panics
    ///
    /// Never: the testkit made the database's URL.
    #[must_use]
    pub fn url(&self, db: &TestDb) -> String {
        let Parts { user, password, name, .. } = parts(db.url());
        format!("postgres://{user}:{password}@{}/{name}", self.address())
    }

    fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    fn configure(&self, server: &Parts<'_>, settings: Settings, connections: u32) {
        let dir = self.dir.path();
        let Parts { user, password, host, port, .. } = server;
        let ignored = match settings {
            Settings::Refused => "",
            Settings::Ignored => "ignore_startup_parameters = options\n",
        };
        // A server without a free connection is asked again after a second. PgBouncer would wait 15 for
        // each connection, and a run that takes ten of them, minutes.
        let text = format!(
            "[databases]\n* = host={host} port={port}\n\n[pgbouncer]\npool_mode = transaction\n\
             listen_addr = 127.0.0.1\nlisten_port = {}\nunix_socket_dir =\nauth_type = trust\n\
             auth_file = {dir}/users\nlogfile = {dir}/log\nmax_client_conn = 500\n\
             default_pool_size = {connections}\nserver_login_retry = 1\n{ignored}",
            self.port,
            dir = dir.display(),
        );
        let password = underpin_db::percent_decoded(password);
        write(&dir.join("users"), &format!("\"{user}\" \"{password}\"\n"));
        write(&dir.join("config"), &text);
        write(&dir.join("log"), "");
        // It refuses to be root, and becomes somebody who has to come in here.
        fs::set_permissions(dir, Permissions::from_mode(0o777)).expect("a directory of our own");
    }

    fn spawn(&self) -> Child {
        let mut command = Command::new(program());
        let root = fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
        if root {
            command.args(["-u", "nobody"]);
        }
        command
            .arg("-q")
            .arg(self.dir.path().join("config"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!(
                    "no pooler for the tests: cannot run `pgbouncer`: {error}\ninstall the package \
                     `pgbouncer` (1.18 or newer): `scripts/test` does it for you"
                )
            })
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            drop(process.kill());
            drop(process.wait());
        }
    }
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("a file in a directory of our own");
    fs::set_permissions(path, Permissions::from_mode(0o666)).expect("a file of our own");
}

pub(crate) fn parts(url: &str) -> Parts<'_> {
    let rest = url.split_once("//").map_or(url, |(_, rest)| rest);
    let (login, rest) = rest.split_once('@').expect("a URL with a user");
    let (server, name) = rest.split_once('/').expect("a URL with a database");
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let (host, port) = server.split_once(':').unwrap_or((server, "5432"));
    Parts { user, password, host, port, name }
}

/// Debian puts the program where the search path of users does not look.
fn program() -> &'static str {
    let debian = "/usr/sbin/pgbouncer";
    if Path::new(debian).exists() { debian } else { "pgbouncer" }
}
