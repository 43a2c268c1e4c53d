//! Reading folders of migrations: both layouts, and everything that is refused.

#![expect(clippy::unwrap_used, reason = "a test ends where its ground is missing")]

use std::{collections::BTreeSet, fs, path::Path};

use proptest::prelude::*;
use rstest::rstest;
use tempfile::TempDir;
use underpin_catalog::{Catalog, CatalogError, Dialect};

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

fn read(dir: &Path) -> Result<Catalog, CatalogError> {
    Catalog::read(dir, "test", Dialect::Sqlite)
}

fn versions(catalog: &Catalog) -> Vec<&str> {
    catalog.migrations().iter().map(|one| one.version.as_str()).collect()
}

#[test]
fn diesels_flat_layout_serves_either_dialect() {
    let dir = folder(&[
        ("2026-01-02-030405_second/up.sql", "SELECT 2"),
        ("2026-01-01-030405_first_one/up.sql", "SELECT 1"),
        ("2026-01-01-030405_first_one/down.sql", "SELECT -1"),
        (".gitkeep/x", ""),
        ("README.md", "not a migration"),
        ("diesel.toml", ""),
    ]);

    for dialect in Dialect::ALL {
        let catalog = Catalog::read(dir.path(), "test", dialect).unwrap();

        assert_eq!(versions(&catalog), ["20260101030405", "20260102030405"]);
        let first = &catalog.migrations()[0];
        assert_eq!((&*first.name, &*first.up), ("first_one", "SELECT 1"));
        assert_eq!(first.down().unwrap().as_deref(), Some("SELECT -1"));
        assert_eq!(catalog.migrations()[1].down().unwrap(), None);
    }
}

#[test]
fn a_folder_per_dialect_gives_each_its_own_scripts() {
    let dir = folder(&[
        ("sqlite/1_a/up.sql", "SELECT 'sqlite'"),
        ("postgres/1_a/up.sql", "SELECT 'postgres'"),
    ]);

    for dialect in Dialect::ALL {
        let catalog = Catalog::read(dir.path(), "test", dialect).unwrap();
        assert_eq!(catalog.migrations()[0].up, format!("SELECT '{dialect}'"));
    }
}

#[rstest]
#[case::two_of_one_version(
    &[("1_a/up.sql", ""), ("1_b/up.sql", "")],
    "`a` and `b` both have version `1`: rename one of them"
)]
#[case::dashes_make_no_version(
    &[("2026-01-01_a/up.sql", ""), ("20260101_b/up.sql", "")],
    "`a` and `b` both have version `20260101`: rename one of them"
)]
#[case::no_version(&[("create/up.sql", "")], "expected a folder `<version>_<name>`, found `DIR/create`")]
#[case::an_empty_version(&[("_a/up.sql", "")], "expected a folder `<version>_<name>`, found `DIR/_a`")]
#[case::a_version_too_long_for_diesel(
    &[("123456789012345678901234567890123456789012345678901_a/up.sql", "")],
    "expected a folder `<version>_<name>`"
)]
#[case::no_script(&[("1_a/down.sql", "")], "no `up.sql` in `DIR/1_a`: write one, or remove the folder")]
#[case::a_missing_twin(
    &[("sqlite/1_a/up.sql", ""), ("sqlite/2_b/up.sql", ""), ("postgres/1_a/up.sql", "")],
    "`2_b` is missing for `postgres`: write its twin in `DIR/postgres`"
)]
#[case::a_twin_too_many(
    &[("sqlite/1_a/up.sql", ""), ("postgres/1_a/up.sql", ""), ("postgres/2_b/up.sql", "")],
    "`2_b` is missing for `sqlite`: write its twin in `DIR/sqlite`"
)]
#[case::the_other_dialect_alone(&[("postgres/1_a/up.sql", "")], "no folder `DIR/sqlite`")]
#[case::no_toml(&[("1_a/up.sql", ""), ("1_a/metadata.toml", "= nonsense")], "cannot use `DIR/1_a/metadata.toml`")]
#[case::a_key_less(
    &[("1_a/up.sql", ""), ("1_a/metadata.toml", "[underpin]\nforeign_keys = false")],
    "run_in_transaction"
)]
#[case::a_key_more(
    &[("1_a/up.sql", ""), ("1_a/metadata.toml", "run_in_transaction = true\n[underpin]\nforeign_key = false")],
    "foreign_key"
)]
fn what_cannot_be_used_is_named(#[case] files: &[(&str, &str)], #[case] expected: &str) {
    let dir = folder(files);

    let error = read(dir.path()).unwrap_err().to_string();

    let error = error.replace(&dir.path().display().to_string(), "DIR");
    assert!(error.contains(expected), "{error}");
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let error = read(Path::new("/no/such/folder")).unwrap_err();

    assert_eq!(
        error.to_string(),
        "no folder `/no/such/folder`: give the folder that holds the migrations"
    );
}

#[test]
fn a_script_that_is_not_text_is_named() {
    let dir = folder(&[("1_a/down.sql", "")]);
    fs::write(dir.path().join("1_a/up.sql"), [0xff, 0xfe, 0x00]).unwrap();

    let error = read(dir.path()).unwrap_err();

    assert!(error.to_string().contains("1_a/up.sql"), "{error}");
}

proptest! {
    /// However the folders lie on the disk, the catalog ascends, and has each once.
    #[test]
    fn a_catalog_ascends(numbers in proptest::collection::btree_set(1_u32..100_000, 0..20), salt in any::<u64>()) {
        let mut shuffled: Vec<_> = numbers.iter().copied().collect();
        shuffled.sort_by_key(|number| u64::from(*number).wrapping_mul(salt | 1));
        let dir = tempfile::tempdir().unwrap();
        for number in shuffled {
            let path = dir.path().join(format!("{number:06}_m"));
            fs::create_dir(&path).unwrap();
            fs::write(path.join("up.sql"), "").unwrap();
        }

        let catalog = read(dir.path()).unwrap();

        let expected: BTreeSet<_> = numbers.iter().map(|number| format!("{number:06}")).collect();
        prop_assert_eq!(versions(&catalog), expected.iter().map(String::as_str).collect::<Vec<_>>());
    }

    #[test]
    fn an_exact_version_is_found_whatever_begins_with_it(numbers in proptest::collection::btree_set(1_u32..2000, 1..20)) {
        let files: Vec<_> = numbers.iter().map(|number| (format!("{number}_m{number}/up.sql"), "")).collect();
        let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        let dir = folder(&files);
        let catalog = read(dir.path()).unwrap();

        for number in numbers {
            prop_assert_eq!(catalog.find(&number.to_string()).unwrap().version.as_str(), number.to_string());
            let by_name = catalog.find(&format!("m{number}")).unwrap();
            prop_assert_eq!(by_name.version.as_str(), number.to_string());
        }
    }
}
