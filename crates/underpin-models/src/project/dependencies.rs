//! The order of tasks: pure rules about which comes first.

use std::collections::{BTreeMap, BTreeSet};

use super::refusal::DependencyFault;

/// The tasks that come first, by the task that waits for them.
pub(super) type Graph = BTreeMap<i32, BTreeSet<i32>>;

/// Reads `deps_json`. An older program wrote it unchecked: what is no list of ids orders nothing.
pub(super) fn parse(deps_json: Option<&str>) -> BTreeSet<i32> {
    deps_json.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default()
}

/// Writes `deps_json`.
pub(super) fn render(ids: &BTreeSet<i32>) -> Option<String> {
    (!ids.is_empty()).then(|| ids.iter().copied().collect::<serde_json::Value>().to_string())
}

/// Whether the tasks in `known` may come before the task `id`, of all that `graph` orders.
pub(super) fn check(
    graph: &Graph,
    known: &BTreeSet<i32>,
    id: i32,
    first: &BTreeSet<i32>,
) -> Result<(), DependencyFault> {
    if first.contains(&id) {
        return Err(DependencyFault::Itself { id });
    }
    if let Some(unknown) = first.difference(known).next() {
        return Err(DependencyFault::Unknown { id: *unknown });
    }
    match first.iter().find(|one| waits_for(graph, **one, id)) {
        Some(one) => Err(DependencyFault::Cycle { id: *one }),
        None => Ok(()),
    }
}

/// Whether `one` waits for `other`, directly or not.
fn waits_for(graph: &Graph, one: i32, other: i32) -> bool {
    let (mut seen, mut next) = (BTreeSet::new(), vec![one]);
    while let Some(task) = next.pop() {
        if task == other {
            return true;
        }
        if seen.insert(task) {
            next.extend(graph.get(&task).into_iter().flatten());
        }
    }
    false
}

/// The tasks that wait for one of `old`, each with what it waits for once `new` is in their place.
pub(super) fn replaced(graph: &Graph, old: &BTreeSet<i32>, new: &BTreeSet<i32>) -> Graph {
    let waiting = graph.iter().filter(|(_, first)| !first.is_disjoint(old));
    waiting.map(|(task, first)| (*task, &(first - old) | new)).collect()
}

/// Whether one task in the place of `old` would wait for itself; if so, the task that it waits for
/// and that waits for it.
pub(super) fn cycle_of_merged(graph: &Graph, old: &BTreeSet<i32>) -> Option<i32> {
    let first = old.iter().filter_map(|one| graph.get(one)).flatten();
    let mut outside = first.filter(|one| !old.contains(one));
    outside.find(|one| old.iter().any(|other| waits_for(graph, **one, *other))).copied()
}
