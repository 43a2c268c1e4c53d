//! The planner, on data alone.

use std::collections::BTreeSet;

use proptest::prelude::*;
use underpin::{Catalog, Direction, Goal, History, Policy, Refusal, plan};
use underpin_testkit::Dialect;

use crate::{catalog, migration, table};

/// A catalog with these versions, and a history in which those of `applied` are applied.
fn world(versions: &BTreeSet<u32>, applied: &BTreeSet<u32>) -> (Catalog, History) {
    let catalog = catalog(Dialect::Sqlite, versions.iter().map(|one| table(*one)).collect());
    let mut history = History::default();
    for version in applied {
        let migration = table(*version);
        history.applied.insert(migration.version, Some(migration.checksum));
    }
    (catalog, history)
}

/// Applies a plan as a database would.
fn after(history: &History, plan: &underpin::Plan<'_>) -> History {
    let mut history = history.clone();
    for step in &plan.steps {
        let version = step.migration.version.clone();
        match step.direction {
            Direction::Up => {
                assert!(!history.applied.contains_key(&version), "{version} twice");
                history.applied.insert(version, Some(step.migration.checksum));
            }
            Direction::Down => assert!(history.applied.remove(&version).is_some()),
        }
    }
    history
}

fn versions() -> impl Strategy<Value = BTreeSet<u32>> {
    proptest::collection::btree_set(1_u32..60, 0..20)
}

fn goals() -> impl Strategy<Value = Goal> {
    let version = (1_u32..60).prop_map(|one| table(one).version);
    prop_oneof![
        Just(Goal::Head),
        Just(Goal::Base),
        (0_usize..9).prop_map(Goal::Up),
        (0_usize..9).prop_map(Goal::Down),
        version.clone().prop_map(Goal::UpTo),
        version.prop_map(Goal::DownTo),
    ]
}

const ANYTHING: Policy = Policy { allow_out_of_order: true, allow_missing: true, resume: false };

proptest! {
    #[test]
    fn steps_go_one_way_and_never_twice(all in versions(), some in versions(), goal in goals()) {
        let (catalog, history) = world(&all, &some);

        let plan = plan(&catalog, &history, &goal, ANYTHING).unwrap();

        let order: Vec<_> = plan.steps.iter().map(|step| &step.migration.version).collect();
        let mut sorted = order.clone();
        sorted.sort();
        if goal.direction() == Direction::Down {
            sorted.reverse();
        }
        prop_assert_eq!(order, sorted);
        prop_assert!(plan.steps.iter().all(|step| step.direction == goal.direction()));
        after(&history, &plan);
    }

    #[test]
    fn head_leaves_nothing_pending_and_base_nothing_applied(all in versions(), some in versions()) {
        let (catalog, history) = world(&all, &some);

        let up = after(&history, &plan(&catalog, &history, &Goal::Head, ANYTHING).unwrap());
        let down = after(&up, &plan(&catalog, &up, &Goal::Base, ANYTHING).unwrap());

        prop_assert_eq!(underpin::pending(&catalog, &up).count(), 0);
        let known = down.applied.keys().filter(|one| catalog.get(one).is_some()).count();
        prop_assert_eq!(known, 0);
    }

    #[test]
    fn a_goal_that_is_reached_has_no_more_steps(all in versions(), goal in goals()) {
        let relative = matches!(goal, Goal::Up(_) | Goal::Down(_));
        let (catalog, history) = world(&all, &BTreeSet::new());
        let start = after(&history, &plan(&catalog, &history, &Goal::Up(5), ANYTHING).unwrap());

        let there = after(&start, &plan(&catalog, &start, &goal, ANYTHING).unwrap());

        let again = plan(&catalog, &there, &goal, ANYTHING).unwrap();
        prop_assert!(relative || again.steps.is_empty());
    }

    #[test]
    fn what_is_unusual_is_refused_unless_it_is_allowed(all in versions(), some in versions()) {
        let (catalog, history) = world(&all, &some);
        let head = some.last().copied().unwrap_or(0);
        let late = all.difference(&some).filter(|one| **one < head).count();
        let missing = some.difference(&all).count();

        let refused = plan(&catalog, &history, &Goal::Head, Policy::default());

        let refusals = refused.err().map(|refused| refused.0).unwrap_or_default();
        let count = |kind: fn(&Refusal) -> bool| refusals.iter().filter(|one| kind(one)).count();
        prop_assert_eq!(count(|one| matches!(one, Refusal::OutOfOrder { .. })), late);
        prop_assert_eq!(count(|one| matches!(one, Refusal::Missing { .. })), missing);
        prop_assert_eq!(refusals.len(), late + missing);
    }

    #[test]
    fn an_edited_script_is_refused_whatever_the_goal_and_the_policy(
        all in versions(), edited in any::<proptest::sample::Index>(), goal in goals()
    ) {
        prop_assume!(!all.is_empty());
        let (catalog, mut history) = world(&all, &all);
        let version = table(*all.iter().nth(edited.index(all.len())).unwrap()).version;
        let other = migration(1, "other", "SELECT 1", "").checksum;
        history.applied.insert(version.clone(), Some(other));

        let refused = plan(&catalog, &history, &goal, ANYTHING).unwrap_err();

        let named = |one: &Refusal| matches!(one, Refusal::Diverged { version: it, .. } if *it == version);
        prop_assert!(refused.0.len() == 1 && refused.0.iter().all(named));
    }
}

#[test]
fn a_version_that_diesel_applied_has_no_checksum_and_is_taken_as_it_is() {
    let (catalog, mut history) = world(&BTreeSet::from([1, 2]), &BTreeSet::new());
    history.applied.insert(table(1).version, None);

    let plan = plan(&catalog, &history, &Goal::Head, Policy::default()).unwrap();

    assert_eq!(plan.steps.len(), 1);
}
