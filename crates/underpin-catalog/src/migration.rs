//! One migration in one dialect.

use std::{borrow::Cow, path::PathBuf};

use crate::{CatalogError, Checksum, Metadata, Version, file::read_optional};

/// One migration in one dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// Sorts it among the migrations of its set.
    pub version: Version,
    /// The folder's name after the version: `add_x`.
    pub name: Cow<'static, str>,
    /// The script of `up.sql`.
    pub up: Cow<'static, str>,
    /// The script of `down.sql`; see [`Migration::down`].
    pub down: Down,
    /// Of [`Migration::up`] and the identity of the code, if there is any.
    pub checksum: Checksum,
    /// How it wants to be run.
    pub metadata: Metadata,
}

/// Where the script of `down.sql` is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Down {
    /// Here.
    Text(Cow<'static, str>),
    /// In a file that is read when it is needed: most runs only go up.
    File(PathBuf),
    /// Nowhere: the migration cannot be taken back.
    None,
}

impl Migration {
    /// The script that takes the migration back, `None` when nobody wrote one.
    pub fn down(&self) -> Result<Option<Cow<'_, str>>, CatalogError> {
        match &self.down {
            Down::Text(text) => Ok(Some(Cow::Borrowed(text))),
            Down::None => Ok(None),
            Down::File(path) => Ok(read_optional(path)?.map(Cow::Owned)),
        }
    }
}
