//! A dry run announces exactly what the real run then does, and changes no byte.

use std::{collections::BTreeMap, fs, path::PathBuf};

use rstest::rstest;
use underpin_testkit::{Dialect, TestDb};

use crate::{fixture, folder, state, succeed};

/// Every file beside the database, with its content.
fn files(db: &TestDb) -> BTreeMap<PathBuf, Vec<u8>> {
    let all = fs::read_dir(db.dir()).unwrap().map(|entry| entry.unwrap().path());
    all.filter(|path| path.is_file()).map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// What was announced, in the words of what was done.
fn announced(text: &str) -> String {
    text.replace("would apply", "applied")
        .replace("would revert", "reverted")
        .replace("would adopt", "adopted")
        .replace("the database would be at", "the database is at")
        .replace("; nothing was changed", "")
}

/// Without the times.
fn done(text: &str) -> String {
    let line = |line: &str| match line.rsplit_once(" (") {
        Some((start, end)) if end.ends_with(" ms)") => format!("{start}\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

#[rstest]
#[case::empty("empty", &["upgrade"])]
#[case::some("+2", &["upgrade"])]
#[case::one_more("+1", &["upgrade", "+1"])]
#[case::nothing("head", &["upgrade"])]
#[case::down("head", &["downgrade", "-2"])]
#[case::base("head", &["downgrade", "base", "--yes"])]
#[case::at_once("+1", &["upgrade", "--single-transaction"])]
fn it_announces_what_is_then_done(
    #[values(Dialect::Sqlite, Dialect::Postgres)] dialect: Dialect,
    #[case] start: &str,
    #[case] args: &[&str],
) {
    let db = TestDb::new(dialect);
    folder(&db, 4);
    if start != "empty" {
        succeed(&db, &["--migrations", "migrations", "upgrade", start]);
    }
    // Looking into an SQLite file that does not exist would create it.
    let look = || {
        let inside = (dialect == Dialect::Postgres).then(|| (db.tables(), db.dump()));
        (files(&db), inside)
    };
    let before = look();
    let dry = [args, &["--migrations", "migrations", "--dry-run"]].concat();

    let announcement = succeed(&db, &dry);

    assert_eq!(look(), before);
    let real = succeed(&db, &[args, &["--migrations", "migrations"]].concat());
    assert_eq!(announced(&announcement), done(&real));
}

#[rstest]
#[case("rosey_v050.db", "bot")]
#[case("cdd_project_1.db", "project")]
#[case("cdd_project_4_stamped.db", "project")]
fn a_file_of_another_program_is_announced_and_not_touched(#[case] file: &str, #[case] set: &str) {
    let db = TestDb::copy_of(&fixture(file));
    let before = files(&db);

    let announcement = succeed(&db, &["--set", set, "upgrade", "--dry-run"]);
    succeed(&db, &["--set", set, "adopt", "--dry-run"]);

    assert_eq!(files(&db), before);
    let real = succeed(&db, &["--set", set, "upgrade"]);
    let notes = |line: &&str| !line.starts_with("  note: ");
    let real: Vec<_> = real.lines().filter(notes).map(str::to_owned).collect();
    let announcement = announced(&announcement);
    let announcement: Vec<_> = announcement.lines().filter(notes).collect();
    assert_eq!(announcement, done(&real.join("\n")).lines().collect::<Vec<_>>());
    assert_eq!(state(&db).1.len(), 6);
}
