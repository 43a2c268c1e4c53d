//! The `registry` set: which projects there are.

mod project_changes;
mod registered_projects;
pub mod schema;

pub use project_changes::{ProjectChange, ProjectChangeRepository};
pub use registered_projects::{ProjectState, RegisteredProject, RegistryRepository};
