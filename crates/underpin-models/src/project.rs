//! The `project` set: one file per table.

mod approvals;
mod artifacts;
mod change_requests;
mod changes;
mod control_state;
mod dependencies;
mod events;
mod page;
mod project_recovered_values;
mod projects;
mod refusal;
mod reshape;
mod runs;
pub mod schema;
pub mod status;
mod task_input;
mod task_versions;
mod tasks;
mod transitions;

pub use approvals::{Approval, ApprovalRepository, NewApproval};
pub use artifacts::{Artifact, ArtifactFilter, ArtifactRepository, ArtifactStorage, NewArtifact};
pub use change_requests::{ChangeRequest, ChangeRequestFilter, ChangeRequestRepository};
pub use control_state::{ControlRepository, ControlState, Limits, MAX_ATTEMPTS, TIMEOUT_SECONDS};
pub use events::{EVENT_TYPES, Event, EventRepository};
pub use page::Page;
pub use project_recovered_values::RecoveredValue;
pub use projects::{NewProject, Project, ProjectRepository, ProjectUpdate};
pub use refusal::{DependencyFault, Kind, Refusal};
pub use runs::{Run, RunFilter, RunRepository};
pub use status::{ArtifactType, ChangeRequestStatus, Phase, RunStatus, TaskStatus};
pub use task_input::{NewTask, TaskFilter, TaskText, TaskUpdate};
pub use task_versions::{TaskVersion, TaskVersionRepository};
pub use tasks::{Task, TaskRepository};
