//! The service that brings its own schema up to date before it answers.
//!
//! [`run`] is the whole start, in the order of `docs/ARCHITECTURE.md`; each later part has a file.

pub mod artifacts;
mod clock;
mod config;
pub mod dead_letters;
mod descriptors;
mod feed;
mod http;
pub mod jobs;
mod leader;
mod log;
mod metrics;
pub mod nats;
mod schema;
mod shutdown;

use std::{io, net::SocketAddr, sync::Arc};

use anyhow::Context as _;
use futures_util::FutureExt as _;
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::{oneshot, watch},
};
use underpin_db::Db;
use underpin_models::bot::SessionRepository as _;

use crate::nats::Nats;

pub use crate::{
    config::{Config, ConfigErrors, Environment, LogFormat},
    http::{Limits, ProjectTokens, Secret},
    schema::Behind,
};

/// Runs the service until it is told to stop.
///
/// # Errors
///
/// What kept it from starting; nothing was started after that.
pub async fn run(mut config: Config) -> anyhow::Result<()> {
    log::start(&config);
    tracing::info!("starting underpin-service {}: {config}", env!("CARGO_PKG_VERSION"));
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let metrics = metrics::install()?;
    tokio::spawn(metrics::upkeep(metrics.clone()));
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
    config.http_limits = config.http_limits.within(descriptors::allow(&config));
    let db = Db::connect(&config.database_url, &config.pool).await;
    let db = db.map_err(underpin::Error::from)?;
    let time = jobs::Time::begin(&db).await.context("cannot see what the time is")?;
    let (leads, leading) = watch::channel(false);
    let waiting = Arc::default();
    let nats = match &config.nats {
        Some(settings) => {
            Some(Nats::connect(settings.clone()).await?.listen(&db, &leading, &waiting).await?)
        }
        None => None,
    };
    let listener = listen(config.http_addr).with_context(|| {
        format!(
            "cannot listen on {}: is it in use? choose another with `HTTP_ADDR`",
            config.http_addr
        )
    })?;
    let state = Arc::new(http::State::new(config, db.clone(), metrics, waiting));
    tokio::spawn(artifacts::at_start(state.artifacts.clone(), db.clone(), time.clone()));
    let config = &state.config;
    let (leave, left) = oneshot::channel::<()>();
    // Before it is ready: a predecessor that goes then knows that it is not the last one.
    let membership = leader::Membership::join(config.database_url.clone()).await;
    let election = leader::run(membership, leads, left.map(drop));
    let election = tokio::spawn(election);
    let stop = shutdown::requested(signals, Arc::clone(&state)).boxed().shared();
    announce(listener.local_addr()?, &config.project_tokens);
    let serve = Box::pin(async {
        let serve_bot = async {
            match nats {
                Some(nats) => nats.run(stop.clone()).await,
                None => Ok(()),
            }
        };
        let answer = http::serve(listener, Arc::clone(&state), stop.clone()).map(Ok);
        let jobs =
            jobs::run(&config.jobs, &db, &state.projects, time, leading.clone(), stop.clone());
        let jobs = jobs.map(Ok);
        tokio::try_join!(serve_bot, answer, jobs).map(drop)
    });
    shutdown::bounded(serve, &state, config.shutdown_timeout).await?;
    state.feed.end().await;
    drop(leave);
    // The last one to go ends the sessions: nobody is left to see who leaves.
    if election.await?.leave().await
        && let Some(settings) = &config.nats
    {
        let (now, silence) = (clock::now(), clock::seconds(settings.session_silence));
        let silent = db.end_sessions_after_silence(now, silence).await?;
        let ended = silent + db.end_sessions(now).await?;
        tracing::info!(ended, "the last replica goes: {ended} sessions ended");
    }
    tracing::info!("stopped");
    Ok(())
}

/// Connections that may wait to be taken: the system drops more, and who is dropped tries again after a
/// second.
const WAITING: u32 = 4_096;

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // The port of a predecessor that has ended is free at once.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(WAITING)
}

fn announce(address: SocketAddr, tokens: &ProjectTokens) {
    if !address.ip().is_loopback() {
        let open = match (&tokens.read, &tokens.write) {
            (_, None) => Some("read and change"),
            (None, Some(_)) => Some("read"),
            (Some(_), Some(_)) => None,
        };
        if let Some(open) = open {
            tracing::warn!(
                %address,
                "WHOEVER REACHES {address} MAY {}: set `PROJECT_READ_TOKEN` and `PROJECT_WRITE_TOKEN`, or \
                 let a proxy with a login alone reach it",
                format!("{open} every project").to_uppercase()
            );
        }
    }
    tracing::info!(%address, "listening on http://{address}: see /health and /ready");
}
