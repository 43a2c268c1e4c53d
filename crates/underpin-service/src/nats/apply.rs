//! Applies events in the order they came, as many as are waiting in one transaction.
//!
//! A commit costs far more than an event, so events that wait together share one. An event that cannot be
//! understood, or that the database refuses for what it says ([`DbError::is_of_data`]), becomes a dead
//! letter in the transaction that passes it by, and a person decides. Whatever else the database says, the
//! events wait, for as long as it takes.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt as _;
use underpin_db::{Db, DbConn, DbError};
use underpin_models::bot::{
    DeadLetterRepository as _, EventPositionRepository as _, SessionRepository as _,
};

use super::{
    arrived::Arrived,
    waiting::{Patience, Waiting},
};
use crate::clock;

/// Events of one transaction at most: their commit should not keep a reader's answer waiting.
pub(crate) const LARGEST_GROUP: usize = 512;

/// Where a stream stands, in the database and here.
#[derive(Debug, Clone)]
pub(crate) struct Position {
    pub(crate) stream: String,
    pub(crate) incarnation: String,
    /// The last event that was applied.
    pub(crate) sequence: i64,
}

/// Somebody else has applied events of the stream meanwhile.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Superseded;

/// Why a group was not applied.
struct Failed {
    error: DbError,
    at: Place,
}

/// What a transaction was at when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// What no event has a part in: the position, sessions that are over, dead letters.
    Ours,
    /// The event of this index.
    Event(usize),
    /// The end, where the database looks at all of it.
    Commit,
}

/// Applies events; one at work per stream or subscription.
pub(crate) struct Applier {
    db: Db,
    /// Seconds without a sign of the bot after which its open sessions are over.
    silence: i64,
    /// When the last event was.
    last: Option<i64>,
    /// Of a stream; moved on in the transaction of the events.
    position: Option<Position>,
    waiting: Arc<Waiting>,
}

impl Applier {
    pub(crate) fn new(
        db: Db,
        silence: Duration,
        position: Option<Position>,
        waiting: Arc<Waiting>,
    ) -> Self {
        Self { db, silence: clock::seconds(silence), last: None, position, waiting }
    }

    /// Applies `group`, and returns when each event of it is applied or a dead letter.
    ///
    /// `end` is the number of the last message that the group stands for, which may be one of another
    /// subject; of no meaning outside a stream.
    pub(crate) async fn apply(&mut self, group: Vec<Arrived>, end: i64) -> Result<(), Superseded> {
        metrics::histogram!("underpin_event_group_size").record(size(group.len()));
        let group: Arc<[Arrived]> = group.into();
        let mut parts: Vec<Range<usize>> = std::iter::once(0..group.len()).collect();
        let mut patience = Patience::new(Arc::clone(&self.waiting));
        while let Some(part) = parts.pop() {
            // What lies behind the last event is none of ours; it goes with it.
            let to = if part.end == group.len() { end } else { group[part.end - 1].sequence };
            let Err(failed) = self.attempt(Arc::clone(&group), part.clone(), to).await? else {
                self.applied(&group[part], to);
                patience.over();
                continue;
            };
            if !failed.error.is_of_data() || failed.at == Place::Ours {
                patience.wait(&failed.error).await;
                parts.push(part);
            } else if part.len() > 1 {
                parts.extend(without(part, failed.at));
            } else if let Err(error) = self.bury(&group[part.start], to, &failed.error).await? {
                patience.wait(&error).await;
                parts.push(part);
            } else {
                patience.over();
            }
        }
        Ok(())
    }

    /// One transaction: the position first, which also keeps others from applying the same events.
    async fn attempt(
        &self,
        group: Arc<[Arrived]>,
        part: Range<usize>,
        to: i64,
    ) -> Result<Result<(), Failed>, Superseded> {
        const OURS: usize = usize::MAX;
        const COMMIT: usize = usize::MAX - 1;
        let (position, silence, last) = (self.position.clone(), self.silence, self.last);
        let stream = self.stream();
        let place = Arc::new(AtomicUsize::new(OURS));
        let at = Arc::clone(&place);
        let done = self.db.transaction(move |conn| {
            async move {
                if !advance(conn, position, to).await? {
                    return Ok(Err(Superseded));
                }
                let mut last = last;
                for index in part {
                    let arrived = &group[index];
                    let event = match &arrived.event {
                        Ok(event) => event.clone(),
                        Err(malformed) => {
                            at.store(OURS, Ordering::Relaxed);
                            let reason = malformed.to_string();
                            conn.keep_dead_letter(arrived.letter(&stream, None, reason)).await?;
                            continue;
                        }
                    };
                    if last.is_none_or(|last| arrived.at.saturating_sub(last) > silence) {
                        at.store(OURS, Ordering::Relaxed);
                        let ended = conn.end_sessions_after_silence(arrived.at, silence).await?;
                        if ended > 0 {
                            tracing::info!(ended, "the bot was silent: {ended} sessions ended");
                        }
                    }
                    last = last.max(Some(arrived.at));
                    at.store(index, Ordering::Relaxed);
                    event.apply(conn, arrived.at).await?;
                }
                at.store(COMMIT, Ordering::Relaxed);
                Ok(Ok(()))
            }
            .boxed()
        });
        match done.await {
            Ok(done) => done.map(Ok),
            Err(error) => {
                let at = match place.load(Ordering::Relaxed) {
                    OURS => Place::Ours,
                    COMMIT => Place::Commit,
                    index => Place::Event(index),
                };
                Ok(Err(Failed { error, at }))
            }
        }
    }

    fn applied(&mut self, part: &[Arrived], to: i64) {
        for arrived in part {
            let Arrived { subject, sequence, .. } = *arrived;
            match &arrived.event {
                Ok(_) => {
                    count(subject, "applied");
                    self.last = self.last.max(Some(arrived.at));
                }
                Err(malformed) => {
                    count(subject, "malformed");
                    tracing::warn!(
                        subject,
                        sequence,
                        "a message of `{subject}` became a dead letter, for it cannot be understood: \
                         {malformed}"
                    );
                }
            }
        }
        self.moved(to);
    }

    /// The name of the stream; empty outside one.
    fn stream(&self) -> String {
        self.position.as_ref().map(|position| position.stream.clone()).unwrap_or_default()
    }

    fn moved(&mut self, to: i64) {
        if let Some(position) = &mut self.position {
            position.sequence = to;
        }
    }

    /// Makes an event a dead letter, in the transaction that passes it by.
    async fn bury(
        &mut self,
        arrived: &Arrived,
        to: i64,
        refusal: &DbError,
    ) -> Result<Result<(), DbError>, Superseded> {
        let Arrived { subject, sequence, .. } = *arrived;
        let position = self.position.clone();
        let letter = arrived.letter(&self.stream(), refusal.code(), refusal.to_string());
        let done = self.db.transaction(move |conn| {
            async move {
                if !advance(conn, position, to).await? {
                    return Ok(Err(Superseded));
                }
                conn.keep_dead_letter(letter).await?;
                Ok(Ok(()))
            }
            .boxed()
        });
        match done.await {
            Ok(done) => done?,
            Err(error) => return Ok(Err(error)),
        }
        tracing::error!(
            subject,
            sequence,
            code = refusal.code(),
            "an event of `{subject}` became a dead letter, for the database refuses it: {refusal}: look \
             at it with `underpin-service dead-letters list`"
        );
        count(subject, "refused");
        self.moved(to);
        Ok(Ok(()))
    }
}

/// The parts of a part that failed, the first one last: the event at fault alone, or halves where none
/// is known.
fn without(part: Range<usize>, at: Place) -> impl Iterator<Item = Range<usize>> {
    let (from, to) = match at {
        Place::Event(index) => (index, index + 1),
        Place::Ours | Place::Commit => {
            let middle = part.start + part.len() / 2;
            (middle, middle)
        }
    };
    [to..part.end, from..to, part.start..from].into_iter().filter(|part| !part.is_empty())
}

/// Moves the position of a stream on; false when it is no longer where this process thought.
async fn advance(conn: &mut DbConn, position: Option<Position>, to: i64) -> Result<bool, DbError> {
    match position {
        Some(Position { stream, incarnation, sequence }) if to > sequence => {
            conn.advance_event_position(stream, incarnation, sequence, to).await
        }
        Some(_) => Ok(true),
        // Replicas that share the events change the same rows, each in its own order: they take turns, or
        // PostgreSQL would find them waiting for each other. No stream is called nothing.
        None => conn.event_position(String::new(), String::new()).await.map(|_| true),
    }
}

/// One more event of `subject` that was `applied`, `malformed` or `refused`.
pub(crate) fn count(subject: &'static str, outcome: &'static str) {
    metrics::counter!("underpin_events_total", "subject" => subject, "outcome" => outcome)
        .increment(1);
}

fn size(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_event_at_fault_is_left_alone_and_the_order_stays() {
        let parts = |at| {
            let mut parts: Vec<_> = without(2..6, at).collect();
            parts.reverse();
            parts
        };

        assert_eq!(parts(Place::Event(2)), [2..3, 3..6]);
        assert_eq!(parts(Place::Event(4)), [2..4, 4..5, 5..6]);
        assert_eq!(parts(Place::Event(5)), [2..5, 5..6]);
        assert_eq!(parts(Place::Commit), [2..4, 4..6]);
    }
}
