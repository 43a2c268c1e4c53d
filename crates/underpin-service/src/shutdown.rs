//! The end: not ready, drained, then gone.

use std::{future::Future, io, sync::Arc, time::Duration};

use tokio::signal::unix::{SignalKind, signal};

use crate::http::State;

/// Ends when SIGTERM or SIGINT comes; from then on the service is not ready.
pub(crate) fn requested(state: Arc<State>) -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        tracing::info!("{name}: finishing what is in flight");
        state.stop();
    })
}

/// Drives `work`, at most `limit` longer than the service was told to stop.
pub(crate) async fn bounded(
    work: impl Future<Output = io::Result<()>>,
    state: &State,
    limit: Duration,
) -> io::Result<()> {
    let late = async {
        state.stopped().await;
        tokio::time::sleep(limit).await;
    };
    tokio::select! {
        done = work => done,
        () = late => {
            tracing::warn!("requests were still open after {} s: stopping without them", limit.as_secs());
            Ok(())
        }
    }
}
