//! Which time jobs go by. A job deletes by the clock, and a clock may be wrong.
//!
//! A reading of the clock is believed when it follows from what was known before: from the reading before it
//! and the time that passed since, which no clock setting changes; at the start from the last job run, or the
//! newest row. On PostgreSQL the server's clock must say the same. A clock that is not believed deletes
//! nothing. One that leapt and then ran on steadily for a day is believed again, or a service that rested for
//! weeks would never delete anything any more.

use std::time::{Duration, Instant};

use underpin_db::{Db, DbError};
use underpin_models::bot::TraceRepository as _;

use crate::clock;

/// How far two clocks that are right may be apart, in seconds.
const TOLERANCE: i64 = 5 * 60;
/// How long a service may have rested without a doubt about its clock, in seconds.
const REST: i64 = 24 * 60 * 60;
/// How long a clock that leapt must run steadily.
const PROBATION: Duration = Duration::from_hours(24);

/// What the time is, for jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Unix seconds: of the clock, or what follows from the past where the clock is not believed.
    pub(crate) now: i64,
    /// Whether anything may be deleted by it.
    pub(crate) believed: bool,
}

/// A moment on the clock and on the one that nobody sets.
#[derive(Debug, Clone, Copy)]
struct Moment {
    wall: i64,
    at: Instant,
}

impl Moment {
    /// What the clock must say at `at`.
    fn expected(self, at: Instant) -> i64 {
        self.wall.saturating_add(clock::seconds(at.saturating_duration_since(self.at)))
    }

    fn leads_to(self, other: Self) -> bool {
        self.expected(other.at).abs_diff(other.wall) <= TOLERANCE.unsigned_abs()
    }
}

/// The time that jobs go by.
#[derive(Debug, Default)]
pub(crate) struct Time {
    /// The last moment that was believed; `None` before the first.
    known: Option<Moment>,
    /// Since then the clock says something else, and goes on from it.
    doubted: Option<Moment>,
}

impl Time {
    /// Reads the clock, and asks the database where the clock surprises.
    pub(crate) async fn read(&mut self, db: &Db) -> Result<Reading, DbError> {
        let read = Moment { wall: clock::now(), at: Instant::now() };
        let trace = if self.follows(read) {
            None
        } else {
            let past = db.newest_trace(read.wall + TOLERANCE).await?;
            // Where there is none, the clock is behind everything in the database.
            if past.is_some() { past } else { db.newest_trace(i64::MAX).await? }
        };
        let mut reading = self.take(read, trace);
        if let Some(server) = db.server_time().await?
            && server.abs_diff(read.wall) > TOLERANCE.unsigned_abs()
        {
            tracing::warn!(
                server,
                here = read.wall,
                "the clocks of the database's server and of this machine disagree: nothing is deleted"
            );
            reading.believed = false;
        }
        Ok(reading)
    }

    fn follows(&self, read: Moment) -> bool {
        self.known.is_some_and(|known| known.leads_to(read))
            || self.doubted.is_some_and(|doubted| doubted.leads_to(read))
    }

    /// `trace`: the newest thing in the database that is not from the future as this clock sees it, or the
    /// newest of all where everything is.
    fn take(&mut self, read: Moment, trace: Option<i64>) -> Reading {
        if self.known.is_some_and(|known| known.leads_to(read)) {
            return self.believe(read);
        }
        if let Some(doubted) = self.doubted.filter(|doubted| doubted.leads_to(read)) {
            if read.at.saturating_duration_since(doubted.at) >= PROBATION {
                tracing::warn!("the clock has run steadily for a day: it is believed");
                return self.believe(read);
            }
            let now = self.known.map_or(read.wall, |known| known.expected(read.at));
            return Reading { now, believed: false };
        }
        let rested = trace.map(|trace| read.wall.saturating_sub(trace));
        if rested.is_some_and(|rested| (-TOLERANCE..=REST).contains(&rested))
            || (trace.is_none() && self.known.is_none())
        {
            return self.believe(read);
        }
        // The first that is known is what the database has.
        let known =
            *self.known.get_or_insert(Moment { wall: trace.unwrap_or(read.wall), at: read.at });
        self.doubted = Some(read);
        let now = known.expected(read.at);
        tracing::warn!(
            clock = read.wall,
            expected = now,
            "the clock of this machine is far from what the database has: nothing is deleted until it is \
             right, or has run on for a day"
        );
        Reading { now, believed: false }
    }

    fn believe(&mut self, read: Moment) -> Reading {
        self.known = Some(read);
        self.doubted = None;
        Reading { now: read.wall, believed: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;
    /// 2026, 2090, 1970.
    const NOW: i64 = 1_795_000_000;
    const FAR: i64 = 3_786_912_000;
    const OLD: i64 = 0;

    /// Readings of the clock, each so many seconds after the start, and what is expected of them.
    type Step = (u64, i64, Option<i64>, Reading);

    fn believed(now: i64) -> Reading {
        Reading { now, believed: true }
    }

    fn doubted(now: i64) -> Reading {
        Reading { now, believed: false }
    }

    fn follow(name: &str, steps: &[Step]) {
        let (mut time, start) = (Time::default(), Instant::now());
        for (number, (after, wall, trace, expected)) in steps.iter().enumerate() {
            let read = Moment { wall: *wall, at: start + Duration::from_secs(*after) };
            let trace = if time.follows(read) { None } else { *trace };
            assert_eq!(time.take(read, trace), *expected, "{name}, step {number}");
        }
    }

    #[test]
    fn a_clock_is_believed_when_it_follows_from_what_was_known() {
        follow("a new database", &[(0, NOW, None, believed(NOW))]);
        follow("a restart", &[(0, NOW, Some(NOW - 60), believed(NOW))]);
        follow("a night of rest", &[(0, NOW, Some(NOW - DAY / 2), believed(NOW))]);
        follow(
            "a steady clock",
            &[
                (0, NOW, Some(NOW), believed(NOW)),
                (1, NOW + 1, None, believed(NOW + 1)),
                (90_000, NOW + 90_000, None, believed(NOW + 90_000)),
            ],
        );
        follow(
            "a small correction",
            &[(0, NOW, Some(NOW), believed(NOW)), (9, NOW + 200, None, believed(NOW + 200))],
        );
    }

    #[test]
    fn a_clock_that_is_far_ahead_is_not() {
        follow(
            "a start in 2090, then the right time",
            &[
                (0, FAR, Some(NOW), doubted(NOW)),
                (9, FAR + 9, None, doubted(NOW + 9)),
                (20, NOW + 20, None, believed(NOW + 20)),
            ],
        );
        follow(
            "a leap to 2090 and back",
            &[
                (0, NOW, Some(NOW), believed(NOW)),
                (5, FAR, Some(NOW + 5), doubted(NOW + 5)),
                (6, FAR + 1, None, doubted(NOW + 6)),
                (7, NOW + 7, None, believed(NOW + 7)),
            ],
        );
        follow(
            "a leap after a leap begins anew",
            &[
                (0, FAR, Some(NOW), doubted(NOW)),
                (80_000, FAR + DAY * 9, Some(NOW), doubted(NOW + 80_000)),
                (90_000, FAR + DAY * 9 + 10_000, None, doubted(NOW + 90_000)),
            ],
        );
    }

    #[test]
    fn a_clock_that_is_behind_is_not_either_until_it_is_right() {
        follow(
            "a start in 1970 on a database of now",
            &[(0, OLD, Some(NOW), doubted(NOW)), (9, NOW + 9, None, believed(NOW + 9))],
        );
        follow(
            "a start in 1970 on a new database",
            &[(0, OLD, None, believed(OLD)), (9, NOW, Some(NOW - 60), believed(NOW))],
        );
        follow(
            "a leap to 1970 and back",
            &[
                (0, NOW, Some(NOW), believed(NOW)),
                (5, OLD, None, doubted(NOW + 5)),
                (9, NOW + 9, None, believed(NOW + 9)),
            ],
        );
    }

    #[test]
    fn no_doubt_is_for_ever() {
        follow(
            "a service that rested for a month",
            &[
                (0, NOW, Some(NOW - 30 * DAY), doubted(NOW - 30 * DAY)),
                (3_600, NOW + 3_600, None, doubted(NOW - 30 * DAY + 3_600)),
                (86_400, NOW + DAY, None, believed(NOW + DAY)),
            ],
        );
    }
}
