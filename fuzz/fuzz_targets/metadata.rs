//! Any `metadata.toml` is read or refused, and Diesel reads the same of what is read.

#![no_main]

use std::{cell::OnceCell, fs, path::PathBuf};

use diesel::{migration::MigrationSource, sqlite::Sqlite};
use diesel_migrations::FileBasedMigrations;
use libfuzzer_sys::{Corpus, fuzz_target};
use underpin_catalog::{Catalog, Dialect};

thread_local! {
    /// A folder of migrations with a single one.
    static FOLDER: OnceCell<PathBuf> = const { OnceCell::new() };
}

fn made() -> PathBuf {
    let folder = tempfile::tempdir().expect("a folder").keep().join("migrations");
    let migration = folder.join("2026-01-01-000000_one");
    fs::create_dir_all(&migration).expect("a folder");
    for script in ["up.sql", "down.sql"] {
        fs::write(migration.join(script), "SELECT 1;").expect("a script");
    }
    folder
}

fuzz_target!(|text: &str| -> Corpus {
    let folder = FOLDER.with(|folder| folder.get_or_init(made).clone());
    let migration = folder.join("2026-01-01-000000_one");
    fs::write(migration.join("metadata.toml"), text).expect("metadata");
    let Ok(catalog) = Catalog::read(&folder, "fuzz", Dialect::Sqlite) else {
        return Corpus::Reject;
    };

    let read = &catalog.migrations()[0].metadata;
    let alone = read.run_in_transaction || (read.foreign_keys && read.code.is_none());
    assert!(alone, "{read:?} cannot be kept outside a transaction");
    let source = FileBasedMigrations::from_path(&folder).expect("Diesel's folder");
    let migrations = MigrationSource::<Sqlite>::migrations(&source).expect("Diesel's migration");
    assert_eq!(migrations[0].metadata().run_in_transaction(), read.run_in_transaction, "{text:?}");
    Corpus::Keep
});
