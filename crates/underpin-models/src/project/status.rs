//! The enums of the `project` set.

use crate::db_enum::db_enum;

db_enum! {
    /// Which part of the work is being done.
    Phase {
        /// Breaks the work into tasks.
        Planner = "PLANNER",
        /// Chooses how it is built.
        Architect = "ARCHITECT",
        /// Waits for people.
        ReviewApproval = "REVIEW_APPROVAL",
        /// Builds it.
        Coder = "CODER",
    }
}

db_enum! {
    /// How far a task came.
    TaskStatus {
        /// Nobody has begun.
        Pending = "PENDING",
        /// Somebody is at it.
        InProgress = "IN_PROGRESS",
        /// People are asked.
        AwaitingApproval = "AWAITING_APPROVAL",
        /// People said yes; it may run.
        Approved = "APPROVED",
        /// People said no.
        Rejected = "REJECTED",
        /// Done.
        Completed = "COMPLETED",
        /// Given up.
        Cancelled = "CANCELLED",
    }
}

db_enum! {
    /// How far a change request came.
    ChangeRequestStatus {
        /// Being written.
        Draft = "DRAFT",
        /// People are asked.
        Submitted = "SUBMITTED",
        /// People said yes.
        Approved = "APPROVED",
        /// People said no.
        Rejected = "REJECTED",
        /// Done.
        Implemented = "IMPLEMENTED",
    }
}

db_enum! {
    /// What kind of file an artifact is.
    ArtifactType {
        /// A specification.
        Spec = "SPEC",
        /// A plan.
        Plan = "PLAN",
        /// An architecture.
        Architecture = "ARCHITECTURE",
        /// A record of a decision.
        Adr = "ADR",
        /// What an engine said.
        Transcript = "TRANSCRIPT",
        /// A change to code.
        Diff = "DIFF",
        /// A log.
        Log = "LOG",
        /// Anything else.
        Other = "OTHER",
    }
}

db_enum! {
    /// How a run ended, or that it has not.
    RunStatus {
        /// It has not ended.
        Running = "RUNNING",
        /// Every gate was passed.
        Success = "SUCCESS",
        /// It failed.
        Failure = "FAILURE",
        /// It took too long.
        Timeout = "TIMEOUT",
        /// Somebody stopped it.
        Cancelled = "CANCELLED",
    }
}
