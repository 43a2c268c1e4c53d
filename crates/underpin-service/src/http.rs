//! What the service answers; one file per resource.

use std::{future::Future, io, sync::Arc};

use axum::{Router, routing::get};
use tokio::{net::TcpListener, sync::watch};
use underpin_db::Db;

use crate::Config;

mod health;
mod ready;

/// What every handler may use.
pub(crate) struct State {
    pub(crate) config: Config,
    pub(crate) db: Db,
    health: health::Last,
    stopping: watch::Sender<bool>,
}

impl State {
    pub(crate) fn new(config: Config, db: Db) -> Self {
        let stopping = watch::channel(false).0;
        Self { config, db, health: health::Last::default(), stopping }
    }

    /// From now on the service is not ready.
    pub(crate) fn stop(&self) {
        self.stopping.send_replace(true);
    }

    fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Ends once [`State::stop`] was called.
    pub(crate) async fn stopped(&self) {
        // The sender lives in `self`, so the channel cannot close first.
        drop(self.stopping.subscribe().wait_for(|stopping| *stopping).await);
    }
}

/// Answers requests until `stop` ends, then finishes those that are in flight.
pub(crate) async fn serve(
    listener: TcpListener,
    state: Arc<State>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let router = Router::new()
        .route("/health", get(health::get))
        .route("/ready", get(ready::get))
        .with_state(state);
    axum::serve(listener, router).with_graceful_shutdown(stop).await
}
