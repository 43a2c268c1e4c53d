//! What the service is told: a file, then the environment, which wins.

use std::{
    cell::RefCell,
    collections::{BTreeSet, HashMap},
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use axum::http::HeaderValue;
use underpin::Options;
use underpin_db::{DatabaseUrl, PoolOptions};
use underpin_projects::Settings as ProjectSettings;

use crate::{Limits, ProjectTokens, Secret, jobs, nats};

mod file;
mod keys;
mod secret_file;
mod unknown;

use file::read_file;
use keys::{Keys, directory, flag, hosts, level, origins, positive};

/// What the service is told. `.env.example` explains every key. Printing it shows no password.
#[derive(Debug, Clone)]
pub struct Config {
    /// `ENV`
    pub environment: Environment,
    /// Whether to bring schemas up to date: with `--migrate`, and always in production.
    pub migrate: bool,
    /// `DATABASE_URL`
    pub database_url: DatabaseUrl,
    /// `DATABASE_WAIT_SECONDS`
    pub database_wait: Duration,
    /// `DB_POOL_*`
    pub pool: PoolOptions,
    /// `MIGRATION_*`
    pub migration: Options,
    /// `DATA_DIR`, `PROJECT_*`
    pub projects: ProjectSettings,
    /// `ARTIFACT_LIMIT_BYTES`
    pub artifact_limit: u64,
    /// `HTTP_ADDR`
    pub http_addr: SocketAddr,
    /// `HTTP_HOSTS`: names that this service has, besides `localhost`.
    pub http_hosts: Vec<String>,
    /// `HTTP_BODY_LIMIT_BYTES`
    pub http_body_limit: usize,
    /// `HTTP_TIMEOUT_SECONDS`
    pub http_timeout: Duration,
    /// `HTTP_MAX_…`, `HTTP_KEEP_ALIVE_SECONDS`
    pub http_limits: Limits,
    /// `CORS_ORIGINS`: pages of these origins may use the API of projects.
    pub cors_origins: Vec<HeaderValue>,
    /// `ADMIN_TOKEN`: without one, nobody may make, see or revoke the tokens of callers.
    pub admin_token: Option<Secret>,
    /// `PROJECT_READ_TOKEN`, `PROJECT_WRITE_TOKEN`: without them whoever reaches the port may use projects.
    pub project_tokens: ProjectTokens,
    /// `NATS_*`; `None` without `NATS_URL`.
    pub nats: Option<nats::Settings>,
    /// `RETENTION_*` and `OPTIMIZE_*`
    pub jobs: jobs::Settings,
    /// `LOG_LEVEL`: a level, or the directives of `tracing-subscriber`.
    pub log_level: String,
    /// `LOG_FORMAT`
    pub log_format: LogFormat,
    /// `SHUTDOWN_SECONDS`
    pub shutdown_timeout: Duration,
    /// What looks like a key and is none, for the log.
    pub warnings: Vec<String>,
}

/// Where the service runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    /// Migrations run when somebody asks for them.
    Development,
    /// Migrations run at every start.
    Production,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Everything that is wrong with the configuration.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the configuration cannot be used:\n  {}", .0.join("\n  "))]
pub struct ConfigErrors(pub Vec<String>);

impl Config {
    /// Reads `.env` (or `file`, which must then exist) and the environment.
    ///
    /// # Errors
    ///
    /// All that is wrong, not only the first.
    pub fn load(file: Option<&Path>, migrate: bool) -> Result<Self, ConfigErrors> {
        let file = file.map_or_else(|| read_file(Path::new(".env"), false), |f| read_file(f, true));
        let (file, error) = match file {
            Ok(file) => (file, None),
            Err(error) => (HashMap::new(), Some(error)),
        };
        // What is not text is kept in a form that no key accepts.
        let variable = |key: &str| std::env::var_os(key).map(|text| text.to_string_lossy().into());
        let known = RefCell::new(BTreeSet::new());
        let lookup = |key: &str| {
            known.borrow_mut().insert(key.to_owned());
            variable(key).or_else(|| file.get(key).cloned())
        };
        let config = Self::read(lookup, migrate);
        let environment = std::env::vars_os().map(|(key, _)| key.to_string_lossy().into_owned());
        let warnings = unknown::told(&known.into_inner(), file.keys().cloned(), environment);
        match (error, config) {
            (None, Ok(config)) => Ok(Self { warnings, ..config }),
            (Some(error), Ok(_)) => Err(ConfigErrors(vec![error])),
            // A misspelt key may be why another one is missing.
            (error, Err(ConfigErrors(errors))) => {
                Err(ConfigErrors(error.into_iter().chain(errors).chain(warnings).collect()))
            }
        }
    }

    /// Reads the keys that `lookup` gives; an empty value counts as none.
    ///
    /// # Errors
    ///
    /// All that is wrong, not only the first.
    pub fn read(
        lookup: impl Fn(&str) -> Option<String>,
        migrate: bool,
    ) -> Result<Self, ConfigErrors> {
        let mut keys = Keys { lookup, errors: Vec::new() };
        let (pool, migration) = (PoolOptions::default(), keys.migration());
        let projects = ProjectSettings::new(PathBuf::new());
        let environment = keys.get("ENV", Environment::Development, Environment::from_str);
        let config = Self {
            environment,
            migrate: migrate || environment == Environment::Production,
            database_url: keys.database_url("DATABASE_URL", environment),
            database_wait: keys.seconds("DATABASE_WAIT_SECONDS", Duration::from_secs(30)),
            pool: PoolOptions {
                size: keys.get("DB_POOL_SIZE", pool.size, positive),
                wait: keys.some_seconds("DB_POOL_WAIT_SECONDS", pool.wait),
                recycle: keys.some_seconds("DB_POOL_RECYCLE_SECONDS", pool.recycle),
                liveness_check: keys.get("DB_POOL_LIVENESS_CHECK", pool.liveness_check, flag),
                application_name: "underpin-service".to_owned(),
            },
            projects: ProjectSettings {
                data_dir: keys.get("DATA_DIR", PathBuf::from("data"), directory),
                max_open: keys.get("PROJECT_MAX_OPEN", projects.max_open, positive),
                idle: keys.some_seconds("PROJECT_IDLE_SECONDS", projects.idle),
                migrate: migrate || environment == Environment::Production,
                migration: migration.clone(),
                ..projects
            },
            migration,
            artifact_limit: keys.get("ARTIFACT_LIMIT_BYTES", 64 * 1024 * 1024, positive),
            http_addr: keys.get("HTTP_ADDR", SocketAddr::from(([127, 0, 0, 1], 8080)), |text| {
                text.parse().map_err(|_| "an address with a port, such as 127.0.0.1:8080")
            }),
            http_hosts: keys.get("HTTP_HOSTS", Vec::new(), hosts),
            http_body_limit: keys.get("HTTP_BODY_LIMIT_BYTES", 65_536, positive),
            http_timeout: keys.some_seconds("HTTP_TIMEOUT_SECONDS", Duration::from_secs(30)),
            http_limits: keys.limits(),
            cors_origins: keys.get("CORS_ORIGINS", Vec::new(), origins),
            admin_token: keys.secret("ADMIN_TOKEN"),
            project_tokens: keys.project_tokens(),
            nats: keys.nats(),
            jobs: keys.jobs(),
            log_level: keys.get("LOG_LEVEL", "info".to_owned(), level),
            log_format: keys.get("LOG_FORMAT", LogFormat::Text, LogFormat::from_str),
            shutdown_timeout: keys.seconds("SHUTDOWN_SECONDS", Duration::from_secs(10)),
            warnings: Vec::new(),
        };
        if keys.errors.is_empty() { Ok(config) } else { Err(ConfigErrors(keys.errors)) }
    }
}

impl FromStr for Environment {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "development" => Ok(Self::Development),
            "production" => Ok(Self::Production),
            _ => Err("`development` or `production`"),
        }
    }
}

impl FromStr for LogFormat {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("`text` or `json`"),
        }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Development => "development",
            Self::Production => "production",
        })
    }
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { environment, database_url, http_addr, pool, log_level, nats, .. } = self;
        write!(
            f,
            "ENV={environment} DATABASE_URL={database_url} HTTP_ADDR={http_addr} \
             DB_POOL_SIZE={} LOG_LEVEL={log_level}",
            pool.size
        )?;
        let Some(nats) = nats else { return f.write_str(" NATS_URL=(none)") };
        write!(f, " NATS_URL={nats} NATS_JETSTREAM={}", nats.jetstream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
        let pairs: HashMap<_, _> = pairs.iter().copied().collect();
        Config::read(|key| pairs.get(key).map(|value| (*value).to_owned()), false)
    }

    #[test]
    fn without_any_key_it_serves_a_file_on_this_machine() {
        let config = read(&[]).unwrap();

        assert_eq!(
            config.to_string(),
            "ENV=development DATABASE_URL=sqlite:data/underpin.db HTTP_ADDR=127.0.0.1:8080 \
             DB_POOL_SIZE=10 LOG_LEVEL=info NATS_URL=(none)"
        );
    }

    #[test]
    fn every_mistake_is_told_at_once_and_no_password() {
        let error = read(&[
            ("ENV", "prod"),
            ("DATABASE_URL", "mysql://root:hunter2@localhost/app"),
            ("DB_POOL_SIZE", "0"),
            ("HTTP_ADDR", "8080"),
            ("LOG_FORMAT", "xml"),
            ("MIGRATION_LOCK_WAIT_SECONDS", "1.5"),
        ]);

        let text = error.unwrap_err().to_string();
        for key in ["ENV", "DATABASE_URL", "DB_POOL_SIZE", "HTTP_ADDR", "LOG_FORMAT"] {
            assert!(text.contains(&format!("\n  `{key}`: expected ")), "{key}: {text}");
        }
        assert!(text.contains("MIGRATION_LOCK_WAIT_SECONDS`: expected whole seconds, found `1.5`"));
        assert!(!text.contains("hunter2"), "{text}");
    }

    #[test]
    fn the_summary_shows_no_password() {
        let config = read(&[("DATABASE_URL", "postgres://me:hunter2@db:5433/app")]).unwrap();

        assert!(!format!("{config} {config:?}").contains("hunter2"));
    }

    #[test]
    fn who_logs_in_to_nats_is_not_shown() {
        let servers = "nats://me:hunter2@one:4222, tls://hunter2@two";
        let config = read(&[("NATS_URL", servers), ("NATS_JETSTREAM", "true")]).unwrap();

        let text = config.to_string();
        assert!(text.ends_with(" NATS_URL=one:4222,two:4222 NATS_JETSTREAM=true"), "{text}");
        assert!(!format!("{text} {config:?}").contains("hunter2"));
        let nats = config.nats.unwrap();
        assert_eq!((nats.prefix.as_str(), nats.stream.as_str()), ("rosey.db", "ROSEY_DB"));
        let error = read(&[("NATS_URL", "nats://me:hunter2@")]).unwrap_err().to_string();
        assert!(error.contains("`NATS_URL`: expected") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn an_admin_token_is_long_and_shown_nowhere() {
        let error = read(&[("ADMIN_TOKEN", "hunter2-hunter2")]).unwrap_err().to_string();
        assert!(error.contains("`ADMIN_TOKEN`: expected at least 16 characters"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");

        let config = read(&[("ADMIN_TOKEN", "hunter2-hunter2-hunter2")]).unwrap();
        let token = config.admin_token.as_ref().unwrap();
        assert!(token.is("hunter2-hunter2-hunter2") && !token.is("hunter2-hunter2-hunter"));
        assert!(!format!("{config} {config:?}").contains("hunter2"));
    }

    #[test]
    fn tokens_of_projects_fit_together_and_are_shown_nowhere() {
        let (read_it, write_it) = ("hunter2-hunter2-read", "hunter2-hunter2-write");
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        std::fs::write(&file, format!("{write_it}\n")).unwrap();
        let file = file.to_str().unwrap();
        let missing = "/no/such/file";
        for (pairs, expected) in [
            (&[("PROJECT_READ_TOKEN", read_it)][..], "set `PROJECT_WRITE_TOKEN` as well"),
            (&[("PROJECT_WRITE_TOKEN", "hunter2")], "at least 16 characters"),
            (
                &[("PROJECT_WRITE_TOKEN", write_it), ("PROJECT_READ_TOKEN", write_it)],
                "another token",
            ),
            (
                &[("PROJECT_WRITE_TOKEN", write_it), ("PROJECT_WRITE_TOKEN_FILE", file)],
                "one of both",
            ),
            (&[("ADMIN_TOKEN_FILE", missing)], "cannot read"),
        ] {
            let error = read(pairs).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("hunter2"), "{expected}: {error}");
        }

        let pairs = [("PROJECT_READ_TOKEN", read_it), ("PROJECT_WRITE_TOKEN_FILE", file)];
        let config = read(&pairs).unwrap();
        let tokens = &config.project_tokens;
        assert!(tokens.write.as_ref().unwrap().is(write_it));
        assert!(tokens.read.as_ref().unwrap().is(read_it));
        assert!(!format!("{config} {config:?}").contains("hunter2"));
    }

    #[test]
    fn a_file_with_a_secret_is_refused_by_the_name_of_its_setting() {
        let dir = tempfile::tempdir().unwrap();
        let long = dir.path().join("long");
        std::fs::write(&long, "hunter2".repeat(10_000)).unwrap();
        for key in [
            "ADMIN_TOKEN_FILE",
            "PROJECT_READ_TOKEN_FILE",
            "PROJECT_WRITE_TOKEN_FILE",
            "NATS_CREDENTIALS_FILE",
        ] {
            for (path, told) in [
                (long.to_str().unwrap(), "expected at most 65536 bytes, found more"),
                (dir.path().to_str().unwrap(), "it is a directory, expected a file or a pipe"),
                ("/dev/zero", "it is a socket or a device, expected a file or a pipe"),
                ("/no/such/file", "No such file"),
            ] {
                let pairs = [("NATS_URL", "nats://one"), (key, path)];
                let error = read(&pairs).unwrap_err().to_string();
                let told = format!("`{key}`: cannot read `{path}`: {told}");
                assert!(error.contains(&told) && !error.contains("hunter2"), "{error}");
            }
        }
    }

    /// Where one environment serves many, it may be mounted only where NATS is used.
    #[test]
    fn without_nats_nobody_looks_for_its_credentials() {
        let config = read(&[("NATS_CREDENTIALS_FILE", "/no/such/file")]).unwrap();

        assert!(config.nats.is_none());
    }

    #[test]
    fn the_credentials_of_nats_are_shown_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("creds");
        std::fs::write(&file, "hunter2").unwrap();
        let pairs = [("NATS_URL", "nats://one"), ("NATS_CREDENTIALS_FILE", file.to_str().unwrap())];

        let config = read(&pairs).unwrap();

        assert!(!format!("{config} {config:?}").contains("hunter2"));
        assert_eq!(config.nats.unwrap().credentials.as_deref(), Some("hunter2"));
    }

    #[test]
    fn what_cannot_work_is_refused_before_anything_starts() {
        for (key, value) in [
            ("DATABASE_URL", "sqlite::memory:"),
            ("DATABASE_URL", "sqlite:a\u{fffd}.db"),
            ("DB_POOL_WAIT_SECONDS", "0"),
            ("NATS_SUBJECT_PREFIX", "rosey.*"),
            ("NATS_SUBJECT_PREFIX", "rosey..db"),
            ("NATS_QUEUE_GROUP", "a.b"),
            ("NATS_STREAM", "a b"),
            ("RETENTION_CHAT_HOURS", "-1"),
            ("SESSION_SILENCE_SECONDS", "0"),
            ("DB_POOL_RECYCLE_SECONDS", "0"),
            ("HTTP_BODY_LIMIT_BYTES", "0"),
            ("HTTP_TIMEOUT_SECONDS", "0"),
            ("HTTP_KEEP_ALIVE_SECONDS", "0"),
            ("HTTP_MAX_CONNECTIONS", "0"),
            ("HTTP_MAX_CONNECTIONS_PER_ADDRESS", "-1"),
            ("HTTP_MAX_LISTENERS", "0"),
            ("HTTP_MAX_LISTENERS_PER_ADDRESS", "many"),
            ("HTTP_MAX_UPLOADS", "0"),
            ("PROJECT_MAX_OPEN", "0"),
            ("PROJECT_IDLE_SECONDS", "0"),
            ("DATA_DIR", "a\u{fffd}"),
            ("ARTIFACT_LIMIT_BYTES", "64MiB"),
            ("HTTP_HOSTS", "data.example:8080"),
            ("HTTP_HOSTS", "http://data.example"),
            ("HTTP_HOSTS", "data.example,"),
            ("HTTP_HOSTS", "*"),
            ("CORS_ORIGINS", "localhost:3000"),
            ("CORS_ORIGINS", "http://localhost:3000/"),
            ("CORS_ORIGINS", "*"),
            ("LOG_LEVEL", "loud"),
            ("LOG_LEVEL", "underpin_service"),
            ("LOG_LEVEL", "info,loud"),
            ("LOG_LEVEL", "info,sqlx=loud"),
            ("LOG_LEVEL", "inf o"),
        ] {
            let error = read(&[(key, value)]).unwrap_err().to_string();
            assert!(error.contains(&format!("`{key}`: expected ")), "{error}");
        }
    }

    #[test]
    fn levels_and_pairs_are_understood_as_they_were() {
        for text in
            ["info", "WARN", "off", "trace,hyper=warn", "error,underpin_service=info", "a[b]=debug"]
        {
            assert_eq!(read(&[("LOG_LEVEL", text)]).unwrap().log_level, text);
        }
    }

    #[test]
    fn production_names_its_database() {
        for given in [&[("ENV", "production")][..], &[("ENV", "production"), ("DATABASE_URL", "")]]
        {
            let error = read(given).unwrap_err().to_string();
            assert!(
                error.contains("`DATABASE_URL`: expected the database of production"),
                "{error}"
            );
        }
        let url = ("DATABASE_URL", "sqlite:a.db");
        assert!(read(&[("ENV", "production"), url]).is_ok());
    }

    #[test]
    fn an_empty_value_counts_as_none() {
        assert_eq!(read(&[("DB_POOL_SIZE", "")]).unwrap().pool.size, 10);
    }

    #[test]
    fn the_example_file_names_every_key_with_its_default() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.env.example");
        let example = read_file(&path, true).unwrap();

        let config = Config::read(|key| example.get(key).cloned(), false).unwrap();
        assert_eq!(config.to_string(), read(&[]).unwrap().to_string());
        let asked = std::cell::RefCell::new(std::collections::BTreeSet::new());
        let note = |key: &str| {
            asked.borrow_mut().insert(key.to_owned());
            None
        };
        Config::read(note, false).unwrap();
        assert_eq!(asked.into_inner(), example.into_keys().collect());
    }
}
