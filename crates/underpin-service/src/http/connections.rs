//! Every connection, and what each waits for.
//!
//! A peer that keeps the service waiting has time, but not for ever, and gives way to a newcomer when there
//! are too many: the one that has been waited for longest goes first.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{Notify, watch};

use super::limits::{Limits, Peer, time_for};
use crate::log::Seldom;

/// Connections from this machine itself that are let in when there is no place for any other, so that it can
/// still be asked how the service is.
const KEPT_FOR_LOOPBACK: usize = 16;

/// How long peers may keep the service waiting.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    /// For the head of a request.
    pub(super) head: Duration,
    /// For the next request.
    pub(super) idle: Duration,
    /// For taking the next bytes of an answer.
    pub(super) answer: Duration,
}

/// What a connection waits for, of its peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    Request,
    Head,
    Body,
    Taking,
}

impl Wait {
    /// As a label of a metric.
    fn label(self) -> &'static str {
        match self {
            Self::Request => "idle",
            Self::Head => "head",
            Self::Body => "body",
            Self::Taking => "answer",
        }
    }
}

/// All connections.
#[derive(Clone)]
pub(super) struct Connections {
    inner: Arc<Inner>,
}

struct Inner {
    limits: Limits,
    patience: Patience,
    table: Mutex<Table>,
    /// Each connection holds a receiver that nothing is sent to.
    here: watch::Sender<()>,
    cut: Seldom,
    refused: Seldom,
}

#[derive(Default)]
struct Table {
    last: u64,
    all: HashMap<u64, Arc<Connection>>,
}

/// A connection.
pub(super) struct Connection {
    peer: Peer,
    state: Mutex<State>,
    cut: Notify,
}

/// A connection is here until this is dropped.
pub(super) struct Entry {
    id: u64,
    connection: Arc<Connection>,
    inner: Arc<Inner>,
    _here: watch::Receiver<()>,
}

/// What a connection does.
struct State {
    turn: Turn,
    /// Since when an answer's bytes are not taken.
    blocked: Option<Instant>,
    /// How long bytes were not taken, and how many were.
    waited: Duration,
    taken: u64,
    /// Whether a body was not read to its end, so that the peer may still be sending it.
    unread: bool,
}

/// Whose turn it is.
#[derive(Clone, Copy)]
enum Turn {
    /// The peer's.
    Peer(Wait, Instant),
    Ours,
    /// Whoever has something to say: a WebSocket, which has limits of its own.
    Both,
}

impl Connections {
    pub(super) fn new(limits: Limits, patience: Patience) -> Self {
        let (table, here) = (Mutex::default(), watch::Sender::new(()));
        let (cut, refused) = (Seldom::default(), Seldom::default());
        Self { inner: Arc::new(Inner { limits, patience, table, here, cut, refused }) }
    }

    /// Lets a connection in; in place of another one where there are too many, or not at all.
    pub(super) fn enter(&self, peer: Peer) -> Option<Entry> {
        let inner = &self.inner;
        let mut table = inner.table();
        let own = table.all.values().filter(|one| one.peer == peer).count();
        let full = table.all.len() >= inner.limits.connections;
        if own >= inner.limits.connections_of_address || full {
            let crowded = own >= inner.limits.connections_of_address;
            let may_go = |one: &Connection| !crowded || one.peer == peer;
            let made_way = inner.make_way(&mut table, may_go);
            let most = inner.limits.connections + KEPT_FOR_LOOPBACK;
            let kept = peer.is_loopback() && table.all.len() < most;
            if !made_way && !kept {
                drop(table);
                inner.refuse();
                return None;
            }
        }
        table.last += 1;
        let id = table.last;
        let connection = Arc::new(Connection::new(peer));
        table.all.insert(id, Arc::clone(&connection));
        table.count();
        drop(table);
        let (inner, here) = (Arc::clone(inner), inner.here.subscribe());
        Some(Entry { id, connection, inner, _here: here })
    }

    /// Cuts off every peer that was waited for too long.
    pub(super) fn cut_overdue(&self) {
        let inner = &self.inner;
        let now = Instant::now();
        let mut table = inner.table();
        let overdue = table.all.iter().filter_map(|(id, connection)| {
            connection.overdue(now, &inner.patience).map(|wait| (*id, wait))
        });
        for (id, wait) in overdue.collect::<Vec<_>>() {
            inner.cut(&mut table, id, wait.label());
        }
    }

    /// Waits until nobody is here.
    pub(super) async fn none(&self) {
        self.inner.here.closed().await;
    }
}

impl Table {
    fn count(&self) {
        let count = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        metrics::gauge!("underpin_http_connections").set(count);
    }
}

impl Inner {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cuts off the peer that was waited for longest, of those that `may_go`.
    fn make_way(&self, table: &mut Table, may_go: impl Fn(&Connection) -> bool) -> bool {
        let waited = table.all.iter().filter(|(_, one)| may_go(one));
        let waited = waited.filter_map(|(id, one)| one.waits().map(|(_, since)| (since, *id)));
        let Some((_, id)) = waited.min() else { return false };
        self.cut(table, id, "full");
        true
    }

    fn cut(&self, table: &mut Table, id: u64, reason: &'static str) {
        let Some(connection) = table.all.remove(&id) else { return };
        table.count();
        connection.cut.notify_one();
        metrics::counter!("underpin_http_connections_cut_total", "reason" => reason).increment(1);
        // Connections rest and are closed all the time.
        if reason != Wait::Request.label()
            && let Some(times) = self.cut.due()
        {
            let (all, one) = (self.limits.connections, self.limits.connections_of_address);
            tracing::warn!(
                times,
                reason,
                "connections were cut off, {times} since this was said last: their peers kept the \
                 service waiting (`head`, `body`, `answer`), or others had no place (`full`: {all} for \
                 all, {one} for one address)"
            );
        }
    }

    fn refuse(&self) {
        metrics::counter!("underpin_http_refused_total", "what" => "connections").increment(1);
        if let Some(times) = self.refused.due() {
            let (all, one) = (self.limits.connections, self.limits.connections_of_address);
            tracing::warn!(
                times,
                "too many connections ({all} for all, {one} for one address): {times} refused since \
                 this was said last; `HTTP_MAX_CONNECTIONS` and `HTTP_MAX_CONNECTIONS_PER_ADDRESS`"
            );
        }
    }
}

impl Entry {
    pub(super) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut table = self.inner.table();
        if table.all.remove(&self.id).is_some() {
            table.count();
        }
    }
}

impl Connection {
    fn new(peer: Peer) -> Self {
        let turn = Turn::Peer(Wait::Head, Instant::now());
        let state = State { turn, blocked: None, waited: Duration::ZERO, taken: 0, unread: false };
        Self { peer, state: Mutex::new(state), cut: Notify::new() }
    }

    pub(super) fn peer(&self) -> Peer {
        self.peer
    }

    /// Waits until somebody decides that this connection goes.
    pub(super) async fn cut(&self) {
        self.cut.notified().await;
    }

    /// Something came: between two requests it is the beginning of a head.
    pub(super) fn heard(&self) {
        let mut state = self.state();
        if let Turn::Peer(Wait::Request, _) = state.turn {
            state.turn = Turn::Peer(Wait::Head, Instant::now());
        }
    }

    /// A head is whole, or a piece of a body came.
    pub(super) fn works(&self) {
        self.state().turn = Turn::Ours;
    }

    /// More of a body is wanted.
    pub(super) fn wants_body(&self) {
        let mut state = self.state();
        if let Turn::Ours = state.turn {
            state.turn = Turn::Peer(Wait::Body, Instant::now());
        }
    }

    /// An answer has gone out, and the next request may come.
    pub(super) fn answered(&self) {
        let mut state = self.state();
        if !matches!(state.turn, Turn::Both) {
            state.turn = Turn::Peer(Wait::Request, Instant::now());
        }
    }

    /// A body was not read to its end.
    pub(super) fn leaves_unread(&self) {
        self.state().unread = true;
    }

    pub(super) fn left_unread(&self) -> bool {
        self.state().unread
    }

    /// It is a WebSocket from now on.
    pub(super) fn upgraded(&self) {
        self.state().turn = Turn::Both;
    }

    /// The peer took so many bytes.
    pub(super) fn took(&self, bytes: usize) {
        let mut state = self.state();
        state.taken += bytes as u64;
        if let Some(since) = state.blocked.take() {
            state.waited += since.elapsed();
        }
    }

    /// The peer takes nothing at the moment.
    pub(super) fn blocked(&self) {
        self.state().blocked.get_or_insert_with(Instant::now);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What its peer is waited for, and since when.
    fn waits(&self) -> Option<(Wait, Instant)> {
        let state = self.state();
        match (state.turn, state.blocked) {
            (Turn::Both, _) | (Turn::Ours, None) => None,
            (_, Some(since)) => Some((Wait::Taking, since)),
            (Turn::Peer(wait, since), None) => Some((wait, since)),
        }
    }

    /// What its peer was waited for too long. A body that does not come ends its request before.
    fn overdue(&self, now: Instant, patience: &Patience) -> Option<Wait> {
        let (wait, since) = self.waits()?;
        let waited = now.saturating_duration_since(since);
        let over = match wait {
            Wait::Request => waited > patience.idle,
            Wait::Head => waited > patience.head,
            Wait::Body => false,
            Wait::Taking => {
                let state = self.state();
                let all = state.waited + waited;
                waited > patience.answer || all > time_for(state.taken, patience.answer)
            }
        };
        over.then_some(wait)
    }
}

#[cfg(test)]
mod tests;
