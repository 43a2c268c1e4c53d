//! Migrations as data: versions, names, scripts, checksums and settings, read from a folder.
//!
//! A build script and the engine read a folder through the same code, so a program that carries
//! its migrations and one that finds them on disk cannot disagree about them.

mod catalog;
mod checksum;
mod dialect;
mod entries;
mod error;
mod file;
mod folder;
mod layout;
mod metadata;
mod migration;
mod shape;
pub mod statement;
mod version;

pub use catalog::Catalog;
pub use checksum::{Checksum, ChecksumError, StatementsChecksum};
pub use dialect::{Dialect, UnknownDialect};
pub use error::{CatalogError, FindError};
pub use file::{other_than_file, read_file};
pub use metadata::Metadata;
pub use migration::{Down, Migration};
pub use shape::{AlembicRevision, Shape};
pub use statement::ObjectName;
pub use version::{Version, VersionError};
