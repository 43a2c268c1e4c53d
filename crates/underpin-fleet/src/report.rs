//! What came of a run, from its journal.

use std::path::PathBuf;

use serde::Serialize;

use crate::{FleetError, Journal, Run, State, TargetRow, run::copies_of};

/// What came of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The run.
    #[serde(flatten)]
    pub run: Run,
    /// Where the copies of its files are, when it took some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copies: Option<PathBuf>,
    /// How many targets are in which state.
    pub counts: Counts,
    /// Every target, in the order of the run.
    pub targets: Vec<TargetRow>,
}

/// How many targets are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names are those of the states")]
pub struct Counts {
    pub done: i64,
    pub unchanged: i64,
    pub failed: i64,
    pub waiting: i64,
    pub running: i64,
    pub skipped: i64,
}

impl Counts {
    /// Targets, without what is none.
    #[must_use]
    pub fn targets(&self) -> i64 {
        self.done + self.unchanged + self.failed + self.waiting + self.running
    }
}

impl Journal {
    /// How many targets of a run are in which state.
    pub fn summary(&self, run: i32) -> Result<Counts, FleetError> {
        let mut counts = Counts::default();
        for (state, count) in self.counts(run)? {
            *match state {
                State::Done => &mut counts.done,
                State::Unchanged => &mut counts.unchanged,
                State::Failed => &mut counts.failed,
                State::Waiting => &mut counts.waiting,
                State::Running => &mut counts.running,
                State::Skipped => &mut counts.skipped,
            } = count;
        }
        Ok(counts)
    }

    /// Everything about the run with this number, or the newest.
    pub fn report(&self, number: Option<i32>) -> Result<Report, FleetError> {
        let run = self.run(number)?;
        let counts = self.summary(run.number)?;
        let targets = self.targets(run.number, &State::ALL)?;
        Ok(Report { copies: copies_of(&run), run, counts, targets })
    }
}

/// Milliseconds, for people: `12 ms`, `1.2 s`, `3 min 7 s`.
#[must_use]
pub fn time(millis: i64) -> String {
    match millis {
        ..1_000 => format!("{millis} ms"),
        1_000..60_000 => format!("{}.{} s", millis / 1_000, millis % 1_000 / 100),
        _ => format!("{} min {} s", millis / 60_000, millis / 1_000 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::time;

    #[test]
    fn times_have_the_unit_that_people_would_take() {
        assert_eq!([time(999), time(1_250), time(61_000)], ["999 ms", "1.2 s", "1 min 1 s"]);
    }
}
