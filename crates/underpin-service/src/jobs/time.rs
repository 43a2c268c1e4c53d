//! Which time jobs go by. A job deletes by the clock, and a clock may be wrong.
//!
//! A reading of the clock is believed when it follows from what was known before: from the reading before it
//! and the time that passed since, which no clock setting changes. At the start the newest thing in the database
//! is what is known; it is read before anything is written by this clock, and never again. On PostgreSQL the
//! server's clock must say the same. A clock that is not believed deletes nothing. One that leapt and then ran on
//! steadily is believed again, or a machine that slept, or a service that rested for weeks, would never
//! delete anything any more.

use std::time::{Duration, Instant};

use underpin_db::{Db, DbError};
use underpin_models::bot::TraceRepository as _;

use crate::clock;

/// How far two clocks that are right may be apart, in seconds.
const TOLERANCE: i64 = 5 * 60;
/// How long a service may have rested without a doubt about its clock, in seconds.
const REST: i64 = 24 * 60 * 60;
/// How long a clock that leapt must run steadily: by less than a day, and by more.
const SHORT_PROBATION: Duration = Duration::from_mins(10);
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
    fn read() -> Self {
        Self { wall: clock::now(), at: Instant::now() }
    }

    /// What the clock must say at `at`.
    fn expected(self, at: Instant) -> i64 {
        self.wall.saturating_add(clock::seconds(at.saturating_duration_since(self.at)))
    }

    fn leads_to(self, other: Self) -> bool {
        self.expected(other.at).abs_diff(other.wall) <= TOLERANCE.unsigned_abs()
    }

    /// How long the clock must run on from a leap.
    fn probation_of(self, leap: Self) -> Duration {
        let is_short = self.expected(leap.at).abs_diff(leap.wall) <= REST.unsigned_abs();
        if is_short { SHORT_PROBATION } else { PROBATION }
    }
}

/// The time that jobs go by.
#[derive(Debug, Clone)]
pub(crate) struct Time {
    /// The last moment that was believed, or what the database had at the start.
    known: Moment,
    /// Since then the clock says something else, and goes on from it.
    doubted: Option<Moment>,
}

impl Time {
    /// What is known at the start, before anything is written.
    pub(crate) async fn begin(db: &Db) -> Result<Self, DbError> {
        let read = Moment::read();
        let past = db.newest_trace(read.wall + TOLERANCE).await?;
        // Where there is none, the clock is behind everything in the database.
        let trace = if past.is_some() { past } else { db.newest_trace(i64::MAX).await? };
        Ok(Self::start(read, trace))
    }

    /// Reads the clock, and asks the clock of the database's server.
    pub(crate) async fn read(&mut self, db: &Db) -> Result<Reading, DbError> {
        let read = Moment::read();
        let mut reading = self.take(read);
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

    /// `trace`: the newest thing in the database that is not from the future as this clock sees it, or the
    /// newest of all where everything is.
    fn start(read: Moment, trace: Option<i64>) -> Self {
        let rested = trace.map(|trace| read.wall.saturating_sub(trace));
        let is_likely = rested.is_none_or(|rested| (-TOLERANCE..=REST).contains(&rested));
        let wall = trace.filter(|_| !is_likely).unwrap_or(read.wall);
        Self { known: Moment { wall, at: read.at }, doubted: None }
    }

    fn take(&mut self, read: Moment) -> Reading {
        let known = self.known;
        if known.leads_to(read) {
            return self.believe(read);
        }
        let now = known.expected(read.at);
        if let Some(doubted) = self.doubted.filter(|doubted| doubted.leads_to(read)) {
            if read.at.saturating_duration_since(doubted.at) >= known.probation_of(doubted) {
                tracing::warn!("the clock has run steadily for long enough: it is believed");
                return self.believe(read);
            }
            return Reading { now, believed: false };
        }
        self.doubted = Some(read);
        tracing::warn!(
            clock = read.wall,
            expected = now,
            "the clock of this machine is far from what it was expected to be: nothing is deleted until it is \
             right, or has run on for {} minutes",
            known.probation_of(read).as_secs() / 60
        );
        Reading { now, believed: false }
    }

    fn believe(&mut self, read: Moment) -> Reading {
        self.known = read;
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
    type Step = (u64, i64, Reading);

    fn believed(now: i64) -> Reading {
        Reading { now, believed: true }
    }

    fn doubted(now: i64) -> Reading {
        Reading { now, believed: false }
    }

    fn follow(name: &str, trace: Option<i64>, steps: &[Step]) {
        let start = Instant::now();
        let mut time = Time::start(Moment { wall: steps[0].1, at: start }, trace);
        for (number, (after, wall, expected)) in steps.iter().enumerate() {
            let read = Moment { wall: *wall, at: start + Duration::from_secs(*after) };
            assert_eq!(time.take(read), *expected, "{name}, step {number}");
        }
    }

    #[test]
    fn a_clock_is_believed_when_it_follows_from_what_was_known() {
        follow("a new database", None, &[(0, NOW, believed(NOW))]);
        follow("a restart", Some(NOW - 60), &[(0, NOW, believed(NOW))]);
        follow("a night of rest", Some(NOW - DAY / 2), &[(0, NOW, believed(NOW))]);
        follow(
            "a steady clock",
            Some(NOW),
            &[
                (0, NOW, believed(NOW)),
                (1, NOW + 1, believed(NOW + 1)),
                (90_000, NOW + 90_000, believed(NOW + 90_000)),
            ],
        );
        follow(
            "a small correction",
            Some(NOW),
            &[(0, NOW, believed(NOW)), (9, NOW + 200, believed(NOW + 200))],
        );
    }

    /// By so much, while the service runs and back, and at a start.
    #[test]
    fn one_wrong_reading_is_not_believed_and_the_right_one_is_at_once() {
        for wrong in [NOW + 3_600, NOW - 3_600, NOW + 40 * DAY, NOW - 40 * DAY, FAR, OLD] {
            let name = format!("{wrong}");
            follow(
                &name,
                Some(NOW),
                &[
                    (0, NOW, believed(NOW)),
                    (5, wrong, doubted(NOW + 5)),
                    (6, wrong + 1, doubted(NOW + 6)),
                    (7, NOW + 7, believed(NOW + 7)),
                    (8, NOW + 8, believed(NOW + 8)),
                ],
            );
        }
        for wrong in [NOW + 40 * DAY, NOW - 40 * DAY, FAR, OLD] {
            let name = format!("a start at {wrong}");
            let steps = [
                (0, wrong, doubted(NOW)),
                (9, wrong + 9, doubted(NOW + 9)),
                (20, NOW + 20, believed(NOW + 20)),
            ];
            follow(&name, Some(NOW), &steps);
        }
    }

    #[test]
    fn a_leap_after_a_leap_begins_anew() {
        let far = FAR + DAY * 9;
        follow(
            "two leaps",
            Some(NOW),
            &[
                (0, FAR, doubted(NOW)),
                (80_000, far, doubted(NOW + 80_000)),
                (90_000, far + 10_000, doubted(NOW + 90_000)),
                (166_400, far + DAY, believed(far + DAY)),
            ],
        );
    }

    #[test]
    fn no_doubt_is_for_ever() {
        let rest = NOW - 30 * DAY;
        follow(
            "a service that rested for a month",
            Some(rest),
            &[
                (0, NOW, doubted(rest)),
                (3_600, NOW + 3_600, doubted(rest + 3_600)),
                (86_400, NOW + DAY, believed(NOW + DAY)),
            ],
        );
        let woken = NOW + DAY / 2;
        follow(
            "a machine that slept",
            Some(NOW),
            &[
                (0, NOW, believed(NOW)),
                (9, woken, doubted(NOW + 9)),
                (600, woken + 591, doubted(NOW + 600)),
                (609, woken + 600, believed(woken + 600)),
            ],
        );
        follow(
            "a start in 1970 on a new database",
            None,
            &[
                (0, OLD, believed(OLD)),
                (9, NOW, doubted(OLD + 9)),
                (86_409, NOW + DAY, believed(NOW + DAY)),
            ],
        );
    }
}
