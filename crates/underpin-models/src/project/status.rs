//! The enums of the `project` set.

use crate::db_enum::db_enum;

db_enum! {
    /// Which part of the work is being done.
    Phase {
        /// Breaks the work into tasks.
        Planner = "PLANNER" "planner",
        /// Chooses how it is built.
        Architect = "ARCHITECT" "architect",
        /// Waits for people.
        ReviewApproval = "REVIEW_APPROVAL" "review_approval",
        /// Builds it.
        Coder = "CODER" "coder",
    }
}

db_enum! {
    /// How far a task came.
    TaskStatus {
        /// Nobody has begun.
        Pending = "PENDING" "pending",
        /// Somebody is at it.
        InProgress = "IN_PROGRESS" "in_progress",
        /// People are asked.
        AwaitingApproval = "AWAITING_APPROVAL" "awaiting_approval",
        /// People said yes; it may run.
        Approved = "APPROVED" "approved",
        /// People said no.
        Rejected = "REJECTED" "rejected",
        /// Done.
        Completed = "COMPLETED" "completed",
        /// Given up.
        Cancelled = "CANCELLED" "cancelled",
    }
}

db_enum! {
    /// How far a change request came.
    ChangeRequestStatus {
        /// Being written.
        Draft = "DRAFT" "draft",
        /// People are asked.
        Submitted = "SUBMITTED" "submitted",
        /// People said yes.
        Approved = "APPROVED" "approved",
        /// People said no.
        Rejected = "REJECTED" "rejected",
        /// Done.
        Implemented = "IMPLEMENTED" "implemented",
    }
}

db_enum! {
    /// What kind of file an artifact is.
    ArtifactType {
        /// A specification.
        Spec = "SPEC" "spec",
        /// A plan.
        Plan = "PLAN" "plan",
        /// An architecture.
        Architecture = "ARCHITECTURE" "architecture",
        /// A record of a decision.
        Adr = "ADR" "adr",
        /// What an engine said.
        Transcript = "TRANSCRIPT" "transcript",
        /// A change to code.
        Diff = "DIFF" "diff",
        /// A log.
        Log = "LOG" "log",
        /// Anything else.
        Other = "OTHER" "other",
    }
}

db_enum! {
    /// How a run ended, or that it has not.
    RunStatus {
        /// It has not ended.
        Running = "RUNNING" "running",
        /// Every gate was passed.
        Success = "SUCCESS" "success",
        /// It failed.
        Failure = "FAILURE" "failure",
        /// It took too long.
        Timeout = "TIMEOUT" "timeout",
        /// Somebody stopped it.
        Cancelled = "CANCELLED" "cancelled",
    }
}
