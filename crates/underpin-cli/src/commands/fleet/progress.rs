//! How far a run is, on standard error: a bar on a terminal, else a line now and then.

use std::{
    fmt,
    io::{self, IsTerminal as _, Write as _},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use underpin_fleet::{Target, Watch};

use crate::commands::downgrade::confirm;

/// How often a line says how far the run is.
const EVERY: Duration = Duration::from_secs(5);

/// How progress is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Drawn anew in its place.
    Bar,
    /// A line for each failure, each wave, and every few seconds.
    Lines,
    /// Not at all.
    Quiet,
}

impl Style {
    /// A log and a bar do not share a terminal.
    pub(crate) fn new(logs: bool, quiet: bool) -> Self {
        match (quiet, logs || !io::stderr().is_terminal()) {
            (true, _) => Self::Quiet,
            (false, true) => Self::Lines,
            (false, false) => Self::Bar,
        }
    }
}

/// A run that is watched.
pub(super) struct Progress {
    style: Style,
    /// Whether nothing may be left applied, without asking.
    yes: bool,
    bar: ProgressBar,
    state: Mutex<State>,
}

struct State {
    /// When the first target was begun with, and when a line said how far the run is.
    began: Instant,
    told: Instant,
    tasks: u32,
    done: u32,
    failed: u32,
}

impl Progress {
    pub(super) fn new(style: Style, yes: bool) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        bar.set_style(looks());
        let now = Instant::now();
        let state = Mutex::new(State { began: now, told: now, tasks: 0, done: 0, failed: 0 });
        Self { style, yes, bar, state }
    }

    /// Says something, above the bar if there is one.
    pub(super) fn say(&self, text: &str) {
        match self.style {
            // Nobody is left to tell when the other end is closed.
            Style::Lines => drop(writeln!(io::stderr(), "{text}")),
            Style::Bar => self.bar.suspend(|| drop(writeln!(io::stderr(), "{text}"))),
            Style::Quiet => {}
        }
    }

    /// Takes the bar away: the summary says the rest.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

fn looks() -> ProgressStyle {
    let rate = |state: &ProgressState, out: &mut dyn fmt::Write| {
        // It is written to memory.
        write!(out, "{:.0}", state.per_sec()).unwrap_or_default();
    };
    let looks = "{bar:30} {pos} of {len}, {rate} per second, {eta} left{msg}";
    ProgressStyle::with_template(looks).map_or_else(
        |_| ProgressStyle::default_bar(),
        |looks| looks.with_key("rate", rate).progress_chars("█▉▊▋▌▍▎▏ "),
    )
}

impl Watch for Progress {
    /// A script that goes on with a run has said so when the run began; a person is asked again.
    fn may_empty(&self, targets: usize, again: bool) -> bool {
        let is_told = self.yes || (again && !io::stdin().is_terminal());
        is_told || confirm(&format_args!("{targets} databases")).is_ok()
    }

    fn begins(&self, run: i32, targets: usize, tasks: usize, failed: usize) {
        let failed_already =
            if failed == 0 { String::new() } else { format!(", {failed} failed already") };
        self.say(&format!("run {run}: {tasks} of {targets} databases to do{failed_already}"));
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let tasks = u32::try_from(tasks).unwrap_or(u32::MAX);
        *state = State { began: now, told: now, tasks, done: 0, failed: 0 };
        self.bar.set_length(tasks.into());
        if self.style == Style::Bar {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.reset();
    }

    fn wave(&self, wave: i32, tasks: usize) {
        if self.style == Style::Lines {
            self.say(&format!("wave {wave}: {tasks}"));
        }
    }

    fn done(&self, target: &Target, _: Option<&str>, _: Duration, error: Option<&str>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.done += 1;
        if let Some(error) = error {
            state.failed += 1;
            let first = error.lines().next().unwrap_or_default();
            self.say(&format!("failed: {}: {first}", target.id));
            self.bar.set_message(format!(", {} failed", state.failed));
        }
        self.bar.inc(1);
        if self.style == Style::Lines && state.told.elapsed() >= EVERY {
            state.told = Instant::now();
            self.say(&state.line());
        }
    }
}

impl State {
    fn line(&self) -> String {
        let Self { tasks, done, failed, .. } = self;
        let each = self.began.elapsed() / (*done).max(1);
        let left = HumanDuration(each * tasks.saturating_sub(*done));
        let rate = 1.0 / each.as_secs_f64().max(f64::EPSILON);
        format!("{done} of {tasks}, {rate:.0} per second, {left} left, {failed} failed")
    }
}
