//! Schemas that other programs made and that a set knows how to take over.

use std::borrow::Cow;

use serde::Deserialize;

use crate::Version;

/// A schema that is no version of the catalog, but known, with the way from it to one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// The folder's name.
    pub name: Cow<'static, str>,
    /// Finishes the sentence "this is …".
    pub description: Cow<'static, str>,
    /// What the database fits once it has been completed and mapped.
    pub version: Version,
    /// `schema.sql`: how the other program builds it. `None`: the shape is `version` itself,
    /// but for `optional` and `leftovers`.
    pub schema: Option<Cow<'static, str>>,
    /// `up.sql`: maps the shape, by column name, to `version`.
    pub up: Option<Cow<'static, str>>,
    /// As in [`Metadata`](crate::Metadata), for `up`.
    pub foreign_keys: bool,
    /// Tables (`t`) and columns (`t.c`) that may be absent; they are added as `version` has them.
    pub optional: Cow<'static, [Cow<'static, str>]>,
    /// Empty tables that a failed run may have left behind; they are dropped.
    pub leftovers: Cow<'static, [Cow<'static, str>]>,
    /// As in [`Metadata`](crate::Metadata), after `up`.
    pub notes: Option<Cow<'static, str>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    description: String,
    version: String,
    #[serde(default = "yes")]
    foreign_keys: bool,
    #[serde(default)]
    optional: Vec<String>,
    #[serde(default)]
    leftovers: Vec<String>,
    notes: Option<String>,
}

fn yes() -> bool {
    true
}

impl Shape {
    /// Puts a shape together from the texts of its folder; the error is a sentence for people.
    pub(crate) fn parse(
        name: &str,
        settings: &str,
        schema: Option<String>,
        up: Option<String>,
    ) -> Result<Self, String> {
        let file: File = toml::from_str(settings).map_err(|error| error.message().to_owned())?;
        let owned = |texts: Vec<String>| Cow::Owned(texts.into_iter().map(Cow::Owned).collect());
        Ok(Self {
            name: Cow::Owned(name.to_owned()),
            description: Cow::Owned(file.description),
            version: file.version.parse().map_err(|error| format!("{error}"))?,
            schema: schema.map(Cow::Owned),
            up: up.map(Cow::Owned),
            foreign_keys: file.foreign_keys,
            optional: owned(file.optional),
            leftovers: owned(file.leftovers),
            notes: file.notes.map(Cow::Owned),
        })
    }
}

/// What an Alembic revision of the original program claims a database to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlembicRevision {
    /// As it stands in `alembic_version`.
    pub revision: Cow<'static, str>,
    /// The version it claims.
    pub version: Version,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AdoptFile {
    #[serde(default)]
    alembic: std::collections::BTreeMap<String, String>,
}

/// Reads the text of an `adopt.toml`; the error is a sentence for people.
pub(crate) fn parse_alembic(text: &str) -> Result<Vec<AlembicRevision>, String> {
    let file: AdoptFile = toml::from_str(text).map_err(|error| error.message().to_owned())?;
    let revision = |(revision, version): (String, String)| {
        let version = version.parse().map_err(|error| format!("{error}"))?;
        Ok(AlembicRevision { revision: Cow::Owned(revision), version })
    };
    file.alembic.into_iter().map(revision).collect()
}
