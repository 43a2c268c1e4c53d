//! The migrations of the sets, carried inside the program, and what they do in Rust.

mod code;

use underpin_catalog::{Catalog, Dialect};

pub use code::CODE;

/// The chat bot's data service.
#[must_use]
pub fn bot(dialect: Dialect) -> &'static Catalog {
    match dialect {
        Dialect::Sqlite => &embedded::BOT_SQLITE,
        Dialect::Postgres => &embedded::BOT_POSTGRES,
    }
}

/// The project orchestrator: one database per project.
#[must_use]
pub fn project(dialect: Dialect) -> &'static Catalog {
    match dialect {
        Dialect::Sqlite => &embedded::PROJECT_SQLITE,
        Dialect::Postgres => &embedded::PROJECT_POSTGRES,
    }
}

/// Which projects there are: beside the set of the service's main database.
#[must_use]
pub fn registry(dialect: Dialect) -> &'static Catalog {
    match dialect {
        Dialect::Sqlite => &embedded::REGISTRY_SQLITE,
        Dialect::Postgres => &embedded::REGISTRY_POSTGRES,
    }
}

/// Written by `build.rs`.
mod embedded {
    use std::borrow::Cow;

    use underpin_catalog::{
        AlembicRevision, Catalog, Checksum, Dialect, Down, Metadata, Migration, Shape, Version,
    };

    include!(concat!(env!("OUT_DIR"), "/catalogs.rs"));
}
