//! Applies events in the order they came, as many as are waiting in one transaction.
//!
//! A commit costs far more than an event, so events that wait together share one. When a group
//! fails while the database works, it is halved until the event at fault is alone; only that one is
//! given up. When the database does not work, the group waits for it.

use std::{ops::Range, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use underpin_db::{Db, DbConn, DbError};
use underpin_models::bot::{
    EventPositionRepository as _, JobRunRepository as _, SessionRepository as _,
};

use super::event::Event;
use crate::clock;

/// Events of one transaction at most: their commit should not keep a reader's answer waiting.
pub(crate) const LARGEST_GROUP: usize = 512;
/// How often an event must fail by itself, while the database works, before it is given up.
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// An event and what is known about its way here.
#[derive(Debug, Clone)]
pub(crate) struct Arrived {
    pub(crate) event: Event,
    /// When it was published, or came here where nobody knows that; Unix seconds.
    pub(crate) at: i64,
    /// Its number in the stream; 0 outside a stream.
    pub(crate) sequence: i64,
}

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

/// Applies events; one at work per stream or subscription.
pub(crate) struct Applier {
    db: Db,
    /// Seconds without a sign of the bot after which its open sessions are over.
    silence: i64,
    /// When the last event was.
    last: Option<i64>,
    /// Of a stream; moved on in the transaction of the events.
    position: Option<Position>,
}

impl Applier {
    pub(crate) fn new(db: Db, silence: Duration, position: Option<Position>) -> Self {
        Self { db, silence: clock::seconds(silence), last: None, position }
    }

    /// Applies `group`, and returns when each event of it is applied or given up.
    ///
    /// `end` is the number of the last message that the group stands for, which may be one that was
    /// not understood; of no meaning outside a stream.
    pub(crate) async fn apply(&mut self, group: Vec<Arrived>, end: i64) -> Result<(), Superseded> {
        metrics::histogram!("underpin_event_group_size").record(size(group.len()));
        let group: Arc<[Arrived]> = group.into();
        let mut parts: Vec<Range<usize>> = std::iter::once(0..group.len()).collect();
        let mut patience = Patience::default();
        while let Some(part) = parts.pop() {
            // What lies behind the last event was not understood; it goes with it.
            let to = if part.end == group.len() { end } else { group[part.end - 1].sequence };
            let Err(error) = self.attempt(Arc::clone(&group), part.clone(), to).await? else {
                self.applied(&group[part], to);
                patience = Patience::default();
                continue;
            };
            match self.judge(&group[part.clone()], &error, &mut patience).await {
                Judgement::Halve => {
                    let middle = part.start + part.len() / 2;
                    parts.extend([middle..part.end, part.start..middle]);
                }
                Judgement::Retry => parts.push(part),
                Judgement::GiveUp => match self.attempt(Arc::new([]), 0..0, to).await? {
                    Ok(()) => {
                        self.give_up(&group[part.start], to, &error);
                        patience = Patience::default();
                    }
                    // Without the event it fails as well, so the event is not at fault.
                    Err(error) => {
                        patience.wait(&error).await;
                        parts.push(part);
                    }
                },
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
    ) -> Result<Result<(), DbError>, Superseded> {
        let (position, silence, last) = (self.position.clone(), self.silence, self.last);
        let done = self.db.transaction(move |conn| {
            async move {
                if !advance(conn, position, to).await? {
                    return Ok(Err(Superseded));
                }
                let mut last = last;
                for arrived in &group[part] {
                    if last.is_none_or(|last| arrived.at.saturating_sub(last) > silence) {
                        let ended = conn.end_sessions_after_silence(arrived.at, silence).await?;
                        if ended > 0 {
                            tracing::info!(ended, "the bot was silent: {ended} sessions ended");
                        }
                    }
                    last = last.max(Some(arrived.at));
                    arrived.event.clone().apply(conn, arrived.at).await?;
                }
                Ok(Ok(()))
            }
            .boxed()
        });
        match done.await {
            Ok(done) => done.map(Ok),
            Err(error) => Ok(Err(error)),
        }
    }

    fn applied(&mut self, part: &[Arrived], to: i64) {
        for arrived in part {
            count(arrived.event.subject(), "applied");
            self.last = self.last.max(Some(arrived.at));
        }
        if let Some(position) = &mut self.position {
            position.sequence = to;
        }
    }

    /// Whose fault is it that `part` cannot be applied?
    async fn judge(&self, part: &[Arrived], error: &DbError, patience: &mut Patience) -> Judgement {
        // A small write that no event has a part in.
        let works = self.db.record_job_run("event_probe".to_owned(), clock::now()).await;
        match &works {
            Err(_) => patience.attempts = 0,
            // A small write may find room where a larger one does not; and where there is no event,
            // none is at fault.
            Ok(()) if is_shortage(error) || part.is_empty() => patience.attempts = 0,
            Ok(()) if part.len() > 1 => return Judgement::Halve,
            Ok(()) => patience.attempts += 1,
        }
        if patience.attempts >= ATTEMPTS {
            return Judgement::GiveUp;
        }
        patience.wait(works.as_ref().err().unwrap_or(error)).await;
        Judgement::Retry
    }

    /// Leaves an event out for good; a stream still has it under its number.
    fn give_up(&mut self, arrived: &Arrived, to: i64, error: &DbError) {
        let (subject, sequence) = (arrived.event.subject(), arrived.sequence);
        tracing::error!(
            subject,
            sequence,
            "an event of `{subject}` was given up, for the database refuses it: {error}"
        );
        count(subject, "refused");
        if let Some(position) = &mut self.position {
            position.sequence = to;
        }
    }
}

enum Judgement {
    Retry,
    Halve,
    GiveUp,
}

/// How long to wait before the next attempt.
#[derive(Default)]
struct Patience {
    /// Failures in a row while the database worked.
    attempts: u32,
    pause: Duration,
}

impl Patience {
    async fn wait(&mut self, error: &DbError) {
        self.pause = (self.pause * 2).clamp(PAUSE, LONGEST_PAUSE);
        let pause_ms = self.pause.as_millis();
        tracing::warn!("events wait {pause_ms} ms, for they cannot be written: {error}");
        tokio::time::sleep(self.pause).await;
    }
}

/// Whether an error is about the machine, not about what was to be written. Diesel hands on the text
/// alone.
fn is_shortage(error: &DbError) -> bool {
    let texts = ["disk is full", "disk I/O error", "No space left on device", "out of memory"];
    texts.iter().any(|text| error.message.contains(text))
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
