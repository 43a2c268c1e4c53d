//! The `project` set: one file per table.

mod approvals;
mod artifacts;
mod change_requests;
mod control_state;
mod events;
mod project_recovered_values;
mod projects;
mod runs;
pub mod schema;
pub mod status;
mod task_versions;
mod tasks;

pub use approvals::Approval;
pub use artifacts::Artifact;
pub use change_requests::ChangeRequest;
pub use control_state::ControlState;
pub use events::Event;
pub use project_recovered_values::RecoveredValue;
pub use projects::{NewProject, Project, ProjectRepository};
pub use runs::Run;
pub use status::{ArtifactType, ChangeRequestStatus, Phase, RunStatus, TaskStatus};
pub use task_versions::TaskVersion;
pub use tasks::Task;
