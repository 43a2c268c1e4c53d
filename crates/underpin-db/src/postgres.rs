//! PostgreSQL servers as users of libpq expect to name them.
//!
//! tokio-postgres reads most of a URL. What it refuses (`sslmode=verify-full`, `sslrootcert`) or
//! does not know (environment variables, the password file) is taken care of here; see
//! <https://www.postgresql.org/docs/16/libpq-connect.html>.

use std::{
    fmt::Write as _,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio_postgres::{
    Client, Config, NoTls,
    config::{ChannelBinding, Host, SslMode, SslNegotiation},
};

use crate::{ConnectError, ConnectOptions, DbError, PgClient, error::with_causes, url};

mod announced;
mod foreign;
mod pgpass;
pub(crate) mod session;
mod settings;
mod tls;
mod watch;

pub(crate) use announced::announced;
pub(crate) use settings::Setting;
use settings::settings;
use tls::{Mode, Tls};
pub(crate) use watch::LastError;
use watch::{Plain, Watch};

/// Where unknown settings come from; a test gives its own.
pub(crate) struct Environment<'a> {
    pub(crate) variable: &'a dyn Fn(&str) -> Option<String>,
}

impl Environment<'_> {
    fn get(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|value| !value.is_empty())
    }

    fn home(&self) -> Option<PathBuf> {
        self.get("HOME").map(PathBuf::from)
    }
}

/// A server, a database on it, and how to reach them.
#[derive(Clone)]
pub(crate) struct Server {
    config: Config,
    tls: Tls,
    /// What the URL says a session starts with; not in `config`, which never forgets it.
    options: String,
    /// Where unqualified names are looked up, when not where the server or the URL says.
    pub(crate) schema: Option<String>,
    /// A pooler is in between, and refuses a connection that comes with settings.
    refuses_settings: Arc<AtomicBool>,
    /// The server refused TLS, and nobody insists on it.
    refuses_tls: Arc<AtomicBool>,
}

impl Server {
    /// Reads a URL that begins with `postgres:`. The error is a sentence without the password.
    pub(crate) fn parse(url: &str, environment: &Environment<'_>) -> Result<Self, String> {
        check_shape(url)?;
        let (url, settings) =
            take_settings(url, &["sslmode", "sslrootcert", "passfile", "options"]);
        let [mode, root, passfile, options] = settings;
        let ports = ports(environment)?;
        let url = with_port(&url, ports.first().copied());
        let mut config: Config = url.parse().map_err(|error| foreign::explain(&url, &error))?;
        let mode = mode.or_else(|| environment.get("PGSSLMODE"));
        let mode: Mode = mode.as_deref().unwrap_or("prefer").parse()?;
        let root = root.or_else(|| environment.get("PGSSLROOTCERT"));
        config.ssl_mode(match mode {
            Mode::Disable => SslMode::Disable,
            Mode::Prefer => SslMode::Prefer,
            Mode::Require | Mode::VerifyCa | Mode::VerifyFull => SslMode::Require,
        });
        fill_in(&mut config, environment, &ports)?;
        if config.get_password().is_none() {
            let file = passfile.or_else(|| environment.get("PGPASSFILE")).map(PathBuf::from);
            let file = file.or_else(|| Some(environment.home()?.join(".pgpass")));
            if let Some(password) = file.and_then(|file| pgpass::find(&file, &config)) {
                config.password(password);
            }
        }
        let tls = Tls { mode, root: root.or_else(|| tls::default_root(&environment.home()?)) };
        let options = options.unwrap_or_default();
        Ok(Self {
            config,
            tls,
            options,
            schema: None,
            refuses_settings: Arc::default(),
            refuses_tls: Arc::default(),
        })
    }

    /// Opens one connection that finds out whether a pooler is in between.
    pub(crate) async fn open(&self, options: &ConnectOptions) -> Result<PgClient, ConnectError> {
        let client = self.connect(options).await?;
        let refused = self.refuses_settings.load(Ordering::Relaxed);
        let mut settings = settings(&self.options(options));
        let name = self.config.get_application_name().unwrap_or(&options.application_name);
        settings.push(Setting {
            name: "application_name".to_owned(),
            value: name.to_owned(),
            default: false,
        });
        Ok(PgClient::new(client, settings, refused))
    }

    /// Opens one connection, and lets the current runtime drive it.
    ///
    /// The settings travel with the first message, so that they cost no round trip of their own. A
    /// pooler refuses or ignores them.
    pub(crate) async fn connect(&self, options: &ConnectOptions) -> Result<Client, ConnectError> {
        self.connect_watched(options, None).await
    }

    /// The same; `last` is told of the errors that come over the connection.
    pub(crate) async fn connect_watched(
        &self,
        options: &ConnectOptions,
        last: Option<&LastError>,
    ) -> Result<Client, ConnectError> {
        let mut config = self.config.clone();
        if config.get_application_name().is_none() {
            config.application_name(&options.application_name);
        }
        if !self.refuses_settings.load(Ordering::Relaxed) {
            match self.connect_with(config.clone().options(self.options(options)), last).await {
                Err(ConnectError::Refused { source, .. }) if refuses_settings(&source) => {
                    self.refuses_settings.store(true, Ordering::Relaxed);
                }
                result => return result,
            }
        }
        self.connect_with(&config, last).await
    }

    /// Where unqualified names are looked up, when the URL or somebody else says.
    pub(crate) fn path(&self) -> Option<String> {
        let schema = self.schema.as_deref().map(url::path);
        schema.or_else(|| {
            let settings = settings(&self.options).into_iter();
            let mut paths = settings.filter(|setting| setting.name == "search_path");
            paths.next().map(|setting| setting.value)
        })
    }

    /// What a session starts with, in the form of the start-up parameter `options`.
    fn options(&self, options: &ConnectOptions) -> String {
        let mut settings = format!("{} {}", self.options, session::PINNED);
        let mut set = |name: &str, value: Duration| {
            let _infallible = write!(settings, " -c {name}={}", value.as_millis());
        };
        set("statement_timeout", options.statement_timeout.unwrap_or_default());
        if let Some(timeout) = options.lock_timeout {
            set("lock_timeout", timeout);
        }
        if let Some(schema) = &self.schema {
            let path = url::escaped(&url::path(schema));
            let _infallible = write!(settings, " -c search_path={path}");
        }
        settings.trim_start().to_owned()
    }

    async fn connect_with(
        &self,
        config: &Config,
        last: Option<&LastError>,
    ) -> Result<Client, ConnectError> {
        // The driver's own time-out ends when the network connection stands.
        let hosts = u32::try_from(config.get_hosts().len()).unwrap_or(1);
        let limit = config.get_connect_timeout().map(|limit| *limit * hosts);
        let connect = async {
            match last {
                Some(last) => self.start_watched(config, last).await,
                None => self.start(config).await,
            }
        };
        match limit {
            None => connect.await,
            Some(limit) => tokio::time::timeout(limit, connect).await.unwrap_or_else(|_| {
                let reason = format!("no answer in {} s", limit.as_secs());
                Err(ConnectError::Unreachable { target: self.describe(), reason })
            }),
        }
    }

    async fn start(&self, config: &Config) -> Result<Client, ConnectError> {
        if self.tls.mode == Mode::Disable || self.is_local() {
            let (client, connection) =
                config.connect(NoTls).await.map_err(|error| self.explain(error))?;
            tokio::spawn(drive(connection));
            return Ok(client);
        }
        let (client, connection) =
            config.connect(self.tls.connector()?).await.map_err(|error| self.explain(error))?;
        tokio::spawn(drive(connection));
        Ok(client)
    }

    async fn start_watched(
        &self,
        config: &Config,
        last: &LastError,
    ) -> Result<Client, ConnectError> {
        let mut config = config.clone();
        config.ssl_mode(SslMode::Require);
        let plain = self.tls.mode == Mode::Disable || self.is_local();
        if !plain && !self.refuses_tls.load(Ordering::Relaxed) {
            let watch = Watch { make: self.tls.connector()?, last: last.clone() };
            match config.connect(watch).await {
                Ok((client, connection)) => {
                    tokio::spawn(drive(connection));
                    return Ok(client);
                }
                // The driver has no kind for it.
                Err(error)
                    if self.tls.mode == Mode::Prefer
                        && with_causes(&error).contains("server does not support TLS") =>
                {
                    self.refuses_tls.store(true, Ordering::Relaxed);
                }
                Err(error) => return Err(self.explain(error)),
            }
        }
        config.ssl_negotiation(SslNegotiation::Direct);
        if self.is_local() {
            return self.start_local(&config, last).await;
        }
        let connected = config.connect(Plain(last.clone())).await;
        let (client, connection) = connected.map_err(|error| self.explain(error))?;
        tokio::spawn(drive(connection));
        Ok(client)
    }

    /// Over the first socket of this machine that answers: the driver would hand over no stream of one.
    async fn start_local(&self, config: &Config, last: &LastError) -> Result<Client, ConnectError> {
        let mut failed = None;
        for (index, host) in config.get_hosts().iter().enumerate() {
            let Host::Unix(dir) = host else { continue };
            let ports = config.get_ports();
            let port = ports.get(index).or(ports.first()).copied().unwrap_or(5432);
            let path = dir.join(format!(".s.PGSQL.{port}"));
            match tokio::net::UnixStream::connect(&path).await {
                Ok(stream) => {
                    let connected = config.connect_raw(stream, Plain(last.clone())).await;
                    let (client, connection) = connected.map_err(|error| self.explain(error))?;
                    tokio::spawn(drive(connection));
                    return Ok(client);
                }
                Err(error) => failed = Some(format!("{}: {error}", path.display())),
            }
        }
        let reason = failed.unwrap_or_else(|| "no host".to_owned());
        Err(ConnectError::Unreachable { target: self.describe(), reason })
    }

    /// Whether every host is a socket of this machine, where TLS has no place.
    fn is_local(&self) -> bool {
        self.config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)))
    }

    fn explain(&self, error: tokio_postgres::Error) -> ConnectError {
        let target = self.describe();
        if error.as_db_error().is_some() {
            return ConnectError::Refused { target, source: error.into() };
        }
        let reason = with_causes(&error);
        // The driver has no kinds for these.
        if reason.contains("password missing") {
            return ConnectError::NoPassword { target };
        }
        if self.config.get_channel_binding() == ChannelBinding::Require
            && reason.contains("channel binding")
        {
            let why = "`channel_binding=require` needs a connection with TLS, whose certificate the \
                       server's password is bound to: set `sslmode=require`, or leave it out";
            return ConnectError::Tls(format!("with {target}: {reason}: {why}"));
        }
        if self.is_local() && reason.contains("TLS") {
            let why = "a socket has no TLS and needs none: leave `sslmode` out, or name a host";
            return ConnectError::Tls(format!("with {target}: {reason}: {why}"));
        }
        if reason.contains("certificate") || reason.contains("TLS") {
            return ConnectError::Tls(format!("with {target}: {reason}"));
        }
        ConnectError::Unreachable { target, reason }
    }

    /// User, hosts and database; never the password.
    pub(crate) fn describe(&self) -> String {
        let user = self.config.get_user().map(|user| format!("{user}@")).unwrap_or_default();
        format!("{user}{}", self.address())
    }

    /// Hosts and database.
    pub(crate) fn address(&self) -> String {
        let ports = self.config.get_ports();
        let host = |(index, host): (usize, &Host)| {
            let port = ports.get(index).or(ports.first()).copied().unwrap_or(5432);
            match host {
                Host::Tcp(name) if name.contains(':') => format!("[{name}]:{port}"),
                Host::Tcp(name) => format!("{name}:{port}"),
                Host::Unix(path) => format!("{}:{port}", path.display()),
            }
        };
        let hosts: Vec<_> = self.config.get_hosts().iter().enumerate().map(host).collect();
        let name = self.config.get_dbname().or(self.config.get_user()).unwrap_or_default();
        format!("{}/{name}", hosts.join(","))
    }
}

/// Whether it is a pooler's answer to settings.
fn refuses_settings(error: &DbError) -> bool {
    error.sqlstate.as_deref() == Some("08P01")
        && error.message.contains("unsupported startup parameter")
}

async fn drive<F>(connection: F)
where
    F: Future<Output = Result<(), tokio_postgres::Error>>,
{
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a PostgreSQL connection ended");
    }
}

/// Refuses a URL in which a typing mistake makes a password part of a name, for names are printed: a
/// password with `@` in it is read as a host, and `?password=` without its `?` as a database.
fn check_shape(url: &str) -> Result<(), String> {
    let start = url.find("//").map_or(0, |at| at + 2);
    let end = url[start..].find('?').map_or(url.len(), |at| start + at);
    let before_query = &url[start..end];
    if before_query.matches('@').count() > 1 {
        let hint = "expected one `@` before the host: write `%40` for one in the password";
        return Err(hint.to_owned());
    }
    // The driver looks for it in the whole URL, and takes what comes before it for a user and a password.
    if !before_query.contains('@') && url[end..].contains('@') {
        return Err("expected no `@` in a parameter: write `%40`".to_owned());
    }
    let names = before_query.rsplit_once('@').map_or(before_query, |(_, names)| names);
    if names.contains(['&', '=']) {
        return Err(
            "expected `?` before the first parameter, found `&` or `=` in the name of the host \
                    or the database: write `%26` or `%3D` for one that belongs to a name"
                .to_owned(),
        );
    }
    Ok(())
}

/// What `PGPORT` says: one port, or one for each host of `PGHOST`.
fn ports(environment: &Environment<'_>) -> Result<Vec<u16>, String> {
    let Some(text) = environment.get("PGPORT") else { return Ok(Vec::new()) };
    let ports = text.split(',').map(|port| port.trim().parse());
    let ports: Result<_, _> = ports.collect();
    ports.map_err(|_| format!("expected a port in `PGPORT`, found `{text}`"))
}

/// `url` with `port` for each host that has none: the driver would take 5432 whatever `PGPORT` says.
fn with_port(url: &str, port: Option<u16>) -> String {
    let (Some(port), Some(start)) = (port, url.find("//").map(|at| at + 2)) else {
        return url.to_owned();
    };
    let end = url[start..].find(['/', '?']).map_or(url.len(), |at| start + at);
    let hosts = url[start..end].rfind('@').map_or(start, |at| start + at + 1);
    let host = |host: &str| {
        let named = host.rsplit(']').next().is_some_and(|rest| rest.contains(':'));
        if host.is_empty() || named { host.to_owned() } else { format!("{host}:{port}") }
    };
    let filled: Vec<_> = url[hosts..end].split(',').map(host).collect();
    format!("{}{}{}", &url[..hosts], filled.join(","), &url[end..])
}

/// Sets what the URL leaves out, as libpq does.
fn fill_in(
    config: &mut Config,
    environment: &Environment<'_>,
    ports: &[u16],
) -> Result<(), String> {
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        if let Some(hosts) = environment.get("PGHOST") {
            hosts.split(',').for_each(|host| {
                config.host(host.trim());
            });
        } else {
            let socket = PathBuf::from("/var/run/postgresql/.s.PGSQL.5432");
            config.host(if socket.exists() { "/var/run/postgresql" } else { "localhost" });
        }
    }
    if config.get_ports().is_empty() {
        for port in ports {
            config.port(*port);
        }
    }
    if let Some(user) = environment.get("PGUSER").filter(|_| config.get_user().is_none()) {
        config.user(user);
    }
    if let Some(user) = environment.get("USER").filter(|_| config.get_user().is_none()) {
        config.user(user);
    }
    if let Some(name) = environment.get("PGDATABASE").filter(|_| config.get_dbname().is_none()) {
        config.dbname(name);
    }
    if let Some(secret) = environment.get("PGPASSWORD").filter(|_| config.get_password().is_none())
    {
        config.password(secret);
    }
    if config.get_application_name().is_none()
        && let Some(name) = environment.get("PGAPPNAME")
    {
        config.application_name(name);
    }
    if config.get_connect_timeout().is_none() {
        let seconds = match environment.get("PGCONNECT_TIMEOUT") {
            Some(text) => text
                .parse()
                .map_err(|_| format!("expected seconds in `PGCONNECT_TIMEOUT`, found `{text}`"))?,
            None => 10,
        };
        if seconds > 0 {
            config.connect_timeout(Duration::from_secs(seconds));
        }
    }
    Ok(())
}

/// Takes the values of `names` out of a URL's query.
fn take_settings<const N: usize>(url: &str, names: &[&str; N]) -> (String, [Option<String>; N]) {
    let mut found = [const { None }; N];
    let Some((front, query)) = url.split_once('?') else { return (url.to_owned(), found) };
    let mut rest = Vec::new();
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match names.iter().position(|wanted| *wanted == name) {
            Some(index) => found[index] = Some(percent_decoded(value)),
            None => rest.push(pair),
        }
    }
    (format!("{front}?{}", rest.join("&")), found)
}

/// Takes percent signs out of a part of a URL; what is no valid escape stays.
#[must_use]
pub fn percent_decoded(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escape = tail.get(..2).filter(|_| *first == b'%');
        let byte = escape
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests;
