//! One database of a fleet.

use std::{fmt, path::PathBuf, sync::Arc};

use underpin_db::DatabaseUrl;

use crate::printable;

/// One database of a fleet: an SQLite file or a PostgreSQL schema.
#[derive(Debug, Clone)]
pub struct Target {
    /// What people call it: the number in its name, or its URL; on one line.
    pub id: String,
    /// Where it is.
    pub place: Place,
}

/// Where a target is.
#[derive(Debug, Clone)]
pub enum Place {
    /// A file, by its absolute path.
    File(PathBuf),
    /// A schema of a database that holds many.
    Schema {
        /// The database.
        database: Arc<DatabaseUrl>,
        /// The schema's name.
        schema: String,
    },
    /// A database of its own.
    Database(Arc<DatabaseUrl>),
}

impl Target {
    /// How the engine reaches it.
    #[must_use]
    pub fn url(&self) -> DatabaseUrl {
        match &self.place {
            Place::File(path) => DatabaseUrl::file(path),
            Place::Schema { database, schema } => database.in_schema(schema),
            Place::Database(url) => DatabaseUrl::clone(url),
        }
    }

    /// The name by which a run finds it again, whichever user and password lead to it. Two targets never
    /// share one, whatever bytes are in their names.
    pub(crate) fn key(&self) -> String {
        match &self.place {
            Place::File(path) => path.as_os_str().as_encoded_bytes().escape_ascii().to_string(),
            Place::Schema { database, schema } => format!("{} {schema:?}", database.address()),
            Place::Database(url) => url.address(),
        }
    }

    /// The database of a schema among many.
    pub(crate) fn database(&self) -> Option<&Arc<DatabaseUrl>> {
        match &self.place {
            Place::Schema { database, .. } => Some(database),
            Place::File(_) | Place::Database(_) => None,
        }
    }

    /// The name of a schema among many.
    pub(crate) fn schema(&self) -> Option<&str> {
        match &self.place {
            Place::Schema { schema, .. } => Some(schema),
            Place::File(_) | Place::Database(_) => None,
        }
    }

    /// Whether both are schemas of one database, or neither is a schema among many.
    pub(crate) fn is_beside(&self, other: &Self) -> bool {
        match (self.database(), other.database()) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            _ => false,
        }
    }
}

impl fmt::Display for Place {
    /// The path, the schema with its database, or the URL without its password; on one line, whatever is
    /// in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::File(path) => path.display().to_string(),
            Self::Schema { database, schema } => format!("{schema} of {database}"),
            Self::Database(url) => url.to_string(),
        };
        f.write_str(&printable::line(&text))
    }
}
