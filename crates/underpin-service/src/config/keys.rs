//! Reads one key after the other, and remembers every mistake.

use std::{path::PathBuf, str::FromStr, time::Duration};

use axum::http::HeaderValue;
use tracing_subscriber::{EnvFilter, filter::LevelFilter};
use underpin::{Options, Policy};
use underpin_db::DatabaseUrl;

use super::{Environment, secret_file};
use crate::{Limits, ProjectTokens, Secret, jobs, nats};

/// Where the keys' values come from, and what was wrong with them so far.
pub(super) struct Keys<F> {
    pub(super) lookup: F,
    pub(super) errors: Vec<String>,
}

impl<F: Fn(&str) -> Option<String>> Keys<F> {
    /// The value of `key`. `parse` says what it expected when it cannot read it.
    pub(super) fn get<T>(
        &mut self,
        key: &str,
        default: T,
        parse: fn(&str) -> Result<T, &'static str>,
    ) -> T {
        let Some(text) = (self.lookup)(key).filter(|text| !text.is_empty()) else { return default };
        parse(&text).unwrap_or_else(|expected| {
            self.errors.push(format!("`{key}`: expected {expected}, found `{text}`"));
            default
        })
    }

    /// The URL of the database, whose errors never quote it. A new file in the working directory is
    /// nothing that production should begin with by itself.
    pub(super) fn database_url(&mut self, key: &str, environment: Environment) -> DatabaseUrl {
        let text = (self.lookup)(key).filter(|text| !text.is_empty());
        let default = (environment == Environment::Development).then_some(DEFAULT_DATABASE);
        let wrong = match text.as_deref().or(default) {
            None => "expected the database of production, found nothing: say where the data is"
                .to_owned(),
            Some(text) if text.contains('\u{fffd}') => {
                "expected text, found other bytes".to_owned()
            }
            Some(text) => match text.parse::<DatabaseUrl>() {
                Ok(url) if url.is_memory() => {
                    "expected a database that outlives a connection: name a file".to_owned()
                }
                Ok(url) => return url,
                Err(error) => error.to_string(),
            },
        };
        self.errors.push(format!("`{key}`: {wrong}"));
        DatabaseUrl::memory()
    }

    pub(super) fn migration(&mut self) -> Options {
        let usual = Options::default();
        let statement_timeout = self.millis("MIGRATION_STATEMENT_TIMEOUT_MS", Duration::ZERO);
        Options {
            policy: Policy {
                allow_missing: self.get("MIGRATION_ALLOW_MISSING", false, flag),
                ..Policy::default()
            },
            lock_wait: self.seconds("MIGRATION_LOCK_WAIT_SECONDS", usual.lock_wait),
            lock_timeout: self.millis("MIGRATION_LOCK_TIMEOUT_MS", usual.lock_timeout),
            statement_timeout: Some(statement_timeout).filter(|limit| !limit.is_zero()),
            application_name: "underpin-service".to_owned(),
            ..usual
        }
    }

    /// What concerns NATS is checked also when `NATS_URL` is not given, but for the file of credentials, which
    /// may be there only where it is used.
    pub(super) fn nats(&mut self) -> Option<nats::Settings> {
        let servers = self.servers("NATS_URL");
        let file = "NATS_CREDENTIALS_FILE";
        let credentials =
            (self.lookup)(file).filter(|path| !path.is_empty() && !servers.is_empty());
        let prefix = self.get("NATS_SUBJECT_PREFIX", "rosey.db".to_owned(), subject);
        let stream = prefix.replace('.', "_").to_uppercase();
        let hours = |text: &str| period(text, 60 * 60);
        let settings = nats::Settings {
            servers,
            credentials: credentials.and_then(|path| self.secret_in(file, &path)),
            wait: self.seconds("NATS_WAIT_SECONDS", Duration::from_secs(30)),
            prefix,
            queue_group: self.get("NATS_QUEUE_GROUP", "underpin".to_owned(), name),
            jetstream: self.get("NATS_JETSTREAM", false, flag),
            stream: self.get("NATS_STREAM", stream, name),
            stream_max_age: self.get("NATS_STREAM_MAX_AGE_HOURS", 7 * DAY, hours),
            session_silence: self.some_seconds("SESSION_SILENCE_SECONDS", Duration::from_mins(15)),
        };
        Some(settings).filter(|settings| !settings.servers.is_empty())
    }

    pub(super) fn jobs(&mut self) -> jobs::Settings {
        let days = |text: &str| period(text, 24 * 60 * 60);
        let hours = |text: &str| period(text, 60 * 60);
        jobs::Settings {
            retention_interval: self.seconds("RETENTION_INTERVAL_SECONDS", Duration::from_hours(1)),
            user_counts: self.get("RETENTION_USER_COUNT_DAYS", 30 * DAY, days),
            chat: self.get("RETENTION_CHAT_HOURS", Duration::from_hours(150), hours),
            outbound: self.get("RETENTION_OUTBOUND_DAYS", 7 * DAY, days),
            revoked_tokens: self.get("RETENTION_REVOKED_TOKEN_DAYS", 90 * DAY, days),
            events: self.get("RETENTION_EVENT_DAYS", 30 * DAY, days),
            optimize_interval: self.seconds("OPTIMIZE_INTERVAL_SECONDS", DAY),
        }
    }

    pub(super) fn limits(&mut self) -> Limits {
        let usual = Limits::default();
        Limits {
            connections: self.get("HTTP_MAX_CONNECTIONS", usual.connections, positive),
            connections_of_address: self.get(
                "HTTP_MAX_CONNECTIONS_PER_ADDRESS",
                usual.connections_of_address,
                positive,
            ),
            listeners: self.get("HTTP_MAX_LISTENERS", usual.listeners, positive),
            listeners_of_address: self.get(
                "HTTP_MAX_LISTENERS_PER_ADDRESS",
                usual.listeners_of_address,
                positive,
            ),
            uploads: self.get("HTTP_MAX_UPLOADS", usual.uploads, positive),
            downloads: self.get("HTTP_MAX_DOWNLOADS", usual.downloads, positive),
            keep_alive: self.some_seconds("HTTP_KEEP_ALIVE_SECONDS", usual.keep_alive),
        }
    }

    /// The servers of NATS, whose errors never quote who logs in.
    fn servers(&mut self, key: &str) -> Vec<async_nats::ServerAddr> {
        let text = (self.lookup)(key).unwrap_or_default();
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let servers: Result<Vec<_>, _> = parts.map(str::parse::<async_nats::ServerAddr>).collect();
        servers.unwrap_or_else(|_| {
            self.errors.push(format!(
                "`{key}`: expected `nats://host:4222` or `tls://user:password@host:4222`, several \
                 with commas between them"
            ));
            Vec::new()
        })
    }

    pub(super) fn some_seconds(&mut self, key: &str, default: Duration) -> Duration {
        self.get(key, default, |text| {
            let seconds = text.parse().ok().filter(|seconds| *seconds > 0);
            seconds.map(Duration::from_secs).ok_or("whole seconds above 0")
        })
    }

    /// A secret, given itself or as a file with it, which no error quotes.
    pub(super) fn secret(&mut self, key: &str) -> Option<Secret> {
        let value = |key: &str| (self.lookup)(key).filter(|text| !text.is_empty());
        let file = format!("{key}_FILE");
        let wrong = match (value(key), value(&file)) {
            (None, None) => return None,
            (Some(_), Some(_)) => format!("`{key}` and `{file}`: expected one of both"),
            (Some(text), None) => match Secret::new(&text) {
                Some(secret) => return Some(secret),
                None => short(key),
            },
            (None, Some(path)) => match Secret::new(self.secret_in(&file, &path)?.trim()) {
                Some(secret) => return Some(secret),
                None => short(&file),
            },
        };
        self.errors.push(wrong);
        None
    }

    /// What the file at `path` holds, which `key` names; no error quotes it.
    fn secret_in(&mut self, key: &str, path: &str) -> Option<String> {
        let wrong = |error| format!("`{key}`: cannot read `{path}`: {error}");
        secret_file::read(path).map_err(|error| self.errors.push(wrong(error))).ok()
    }

    pub(super) fn project_tokens(&mut self) -> ProjectTokens {
        let read = self.secret("PROJECT_READ_TOKEN");
        let write = self.secret("PROJECT_WRITE_TOKEN");
        match (&read, &write) {
            (Some(_), None) if self.errors.is_empty() => self.errors.push(
                "`PROJECT_READ_TOKEN`: changes would be open to everybody: set `PROJECT_WRITE_TOKEN` as \
                 well"
                    .to_owned(),
            ),
            (Some(read), Some(write)) if read.equals(write) => self.errors.push(
                "`PROJECT_READ_TOKEN`: expected another token than `PROJECT_WRITE_TOKEN`".to_owned(),
            ),
            _ => {}
        }
        ProjectTokens { read, write }
    }

    pub(super) fn seconds(&mut self, key: &str, default: Duration) -> Duration {
        self.get(key, default, |text| {
            text.parse().map(Duration::from_secs).map_err(|_| "whole seconds")
        })
    }

    pub(super) fn millis(&mut self, key: &str, default: Duration) -> Duration {
        self.get(key, default, |text| {
            text.parse().map(Duration::from_millis).map_err(|_| "whole milliseconds")
        })
    }
}

/// What is wrong with a secret.
fn short(key: &str) -> String {
    format!("`{key}`: expected at least {} characters, found fewer", Secret::LEAST)
}

/// Where development keeps its data.
const DEFAULT_DATABASE: &str = "sqlite://data/underpin.db";

const DAY: Duration = Duration::from_hours(24);

/// So many times `unit` seconds.
fn period(text: &str, unit: u64) -> Result<Duration, &'static str> {
    let number = text.parse::<u32>().map_err(|_| "a whole number")?;
    Ok(Duration::from_secs(u64::from(number) * unit))
}

/// The name of a stream or a group, which NATS takes as one token of a subject.
fn name(text: &str) -> Result<String, &'static str> {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
    if text.chars().all(fits) { Ok(text.to_owned()) } else { Err("letters, digits, `-` and `_`") }
}

/// A subject of NATS, without wildcards.
fn subject(text: &str) -> Result<String, &'static str> {
    let fits = |token: &str| !token.is_empty() && name(token).is_ok();
    if text.split('.').all(fits) {
        Ok(text.to_owned())
    } else {
        Err("words of letters, digits, `-` and `_`, with dots between them")
    }
}

/// Origins as browsers name them.
pub(super) fn origins(text: &str) -> Result<Vec<HeaderValue>, &'static str> {
    let origin = |one: &str| {
        let host = one.strip_prefix("http://").or_else(|| one.strip_prefix("https://"))?;
        let fits = !host.is_empty() && !host.contains(['/', '*', '@', ' ']);
        HeaderValue::from_str(one).ok().filter(|_| fits)
    };
    let all: Option<_> = text.split(',').map(|one| origin(one.trim())).collect();
    all.ok_or("origins such as `http://localhost:3000`, with commas between them")
}

/// Names of hosts, without their ports.
pub(super) fn hosts(text: &str) -> Result<Vec<String>, &'static str> {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    let name = |one: &str| {
        let name = one.strip_suffix('.').unwrap_or(one);
        (!name.is_empty() && name.chars().all(fits)).then(|| name.to_owned())
    };
    let all: Option<_> = text.split(',').map(|one| name(one.trim())).collect();
    all.ok_or("names such as `data.example.org`, without ports and with commas between them")
}

/// A directory, which need not exist.
pub(super) fn directory(text: &str) -> Result<PathBuf, &'static str> {
    if text.contains('\u{fffd}') { Err("text") } else { Ok(text.into()) }
}

pub(super) fn positive<T: FromStr + Default + PartialOrd>(text: &str) -> Result<T, &'static str> {
    text.parse().ok().filter(|number| *number > T::default()).ok_or("a number above 0")
}

pub(super) fn flag(text: &str) -> Result<bool, &'static str> {
    text.parse().map_err(|_| "`true` or `false`")
}

pub(super) fn level(text: &str) -> Result<String, &'static str> {
    let expected = "`error`, `warn`, `info`, `debug`, `trace`, `off` or `target=level` pairs";
    // A word alone would be a target, of which everything is shown.
    let fits = |part: &str| part.contains('=') || part.parse::<LevelFilter>().is_ok();
    match EnvFilter::try_new(text) {
        Ok(_) if text.split(',').all(|part| fits(part.trim())) => Ok(text.to_owned()),
        _ => Err(expected),
    }
}
