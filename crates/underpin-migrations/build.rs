//! Turns `migrations/` into constants.
//!
//! What is wrong with a folder (two migrations with one version, a missing twin, a malformed
//! `metadata.toml`) fails the build here, and never the first run in production.

use std::{
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use underpin_catalog::{Catalog, Dialect, Metadata, Migration, Shape};

const SETS: [&str; 3] = ["bot", "project", "registry"];

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations").canonicalize()?;
    // A folder stands for all that is in it, so that a new migration is noticed as well.
    println!("cargo::rerun-if-changed={}", root.display());
    let mut code = String::new();
    for set in SETS {
        for dialect in Dialect::ALL {
            let catalog = Catalog::read(&root.join(set), set, dialect)
                .map_err(|error| format!("migrations/{set}: {error}"))?;
            write_catalog(&mut code, &catalog)?;
        }
    }
    fs::write(PathBuf::from(std::env::var("OUT_DIR")?).join("catalogs.rs"), code)?;
    Ok(())
}

/// A list cannot stand inside the catalog's own constant: it has a destructor.
fn write_catalog(code: &mut String, catalog: &Catalog) -> Result<(), Box<dyn Error>> {
    let name = format!("{}_{}", catalog.set(), catalog.dialect()).to_uppercase();
    let count = catalog.migrations().len();
    writeln!(code, "static {name}_MIGRATIONS: [Migration; {count}] = [")?;
    for migration in catalog.migrations() {
        write_migration(code, migration)?;
    }
    writeln!(code, "];\nstatic {name}_SHAPES: [Shape; {}] = [", catalog.shapes().len())?;
    for shape in catalog.shapes() {
        write_shape(code, shape)?;
    }
    let count = catalog.alembic().len();
    writeln!(code, "];\nstatic {name}_ALEMBIC: [AlembicRevision; {count}] = [")?;
    for claim in catalog.alembic() {
        let (revision, version) = (text(&claim.revision), claim.version.as_str());
        let version = format!("Version::from_static({version:?})");
        writeln!(code, "AlembicRevision {{ revision: {revision}, version: {version} }},")?;
    }
    writeln!(
        code,
        "];\npub(crate) static {name}: Catalog = Catalog::from_static({:?}, Dialect::{:?}, \
         &{name}_MIGRATIONS, &{name}_SHAPES, &{name}_ALEMBIC);",
        catalog.set(),
        catalog.dialect(),
    )?;
    Ok(())
}

fn write_migration(code: &mut String, migration: &Migration) -> Result<(), Box<dyn Error>> {
    let Metadata { run_in_transaction, foreign_keys, notes, code: function, empty } =
        &migration.metadata;
    let down = match migration.down()? {
        Some(script) => format!("Down::Text({})", text(&script)),
        None => "Down::None".to_owned(),
    };
    writeln!(
        code,
        "Migration {{ version: Version::from_static({:?}), name: {}, up: {}, down: {down}, \
         checksum: Checksum({:?}), metadata: Metadata {{ run_in_transaction: {run_in_transaction}, \
         foreign_keys: {foreign_keys}, notes: {}, code: {}, empty: {empty} }} }},",
        migration.version.as_str(),
        text(&migration.name),
        text(&migration.up),
        migration.checksum.0,
        option(notes.as_deref()),
        option(function.as_deref()),
    )?;
    Ok(())
}

fn write_shape(code: &mut String, shape: &Shape) -> Result<(), Box<dyn Error>> {
    let list = |items: &[std::borrow::Cow<'_, str>]| {
        let items: Vec<_> = items.iter().map(|item| text(item)).collect();
        format!("Cow::Borrowed(&[{}])", items.join(", "))
    };
    writeln!(
        code,
        "Shape {{ name: {}, description: {}, version: Version::from_static({:?}), schema: {}, \
         up: {}, foreign_keys: {}, optional: {}, leftovers: {}, notes: {} }},",
        text(&shape.name),
        text(&shape.description),
        shape.version.as_str(),
        option(shape.schema.as_deref()),
        option(shape.up.as_deref()),
        shape.foreign_keys,
        list(&shape.optional),
        list(&shape.leftovers),
        option(shape.notes.as_deref()),
    )?;
    Ok(())
}

fn text(text: &str) -> String {
    format!("Cow::Borrowed({text:?})")
}

fn option(value: Option<&str>) -> String {
    value.map_or_else(|| "None".to_owned(), |value| format!("Some({})", text(value)))
}
