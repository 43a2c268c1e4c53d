//! The end: not ready, drained, then gone.

use std::{future::Future, io, sync::Arc, time::Duration};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::http::State;

/// The signals that ask the service to stop. As the first process of a container it would ignore
/// them unless it listens, so it listens from the start.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for one, and gives its name.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Ends when a signal comes; from then on the service is not ready.
pub(crate) async fn requested(mut signals: Signals, state: Arc<State>) {
    let name = signals.next().await;
    tracing::info!("{name}: finishing what is in flight");
    state.stop();
}

/// Drives `work`, at most `limit` longer than the service was told to stop.
pub(crate) async fn bounded(
    work: impl Future<Output = anyhow::Result<()>>,
    state: &State,
    limit: Duration,
) -> anyhow::Result<()> {
    let late = async {
        state.stopped().await;
        tokio::time::sleep(limit).await;
    };
    tokio::select! {
        done = work => done,
        () = late => {
            tracing::warn!("work was still open after {} s: stopping without it", limit.as_secs());
            Ok(())
        }
    }
}
