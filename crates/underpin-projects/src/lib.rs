//! One isolated database per project: an SQLite file, or a PostgreSQL schema.
//!
//! [`Projects`] keeps a registry of them in the service's main database. Nothing is opened that is
//! not registered, no number is given twice, and a project that is behind is migrated before it is
//! served.

mod error;
mod files;
mod projects;
mod ready;
mod repair;
mod schemas;
mod settings;
mod targets;

pub use crate::{
    error::ProjectError,
    projects::{DeleteContents, OpenProject, Projects},
    ready::{ReadyProject, RegistryError, ready_projects},
    settings::Settings,
};

/// A place between two actions. Does nothing unless the feature `failpoints` is on and the fail point
/// `projects::step` is set: `5*off->panic` dies at the sixth.
fn checkpoint() {
    #[cfg(feature = "failpoints")]
    fail::fail_point!("projects::step");
}
