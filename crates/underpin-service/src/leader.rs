//! Which replicas are alive, and which one leads: it runs the jobs and reads the event stream.

use std::time::Duration;

use tokio::sync::watch;
use underpin_db::{DatabaseUrl, Hold, Lease};

/// How soon a replica notices that the leader has gone, or that it leads no more.
const INTERVAL: Duration = Duration::from_secs(1);

/// Takes part in the election until `stop` ends; `leads` tells whether this process leads. What it
/// gives back is still held.
pub(crate) async fn run(
    mut membership: Membership,
    leads: watch::Sender<bool>,
    stop: impl Future<Output = ()>,
) -> Membership {
    let mut stop = std::pin::pin!(stop);
    let leads = Announcement(leads);
    loop {
        let leading = membership.renewed().await;
        let changed =
            leads.0.send_if_modified(|leads| std::mem::replace(leads, leading) != leading);
        if changed {
            let role = if leading { "leads: it runs the jobs" } else { "leads no more" };
            tracing::info!("this replica {role}");
        }
        metrics::gauge!("underpin_leader").set(f64::from(u8::from(leading)));
        tokio::select! {
            () = &mut stop => break,
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
    membership
}

/// Tells the rest of the service whether this process leads. When it goes, in whatever way, the process
/// leads no more: work that goes by a word that nobody can take back would never end.
struct Announcement(watch::Sender<bool>);

impl Drop for Announcement {
    fn drop(&mut self) {
        self.0.send_replace(false);
    }
}

/// What this process holds as long as it lives.
pub(crate) struct Membership {
    url: DatabaseUrl,
    /// Held by every replica.
    alive: Option<Lease>,
    /// Held by the one that leads.
    leader: Option<Lease>,
}

impl Membership {
    /// From now on the others know of this process.
    pub(crate) async fn join(url: DatabaseUrl) -> Self {
        let mut membership = Self { url, alive: None, leader: None };
        membership.renewed().await;
        membership
    }

    /// Whether this process leads; nothing is held when the database cannot be asked.
    async fn renewed(&mut self) -> bool {
        self.renew().await.unwrap_or_else(|error| {
            tracing::warn!("cannot take part in the election of a leader: {error}");
            self.alive = None;
            self.leader = None;
            false
        })
    }

    /// Takes what is free and was lost, and says whether this process leads.
    async fn renew(&mut self) -> anyhow::Result<bool> {
        opened(&mut self.alive, &self.url, "alive").await?.hold(Hold::Shared).await?;
        Ok(opened(&mut self.leader, &self.url, "leader").await?.hold(Hold::Alone).await?)
    }

    /// Lets go of everything, and says whether nobody else is alive.
    pub(crate) async fn leave(self) -> bool {
        if let Some(mut leader) = self.leader {
            leader.release().await;
        }
        let Some(mut alive) = self.alive else { return false };
        alive.release().await;
        alive.hold(Hold::Alone).await.unwrap_or(false)
    }
}

async fn opened<'l>(
    lease: &'l mut Option<Lease>,
    url: &DatabaseUrl,
    name: &str,
) -> anyhow::Result<&'l mut Lease> {
    let open = match lease.take() {
        Some(open) => open,
        None => Lease::open(url, name).await?,
    };
    Ok(lease.insert(open))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_election_that_breaks_off_leaves_no_leader() {
        let (sender, mut leads) = watch::channel(true);

        drop(Announcement(sender));

        assert!(leads.wait_for(|leads| !*leads).await.is_ok());
        assert!(leads.wait_for(|leads| *leads).await.is_err(), "nobody waits for the next leader");
    }
}
