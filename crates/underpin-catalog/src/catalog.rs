//! All migrations of a set in one dialect.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use crate::{AlembicRevision, CatalogError, Dialect, FindError, Migration, Shape, Version};

/// All migrations of a set in one dialect, ascending by version.
#[derive(Debug, Clone)]
pub struct Catalog {
    set: Cow<'static, str>,
    dialect: Dialect,
    migrations: Cow<'static, [Migration]>,
    shapes: Cow<'static, [Shape]>,
    alembic: Cow<'static, [AlembicRevision]>,
}

impl Catalog {
    /// A catalog of `migrations`, in any order.
    ///
    /// Fails when two of them have one version, also one that is only written differently, or when a
    /// name has a control character in it.
    pub fn new(
        set: impl Into<Cow<'static, str>>,
        dialect: Dialect,
        mut migrations: Vec<Migration>,
    ) -> Result<Self, CatalogError> {
        migrations.sort_by(|a, b| a.version.cmp(&b.version));
        if let Some([first, second]) =
            migrations.array_windows().find(|[first, second]| first.version == second.version)
        {
            return Err(CatalogError::Duplicate {
                version: first.version.clone(),
                first: first.name.clone().into_owned(),
                second: second.name.clone().into_owned(),
            });
        }
        let mut plain = BTreeMap::new();
        for migration in &migrations {
            if migration.name.contains(is_unfit) {
                return Err(CatalogError::Letters {
                    version: migration.version.clone(),
                    name: migration.name.clone().into_owned(),
                });
            }
            let version = &migration.version;
            if let Some(first) = plain.insert(version.plain(), version) {
                return Err(CatalogError::SameVersion {
                    first: first.clone(),
                    second: version.clone(),
                });
            }
        }
        Ok(Self {
            set: set.into(),
            dialect,
            migrations: Cow::Owned(migrations),
            shapes: Cow::Borrowed(&[]),
            alembic: Cow::Borrowed(&[]),
        })
    }

    /// Adds what the set knows of schemas that other programs made.
    ///
    /// Fails when a shape or a revision leads to a version that the catalog does not have.
    pub fn with_adoption(
        mut self,
        shapes: Vec<Shape>,
        alembic: Vec<AlembicRevision>,
    ) -> Result<Self, CatalogError> {
        if let Some(shape) = shapes.iter().find(|shape| self.get(&shape.version).is_none()) {
            let shape = shape.clone();
            return Err(CatalogError::ShapeVersion {
                shape: shape.name.into_owned(),
                version: shape.version,
            });
        }
        if let Some(claim) = alembic.iter().find(|claim| self.get(&claim.version).is_none()) {
            let AlembicRevision { revision, version } = claim.clone();
            return Err(CatalogError::RevisionVersion { revision: revision.into_owned(), version });
        }
        self.shapes = Cow::Owned(shapes);
        self.alembic = Cow::Owned(alembic);
        Ok(self)
    }

    /// A catalog that was checked when the program was built.
    #[must_use]
    pub const fn from_static(
        set: &'static str,
        dialect: Dialect,
        migrations: &'static [Migration],
        shapes: &'static [Shape],
        alembic: &'static [AlembicRevision],
    ) -> Self {
        Self {
            set: Cow::Borrowed(set),
            dialect,
            migrations: Cow::Borrowed(migrations),
            shapes: Cow::Borrowed(shapes),
            alembic: Cow::Borrowed(alembic),
        }
    }

    /// The family of migrations, with one history in a database.
    #[must_use]
    pub fn set(&self) -> &str {
        &self.set
    }

    /// The dialect of every script.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Every migration, ascending by version.
    #[must_use]
    pub fn migrations(&self) -> &[Migration] {
        &self.migrations
    }

    /// Schemas that other programs made and that the set knows.
    #[must_use]
    pub fn shapes(&self) -> &[Shape] {
        &self.shapes
    }

    /// What `alembic_version` may say, and what it then claims.
    #[must_use]
    pub fn alembic(&self) -> &[AlembicRevision] {
        &self.alembic
    }

    /// The newest migration.
    #[must_use]
    pub fn head(&self) -> Option<&Migration> {
        self.migrations.last()
    }

    /// The migration with exactly this version.
    #[must_use]
    pub fn get(&self, version: &Version) -> Option<&Migration> {
        let index = self.migrations.binary_search_by(|migration| migration.version.cmp(version));
        index.ok().map(|index| &self.migrations[index])
    }

    /// The one migration whose version begins with `text`, dashes aside, or whose name is `text`.
    pub fn find(&self, text: &str) -> Result<&Migration, FindError> {
        let prefix = text.replace('-', "");
        let fits = |migration: &&Migration| {
            let version = migration.version.as_str();
            (!prefix.is_empty() && version.starts_with(&prefix)) || migration.name == text
        };
        let found: Vec<_> = self.migrations.iter().filter(fits).collect();
        match found.as_slice() {
            [] => Err(FindError::Unknown { set: self.set.to_string(), text: text.to_owned() }),
            [one] => Ok(one),
            several => several
                .iter()
                .find(|migration| migration.version.as_str() == prefix)
                .copied()
                .ok_or_else(|| FindError::Ambiguous {
                    text: text.to_owned(),
                    candidates: several.iter().map(|one| format!("`{}`", one.version)).collect(),
                }),
        }
    }

    /// Every version, for set arithmetic with a history.
    #[must_use]
    pub fn versions(&self) -> BTreeSet<&Version> {
        self.migrations.iter().map(|migration| &migration.version).collect()
    }
}

/// What ends a line, moves the cursor or turns the direction of writing.
fn is_unfit(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
