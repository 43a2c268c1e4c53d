//! The service that brings its own schema up to date before it answers.
//!
//! [`run`] is the whole start, in the order of `docs/ARCHITECTURE.md`; each later part has a file.

mod clock;
mod config;
mod http;
mod log;
mod schema;
mod shutdown;

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context as _;
use tokio::net::TcpListener;
use underpin_db::Db;

pub use crate::{
    config::{Config, ConfigErrors, Environment, LogFormat},
    schema::Behind,
};

/// Runs the service until it is told to stop.
///
/// # Errors
///
/// What kept it from starting; nothing was started after that.
pub async fn run(config: Config) -> anyhow::Result<()> {
    log::start(&config);
    tracing::info!("starting underpin-service {}: {config}", env!("CARGO_PKG_VERSION"));
    let mut signals = shutdown::Signals::listen()?;
    tokio::select! {
        result = schema::bring_up_to_date(&config) => result?,
        name = signals.next() => {
            tracing::info!("{name} before the service was up: stopped");
            // The thread that migrates would keep the runtime alive to its end; the database takes back
            // what it had begun.
            std::process::exit(0);
        }
    }
    let db = Db::connect(&config.database_url, &config.pool).await;
    let db = db.map_err(underpin::Error::from)?;
    let listener = TcpListener::bind(config.http_addr).await.with_context(|| {
        format!(
            "cannot listen on {}: is it in use? choose another with `HTTP_ADDR`",
            config.http_addr
        )
    })?;
    let state = Arc::new(http::State::new(config, db));
    let timeout = state.config.shutdown_timeout;
    let stop = shutdown::requested(signals, Arc::clone(&state));
    announce(listener.local_addr()?);
    shutdown::bounded(http::serve(listener, Arc::clone(&state), stop), &state, timeout).await?;
    tracing::info!("stopped");
    Ok(())
}

fn announce(address: SocketAddr) {
    tracing::info!(%address, "listening on http://{address}: see /health and /ready");
}
