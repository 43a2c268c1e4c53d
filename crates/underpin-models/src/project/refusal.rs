//! What the rules of a project do not allow.

use std::fmt;

/// What a row is, as messages call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A project.
    Project,
    /// A task.
    Task,
    /// A change request.
    ChangeRequest,
    /// An artifact.
    Artifact,
    /// A run.
    Run,
    /// An approval.
    Approval,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Project => "Project",
            Self::Task => "Task",
            Self::ChangeRequest => "Change request",
            Self::Artifact => "Artifact",
            Self::Run => "Run",
            Self::Approval => "Approval",
        })
    }
}

/// Why a change was refused. It is decided before anything is written, so nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum Refusal {
    /// The project has no such row; it may be another project's.
    #[error("{kind} {id} not found")]
    NotFound { kind: Kind, id: i32 },
    /// The table of statuses or phases does not lead there.
    #[error("{kind} {id} is `{from}` and cannot become `{to}`")]
    Transition { kind: Kind, id: i32, from: &'static str, to: &'static str },
    /// Somebody changed it since the caller read it.
    #[error("expected version {expected}, found {found}: read it again")]
    Stale { expected: i32, found: i32 },
    /// A paused project starts no run.
    #[error("the project is paused: resume it first")]
    Paused,
    /// As many runs as the project allows.
    #[error("Task {task} had {attempts} of {max_attempts} attempts: raise the limit first")]
    AttemptsExhausted { task: i32, attempts: i32, max_attempts: i32 },
    /// Only an approved task is coded and run.
    #[error("Task {task} is `{status}`, expected `approved`: approve it first")]
    NotApproved { task: i32, status: &'static str },
    /// While a run is open, the status of its task is the run's.
    #[error("Run {run} of task {task} is open: finish or cancel it first")]
    Running { task: i32, run: i32 },
    /// The order of tasks.
    #[error(transparent)]
    Dependencies {
        #[from]
        fault: DependencyFault,
    },
    /// One task cannot be merged.
    #[error("Must provide at least 2 tasks to merge")]
    TooFew,
    /// A task cannot be merged with itself.
    #[error("Task {id} is named twice")]
    Duplicate { id: i32 },
    /// A limit that would stop everything.
    #[error("`{limit}` is {found}, expected at least 1")]
    Limit { limit: &'static str, found: i32 },
}

/// What is wrong with the tasks that come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum DependencyFault {
    /// The project has no such task.
    #[error("the dependency {id} is no task of the project")]
    Unknown { id: i32 },
    /// It would wait for itself.
    #[error("Task {id} cannot depend on itself")]
    Itself { id: i32 },
    /// It would wait for a task that waits for it.
    #[error("the dependency {id} waits for the task itself")]
    Cycle { id: i32 },
    /// A run waits for it.
    #[error("the dependency {id} is not completed")]
    Incomplete { id: i32 },
}

impl Refusal {
    /// No such row in the project.
    pub(super) fn not_found(kind: Kind, id: i32) -> Self {
        Self::NotFound { kind, id }
    }
}

/// Gives the value, or ends the function with the refusal: the transaction wrote nothing, and ends.
macro_rules! granted {
    ($decision:expr) => {
        match $decision {
            Ok(value) => value,
            Err(refusal) => return Ok(Err(refusal)),
        }
    };
}

pub(super) use granted;
