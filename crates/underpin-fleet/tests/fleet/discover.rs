//! Which targets there are.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt as _, fs::symlink},
    path::{Path, PathBuf},
    process::Command,
};

use rstest::rstest;
use underpin_fleet::{FleetError, Found, Names, Place, RunOptions, Source};
use underpin_testkit::Dialect;

use crate::{HEAD, Home, fleet, tables};

fn ids(found: &Found) -> Vec<&str> {
    found.targets.iter().map(|target| target.id.as_str()).collect()
}

/// What there is below `dir`, by a pattern.
fn below(dir: &Path, pattern: &str, names: Names) -> Found {
    let pattern = format!("{}/{pattern}", dir.display());
    Source::Files { pattern, names }.find().unwrap()
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn the_id_is_the_exact_number(#[case] dialect: Dialect) {
    let home = Home::new(dialect, 0);
    for name in ["project_10", "project_9", "project_007", "project_3_bak", "project_", "projectx1"]
    {
        home.add(name);
    }

    let found = home.found();

    assert_eq!(ids(&found), ["9", "10"]);
    let mut skipped: Vec<_> = found.skipped.iter().map(|one| one.reason.as_str()).collect();
    skipped.sort_unstable();
    assert_eq!(
        skipped,
        [
            "`007` is not how 7 is written: `--any-name` takes it",
            "`3_bak` is no number: `--any-name` takes it",
            "`` is no number: `--any-name` takes it"
        ]
    );
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn any_name_is_taken_when_somebody_says_so(#[case] dialect: Dialect) {
    let home = Home::new(dialect, 2);
    home.add("project_acme");
    let source = match home.source() {
        Source::Files { pattern, .. } => Source::Files { pattern, names: Names::Any },
        Source::Schemas { url, pattern, .. } => Source::Schemas { url, pattern, names: Names::Any },
        other => other,
    };

    let found = source.find().unwrap();

    assert_eq!((found.targets.len(), found.skipped.len()), (3, 0));
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn nothing_found_is_an_error(#[case] dialect: Dialect) {
    let error = Home::new(dialect, 0).source().find().unwrap_err();
    assert!(error.to_string().contains(" (0 skipped): is this"), "{error}");
    // Whatever is wrong with the names, the message says how to take them.
    for (name, told) in [
        ("project_x", "`x` is no number: `--any-name` takes it"),
        ("project_", "`` is no number: `--any-name` takes it"),
        ("project_007", "`007` is not how 7 is written: `--any-name` takes it"),
    ] {
        let home = Home::new(dialect, 0);
        home.add(name);

        let error = home.source().find().unwrap_err();

        assert_eq!(error.exit_code(), 2);
        let text = error.to_string();
        let first = format!(" (1 skipped; `{name}");
        assert!(text.contains(&first) && text.contains(told), "{text}");
    }
}

#[rstest]
#[case::sqlite_directory("/no/such/dir/project_*.db", "no directory `/no/such/dir`")]
#[case::sqlite_without("project_1.db", "expected one `*`")]
#[case::sqlite_two("project_*_*.db", "expected one `*`")]
#[case::sqlite_broken("project_[*.db", "cannot be used")]
fn a_pattern_that_cannot_be_meant_is_refused(#[case] pattern: &str, #[case] text: &str) {
    let source = Source::Files { pattern: pattern.to_owned(), names: Names::Numbers };
    let error = source.find().unwrap_err();
    assert!(error.to_string().contains(text), "{error}");
    assert_eq!(error.exit_code(), 2);
}

#[test]
fn sqlite_a_list_names_targets_and_shows_none_of_its_lines() {
    let home = Home::new(Dialect::Sqlite, 2);
    let (one, two) = (home.url(1).to_string(), home.url(2).to_string());
    let list = home.db.dir().join("list");
    let find = |text: &str| {
        fs::write(&list, text).unwrap();
        Source::List(list.clone()).find()
    };

    let found = find(&format!("# all\n{one}\n\n{two} # the second\n{one}\n")).unwrap();
    assert_eq!(found.targets.len(), 2);
    assert_eq!(found.skipped[0].reason, "line 5 names it again");

    for (text, told) in [
        ("secret@host", "line 1: expected a database URL"),
        (
            "postgres://u:secret@h/d\nsqlite:x.db",
            "line 2: expected postgres like the first, found sqlite",
        ),
        ("postgres://u:se@cret@h/d", "line 1: this PostgreSQL URL cannot be used"),
        ("sqlite::memory:", "line 1: a database in memory"),
        ("# nothing", "no target found"),
    ] {
        let error = find(text).unwrap_err().to_string();
        assert!(error.contains(told) && !error.contains("cret"), "{error}");
    }
    let marked = find(&format!("\u{feff}{one}\n")).unwrap();
    assert_eq!(ids(&marked), [one]);
    let pipe = home.db.dir().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for (no_file, told) in [(pipe, "a named pipe"), ("/dev/zero".into(), "a device")] {
        let error = Source::List(no_file).find().unwrap_err();
        assert!(error.to_string().contains(told) && error.exit_code() == 2, "{error}");
    }
    let error = Source::List(home.db.dir().join("none")).find().unwrap_err();
    assert!(error.to_string().contains("No such file"), "{error}");
}

#[test]
fn postgres_a_list_may_name_many_schemas_of_a_database() {
    let dir = tempfile::tempdir().unwrap();
    let list = dir.path().join("list");
    let url = |options: &str| format!("postgres://u:secret@h/d?options={options}\n");
    let lines = [url("-csearch_path%3Done"), url("-c%20search_path=two%20-c%20x.y=1")];
    fs::write(&list, lines.concat()).unwrap();

    let found = Source::List(list).find().unwrap();

    let id = |schema: &str| format!("postgres://u@h:5432/d?options=-csearch_path%3D{schema}");
    assert_eq!((ids(&found), found.skipped.len()), (vec![&*id("one"), &*id("two")], 0));
}

/// The order of parameters, the port that is meant anyway, and the user: none of them makes another schema.
#[test]
fn postgres_a_list_names_a_schema_once() {
    let dir = tempfile::tempdir().unwrap();
    let list = dir.path().join("list");
    let lines = [
        "postgres://u:secret@h/d?sslmode=disable&options=-csearch_path%3Done",
        "postgresql://u:secret@h:5432/d?options=-csearch_path%3Done&sslmode=disable",
        "postgres://other@h/d?options=-csearch_path%3Done",
        // Whose schemas these are, the server alone knows.
        "postgres://u@h/d",
        "postgres://other@h/d",
    ];
    fs::write(&list, lines.join("\n")).unwrap();

    let found = Source::List(list).find().unwrap();

    assert_eq!(found.targets.len(), 3, "{found:?}");
    let told: Vec<_> = found.skipped.iter().map(|one| one.reason.as_str()).collect();
    assert_eq!(told, ["line 2 names it again", "line 3 names it again"]);
}

/// The walk is ours, and the crate whose patterns it takes finds the same.
#[rstest]
fn sqlite_a_pattern_means_what_it_means_elsewhere(
    #[values(
        "*",
        "*.db",
        "*/",
        "*/*",
        "x?.db",
        "x[12].db",
        "[!a]*/*.db",
        "a/*.db",
        "*/b/*.db",
        "d[[]1]/*",
        "**",
        "**/",
        "**/*",
        "**/*.db",
        "**/x1.db",
        "**/X1.db",
        "**/b/*",
        "**/B/x1.db",
        "a/**/x[13].db",
        "**/b/**/*.db",
        "**/**/x3.db",
        "**/.hidden.db",
        "a/b/../*.db",
        "./a//*.db",
        "x1.db/*"
    )]
    pattern: &str,
) {
    let dir = tempfile::tempdir().unwrap();
    for file in [
        "x1.db",
        "x2.db",
        "X2.DB",
        "größe.db",
        ".hidden.db",
        "a/x1.db",
        "a/.hidden.db",
        "a/b/x1.db",
        "a/b/b/x3.db",
        "a/b/c/x3.db",
        "d[1]/x1.db",
        ".dot/x1.db",
        "e/text",
    ] {
        let path = dir.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    let pattern = format!("{}/{pattern}", dir.path().display());
    let options = glob::MatchOptions {
        case_sensitive: true,
        require_literal_separator: true,
        require_literal_leading_dot: true,
    };
    let absolute = std::path::absolute(&pattern).unwrap();
    let all = glob::glob_with(absolute.to_str().unwrap(), options).unwrap();
    let mut wanted: Vec<_> = all.map(Result::unwrap).collect();
    wanted.sort();
    wanted.dedup();

    let found = Source::Files { pattern: pattern.clone(), names: Names::Any }.find();

    let path = |place| if let Place::File(path) = place { path } else { PathBuf::new() };
    let paths: Vec<_> = match found {
        Ok(found) => found.targets.into_iter().map(|target| path(target.place)).collect(),
        Err(FleetError::Empty { .. } | FleetError::NoDirectory(_)) => Vec::new(),
        Err(error) => panic!("{pattern}: {error}"),
    };
    assert_eq!(paths, wanted, "{pattern}");
}

#[test]
fn sqlite_a_name_that_is_not_utf8_is_in_nobodys_way() {
    let home = Home::new(Dialect::Sqlite, 2);
    let odd = |bytes: &[u8]| home.db.dir().join(OsStr::from_bytes(bytes));
    fs::write(odd(b"a text \xff"), "").unwrap();
    fs::write(odd(b"project_\xff.db"), "").unwrap();
    fs::create_dir(odd(b"\xfe")).unwrap();
    fs::write(odd(b"\xfe").join("project_3.db"), "").unwrap();

    let found = home.found();
    assert_eq!((ids(&found), found.skipped.len()), (vec!["1", "2"], 0));
    let found = below(home.db.dir(), "**/project_*.db", Names::Numbers);
    assert_eq!((ids(&found), found.skipped.len()), (vec!["1", "2", "3"], 0));
    // No text says what this directory is called.
    let pattern = format!("{}/*/project_*.db", home.db.dir().display());
    let error = Source::Files { pattern, names: Names::Any }.find().unwrap_err();
    assert!(matches!(&error, FleetError::Empty { skipped, .. } if skipped.is_empty()), "{error}");
}

#[test]
fn sqlite_a_link_back_leads_to_nothing_new() {
    let home = Home::new(Dialect::Sqlite, 2);
    fs::create_dir(home.db.dir().join("sub")).unwrap();
    for link in ["sub/up", "sub/up again"] {
        symlink("..", home.db.dir().join(link)).unwrap();
    }

    let found = below(home.db.dir(), "**/project_*.db", Names::Numbers);

    assert_eq!((ids(&found), found.skipped.len()), (vec!["1", "2"], 0));
}

/// Links, hard links and links of directories: a file is a target once, by the name that is no link.
#[test]
fn sqlite_a_file_is_one_target() {
    let home = Home::new(Dialect::Sqlite, 2);
    symlink("project_2.db", home.file("project_0")).unwrap();
    fs::create_dir(home.db.dir().join("sub")).unwrap();
    symlink("..", home.db.dir().join("sub/up")).unwrap();

    let found = home.found();
    assert_eq!(ids(&found), ["1", "2"]);
    let told = format!("leads to the file of `{}`", home.file("project_2").display());
    let skipped = &found.skipped[0];
    assert_eq!(
        (&*skipped.name, &*skipped.reason),
        (&*home.file("project_0").display().to_string(), &*told)
    );
    let report = home.run(&fleet(&tables(Dialect::Sqlite, 1)), &HEAD, &RunOptions::default());
    assert_eq!((report.counts.done, report.counts.skipped), (2, 1), "{report:#?}");

    // By every spelling.
    let (dir, list) = (home.db.dir().display(), home.db.dir().join("list"));
    let lines = ["sub/up/project_1.db", "project_1.db", "./project_1.db", "sub/../project_1.db"];
    let lines = lines.map(|end| format!("sqlite:{dir}/{end}\n"));
    fs::write(&list, lines.concat()).unwrap();
    let found = Source::List(list).find().unwrap();
    assert_eq!(ids(&found), [lines[1].trim_end()]);
    assert_eq!(found.skipped.len(), 3, "{found:?}");

    fs::hard_link(home.file("project_1"), home.file("project_4")).unwrap();
    assert_eq!(ids(&home.found()), ["1", "2"]);
}
