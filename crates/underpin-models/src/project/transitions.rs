//! What may follow what: one table for each state.

use super::{
    refusal::{Kind, Refusal},
    status::{ChangeRequestStatus, Phase, RunStatus, TaskStatus},
};

impl TaskStatus {
    /// What may follow; nothing after a final status.
    #[must_use]
    pub fn next(self) -> &'static [Self] {
        use TaskStatus::{
            Approved, AwaitingApproval, Cancelled, Completed, InProgress, Pending, Rejected,
        };
        match self {
            Pending => &[InProgress, AwaitingApproval, Approved, Rejected, Cancelled],
            InProgress => &[Pending, AwaitingApproval, Approved, Completed, Cancelled],
            AwaitingApproval => &[Approved, Rejected, Pending, Cancelled],
            Approved => &[Pending, InProgress, Completed, Rejected, Cancelled],
            Rejected => &[Pending, AwaitingApproval, Cancelled],
            Completed | Cancelled => &[],
        }
    }

    /// Whether a task of this status may be given the status `to`; its own it may, which changes
    /// nothing.
    #[must_use]
    pub fn may_become(self, to: Self) -> bool {
        self == to || self.next().contains(&to)
    }

    /// Whether nothing follows.
    #[must_use]
    pub fn is_final(self) -> bool {
        self.next().is_empty()
    }

    /// A move of task `id` to another status.
    pub(super) fn change(self, id: i32, to: Self) -> Result<(), Refusal> {
        if self != to && self.may_become(to) {
            return Ok(());
        }
        Err(Refusal::Transition { kind: Kind::Task, id, from: self.wire(), to: to.wire() })
    }
}

impl Phase {
    /// The phase after `phase`; `None` after the last.
    #[must_use]
    pub fn after(phase: Option<Self>) -> Option<Self> {
        match phase {
            None => Some(Self::Planner),
            Some(Self::Planner) => Some(Self::Architect),
            Some(Self::Architect) => Some(Self::ReviewApproval),
            Some(Self::ReviewApproval) => Some(Self::Coder),
            Some(Self::Coder) => None,
        }
    }

    /// Whether a task in the phase `from` may be given this one: the next, or its own, which
    /// changes nothing.
    #[must_use]
    pub fn may_follow(self, from: Option<Self>) -> bool {
        from == Some(self) || Self::after(from) == Some(self)
    }

    /// Whether task `id`, in the phase `from` and of `status`, may enter this phase.
    pub(super) fn enter(
        self,
        id: i32,
        from: Option<Self>,
        status: TaskStatus,
    ) -> Result<(), Refusal> {
        if from == Some(self) {
            return Ok(());
        }
        if !self.may_follow(from) {
            let from = from.map_or("none", Self::wire);
            return Err(Refusal::Transition { kind: Kind::Task, id, from, to: self.wire() });
        }
        if self == Self::Coder && status != TaskStatus::Approved {
            return Err(Refusal::NotApproved { task: id, status: status.wire() });
        }
        Ok(())
    }
}

impl ChangeRequestStatus {
    /// What may follow.
    #[must_use]
    pub fn next(self) -> &'static [Self] {
        match self {
            Self::Draft => &[Self::Submitted],
            Self::Submitted => &[Self::Approved, Self::Rejected],
            Self::Approved => &[Self::Implemented],
            Self::Rejected | Self::Implemented => &[],
        }
    }

    /// Whether a change request of this status may be given the status `to`; never its own.
    #[must_use]
    pub fn may_become(self, to: Self) -> bool {
        self.next().contains(&to)
    }

    /// A move of change request `id` to another status.
    pub(super) fn change(self, id: i32, to: Self) -> Result<(), Refusal> {
        if self.may_become(to) {
            return Ok(());
        }
        let (from, to) = (self.wire(), to.wire());
        Err(Refusal::Transition { kind: Kind::ChangeRequest, id, from, to })
    }
}

impl RunStatus {
    /// What may follow.
    #[must_use]
    pub fn next(self) -> &'static [Self] {
        match self {
            Self::Running => &[Self::Success, Self::Failure, Self::Timeout, Self::Cancelled],
            Self::Success | Self::Failure | Self::Timeout | Self::Cancelled => &[],
        }
    }

    /// Whether a run of this status may be given the status `to`; never its own.
    #[must_use]
    pub fn may_become(self, to: Self) -> bool {
        self.next().contains(&to)
    }

    /// A move of run `id` to another status.
    pub(super) fn change(self, id: i32, to: Self) -> Result<(), Refusal> {
        if self.may_become(to) {
            return Ok(());
        }
        Err(Refusal::Transition { kind: Kind::Run, id, from: self.wire(), to: to.wire() })
    }

    /// The status that a run which ended so leaves its task in.
    #[must_use]
    pub fn task_after(self) -> TaskStatus {
        match self {
            Self::Running => TaskStatus::InProgress,
            Self::Success => TaskStatus::Completed,
            Self::Failure | Self::Timeout | Self::Cancelled => TaskStatus::Approved,
        }
    }
}
