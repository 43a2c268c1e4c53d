//! What a run is to do: which targets, in which wave, and what the journal says of each.

use super::Task;
use crate::{
    Found, State, Target, TargetRow, decision::Decision, identity::Identity, journal::NewTarget,
};

/// How much larger each wave is than the one before.
const GROWTH: usize = 10;

/// The work, in waves.
pub(super) fn tasks_of<'t>(
    found: &'t Found,
    decisions: &[Decision],
    canary: usize,
) -> Vec<Task<'t>> {
    let mut waves = Waves::new(canary);
    let all = (1..).zip(found.targets.iter().zip(decisions));
    let tasks = all.filter_map(|(number, (target, decision))| match decision {
        Decision::Work { goal, .. } => {
            Some(Task { number, wave: waves.next(), goal: goal.clone(), target })
        }
        Decision::Nothing { .. } | Decision::Refused { .. } => None,
    });
    tasks.collect()
}

/// What the journal is to say of each target, made one by one: all of them at once would be much. `before` is
/// what it says of them already, where they are done again: what one was and where it goes is not forgotten
/// when it fails before either can be told anew.
pub(super) fn rows<'r>(
    found: &'r Found,
    decisions: &'r [Decision],
    identities: &'r [Identity],
    tasks: &'r [Task<'_>],
    before: Option<&'r [TargetRow]>,
) -> impl Iterator<Item = NewTarget> + 'r {
    let mut tasks = tasks.iter().peekable();
    let mut last = before.unwrap_or_default().iter();
    let targets = (1..).zip(found.targets.iter().zip(decisions.iter().zip(identities)));
    let targets = targets.map(move |(number, (target, (decision, identity)))| {
        let task = tasks.next_if(|task| task.number == number);
        let last = last.next();
        let row = row(number, target, decision, task.map_or(0, |task| task.wave));
        NewTarget {
            key: Some(target.key()),
            identity: identity.clone().ok().or_else(|| last?.identity.clone()),
            goal: row.goal.or_else(|| last?.goal.clone()),
            ..row
        }
    });
    let first = i32::try_from(found.targets.len()).unwrap_or(i32::MAX).saturating_add(1);
    let skipped = (first..).zip(&found.skipped).map(|(number, skipped)| NewTarget {
        message: Some(skipped.reason.clone()),
        ..NewTarget::new(number, &skipped.name, skipped.name.clone(), State::Skipped)
    });
    targets.chain(skipped)
}

fn row(number: i32, target: &Target, decision: &Decision, wave: i32) -> NewTarget {
    let text = |version: &Option<underpin::Version>| version.as_ref().map(ToString::to_string);
    let row = |state| NewTarget::new(number, &target.id, target.place.to_string(), state);
    match decision {
        Decision::Nothing { version } => NewTarget {
            version_before: text(version),
            version_after: text(version),
            ..row(State::Unchanged)
        },
        Decision::Refused { before, reason } => NewTarget {
            version_before: text(before),
            version_after: text(before),
            message: Some(reason.clone()),
            ..row(State::Failed)
        },
        Decision::Work { before, goal, .. } => NewTarget {
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
