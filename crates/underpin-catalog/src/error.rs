//! Why a folder of migrations cannot be used.

use std::{io, path::PathBuf};

use crate::{Dialect, Version};

/// Why a folder of migrations cannot be used.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum CatalogError {
    /// A file or folder could not be read.
    #[error("cannot read `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// There is something else where a file should be, which might be read for ever.
    #[error("cannot read `{}`: it is {what}, expected a file: put one in its place", path.display())]
    NoRegularFile { path: PathBuf, what: &'static str },
    /// A file whose text is not UTF-8.
    #[error("`{}` is not UTF-8 (line {line}): it seems to be {encoding}: save it as UTF-8", path.display())]
    Encoding { path: PathBuf, line: usize, encoding: &'static str },
    /// There is no such folder.
    #[error("no folder `{}`: give the folder that holds the migrations", path.display())]
    NoFolder { path: PathBuf },
    /// A folder in which no migration is.
    #[error(
        "no migration in `{}`: expected folders `<version>_<name>` with an `up.sql`: give the folder \
         that holds them, or begin with `underpin revision -m TEXT`",
        path.display()
    )]
    Nothing { path: PathBuf },
    /// A folder that another program reads.
    #[error(
        "`{}` holds migrations of {tool} (`{found}`), which have another layout: {next}", path.display()
    )]
    Layout { path: PathBuf, tool: &'static str, found: String, next: &'static str },
    /// Migrations are one folder further up or down.
    #[error("`{}` holds no migration, but `{}` does: give that folder", path.display(), right.display())]
    Level { path: PathBuf, right: PathBuf },
    /// A folder whose name does not begin with a version.
    #[error(
        "expected a folder `<version>_<name>`, found `{}`: rename or remove it",
        path.display().to_string().escape_debug()
    )]
    Name { path: PathBuf },
    /// A name that would break a line of output, or hide something in it.
    #[error(
        "the name of migration `{version}` has a control character in it, `{}`: rename its folder",
        name.escape_debug()
    )]
    Letters { version: Version, name: String },
    /// A migration without its script.
    #[error("no `up.sql` in `{}`: write one, or remove the folder", path.display())]
    NoScript { path: PathBuf },
    /// Two folders with one version: Diesel would silently drop one of them.
    #[error("`{first}` and `{second}` both have version `{version}`: rename one of them")]
    Duplicate { version: Version, first: String, second: String },
    /// Two versions that differ in how they are written alone.
    #[error(
        "versions `{first}` and `{second}` differ in how they are written alone: rename one of them"
    )]
    SameVersion { first: Version, second: Version },
    /// A settings file that cannot be understood.
    #[error("cannot use `{}`: {message}", path.display())]
    Settings { path: PathBuf, message: String },
    /// A migration beside the folders of the dialects, where nobody would run it.
    #[error("`{}` is beside the folders of the dialects: move it into each of them", path.display())]
    Stray { path: PathBuf },
    /// A script beside the folders of the migrations, which nobody would run.
    #[error(
        "`{}` lies beside the folders of the migrations, where no script runs: move it to \
         `<version>_<name>/up.sql`, or out of this folder",
        path.display().to_string().escape_debug()
    )]
    StrayScript { path: PathBuf },
    /// A script beside those of a migration or of a shape, which nobody would run.
    #[error(
        "`{}` would never run, for only {told}: write what it does into one of them, or move it out of this \
         folder",
        path.display().to_string().escape_debug()
    )]
    UnreadScript { path: PathBuf, told: &'static str },
    /// A migration that only one dialect has.
    #[error("`{folder}` is missing for `{dialect}`: write its twin in `{}`", path.display())]
    NoTwin { folder: String, dialect: Dialect, path: PathBuf },
    /// A known shape that leads to a version nobody has.
    #[error("shape `{shape}` leads to version `{version}`, which the set does not have")]
    ShapeVersion { shape: String, version: Version },
    /// An Alembic revision that claims a version nobody has.
    #[error(
        "alembic revision `{revision}` claims version `{version}`, which the set does not have"
    )]
    RevisionVersion { revision: String, version: Version },
}

/// The text names no migration of a catalog, or more than one.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum FindError {
    /// None begins with it.
    #[error("no migration of set `{set}` begins with `{text}`: `underpin history` lists them")]
    Unknown { set: String, text: String },
    /// Several begin with it.
    #[error("`{text}` may be {}: give more digits", candidates.join(", "))]
    Ambiguous { text: String, candidates: Vec<String> },
}
