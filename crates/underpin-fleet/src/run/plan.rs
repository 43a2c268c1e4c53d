//! What a run is to do: which targets, in which wave, and what the journal says of each.

use super::Task;
use crate::{Found, State, Target, journal::NewTarget, outlook::Outlook};

/// How much larger each wave is than the one before.
const GROWTH: usize = 10;

/// The work, in waves.
pub(super) fn tasks_of<'t>(found: &'t Found, outlooks: &[Outlook], canary: usize) -> Vec<Task<'t>> {
    let mut waves = Waves::new(canary);
    let all = (1..).zip(found.targets.iter().zip(outlooks));
    let tasks = all.filter_map(|(number, (target, outlook))| match outlook {
        Outlook::Work { goal, .. } => {
            Some(Task { number, wave: waves.next(), goal: goal.clone(), target })
        }
        Outlook::Nothing { .. } | Outlook::Refused { .. } => None,
    });
    tasks.collect()
}

/// What the journal is to say of each target, made one by one: all of them at once would be much.
pub(super) fn rows<'r>(
    found: &'r Found,
    outlooks: &'r [Outlook],
    tasks: &'r [Task<'_>],
) -> impl Iterator<Item = NewTarget> + 'r {
    let mut tasks = tasks.iter().peekable();
    let targets = (1..).zip(found.targets.iter().zip(outlooks));
    let targets = targets.map(move |(number, (target, outlook))| {
        let task = tasks.next_if(|task| task.number == number);
        row(number, target, outlook, task.map_or(0, |task| task.wave))
    });
    let first = i32::try_from(found.targets.len()).unwrap_or(i32::MAX).saturating_add(1);
    let skipped = (first..).zip(&found.skipped).map(|(number, skipped)| NewTarget {
        message: Some(skipped.reason.clone()),
        ..NewTarget::new(number, &skipped.name, skipped.name.clone(), State::Skipped)
    });
    targets.chain(skipped)
}

fn row(number: i32, target: &Target, outlook: &Outlook, wave: i32) -> NewTarget {
    let text = |version: &Option<underpin::Version>| version.as_ref().map(ToString::to_string);
    let row = |state| NewTarget::new(number, &target.id, target.place.to_string(), state);
    match outlook {
        Outlook::Nothing { version } => NewTarget {
            version_before: text(version),
            version_after: text(version),
            ..row(State::Unchanged)
        },
        Outlook::Refused { before, message } => NewTarget {
            version_before: text(before),
            version_after: text(before),
            message: Some(message.clone()),
            ..row(State::Failed)
        },
        Outlook::Work { before, goal } => NewTarget {
            version_before: text(before),
            goal: Some(goal.to_string()),
            wave,
            ..row(State::Waiting)
        },
    }
}

/// Counts targets into waves.
struct Waves {
    wave: i32,
    size: usize,
    left: usize,
}

impl Waves {
    fn new(canary: usize) -> Self {
        let size = if canary == 0 { GROWTH } else { canary };
        Self { wave: 1, size, left: size }
    }

    fn next(&mut self) -> i32 {
        if self.left == 0 {
            self.wave += 1;
            self.size = self.size.saturating_mul(GROWTH);
            self.left = self.size;
        }
        self.left -= 1;
        self.wave
    }
}
