//! Reading folders of migrations: both layouts, and everything that is refused.

#![expect(clippy::unwrap_used, reason = "a test ends where its ground is missing")]

use std::{collections::BTreeSet, fs, path::Path};

use proptest::prelude::*;
use rstest::rstest;
use tempfile::TempDir;
use underpin_catalog::{Catalog, CatalogError, Checksum, Dialect, Metadata};

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

#[test]
fn what_is_no_folder_of_a_migration_is_left_alone() {
    let dir = folder(&[
        ("sqlite/1_a/up.sql", ""),
        ("sqlite/1_a/notes.txt", "read by nobody"),
        ("sqlite/1_a/up.sql.bak", "SELECT 'older'"),
        ("sqlite/1_a/up.sql~", "SELECT 'older'"),
        ("sqlite/1_a/.up.sql", "SELECT 'an editor at work'"),
        ("sqlite/1_a/old/up.sql", "SELECT 'old'"),
        ("sqlite/.2_b.sql", ""),
        ("sqlite/2_b.sql.orig", ""),
        ("sqlite/2_b.sql~", ""),
        ("sqlite/.draft/up.sql", ""),
        ("postgres/1_a/up.sql", ""),
        ("README.md", ""),
    ]);

    assert_eq!(versions(&read(dir.path()).unwrap()), ["1"]);
}

#[cfg(unix)]
#[test]
fn a_link_to_a_folder_is_a_folder() {
    let elsewhere = folder(&[("kept/up.sql", "SELECT 1")]);
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(elsewhere.path().join("kept"), dir.path().join("1_a")).unwrap();

    assert_eq!(read(dir.path()).unwrap().migrations()[0].up, "SELECT 1");
}

#[test]
fn the_way_a_script_was_saved_does_not_change_its_checksum() {
    let dir = folder(&[
        ("1_unix/up.sql", "SELECT 1;\nSELECT 2;\n"),
        ("2_windows/up.sql", "\u{feff}SELECT 1;\r\nSELECT 2;\r\n"),
        ("3_edited/up.sql", "SELECT 1;\nSELECT 3;\n"),
    ]);
    let catalog = read(dir.path()).unwrap();

    let [unix, windows, edited] = catalog.migrations() else { panic!("{catalog:?}") };

    assert_eq!(unix.checksum, Checksum::of("SELECT 1;\nSELECT 2;"));
    assert_eq!(windows.checksum, unix.checksum);
    assert_ne!(edited.checksum, unix.checksum);
}

#[test]
fn the_code_of_a_migration_is_part_of_its_checksum() {
    let with = |code: &str| format!("run_in_transaction = true\n[underpin]\ncode = '{code}'");
    let dir = folder(&[
        ("1_script/up.sql", "SELECT 1;"),
        ("2_first/up.sql", "SELECT 1;"),
        ("2_first/metadata.toml", &with("hash/1")),
        ("3_second/up.sql", "SELECT 1;"),
        ("3_second/metadata.toml", &with("hash/2")),
        ("4_notes/up.sql", "SELECT 1;"),
        ("4_notes/metadata.toml", "run_in_transaction = true\n[underpin]\nnotes = 'SELECT 2'"),
    ]);

    let catalog = read(dir.path()).unwrap();

    let checksums: Vec<_> = catalog.migrations().iter().map(|one| one.checksum).collect();
    let script = Checksum::of("SELECT 1;");
    let [first, second] = ["hash/1", "hash/2"].map(|code| Checksum::with_code("SELECT 1;", code));
    assert_eq!(checksums, [script, first, second, script]);
}

#[test]
fn settings_are_read_and_have_defaults() {
    let dir = folder(&[
        ("1_none/up.sql", ""),
        ("2_outside/up.sql", ""),
        ("2_outside/metadata.toml", "\u{feff}run_in_transaction = false\r\n"),
        ("3_rebuild/up.sql", ""),
        (
            "3_rebuild/metadata.toml",
            "run_in_transaction = true\n[underpin]\nforeign_keys = false\nnotes = 'SELECT 1'",
        ),
    ]);
    let catalog = read(dir.path()).unwrap();

    let metadata: Vec<_> = catalog.migrations().iter().map(|one| one.metadata.clone()).collect();

    let outside = Metadata { run_in_transaction: false, ..Metadata::DEFAULT };
    let notes = Some("SELECT 1".into());
    let rebuild = Metadata { foreign_keys: false, notes, ..Metadata::DEFAULT };
    assert_eq!(metadata, [Metadata::DEFAULT, outside, rebuild]);
}

#[test]
fn a_way_back_is_read_when_it_is_asked_for() {
    let dir = folder(&[("1_a/up.sql", ""), ("2_b/up.sql", ""), ("2_b/down.sql/x", "")]);
    let catalog = read(dir.path()).unwrap();
    let [later, unreadable] = catalog.migrations() else { panic!("{catalog:?}") };
    assert_eq!(later.down().unwrap(), None);

    fs::write(dir.path().join("1_a/down.sql"), "SELECT -1").unwrap();

    assert_eq!(later.down().unwrap().as_deref(), Some("SELECT -1"));
    let path = dir.path().join("2_b/down.sql");
    let error = unreadable.down().unwrap_err();
    let expected = "it is a directory, expected a file: put one in its place";
    assert_eq!(error.to_string(), format!("cannot read `{}`: {expected}", path.display()));
}

/// So many that several threads read them.
#[test]
fn of_hundreds_of_folders_the_first_that_is_wrong_is_named() {
    let dir = tempfile::tempdir().unwrap();
    for number in 0..350 {
        let path = dir.path().join(format!("{number:03}_m"));
        fs::create_dir(&path).unwrap();
        fs::write(path.join("up.sql"), format!("SELECT {number}")).unwrap();
    }

    let catalog = read(dir.path()).unwrap();
    for number in [130, 340] {
        fs::remove_file(dir.path().join(format!("{number}_m/up.sql"))).unwrap();
    }
    let error = read(dir.path()).unwrap_err();

    let ups: Vec<_> = catalog.migrations().iter().map(|one| one.up.to_string()).collect();
    assert_eq!(ups, (0..350).map(|number| format!("SELECT {number}")).collect::<Vec<_>>());
    assert!(
        matches!(&error, CatalogError::NoScript { path } if path.ends_with("130_m")),
        "{error}"
    );
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
#[case::zeros_make_no_version(
    &[("1_a/up.sql", ""), ("001_b/up.sql", "")],
    "versions `001` and `1` differ in how they are written alone: rename one of them"
)]
#[case::zeros_after_letters_make_no_version(
    &[("v1_a/up.sql", ""), ("V01_b/up.sql", "")],
    "versions `V01` and `v1` differ in how they are written alone: rename one of them"
)]
#[case::a_dot_at_the_end_makes_no_version(
    &[("1_a/up.sql", ""), ("1._b/up.sql", "")],
    "versions `1` and `1.` differ in how they are written alone: rename one of them"
)]
#[case::a_zero_at_the_end_makes_no_version(
    &[("1_a/up.sql", ""), ("1.0_b/up.sql", "")],
    "versions `1` and `1.0` differ in how they are written alone: rename one of them"
)]
#[case::letters_make_no_version(
    &[("1A_a/up.sql", ""), ("1a_b/up.sql", "")],
    "versions `1A` and `1a` differ in how they are written alone: rename one of them"
)]
#[case::a_name_of_two_lines(
    &[("1_a\nDROP TABLE b; --/up.sql", "")],
    "the name of migration `1` has a control character in it, `a\\nDROP TABLE b; --`: rename its folder"
)]
#[case::a_name_that_moves_the_cursor(&[("1_a\u{1b}[2J/up.sql", "")], "has a control character in it, `a\\u{1b}[2J`")]
#[case::a_name_that_turns_writing(&[("1_a\u{202e}b/up.sql", "")], "has a control character in it")]
#[case::no_version(&[("create/up.sql", "")], "expected a folder `<version>_<name>`, found `DIR/create`")]
#[case::an_empty_version(&[("_a/up.sql", "")], "expected a folder `<version>_<name>`, found `DIR/_a`")]
#[case::a_version_too_long_for_diesel(
    &[("123456789012345678901234567890123456789012345678901_a/up.sql", "")],
    "expected a folder `<version>_<name>`"
)]
#[case::no_script(&[("1_a/down.sql", "")], "no `up.sql` in `DIR/1_a`: write one, or remove the folder")]
#[case::a_script_that_is_a_folder(&[("1_a/up.sql/x", "")], "cannot read `DIR/1_a/up.sql`")]
#[case::settings_that_are_a_folder(
    &[("1_a/up.sql", ""), ("1_a/metadata.toml/x", "")],
    "cannot read `DIR/1_a/metadata.toml`"
)]
#[case::no_script_for_a_dialect(
    &[("sqlite/1_a/down.sql", ""), ("postgres/1_a/up.sql", "")],
    "no `up.sql` in `DIR/sqlite/1_a`: write one, or remove the folder"
)]
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
    "cannot use `DIR/1_a/metadata.toml`: missing field `run_in_transaction`"
)]
#[case::a_key_more(
    &[("1_a/up.sql", ""), ("1_a/metadata.toml", "run_in_transaction = true\n[underpin]\nforeign_key = false")],
    "cannot use `DIR/1_a/metadata.toml`: unknown field `foreign_key`"
)]
#[case::a_value_of_another_kind(
    &[("1_a/up.sql", ""), ("1_a/metadata.toml", "run_in_transaction = 'yes'")],
    "cannot use `DIR/1_a/metadata.toml`: invalid type"
)]
#[case::a_rebuild_outside_a_transaction(
    &[("1_a/up.sql", ""), ("1_a/metadata.toml", "run_in_transaction = false\n[underpin]\nforeign_keys = false")],
    "cannot use `DIR/1_a/metadata.toml`: `foreign_keys = false` needs `run_in_transaction = true`"
)]
#[case::a_revision_that_leads_nowhere(
    &[("sqlite/1_a/up.sql", ""), ("adopt/adopt.toml", "[alembic]\nabc = '9'")],
    "alembic revision `abc` claims version `9`, which the set does not have"
)]
#[case::revisions_that_are_no_table(
    &[("sqlite/1_a/up.sql", ""), ("adopt/adopt.toml", "alembic = 1")],
    "cannot use `DIR/adopt/adopt.toml`"
)]
#[case::a_shape_without_settings(
    &[("sqlite/1_a/up.sql", ""), ("adopt/sqlite/old/up.sql", "")],
    "cannot read `DIR/adopt/sqlite/old/shape.toml`"
)]
#[case::a_shape_with_a_key_less(
    &[("sqlite/1_a/up.sql", ""), ("adopt/sqlite/old/shape.toml", "version = '1'")],
    "cannot use `DIR/adopt/sqlite/old/shape.toml`: missing field `description`"
)]
#[case::a_shape_that_leads_nowhere(
    &[("sqlite/1_a/up.sql", ""), ("adopt/sqlite/old/shape.toml", "description = 'old'\nversion = '9'")],
    "shape `old` leads to version `9`, which the set does not have"
)]
#[case::a_key_in_the_wrong_place(
    &[("1_a/up.sql", ""), ("1_a/metadata.toml", "run_in_transaction = true\nforeign_keys = false")],
    "unknown field `foreign_keys`"
)]
#[case::a_migration_beside_the_dialects(
    &[("sqlite/1_a/up.sql", ""), ("2_b/up.sql", "")],
    "`DIR/2_b` is beside the folders of the dialects: move it into each of them"
)]
fn what_cannot_be_used_is_named(#[case] files: &[(&str, &str)], #[case] expected: &str) {
    let dir = folder(files);

    let error = read(dir.path()).unwrap_err().to_string();

    let error = error.replace(&dir.path().display().to_string(), "DIR");
    assert!(error.contains(expected), "{error}");
}

/// Every place in which a script lies beside migrations, and every name that it may have there.
#[rstest]
fn a_script_beside_the_migrations_is_named(
    #[values("", "sqlite/")] layout: &str,
    #[values(
        "2_b.sql",
        "2_b.SQL",
        "2_b.up.sql",
        "2_b.down.sql",
        "V2__b.sql",
        "R__views.sql",
        "b.sql",
        "up.sql",
        "schema.sql",
        "2026-01-01-000000_b.sql",
        "0_a.sql"
    )]
    script: &str,
    #[values(true, false)] beside: bool,
) {
    // Beside the folders of the dialects, or in one of them.
    let place = if beside { layout } else { "" };
    let dir =
        folder(&[(&format!("{layout}1_a/up.sql"), "SELECT 1"), (&format!("{place}{script}"), "")]);

    let error = read(dir.path()).unwrap_err();

    let CatalogError::StrayScript { path } = &error else { panic!("{error}") };
    assert_eq!(*path, dir.path().join(place).join(script));
    assert!(error.to_string().ends_with("out of this folder"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_link_to_a_script_beside_the_migrations_is_named() {
    let dir = folder(&[("1_a/up.sql", "SELECT 1")]);
    std::os::unix::fs::symlink("elsewhere.sql", dir.path().join("2_b.sql")).unwrap();

    assert!(matches!(read(dir.path()), Err(CatalogError::StrayScript { .. })));
}

#[rstest]
fn a_script_beside_those_of_a_migration_is_named(
    #[values("", "sqlite/")] layout: &str,
    #[values("extra.sql", "up2.sql", "UP.SQL", "down.Sql", "up.sqlite.sql", "migration.sql")]
    script: &str,
) {
    let migration = format!("{layout}1_a");
    let dir = folder(&[
        (&format!("{migration}/up.sql"), "SELECT 1"),
        (&format!("{migration}/down.sql"), "SELECT -1"),
        (&format!("{migration}/{script}"), "SELECT 2"),
    ]);

    let error = read(dir.path()).unwrap_err();

    let CatalogError::UnreadScript { path, .. } = &error else { panic!("{error}") };
    assert_eq!(*path, dir.path().join(migration).join(script));
    assert!(error.to_string().contains("only `up.sql` and `down.sql` of a migration are read"));
}

/// In the folder of a shape, beside the shapes of a dialect, and beside the dialects.
#[rstest]
fn a_script_that_is_none_of_a_shape_is_named(
    #[values("adopt/sqlite/old", "adopt/sqlite", "adopt")] place: &str,
    #[values(
        "extra.sql",
        "down.sql",
        "UP.SQL",
        "schema.Sql",
        "up.sqlite.sql",
        "up.sql",
        "schema.sql"
    )]
    script: &str,
    #[values(true, false)] linked: bool,
) {
    let dir = folder(&[
        ("sqlite/1_a/up.sql", "SELECT 1"),
        ("adopt/sqlite/old/shape.toml", "description = 'old'\nversion = '1'"),
        ("adopt/sqlite/old/notes.txt", "read by nobody"),
        ("adopt/sqlite/old/up.sql~", "SELECT 'older'"),
        ("adopt/sqlite/old/.up.sql", "SELECT 'an editor at work'"),
        ("adopt/sqlite/old/old.sql/up.sql", "SELECT 'old'"),
        ("kept.txt", "SELECT 2"),
    ]);
    let stray = dir.path().join(place).join(script);
    if linked {
        std::os::unix::fs::symlink(dir.path().join("kept.txt"), &stray).unwrap();
    } else {
        fs::write(&stray, "SELECT 2").unwrap();
    }

    let found = read(dir.path());

    if place == "adopt/sqlite/old" && matches!(script, "up.sql" | "schema.sql") {
        let catalog = found.unwrap();
        let shape = &catalog.shapes()[0];
        let text = if script == "up.sql" { &shape.up } else { &shape.schema };
        assert_eq!(text.as_deref(), Some("SELECT 2"));
        return;
    }
    let error = found.unwrap_err();
    if place == "adopt" && script == "up.sql" {
        // It makes a migration of the folder.
        assert!(matches!(error, CatalogError::Stray { .. }), "{error}");
        return;
    }
    let CatalogError::UnreadScript { path, .. } = &error else { panic!("{error}") };
    assert_eq!(*path, stray);
    assert!(error.to_string().contains("only `schema.sql` and `up.sql` of a shape are read"));
}

/// What a folder holds is known by its listing, where there is one.
#[cfg(unix)]
#[rstest]
fn a_folder_is_read_whether_it_may_be_listed_or_not(
    #[values(0o755, 0o311)] mode: u32,
    #[values("a file", "a link", "a dangling link", "nothing")] settings: &str,
) {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let dir = folder(&[("1_a/up.sql", "SELECT 1"), ("kept.toml", "run_in_transaction = false")]);
    let (migration, kept) = (dir.path().join("1_a"), dir.path().join("kept.toml"));
    let name = migration.join("metadata.toml");
    match settings {
        "a file" => fs::write(&name, "run_in_transaction = false").unwrap(),
        "a link" => symlink(&kept, &name).unwrap(),
        "a dangling link" => symlink("elsewhere", &name).unwrap(),
        _ => {}
    }
    fs::set_permissions(&migration, fs::Permissions::from_mode(mode)).unwrap();

    let catalog = read(dir.path()).unwrap();

    fs::set_permissions(&migration, fs::Permissions::from_mode(0o755)).unwrap();
    let there = matches!(settings, "a file" | "a link");
    let one = &catalog.migrations()[0];
    assert_eq!((one.up.as_ref(), one.metadata.run_in_transaction), ("SELECT 1", !there));
}

/// What stands under a name without being a file that ends.
#[cfg(unix)]
fn put(path: &Path, what: &str) {
    match what {
        "a directory" => fs::create_dir(path).unwrap(),
        "a device" => std::os::unix::fs::symlink("/dev/zero", path).unwrap(),
        "a socket" => drop(std::os::unix::net::UnixListener::bind(path).unwrap()),
        _ => {
            let made = std::process::Command::new("mkfifo").arg(path).status().unwrap();
            assert!(made.success());
        }
    }
}

#[cfg(unix)]
#[rstest]
fn what_has_no_end_is_not_read(
    #[values(
        "sqlite/1_a/up.sql",
        "sqlite/1_a/down.sql",
        "sqlite/1_a/metadata.toml",
        "adopt/adopt.toml",
        "adopt/sqlite/old/shape.toml",
        "adopt/sqlite/old/schema.sql",
        "adopt/sqlite/old/up.sql"
    )]
    name: &str,
    #[values("a named pipe", "a device", "a socket", "a directory")] what: &str,
) {
    let dir = folder(&[
        ("sqlite/1_a/up.sql", "SELECT 1"),
        ("adopt/sqlite/old/shape.toml", "description = 'old'\nversion = '1'"),
    ]);
    let path = dir.path().join(name);
    drop(fs::remove_file(&path));
    put(&path, what);

    // A way back is read when it is asked for.
    let error = match read(dir.path()) {
        Ok(catalog) => catalog.migrations()[0].down().unwrap_err(),
        Err(error) => error,
    };

    let expected = format!("cannot read `{}`: it is {what}, expected a file", path.display());
    assert!(error.to_string().starts_with(&expected), "{error}");
}

#[cfg(unix)]
#[rstest]
fn a_layout_is_told_without_reading_what_has_no_end(
    #[values("1_a.sql", "master.yaml")] name: &str,
    #[values("a named pipe", "a device")] what: &str,
) {
    let dir = tempfile::tempdir().unwrap();
    put(&dir.path().join(name), what);

    assert!(read(dir.path()).is_err());
}

#[cfg(unix)]
#[test]
fn a_link_to_a_script_is_the_script() {
    let dir = folder(&[("kept.txt", "SELECT 1"), ("1_a/down.sql", "")]);
    std::os::unix::fs::symlink("../kept.txt", dir.path().join("1_a/up.sql")).unwrap();

    assert_eq!(read(dir.path()).unwrap().migrations()[0].up, "SELECT 1");
}

#[test]
fn a_missing_twin_is_named_whichever_dialect_is_read() {
    let dir = folder(&[
        ("sqlite/1_a/up.sql", ""),
        ("sqlite/2_b/up.sql", ""),
        ("postgres/1_a/up.sql", ""),
        ("postgres/.2_b/up.sql", ""),
    ]);
    let twin = dir.path().join("postgres");
    let expected =
        format!("`2_b` is missing for `postgres`: write its twin in `{}`", twin.display());

    for dialect in Dialect::ALL {
        let error = Catalog::read(dir.path(), "test", dialect).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
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
    fn a_catalog_ascends(numbers in proptest::collection::btree_set(1_u32..100_000, 1..20), salt in any::<u64>()) {
        let mut shuffled: Vec<_> = numbers.iter().copied().collect();
        shuffled.sort_by_key(|number| u64::from(*number).wrapping_mul(salt | 1));
        let dir = tempfile::tempdir().unwrap();
        for number in shuffled {
            // A dash comes before every digit, so the folders' names sort in another way.
            let dash = if number % 3 == 0 { "-" } else { "" };
            let text = format!("{number:06}");
            let path = dir.path().join(format!("{}{dash}{}_m", &text[..4], &text[4..]));
            fs::create_dir(&path).unwrap();
            fs::write(path.join("up.sql"), text).unwrap();
        }

        let catalog = read(dir.path()).unwrap();

        let expected: BTreeSet<_> = numbers.iter().map(|number| format!("{number:06}")).collect();
        let expected: Vec<_> = expected.iter().map(String::as_str).collect();
        prop_assert_eq!(versions(&catalog), expected.clone());
        let scripts: Vec<_> = catalog.migrations().iter().map(|one| &*one.up).collect();
        prop_assert_eq!(scripts, expected);
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

#[rstest]
#[case::nothing(&[], "no migration in `DIR`: expected folders `<version>_<name>` with an `up.sql`")]
#[case::other_files(&[("README.md", "")], "no migration in `DIR`")]
#[case::no_migration_of_the_dialect(&[("sqlite/README.md", "")], "no migration in `DIR/sqlite`")]
#[case::one_too_high(&[("db/1_a/up.sql", "")], "`DIR` holds no migration, but `DIR/db` does")]
#[case::one_too_low(&[("up.sql", ""), ("down.sql", "")], "`DIR` holds no migration, but ")]
#[case::sqlx(&[("1_a.up.sql", ""), ("1_a.down.sql", "")], "of sqlx or golang-migrate (`1_a.down.sql`)")]
#[case::golang_migrate(&[("000001_a.up.sql", "")], "of sqlx or golang-migrate")]
#[case::flat(&[("20260101_a.sql", "SELECT 1")], "of a program that reads flat files (`20260101_a.sql`)")]
#[case::flyway(&[("V1__a.sql", "")], "of Flyway or refinery (`V1__a.sql`)")]
#[case::flyways_repeatables(&[("R__views.sql", "")], "of Flyway or refinery")]
#[case::refinery_in_rust(&[("V1__a.rs", "")], "of SeaORM or refinery (`V1__a.rs`)")]
#[case::goose(&[("1_a.sql", "-- +goose Up\nSELECT 1")], "of goose (`1_a.sql`)")]
#[case::dbmate(&[("1_a.sql", "-- migrate:up\nSELECT 1")], "of dbmate (`1_a.sql`)")]
#[case::sql_migrate(&[("1_a.sql", "-- +migrate Up\nSELECT 1")], "of sql-migrate (`1_a.sql`)")]
#[case::liquibase(&[("a.sql", "--liquibase formatted sql\nSELECT 1")], "of Liquibase (`a.sql`)")]
#[case::liquibase_in_xml(&[("changelog-1.xml", "")], "of Liquibase (`changelog-1.xml`)")]
#[case::liquibase_without_a_number(&[("changelog.xml", "")], "of Liquibase (`changelog.xml`)")]
#[case::liquibase_in_yaml(&[("db.changelog-master.yaml", "")], "of Liquibase (`db.changelog-master.yaml`)")]
#[case::liquibase_in_short_yaml(&[("changelog.yml", "")], "of Liquibase (`changelog.yml`)")]
#[case::liquibase_in_json(&[("db.changelog-1.0.JSON", "")], "of Liquibase (`db.changelog-1.0.JSON`)")]
#[case::liquibase_by_another_name(
    &[("master.yaml", "databaseChangeLog:\n"), ("1_a.sql", "SELECT 1")],
    "of Liquibase (`master.yaml`)"
)]
#[case::other_yaml(&[("compose.yaml", "services:\n")], "no migration in `DIR`")]
#[case::goose_in_go(&[("00001_x.go", "")], "of goose or another Go program (`00001_x.go`)")]
#[case::go_without_a_number(&[("main.go", "")], "no migration in `DIR`")]
#[case::alembic(&[("env.py", ""), ("versions/ae1027a6acf_a.py", "")], "of Alembic (`env.py`)")]
#[case::alembics_versions(&[("versions/ae1027a6acf_a.py", "")], "of Alembic (`versions/ae1027a6acf_a.py`)")]
#[case::within_alembics_versions(&[("ae1027a6acf_a.py", "")], "of Alembic or Django (`ae1027a6acf_a.py`)")]
#[case::django(&[("__init__.py", ""), ("0001_initial.py", "")], "of Alembic or Django (`0001_initial.py`)")]
#[case::rails(&[("20260101000000_create_a.rb", "")], "of Rails (`20260101000000_create_a.rb`)")]
#[case::prisma(
    &[("migration_lock.toml", ""), ("20260101000000_a/migration.sql", "")],
    "of Prisma (`migration_lock.toml`)"
)]
#[case::prisma_without_its_lock(&[("20260101000000_a/migration.sql", "")], "of Prisma or Drizzle")]
#[case::atlas(&[("atlas.sum", ""), ("20260101_a.sql", "")], "of Atlas (`atlas.sum`)")]
#[case::knex(&[("20260101000000_a.js", "")], "of Knex")]
#[case::typeorm(&[("1700000000000-a.ts", "")], "TypeORM")]
#[case::drizzle(&[("meta/_journal.json", "")], "of Drizzle (`meta/_journal.json`)")]
#[case::sqitch(&[("sqitch.plan", ""), ("deploy/a.sql", "")], "of Sqitch (`sqitch.plan`)")]
#[case::laravel(&[("2026_01_01_000000_create_a.php", "")], "of Laravel")]
#[case::ecto(&[("20260101000000_a.exs", "")], "of Ecto")]
#[case::entity_framework(&[("20260101000000_A.cs", "")], "of Entity Framework")]
fn a_folder_without_a_migration_is_refused(#[case] files: &[(&str, &str)], #[case] message: &str) {
    let dir = folder(files);

    let error = read(dir.path()).unwrap_err().to_string();

    let error = error.replace(&*dir.path().to_string_lossy(), "DIR");
    assert!(error.contains(message), "{error}");
}

#[rstest]
#[case::utf16(b"\xff\xfeS\0E\0", 1, "UTF-16")]
#[case::utf16_the_other_way(b"\xfe\xff\0S", 1, "UTF-16")]
#[case::latin_1(b"SELECT 1;\nSELECT 'caf\xe9';", 2, "Latin-1")]
#[case::a_broken_letter(b"SELECT 1;\n\nSELECT '\xc3", 3, "another encoding")]
fn a_file_that_is_not_utf_8_is_named_with_its_line(
    #[case] text: &[u8],
    #[case] line: usize,
    #[case] encoding: &str,
    #[values("up.sql", "down.sql", "metadata.toml")] file: &str,
) {
    let dir = folder(&[("1_a/up.sql", "SELECT 1")]);
    fs::write(dir.path().join("1_a").join(file), text).unwrap();

    let error = match (read(dir.path()), file) {
        (Ok(catalog), "down.sql") => catalog.migrations()[0].down().unwrap_err(),
        (catalog, _) => catalog.unwrap_err(),
    };

    let error = error.to_string();
    let named = format!("1_a/{file}` is not UTF-8 (line {line})");
    assert!(error.contains(&named) && error.contains(encoding), "{error}");
}

#[test]
fn the_mark_of_an_editor_is_no_part_of_any_file() {
    let dir = folder(&[
        ("1_a/up.sql", "\u{feff}SELECT 1"),
        ("1_a/down.sql", "\u{feff}SELECT -1"),
        ("1_a/metadata.toml", "\u{feff}run_in_transaction = false"),
        ("2_b/up.sql", "SELECT 1"),
    ]);

    let catalog = read(dir.path()).unwrap();

    let [marked, plain] = catalog.migrations() else { panic!("{catalog:?}") };
    assert_eq!((&*marked.up, marked.checksum), (&*plain.up, plain.checksum));
    assert_eq!(marked.down().unwrap().as_deref(), Some("SELECT -1"));
    assert!(!marked.metadata.run_in_transaction);
}
