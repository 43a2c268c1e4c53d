//! The `registry` set: which projects there are.

mod registered_projects;
pub mod schema;

pub use registered_projects::{ProjectState, RegisteredProject, RegistryRepository};
