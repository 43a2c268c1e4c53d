//! Which targets there are.

use std::fs;

use rstest::rstest;
use underpin_fleet::{FleetError, Names, Source};
use underpin_testkit::Dialect;

use crate::Home;

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

    let ids: Vec<_> = found.targets.iter().map(|target| target.id.as_str()).collect();
    assert_eq!(ids, ["9", "10"]);
    let mut skipped: Vec<_> = found.skipped.iter().map(|one| one.reason.as_str()).collect();
    skipped.sort_unstable();
    assert_eq!(
        skipped,
        [
            "`007` is not how 7 is written",
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
    let home = Home::new(dialect, 0);
    home.add("project_x");
    let error = home.source().find().unwrap_err();
    assert!(matches!(error, FleetError::Empty { skipped: 1, .. }), "{error}");
    assert_eq!(error.exit_code(), 2);
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

    let ids: Vec<_> = found.targets.iter().map(|target| target.id.as_str()).collect();
    let id = |schema: &str| format!("postgres://u@h:5432/d?options=-csearch_path%3D{schema}");
    assert_eq!((ids, found.skipped.len()), (vec![&*id("one"), &*id("two")], 0));
}
