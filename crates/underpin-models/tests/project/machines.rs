//! What may follow what: every pair.

use underpin_models::project::{ChangeRequestStatus, Phase, RunStatus, TaskStatus};

/// The pairs of `all` that `may` allows, as names.
fn pairs<T: Copy>(
    all: &[T],
    name: impl Fn(T) -> &'static str,
    may: impl Fn(T, T) -> bool,
) -> Vec<String> {
    let next = |from: T| {
        let to = all.iter().filter(|to| may(from, **to)).map(|to| name(*to));
        to.collect::<Vec<_>>().join(" ")
    };
    all.iter().map(|from| format!("{} > {}", name(*from), next(*from))).collect()
}

#[test]
fn a_task_goes_from_status_to_status() {
    let table = pairs(TaskStatus::ALL, TaskStatus::wire, TaskStatus::may_become);

    assert_eq!(
        table,
        [
            "pending > pending in_progress awaiting_approval approved rejected cancelled",
            "in_progress > pending in_progress awaiting_approval approved completed cancelled",
            "awaiting_approval > pending awaiting_approval approved rejected cancelled",
            "approved > pending in_progress approved rejected completed cancelled",
            "rejected > pending awaiting_approval rejected cancelled",
            "completed > completed",
            "cancelled > cancelled",
        ]
    );
    let is_final = |status: &TaskStatus| status.is_final();
    let last: Vec<_> = TaskStatus::ALL.iter().copied().filter(is_final).collect();
    assert_eq!(last, [TaskStatus::Completed, TaskStatus::Cancelled]);
}

#[test]
fn a_change_request_goes_from_status_to_status() {
    let table =
        pairs(ChangeRequestStatus::ALL, ChangeRequestStatus::wire, ChangeRequestStatus::may_become);

    assert_eq!(
        table,
        [
            "draft > submitted",
            "submitted > approved rejected",
            "approved > implemented",
            "rejected > ",
            "implemented > ",
        ]
    );
}

#[test]
fn a_run_ends_once() {
    let table = pairs(RunStatus::ALL, RunStatus::wire, RunStatus::may_become);

    assert_eq!(
        table,
        [
            "running > success failure timeout cancelled",
            "success > ",
            "failure > ",
            "timeout > ",
            "cancelled > ",
        ]
    );
    let left: Vec<_> = RunStatus::ALL.iter().map(|status| status.task_after().wire()).collect();
    assert_eq!(left, ["in_progress", "completed", "approved", "approved", "approved"]);
}

#[test]
fn phases_follow_one_another() {
    let all: Vec<_> = std::iter::once(None).chain(Phase::ALL.iter().copied().map(Some)).collect();
    let name = |phase: Option<Phase>| phase.map_or("none", Phase::wire);
    let table = pairs(&all, name, |from, to| to.is_some_and(|to| to.may_follow(from)));

    assert_eq!(
        table,
        [
            "none > planner",
            "planner > planner architect",
            "architect > architect review_approval",
            "review_approval > review_approval coder",
            "coder > coder",
        ]
    );
    assert_eq!(Phase::after(Some(Phase::Coder)), None);
}

#[test]
fn callers_and_tables_name_alike_but_for_the_case() {
    for status in TaskStatus::ALL {
        assert_eq!(status.wire().to_uppercase(), status.as_str());
        assert_eq!(status.as_str().parse(), Ok(*status));
    }
    assert_eq!(
        "planner".parse::<Phase>().unwrap_err().to_string(),
        "`planner` is no Phase: expected one of PLANNER, ARCHITECT, REVIEW_APPROVAL, CODER"
    );
}
