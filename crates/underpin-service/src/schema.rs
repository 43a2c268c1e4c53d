//! The schema at the start: brought up to date, or the service does not serve.

use std::{path::Path, time::Duration};

use anyhow::Context as _;
use underpin::{Catalog, Engine, Error, Goal, Refusal, Refused, Status};
use underpin_db::{DatabaseUrl, wait_until_ready};
use underpin_migrations::{CODE, bot};

use crate::{Config, Environment};

/// The schema is behind, and nobody asked to migrate it.
#[derive(Debug, thiserror::Error)]
#[error(
    "the schema is behind by {pending} of {all} migrations, so nothing is served: start with \
     `--migrate` or `ENV=production`, or run `underpin --set {set} --database-url {url} upgrade`"
)]
pub struct Behind {
    set: String,
    url: String,
    pending: usize,
    all: usize,
}

/// Migrates when it is asked to; otherwise makes sure that nothing is pending.
pub(crate) async fn bring_up_to_date(config: &Config) -> anyhow::Result<()> {
    let catalog = bot(config.database_url.dialect());
    if config.migrate || config.environment == Environment::Production {
        return migrate(config, catalog).await;
    }
    tracing::info!(
        target: underpin::LOG_TARGET,
        "migrations are skipped in development: run them with `--migrate`"
    );
    let absent = config.database_url.sqlite_path().is_some_and(|path| !path.exists());
    let pending = if absent {
        catalog.migrations().len()
    } else {
        wait(&config.database_url, config.database_wait).await?;
        let status = status(config, catalog).await?;
        let mut problems = status.problems;
        if config.migration.policy.allow_missing {
            problems.retain(|one| !matches!(one, Refusal::Missing { .. }));
        }
        if !problems.is_empty() {
            return Err(Error::from(Refused(problems)).into());
        }
        status.pending.len()
    };
    if pending == 0 {
        return Ok(());
    }
    Err(Behind {
        set: catalog.set().to_owned(),
        url: config.database_url.to_string(),
        pending,
        all: catalog.migrations().len(),
    }
    .into())
}

async fn migrate(config: &Config, catalog: &'static Catalog) -> anyhow::Result<()> {
    if let Some(dir) = config.database_url.sqlite_path().and_then(Path::parent) {
        std::fs::create_dir_all(dir)
            .with_context(|| format!("cannot create the directory `{}`", dir.display()))?;
    } else {
        wait(&config.database_url, config.database_wait).await?;
    }
    let url = config.database_url.clone();
    let options = config.migration.clone();
    let report = blocking(async move || {
        Engine::new(catalog, CODE, &url, options)?.migrate(&Goal::Head).await
    });
    let report = report.await?;
    let head = report.head.map(|head| head.to_string()).unwrap_or_default();
    tracing::info!(
        target: underpin::LOG_TARGET,
        applied = report.steps.len(), head,
        "the schema is up to date: {} applied, head {head}", report.steps.len()
    );
    Ok(())
}

/// How the database stands.
pub(crate) async fn status(
    config: &Config,
    catalog: &'static Catalog,
) -> Result<Status, anyhow::Error> {
    let url = config.database_url.clone();
    let options = config.migration.clone();
    blocking(async move || Engine::new(catalog, CODE, &url, options)?.status().await).await
}

/// Waits for a server that is still starting; a file is there or not.
async fn wait(url: &DatabaseUrl, limit: Duration) -> Result<(), Error> {
    if url.sqlite_path().is_some() {
        return Ok(());
    }
    match wait_until_ready(url, Duration::ZERO).await {
        Err(error) if !error.is_configuration() => {
            tracing::warn!("waiting up to {} s for the database: {error}", limit.as_secs());
            Ok(wait_until_ready(url, limit).await?)
        }
        answer => Ok(answer?),
    }
}

/// Runs `work` where it may block: the engine works on SQLite where it is polled.
async fn blocking<T: Send + 'static>(
    work: impl AsyncFnOnce() -> Result<T, Error> + Send + 'static,
) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Handle::current();
    Ok(tokio::task::spawn_blocking(move || runtime.block_on(work())).await??)
}
