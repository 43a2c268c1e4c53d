//! Reads a folder of migrations.
//!
//! Two layouts are understood: Diesel's flat one, `<dir>/<version>_<name>/up.sql`, for a set with
//! one dialect, and one folder per dialect, `<dir>/<dialect>/<version>_<name>/up.sql`, whose names
//! must be in lockstep. What Diesel's own tools ignore is ignored here: files, and folders whose
//! name begins with a dot. Scripts are the exception: one beside the migrations, or beside the scripts of
//! one, is meant to run.

use std::{
    borrow::Cow,
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    AlembicRevision, Catalog, CatalogError, Checksum, Dialect, Down, Metadata, Migration, Shape,
    entries::{BESIDE_SHAPES, Entries, OF_MIGRATION, OF_SHAPE},
    file::read_optional,
    layout, metadata, shape,
};

impl Catalog {
    /// Reads the migrations of `dialect` below `dir` as the set `set`.
    pub fn read(
        dir: &Path,
        set: impl Into<Cow<'static, str>>,
        dialect: Dialect,
    ) -> Result<Self, CatalogError> {
        if !dir.is_dir() {
            return Err(CatalogError::NoFolder { path: dir.to_owned() });
        }
        let Some(scripts) = dialect_folder(dir, dialect)? else {
            let names = folders(dir)?;
            layout::check(dir, &names)?;
            layout::check_scripts(dir)?;
            return Self::new(set, dialect, read_migrations(dir, &names)?);
        };
        let names = folders(&scripts)?;
        layout::check(&scripts, &names)?;
        layout::check_scripts(dir)?;
        layout::check_scripts(&scripts)?;
        check_strays(dir)?;
        check_twins(dir, dialect, &names)?;
        let adopt = dir.join("adopt");
        let catalog = Self::new(set, dialect, read_migrations(&scripts, &names)?)?;
        catalog.with_adoption(read_shapes(&adopt, dialect)?, read_alembic(&adopt)?)
    }
}

/// Where the scripts of `dialect` are, `None` for the flat layout.
fn dialect_folder(dir: &Path, dialect: Dialect) -> Result<Option<PathBuf>, CatalogError> {
    let own = dir.join(dialect.as_str());
    if own.is_dir() {
        return Ok(Some(own));
    }
    if Dialect::ALL.iter().any(|other| dir.join(other.as_str()).is_dir()) {
        return Err(CatalogError::NoFolder { path: own });
    }
    Ok(None)
}

/// The names of the folders in `dir` that hold something, sorted.
fn folders(dir: &Path) -> Result<BTreeSet<String>, CatalogError> {
    let wrong = |source| CatalogError::Read { path: dir.to_owned(), source };
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(dir).map_err(wrong)? {
        let entry = entry.map_err(wrong)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if layout::is_folder(&entry).map_err(wrong)? && !name.starts_with('.') {
            names.insert(name);
        }
    }
    Ok(names)
}

/// Beside the folders of the dialects nobody would run a migration.
fn check_strays(dir: &Path) -> Result<(), CatalogError> {
    let strays = folders(dir)?.into_iter().map(|name| dir.join(name));
    match strays.into_iter().find(|path| path.join("up.sql").exists()) {
        Some(path) => Err(CatalogError::Stray { path }),
        None => Ok(()),
    }
}

fn check_twins(dir: &Path, dialect: Dialect, names: &BTreeSet<String>) -> Result<(), CatalogError> {
    for other in Dialect::ALL.into_iter().filter(|other| *other != dialect) {
        let path = dir.join(other.as_str());
        if !path.is_dir() {
            continue;
        }
        let others = folders(&path)?;
        if let Some(folder) = names.difference(&others).next() {
            return Err(CatalogError::NoTwin { folder: folder.clone(), dialect: other, path });
        }
        if let Some(folder) = others.difference(names).next() {
            let path = dir.join(dialect.as_str());
            return Err(CatalogError::NoTwin { folder: folder.clone(), dialect, path });
        }
    }
    Ok(())
}

fn read_migrations(dir: &Path, names: &BTreeSet<String>) -> Result<Vec<Migration>, CatalogError> {
    names.iter().map(|name| read_migration(&dir.join(name), name)).collect()
}

fn read_migration(path: &Path, folder: &str) -> Result<Migration, CatalogError> {
    let wrong_name = || CatalogError::Name { path: path.to_owned() };
    let (version, name) = folder.split_once('_').ok_or_else(wrong_name)?;
    let entries = Entries::of(path);
    let up =
        entries.read("up.sql")?.ok_or_else(|| CatalogError::NoScript { path: path.to_owned() })?;
    entries.check_scripts(&OF_MIGRATION)?;
    let settings = "metadata.toml";
    let metadata = match entries.read(settings)? {
        None => Metadata::DEFAULT,
        Some(text) => metadata::parse(&text)
            .map_err(|message| CatalogError::Settings { path: path.join(settings), message })?,
    };
    Ok(Migration {
        version: version.parse().map_err(|_| wrong_name())?,
        name: Cow::Owned(name.to_owned()),
        checksum: match &metadata.code {
            None => Checksum::of(&up),
            Some(code) => Checksum::with_code(&up, code),
        },
        up: Cow::Owned(up),
        down: Down::File(path.join("down.sql")),
        metadata,
    })
}

fn read_shapes(adopt: &Path, dialect: Dialect) -> Result<Vec<Shape>, CatalogError> {
    let dir = adopt.join(dialect.as_str());
    for beside in [adopt, &dir] {
        Entries::of(beside).check_scripts(&BESIDE_SHAPES)?;
    }
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let read = |name: &String| {
        let dir = dir.join(name);
        let entries = Entries::of(&dir);
        let path = dir.join("shape.toml");
        let settings = entries.read("shape.toml")?.ok_or_else(|| CatalogError::Read {
            path: path.clone(),
            source: io::ErrorKind::NotFound.into(),
        })?;
        let schema = entries.read("schema.sql")?;
        let up = entries.read("up.sql")?;
        entries.check_scripts(&OF_SHAPE)?;
        Shape::parse(name, &settings, schema, up)
            .map_err(|message| CatalogError::Settings { path, message })
    };
    folders(&dir)?.iter().map(read).collect()
}

fn read_alembic(adopt: &Path) -> Result<Vec<AlembicRevision>, CatalogError> {
    let path = adopt.join("adopt.toml");
    match read_optional(&path)? {
        None => Ok(Vec::new()),
        Some(text) => {
            shape::parse_alembic(&text).map_err(|message| CatalogError::Settings { path, message })
        }
    }
}
