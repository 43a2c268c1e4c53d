//! How much of the service one peer, or all of them, may have at a time.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    extract::FromRequestParts,
    http::{StatusCode, request::Parts},
};

use super::{connections::Connection, failure::Failure};
use crate::log::Seldom;

/// Bytes that a second has to bring, on average, of what a peer sends or takes; a peer that has more
/// patience than this is cut off.
const LEAST_PER_SECOND: u64 = 4_096;

/// `HTTP_MAX_…` and what else bounds connections.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// `HTTP_MAX_CONNECTIONS`, or less where the system does not let so many files be open.
    pub connections: usize,
    /// `HTTP_MAX_CONNECTIONS_PER_ADDRESS`
    pub connections_of_address: usize,
    /// `HTTP_MAX_LISTENERS`: WebSockets and streams of events.
    pub listeners: usize,
    /// `HTTP_MAX_LISTENERS_PER_ADDRESS`
    pub listeners_of_address: usize,
    /// `HTTP_MAX_UPLOADS`: files that are received at a time.
    pub uploads: usize,
    /// `HTTP_MAX_DOWNLOADS`: contents that are sent at a time.
    pub downloads: usize,
    /// `HTTP_KEEP_ALIVE_SECONDS`: how long a connection may rest between two requests.
    pub keep_alive: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1_024,
            connections_of_address: 512,
            listeners: 512,
            listeners_of_address: 256,
            uploads: 64,
            downloads: 64,
            keep_alive: Duration::from_secs(75),
        }
    }
}

impl Limits {
    /// The same where there are so many connections at most. Listeners stay for long: they get half of the
    /// connections, of all and of one address, so that there are always others for requests.
    pub(crate) fn within(self, connections: usize) -> Self {
        let connections = self.connections.min(connections);
        let connections_of_address = self.connections_of_address.min(connections);
        Self {
            connections,
            connections_of_address,
            listeners: self.listeners.min(connections.div_ceil(2)),
            listeners_of_address: self.listeners_of_address.min(connections_of_address.div_ceil(2)),
            ..self
        }
    }
}

/// How long a peer may take for `bytes`, when it may rest for `patience`.
pub(super) fn time_for(bytes: u64, patience: Duration) -> Duration {
    patience + Duration::from_secs(bytes / LEAST_PER_SECOND)
}

/// Who a peer is, as far as limits go: an address, or the network that one customer of IPv6 gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Peer(IpAddr);

impl Peer {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self(match address.ip().to_canonical() {
            IpAddr::V6(address) if !address.is_loopback() => {
                let [a, b, c, d, ..] = address.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
            address => address,
        })
    }

    pub(super) fn is_loopback(self) -> bool {
        self.0.is_loopback()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Peer {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let connection = parts.extensions.get::<Arc<Connection>>();
        connection.map(|one| one.peer()).ok_or_else(|| Failure::internal("a request of nobody"))
    }
}

/// Places of which there are so many, and so many for one peer.
pub(super) struct Places {
    what: &'static str,
    most: usize,
    of_peer: usize,
    taken: Arc<Mutex<HashMap<Peer, usize>>>,
    told: Seldom,
}

/// A place, until it is dropped.
pub(super) struct Place {
    peer: Peer,
    taken: Arc<Mutex<HashMap<Peer, usize>>>,
}

impl Places {
    pub(super) fn new(what: &'static str, most: usize, of_peer: usize) -> Self {
        Self { what, most, of_peer, taken: Arc::default(), told: Seldom::default() }
    }

    /// A place for `peer`, or the answer that there is none.
    pub(super) fn take(&self, peer: Peer) -> Result<Place, Failure> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = taken.values().sum();
        let own = taken.get(&peer).copied().unwrap_or_default();
        if all < self.most && own < self.of_peer {
            taken.insert(peer, own + 1);
            return Ok(Place { peer, taken: Arc::clone(&self.taken) });
        }
        drop(taken);
        let what = self.what;
        metrics::counter!("underpin_http_refused_total", "what" => what).increment(1);
        if let Some(times) = self.told.due() {
            tracing::warn!(times, "too many {what}: {times} refused since this was said last");
        }
        let message = format!("too many {what} at the moment: try again later");
        Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, message))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.get_mut(&self.peer) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(address: &str) -> Peer {
        Peer::new(SocketAddr::new(address.parse().unwrap(), 1))
    }

    #[test]
    fn a_peer_is_an_address_or_a_network_of_ipv6() {
        for (one, other, same) in [
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.2", false),
            ("10.0.0.1", "::ffff:10.0.0.1", true),
            ("2001:db8::1", "2001:db8::ffff", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
            ("::1", "::2", false),
        ] {
            assert_eq!(peer(one) == peer(other), same, "{one} {other}");
        }
        assert!(peer("127.0.0.9").is_loopback() && peer("::1").is_loopback());
        assert!(!peer("::2").is_loopback());
    }

    #[test]
    fn listeners_leave_half_of_the_connections() {
        let usual = Limits::default();
        let of = |limits: Limits| {
            let Limits { connections, connections_of_address, .. } = limits;
            [connections, connections_of_address, limits.listeners, limits.listeners_of_address]
        };
        let many = Limits { listeners: 9_000, listeners_of_address: 9_000, ..usual };

        assert_eq!(of(usual.within(5_000)), [1_024, 512, 512, 256]);
        assert_eq!(of(usual.within(145)), [145, 145, 73, 73]);
        assert_eq!(of(many.within(5_000)), [1_024, 512, 512, 256]);
    }

    #[test]
    fn a_place_is_taken_until_it_is_dropped() {
        let places = Places::new("tests", 3, 2);
        let (one, other) = (peer("10.0.0.1"), peer("10.0.0.2"));
        let mut held = vec![places.take(one).unwrap(), places.take(one).unwrap()];
        assert!(places.take(one).is_err());
        held.push(places.take(other).unwrap());
        assert!(places.take(other).is_err());

        drop(held.remove(0));

        held.push(places.take(one).unwrap());
        assert!(places.take(other).is_err());
        held.clear();
        assert!(places.taken.lock().unwrap().is_empty());
    }
}
