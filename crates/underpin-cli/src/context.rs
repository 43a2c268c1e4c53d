//! What every command starts from: the migrations, the database, and how to run.

use std::{borrow::Cow, path::PathBuf, time::Duration};

use underpin::{Catalog, Dialect, Engine, Grouping, Options, Policy};
use underpin_db::DatabaseUrl;

use crate::exit::Usage;

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

/// The policies that a single command may loosen.
#[derive(Clone, Copy, Default, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct PolicyArgs {
    /// Apply pending migrations that are older than applied ones
    #[arg(long)]
    allow_out_of_order: bool,
    /// Run although the database has migrations that are not known here
    #[arg(long)]
    allow_missing: bool,
    /// Go on with a migration that was interrupted
    #[arg(long)]
    resume: bool,
    /// One transaction for the whole run
    #[arg(long)]
    single_transaction: bool,
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
        let limit = |millis: u64| (millis > 0).then(|| Duration::from_millis(millis));
        let options = Options {
            policy: Policy {
                allow_out_of_order: policy.allow_out_of_order,
                allow_missing: policy.allow_missing,
                resume: policy.resume,
            },
            grouping: if policy.single_transaction {
                Grouping::Single
            } else {
                Grouping::PerMigration
            },
            lock_wait: Duration::from_secs(self.lock_wait),
            lock_timeout: Duration::from_millis(self.lock_timeout),
            statement_timeout: limit(self.statement_timeout),
            ..Options::default()
        };
        Ok(Engine::new(catalog, underpin_migrations::CODE, url, options)?)
    }
}

fn no_migrations() -> anyhow::Error {
    Usage("no migrations given: use `--set bot`, `--set project` or `--migrations DIR`".to_owned())
        .into()
}
