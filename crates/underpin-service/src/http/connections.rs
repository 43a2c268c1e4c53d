//! Every connection, and what each waits for.
//!
//! A peer that keeps the service waiting has time, but not for ever, and gives way to a newcomer when there
//! are too many: the one that owes most goes first, which is the time that it was waited for, less what the
//! bytes that came for it are worth.

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

/// What a peer has to owe before it makes way: one that has only just come was not waited for yet.
pub(super) const GRACE: Duration = Duration::from_millis(200);

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
    body: Pace,
    answer: Pace,
    /// Whether a body was not read to its end, so that the peer may still be sending it.
    unread: bool,
}

/// How fast a peer sends a body, or takes an answer.
#[derive(Default)]
struct Pace {
    /// Since when the next bytes are waited for.
    since: Option<Instant>,
    /// How long others were waited for, and how many they were. What needed no waiting is worth nothing.
    waited: Duration,
    bytes: u64,
}

/// Whose turn it is.
#[derive(Clone, Copy)]
enum Turn {
    /// The peer's.
    Peer(Wait, Instant),
    /// The service's; it may wait for bytes meanwhile.
    Ours,
    /// Whoever has something to say: a WebSocket, which has limits of its own.
    Both,
}

impl Pace {
    fn wait(&mut self) {
        self.since.get_or_insert_with(Instant::now);
    }

    fn moved(&mut self, bytes: usize) {
        self.waited += self.since.take().map_or(Duration::ZERO, |since| since.elapsed());
        if !self.waited.is_zero() {
            self.bytes += bytes as u64;
        }
    }

    /// How long the next bytes are waited for, or all of them beyond their worth.
    fn owed(&self, now: Instant) -> Option<Duration> {
        let wait = now.saturating_duration_since(self.since?);
        let worth = time_for(self.bytes, Duration::ZERO);
        Some(wait.max((self.waited + wait).saturating_sub(worth)))
    }
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

    /// Somebody was told that there is no place.
    pub(super) fn refused(&self) {
        self.inner.refuse();
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

    /// Cuts off the peer that owes most, of those that `may_go`.
    fn make_way(&self, table: &mut Table, may_go: impl Fn(&Connection) -> bool) -> bool {
        let now = Instant::now();
        let all = table.all.iter().filter(|(_, one)| may_go(one));
        let all = all.filter_map(|(id, one)| one.owes(now).map(|(_, owed)| (owed, *id)));
        let Some((owed, id)) = all.max() else { return false };
        if owed >= GRACE {
            self.cut(table, id, "full");
        }
        owed >= GRACE
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
        let (body, answer) = (Pace::default(), Pace::default());
        let state = State { turn, body, answer, unread: false };
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

    /// A head is whole.
    pub(super) fn works(&self) {
        let mut state = self.state();
        state.turn = Turn::Ours;
        state.body = Pace::default();
        state.answer = Pace::default();
    }

    /// More of a body is wanted.
    pub(super) fn wants_body(&self) {
        self.state().body.wait();
    }

    /// So many bytes of a body came.
    pub(super) fn got_body(&self, bytes: usize) {
        self.state().body.moved(bytes);
    }

    /// An answer has gone out, and the next request may come.
    pub(super) fn answered(&self) {
        let mut state = self.state();
        state.body.since = None;
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
        self.state().answer.moved(bytes);
    }

    /// The peer takes nothing at the moment.
    pub(super) fn blocked(&self) {
        self.state().answer.wait();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What its peer is waited for, and how much it owes.
    fn owes(&self, now: Instant) -> Option<(Wait, Duration)> {
        let state = self.state();
        let of_turn = match state.turn {
            Turn::Both => return None,
            Turn::Ours => None,
            Turn::Peer(wait, since) => Some((wait, now.saturating_duration_since(since))),
        };
        let taking = state.answer.owed(now).map(|owed| (Wait::Taking, owed));
        let body = state.body.owed(now).map(|owed| (Wait::Body, owed));
        taking.or(body).or(of_turn)
    }

    /// What its peer was waited for too long. A body that does not come ends its request before.
    fn overdue(&self, now: Instant, patience: &Patience) -> Option<Wait> {
        let (wait, owed) = self.owes(now)?;
        let most = match wait {
            Wait::Request => patience.idle,
            Wait::Head => patience.head,
            Wait::Body => return None,
            Wait::Taking => patience.answer,
        };
        (owed > most).then_some(wait)
    }
}

#[cfg(test)]
mod tests;
