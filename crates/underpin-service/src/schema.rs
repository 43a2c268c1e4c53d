//! The schema at the start: brought up to date, or the service does not serve.

use std::{path::Path, time::Duration};

use anyhow::Context as _;
use underpin::{Catalog, Engine, Error, Goal, Refusal, Refused, Status};
use underpin_db::{Access, DatabaseUrl, wait_until_ready};
use underpin_migrations::{CODE, bot, registry};

use crate::Config;

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

/// The sets whose tables are in the main database; a project's own are brought up to date when it
/// is opened.
pub(crate) fn sets(config: &Config) -> [&'static Catalog; 2] {
    let dialect = config.database_url.dialect();
    [bot(dialect), registry(dialect)]
}

/// Migrates when it is asked to; otherwise makes sure that nothing is pending.
pub(crate) async fn bring_up_to_date(config: &Config) -> anyhow::Result<()> {
    if config.migrate {
        prepare(config).await?;
        for catalog in sets(config) {
            migrate(config, catalog).await?;
        }
        return Ok(());
    }
    tracing::info!(
        target: underpin::LOG_TARGET,
        "migrations are skipped in development: run them with `--migrate`"
    );
    let absent = config.database_url.sqlite_path().is_some_and(|path| !path.exists());
    let pending = if absent {
        sets(config).map(|catalog| (catalog, catalog.migrations().len())).to_vec()
    } else {
        wait(&config.database_url, config.database_wait).await?;
        pending(config).await?
    };
    match pending.into_iter().find(|(_, pending)| *pending > 0) {
        Some((catalog, pending)) => Err(Behind {
            set: catalog.set().to_owned(),
            url: config.database_url.to_string(),
            pending,
            all: catalog.migrations().len(),
        }
        .into()),
        None => Ok(()),
    }
}

/// How many migrations are pending in each set, where the histories agree with the catalogs.
async fn pending(config: &Config) -> anyhow::Result<Vec<(&'static Catalog, usize)>> {
    let (mut pending, mut problems) = (Vec::new(), Vec::new());
    for (catalog, status) in status(config).await? {
        pending.push((catalog, status.pending.len()));
        // The sets share the history, so that what none of them knows is told by each.
        let known = |one: &Refusal| problems.contains(one);
        let new: Vec<_> = status.problems.into_iter().filter(|one| !known(one)).collect();
        problems.extend(new);
    }
    if config.migration.policy.allow_missing {
        problems.retain(|one| !matches!(one, Refusal::Missing { .. }));
    }
    if problems.is_empty() { Ok(pending) } else { Err(Error::from(Refused(problems)).into()) }
}

/// Makes sure that there is a place for the database.
async fn prepare(config: &Config) -> anyhow::Result<()> {
    if let Some(dir) = config.database_url.sqlite_path().and_then(Path::parent) {
        std::fs::create_dir_all(dir)
            .with_context(|| format!("cannot create the directory `{}`", dir.display()))
    } else {
        Ok(wait(&config.database_url, config.database_wait).await?)
    }
}

async fn migrate(config: &Config, catalog: &'static Catalog) -> anyhow::Result<()> {
    let url = config.database_url.clone();
    let options = config.migration.clone();
    let report = blocking(async move || {
        Engine::new(catalog, CODE, &url, options)?.migrate(&Goal::Head).await
    });
    let report = report.await?;
    let head = report.head.map(|head| head.to_string()).unwrap_or_default();
    let (set, applied) = (catalog.set(), report.steps.len());
    tracing::info!(
        target: underpin::LOG_TARGET,
        set, applied, head,
        "the schema of `{set}` is up to date: {applied} applied, head {head}"
    );
    Ok(())
}

/// How the main database stands, set by set; asked on one connection.
pub(crate) async fn status(config: &Config) -> anyhow::Result<Vec<(&'static Catalog, Status)>> {
    let (url, options, sets) =
        (config.database_url.clone(), config.migration.clone(), sets(config));
    blocking(async move || {
        let engine = |catalog| Engine::new(catalog, CODE, &url, options.clone());
        let mut conn = engine(sets[0])?.connect(Access::ReadOnly).await?;
        let mut found = Vec::new();
        for catalog in sets {
            found.push((catalog, engine(catalog)?.status_on(&mut conn).await?));
        }
        Ok(found)
    })
    .await
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
