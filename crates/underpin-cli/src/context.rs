//! What every command starts from: the migrations, the database, and how to run.

use std::{borrow::Cow, path::PathBuf, time::Duration};

use clap::ValueEnum as _;
use underpin::{Catalog, Dialect, Engine, Grouping, Options, Policy};
use underpin_db::DatabaseUrl;

use crate::{exit::Usage, shell};

/// The name in the history of a set that is only a folder.
const FOLDER_SET: &str = "default";

#[derive(clap::Args)]
#[command(next_help_heading = "For every command")]
pub(crate) struct Context {
    /// The database: `sqlite://data/app.db` or `postgres://user@host/name`
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, global = true, value_name = "URL")]
    database_url: Option<String>,
    /// The migrations that come with this program
    #[arg(long, global = true, value_enum, conflicts_with = "migrations")]
    set: Option<Set>,
    /// A folder of migrations: Diesel's layout, or one such folder per dialect
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "UNDERPIN_MIGRATIONS",
        hide_env_values = true
    )]
    migrations: Option<PathBuf>,
    /// Seconds to wait for another runner
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 60)]
    lock_wait: u64,
    /// PostgreSQL: milliseconds that a statement may wait for a lock, 0 for ever
    #[arg(long, global = true, value_name = "MS", default_value_t = 5000)]
    lock_timeout: u64,
    /// PostgreSQL: milliseconds that a statement may run, 0 for ever
    #[arg(long, global = true, value_name = "MS", default_value_t = 0)]
    statement_timeout: u64,
}

#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum Set {
    /// The chat bot's data service
    Bot,
    /// The project orchestrator
    Project,
    /// Which projects there are
    Registry,
}

/// What a single command may allow.
#[derive(Clone, Copy, Default, clap::Args)]
pub(crate) struct AllowArgs {
    /// Apply pending migrations that are older than applied ones
    #[arg(long)]
    allow_out_of_order: bool,
    /// Run although the database has migrations that are not known here
    #[arg(long)]
    allow_missing: bool,
    /// Go on with a migration that was interrupted
    #[arg(long)]
    resume: bool,
}

/// [`AllowArgs`], and how the run is cut.
#[derive(Clone, Copy, Default, clap::Args)]
pub(crate) struct PolicyArgs {
    #[command(flatten)]
    allow: AllowArgs,
    /// One transaction for the whole run
    #[arg(long)]
    single_transaction: bool,
    /// One transaction for each migration, also for an empty database
    #[arg(long, conflicts_with = "single_transaction")]
    transaction_per_migration: bool,
}

impl AllowArgs {
    /// The flags once more.
    pub(crate) fn again(self) -> impl Iterator<Item = String> {
        let all = [
            (self.allow_out_of_order, "--allow-out-of-order"),
            (self.allow_missing, "--allow-missing"),
            (self.resume, "--resume"),
        ];
        all.into_iter().filter(|(given, _)| *given).map(|(_, flag)| flag.to_owned())
    }
}

impl Context {
    pub(crate) fn url(&self) -> anyhow::Result<DatabaseUrl> {
        let text = self.database_url.as_deref().ok_or_else(|| {
            Usage("no database given: use `--database-url URL`, or set `DATABASE_URL`".to_owned())
        })?;
        Ok(text.parse()?)
    }

    /// The folder that holds the migrations, for writing a new one.
    pub(crate) fn folder(&self) -> anyhow::Result<PathBuf> {
        match (&self.migrations, self.set) {
            (Some(folder), _) => Ok(folder.clone()),
            (None, Some(Set::Bot)) => Ok("migrations/bot".into()),
            (None, Some(Set::Project)) => Ok("migrations/project".into()),
            (None, Some(Set::Registry)) => Ok("migrations/registry".into()),
            (None, None) => Err(no_migrations()),
        }
    }

    pub(crate) fn catalog(&self, dialect: Dialect) -> anyhow::Result<Cow<'static, Catalog>> {
        match (&self.migrations, self.set) {
            (Some(folder), _) => Ok(Cow::Owned(Catalog::read(folder, FOLDER_SET, dialect)?)),
            (None, Some(Set::Bot)) => Ok(Cow::Borrowed(underpin_migrations::bot(dialect))),
            (None, Some(Set::Project)) => Ok(Cow::Borrowed(underpin_migrations::project(dialect))),
            (None, Some(Set::Registry)) => {
                Ok(Cow::Borrowed(underpin_migrations::registry(dialect)))
            }
            (None, None) => Err(no_migrations()),
        }
    }

    pub(crate) fn engine<'a>(
        &self,
        catalog: &'a Catalog,
        url: &'a DatabaseUrl,
        policy: PolicyArgs,
    ) -> anyhow::Result<Engine<'a>> {
        let grouping = match (policy.single_transaction, policy.transaction_per_migration) {
            (true, _) => Grouping::Single,
            (false, true) => Grouping::PerMigration,
            (false, false) => Grouping::Automatic,
        };
        let options = Options { grouping, ..self.options(policy.allow) };
        Ok(Engine::new(catalog, underpin_migrations::CODE, url, options)?)
    }

    /// How a database is migrated.
    pub(crate) fn options(&self, allow: AllowArgs) -> Options {
        let limit = |millis: u64| (millis > 0).then(|| Duration::from_millis(millis));
        Options {
            policy: Policy {
                allow_out_of_order: allow.allow_out_of_order,
                allow_missing: allow.allow_missing,
                resume: allow.resume,
            },
            lock_wait: Duration::from_secs(self.lock_wait),
            lock_timeout: Duration::from_millis(self.lock_timeout),
            statement_timeout: limit(self.statement_timeout),
            ..Options::default()
        }
    }

    /// The flags that name the same migrations once more.
    pub(crate) fn again(&self) -> Vec<String> {
        let set = self.set.and_then(|set| set.to_possible_value());
        let set = set.map(|set| format!("--set {}", set.get_name()));
        let folder = self.migrations.as_ref();
        let folder = folder.map(|dir| format!("--migrations {}", shell::quoted_path(dir)));
        set.into_iter().chain(folder).collect()
    }

    /// The flag that names the same database once more. The environment gives it again by itself, and
    /// a password is left to whoever knows it.
    pub(crate) fn url_again(&self) -> Option<String> {
        let text = self.database_url.as_deref()?;
        if std::env::var("DATABASE_URL").is_ok_and(|given| given == text) {
            return None;
        }
        let user = text.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@'));
        let secret = user.is_some_and(|(user, _)| user.contains(':')) || text.contains("password");
        let shown = if secret { "…".to_owned() } else { shell::quoted(text) };
        Some(format!("--database-url {shown}"))
    }
}

fn no_migrations() -> anyhow::Error {
    Usage("no migrations given: use `--set bot`, `--set project` or `--migrations DIR`".to_owned())
        .into()
}
