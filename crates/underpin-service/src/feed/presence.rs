//! Who listens.

use tokio::sync::watch;

/// How somebody listens.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// A WebSocket of all projects.
    All,
    /// A WebSocket of one project.
    Project,
    /// Server-sent events of one project.
    Stream,
}

impl Kind {
    fn label(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Project => "project",
            Self::Stream => "stream",
        }
    }
}

/// All who listen: each holds a receiver that nothing is sent to.
pub(super) struct Presences(watch::Sender<()>);

impl Default for Presences {
    fn default() -> Self {
        Self(watch::Sender::new(()))
    }
}

/// Somebody who listens.
pub(crate) struct Presence {
    kind: Kind,
    _here: watch::Receiver<()>,
}

impl Presences {
    pub(super) fn enter(&self, kind: Kind) -> Presence {
        metrics::gauge!("underpin_event_subscribers", "kind" => kind.label()).increment(1.0);
        Presence { kind, _here: self.0.subscribe() }
    }

    /// Waits until nobody is there.
    pub(super) async fn none(&self) {
        self.0.closed().await;
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        metrics::gauge!("underpin_event_subscribers", "kind" => self.kind.label()).decrement(1.0);
    }
}
