//! Nothing that is there is taken for the run's own, and a copy is what the file was.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use rstest::rstest;
use underpin::Engine;
use underpin_fleet::{Action, Fleet, Journal, Names, RunOptions, Source, Stop};
use underpin_testkit::{Dialect, TestDb, block_on};

use crate::{HEAD, Home, StopAfter, fleet, tables, whatever};

/// What marks a directory of copies.
const MARK: &str = ".underpin-copies";

fn backing_up(dir: &Path) -> RunOptions {
    RunOptions { backup: Some(dir.to_owned()), ..whatever() }
}

/// Everything below `dir`, but for the marks of copies.
fn below(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().map(|entry| entry.unwrap().path());
    let mut all: Vec<_> =
        entries.flat_map(|path| if path.is_dir() { below(&path) } else { vec![path] }).collect();
    all.retain(|path| !path.ends_with(MARK));
    all.sort();
    all
}

/// What the rows of `t1` are in each copy.
fn copied(dir: &Path) -> Vec<Vec<String>> {
    let rows = |path: &PathBuf| TestDb::copy_of(path).texts("SELECT id FROM t1 ORDER BY id");
    below(dir).iter().map(rows).collect()
}

/// One directory for the copies of two fleets, and of one fleet whose journal was lost.
#[test]
fn sqlite_each_run_has_copies_of_its_own() {
    let (one, two) = (tables(Dialect::Sqlite, 1), tables(Dialect::Sqlite, 2));
    let (home, other) = (Home::at_head(&one, 2), Home::at_head(&one, 2));
    let dir = home.db.dir().join("copies");

    home.run(&fleet(&two), &HEAD, &backing_up(&dir));
    home.batch(1, "INSERT INTO t1 VALUES (2)");
    fs::remove_file(home.db.dir().join("journal")).unwrap();
    let first = below(&dir);
    home.run(&fleet(&two), &Action::Migrate(underpin::Goal::Down(1)), &backing_up(&dir));
    other.batch(1, "INSERT INTO t1 VALUES (3)");
    other.run(&fleet(&two), &HEAD, &backing_up(&dir));

    let all = below(&dir);
    assert_eq!(all.len(), 6);
    assert!(first.iter().all(|copy| all.contains(copy)));
    let rows = copied(&dir);
    for wanted in [vec!["1"], vec!["1", "2"], vec!["1", "3"]] {
        assert!(rows.iter().any(|rows| *rows == wanted), "{wanted:?} in {rows:?}");
    }
    for copy in all {
        assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
        let run = copy.parent().unwrap();
        assert_eq!(fs::metadata(run).unwrap().permissions().mode() & 0o777, 0o700);
    }
}

/// What became of the directory of copies since.
#[derive(Debug, Clone, Copy)]
enum Since {
    Nothing,
    Renamed,
    /// It is of a program that left no mark.
    Unmarked,
}

/// Copies below a pattern, in a list and behind a link.
#[rstest]
fn sqlite_copies_are_no_targets(
    #[values(Since::Nothing, Since::Renamed, Since::Unmarked)] since: Since,
) {
    let home = Home::at_head(&tables(Dialect::Sqlite, 1), 2);
    let dir = home.db.dir().join("copies");
    home.run(&fleet(&tables(Dialect::Sqlite, 2)), &HEAD, &backing_up(&dir));
    let mut run = fs::read_dir(&dir).unwrap().next().unwrap().unwrap().path();
    match since {
        Since::Nothing => {}
        Since::Renamed => {
            let renamed = dir.join("of tuesday");
            fs::rename(&run, &renamed).unwrap();
            run = renamed;
        }
        Since::Unmarked => fs::remove_file(run.join(MARK)).unwrap(),
    }
    let copy = run.join("1-project_1.db");
    symlink(&copy, home.file("project_7")).unwrap();
    let pattern = home.db.dir().join("**/*project_*.db").display().to_string();

    let found = Source::Files { pattern, names: Names::Any }.find().unwrap();

    let ids: Vec<_> = found.targets.iter().map(|target| target.id.as_str()).collect();
    assert_eq!(ids, ["project_1.db", "project_2.db"], "{since:?}");
    let told: Vec<_> = found.skipped.iter().map(|one| (&*one.name, &*one.reason)).collect();
    assert_eq!(told, [(&*run.display().to_string(), "holds copies that a run made")], "{since:?}");
    let list = home.db.dir().join("list");
    fs::write(&list, format!("sqlite:{}\n", copy.display())).unwrap();
    let error = Source::List(list).find().unwrap_err();
    let told = "line 1 names a copy that a run made";
    let told = format!("(1 skipped; `sqlite:{}`: {told})", copy.display());
    assert!(error.to_string().contains(&told), "{since:?}: {error}");
}

/// What came in between two tries is in a copy, and the older copy stays.
#[test]
fn sqlite_a_run_that_is_gone_on_with_copies_what_is_there_now() {
    let (one, two) = (tables(Dialect::Sqlite, 1), tables(Dialect::Sqlite, 2));
    let home = Home::at_head(&one, 3);
    let (dir, journal, stop) = (home.db.dir().join("copies"), home.journal(), Stop::default());
    let watch = StopAfter { stop: &stop, left: 1.into() };
    let single = Fleet { jobs: 1, ..fleet(&two) };
    single.run(&home.found(), &HEAD, &backing_up(&dir), &journal, &watch, &stop).unwrap();
    // As a run leaves it that was killed over the second target, half a copy beside a whole one.
    let made = below(&dir);
    let [first] = made.as_slice() else { panic!("{made:?}") };
    let second = first.with_file_name("2-project_2.db");
    fs::copy(home.file("project_2"), &second).unwrap();
    fs::write(first.with_file_name("2.1-project_2.db.new"), "half").unwrap();
    home.batch(2, "INSERT INTO t1 VALUES (2)");
    let old = fs::read(&second).unwrap();

    single.resume(&home.found(), &journal, &(), &Stop::default()).unwrap();

    assert_eq!(journal.report(None).unwrap().counts.done, 3);
    let names: Vec<_> = below(&dir);
    let names: Vec<_> = names.iter().map(|path| path.file_name().unwrap()).collect();
    assert_eq!(names, ["1-project_1.db", "2-project_2.db", "2.1-project_2.db", "3-project_3.db"]);
    assert_eq!(fs::read(&second).unwrap(), old);
    let copy = TestDb::copy_of(&first.with_file_name("2.1-project_2.db"));
    assert_eq!(copy.texts("SELECT id FROM t1 ORDER BY id"), ["1", "2"]);
}

/// While another program goes on writing, a copy has every row that the migration met, or nothing was
/// changed.
#[test]
fn sqlite_a_copy_has_what_the_migration_changes() {
    let seen = "CREATE TABLE seen AS SELECT count(*) AS n FROM t1";
    let all = vec![crate::table(1), crate::migration(2, seen, "")];
    let catalog = crate::catalog(Dialect::Sqlite, all);
    let (mut done, mut failed) = (0, 0);
    for round in 0..24_u64 {
        let home = Home::at_head(&tables(Dialect::Sqlite, 1), 1);
        let dir = home.db.dir().join("copies");
        let ended = AtomicBool::new(false);
        let report = thread::scope(|scope| {
            scope.spawn(|| {
                for id in 2.. {
                    if ended.load(Ordering::Relaxed) {
                        break;
                    }
                    home.batch(1, &format!("INSERT INTO t1 VALUES ({id})"));
                    thread::sleep(Duration::from_micros(round * 400));
                }
            });
            let report = home.run(&fleet(&catalog), &HEAD, &backing_up(&dir));
            ended.store(true, Ordering::Relaxed);
            report
        });

        if report.counts.done == 1 {
            done += 1;
            let seen: usize = home.texts(1, "SELECT n || '' FROM seen").concat().parse().unwrap();
            assert_eq!(copied(&dir).iter().map(Vec::len).collect::<Vec<_>>(), [seen]);
        } else {
            failed += 1;
            let reason = crate::reason(&report, "1");
            let told = ["another program wrote to", "another program writes to"];
            assert!(told.iter().any(|told| reason.contains(told)), "{reason}");
            assert_eq!(home.applied(1), ["0001"]);
        }
    }
    assert!(done > 0, "{done} done, {failed} failed");
}

/// What stands where the engine was told to copy to.
#[derive(Debug, Clone, Copy)]
enum Way {
    File,
    Directory,
    Link,
    LinkToNothing,
    HalfACopy,
    LinkAsHalfACopy,
    NoDirectory,
}

#[rstest]
fn sqlite_nothing_in_the_way_is_written_to(
    #[values(
        Way::File,
        Way::Directory,
        Way::Link,
        Way::LinkToNothing,
        Way::HalfACopy,
        Way::LinkAsHalfACopy,
        Way::NoDirectory
    )]
    way: Way,
) {
    let home = Home::at_head(&tables(Dialect::Sqlite, 1), 1);
    let dir = home.db.dir().join("copies");
    fs::create_dir(&dir).unwrap();
    let (to, other) = (dir.join("copy.db"), dir.join("of somebody"));
    fs::write(&other, "mine").unwrap();
    match way {
        Way::File => fs::write(&to, "mine").unwrap(),
        Way::Directory => fs::create_dir(&to).unwrap(),
        Way::Link => symlink(&other, &to).unwrap(),
        Way::LinkToNothing => symlink(dir.join("nothing"), &to).unwrap(),
        Way::HalfACopy => fs::write(dir.join("copy.db.new"), "mine").unwrap(),
        Way::LinkAsHalfACopy => symlink(&other, dir.join("copy.db.new")).unwrap(),
        Way::NoDirectory => fs::rename(&dir, home.db.dir().join("aside")).unwrap(),
    }
    let looked = || {
        (
            fs::read(home.file("project_1")).unwrap(),
            below(home.db.dir()).len(),
            fs::read(&other).ok(),
        )
    };
    let before = looked();
    let (catalog, url) = (tables(Dialect::Sqlite, 2), home.url(1));
    let engine = Engine::new(&catalog, &[], &url, underpin::Options::default()).unwrap();

    let engine = engine.backing_up(to.clone()).unwrap();
    let error = block_on(async || engine.migrate(&underpin::Goal::Head).await).unwrap_err();

    let text = error.to_string();
    assert!(text.contains("copy.db") && text.contains("nothing was changed"), "{way:?}: {text}");
    assert_eq!(looked(), before, "{way:?}");
}

/// A file of the name of the directory, and one whose directory is gone when the run is gone on with.
#[test]
fn sqlite_a_run_without_its_directory_changes_nothing() {
    let (one, two) = (tables(Dialect::Sqlite, 1), tables(Dialect::Sqlite, 2));
    let home = Home::at_head(&one, 2);
    let (dir, journal, stop) = (home.db.dir().join("copies"), home.journal(), Stop::default());
    fs::write(&dir, "no directory").unwrap();
    let single = Fleet { jobs: 1, ..fleet(&two) };
    let run = |stop: &Stop| {
        let watch = StopAfter { stop, left: 1.into() };
        single.run(&home.found(), &HEAD, &backing_up(&dir), &journal, &watch, stop)
    };
    let error = run(&stop).unwrap_err().to_string();
    assert!(error.contains("cannot keep copies in `") && error.contains("copies/run-"), "{error}");
    assert_eq!(journal.report(None).unwrap().run.number, 1);
    fs::remove_file(&dir).unwrap();
    run(&stop).unwrap();
    fs::remove_dir_all(&dir).unwrap();
    symlink(home.db.dir(), &dir).unwrap();

    let error = single.resume(&home.found(), &journal, &(), &Stop::default()).unwrap_err();

    assert!(error.to_string().contains("cannot keep copies in `"), "{error}");
    assert_eq!(home.applied(2), ["0001"]);
}

/// What stands where the journal should be.
#[rstest]
#[case::a_directory("directory", "a directory")]
#[case::a_pipe("pipe", "pipe")]
#[case::a_link_to_nothing("to nothing", "No such file")]
#[case::a_link_to_an_empty_file("to an empty file", "found a link to an empty file")]
#[case::a_text("text", "not an SQLite database")]
#[case::of_format_2("strange", "expected a journal of format 2")]
fn sqlite_what_is_no_journal_stays_what_it_is(#[case] kind: &str, #[case] told: &str) {
    let db = TestDb::new(Dialect::Sqlite);
    let path = db.dir().join("journal");
    let at = |name: &str| db.dir().join(name);
    fs::write(at("empty"), "").unwrap();
    match kind {
        "directory" => fs::create_dir(&path).unwrap(),
        "pipe" => {
            let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
            assert!(made.success());
        }
        "to nothing" => symlink(at("nothing"), &path).unwrap(),
        "to an empty file" => symlink(at("empty"), &path).unwrap(),
        "text" => fs::write(&path, "a text that is no journal, whatever its name says").unwrap(),
        _ => {
            db.batch("PRAGMA user_version = 2; CREATE TABLE runs (x); CREATE TABLE targets (x)");
            fs::rename(db.file(), &path).unwrap();
        }
    }
    let content = || (!["directory", "pipe"].contains(&kind)).then(|| fs::read(&path).ok());
    let before = content();

    for opened in [Journal::begin(&path), Journal::open(&path)] {
        let error = opened.map(drop).unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
    }

    assert_eq!(content(), before);
    assert!(!at("nothing").exists() && fs::read(at("empty")).unwrap().is_empty());
}

#[test]
fn sqlite_a_journal_is_its_owners_alone_from_the_beginning() {
    let db = TestDb::new(Dialect::Sqlite);
    let path = db.dir().join("journal");
    let mode = |end: &str| {
        let file = db.dir().join(format!("journal{end}"));
        fs::metadata(file).map(|file| file.permissions().mode() & 0o777).ok()
    };
    let home = Home::new(Dialect::Sqlite, 1);
    let (catalog, journal) = (tables(Dialect::Sqlite, 1), Journal::begin(&path).unwrap());
    fleet(&catalog)
        .run(&home.found(), &HEAD, &RunOptions::default(), &journal, &(), &Stop::default())
        .unwrap();
    assert_eq!([mode(""), mode("-wal"), mode("-shm")], [Some(0o600); 3]);
    drop(journal);

    // One that an older program made.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(Journal::open(&path).unwrap().report(None).unwrap().counts.done, 1);
    assert_eq!(mode(""), Some(0o600));
}

/// The journal of an older program is read, takes new runs, and is not gone on with.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_journal_of_format_1_goes_on_with_new_runs(#[case] dialect: Dialect) {
    let home = Home::new(dialect, 2);
    let url = underpin_db::DatabaseUrl::file(&home.db.dir().join("journal"));
    let old = "CREATE TABLE runs (number INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, set_name TEXT NOT NULL, \
               source TEXT NOT NULL, action TEXT NOT NULL, options TEXT NOT NULL, started_at BIGINT NOT NULL, \
               ended_at BIGINT, outcome TEXT NOT NULL); \
               CREATE TABLE targets (run INTEGER NOT NULL REFERENCES runs (number), number INTEGER NOT NULL, \
               id TEXT NOT NULL, place TEXT NOT NULL, wave INTEGER NOT NULL, goal TEXT, state TEXT NOT NULL, \
               version_before TEXT, version_after TEXT, steps INTEGER NOT NULL, duration_ms BIGINT, \
               message TEXT, PRIMARY KEY (run, number)) WITHOUT ROWID; \
               INSERT INTO runs VALUES (1, 'test', 'files', 'downgrade base', '{}', 1, NULL, 'running'); \
               INSERT INTO targets VALUES (1, 1, '1', 'project_1', 1, 'base', 'waiting', '0001', NULL, 0, NULL, NULL); \
               INSERT INTO targets VALUES (1, 2, '2', 'project_2', 1, 'base', 'failed', '0001', NULL, 0, NULL, NULL); \
               PRAGMA user_version = 1";
    let options = underpin_db::ConnectOptions {
        access: underpin_db::Access::Create,
        ..underpin_db::ConnectOptions::default()
    };
    block_on(async || url.connect(&options).await.unwrap().batch(old).await.unwrap());
    let (catalog, journal) = (tables(dialect, 2), home.journal());

    let report = journal.report(None).unwrap();
    let resumed = fleet(&catalog).resume(&home.found(), &journal, &(), &Stop::default());
    let retried = fleet(&catalog).retry_failed(&home.found(), &journal, &(), &Stop::default());

    assert_eq!((report.run.action.as_str(), report.counts.waiting), ("downgrade base", 1));
    for refused in [resumed, retried] {
        let error = refused.unwrap_err();
        assert!(error.to_string().contains("was written by an older program"), "{error}");
        assert_eq!(error.exit_code(), 2);
    }
    drop(journal);
    let report = home.run(&fleet(&catalog), &HEAD, &RunOptions::default());
    assert_eq!((report.run.number, report.counts.done), (2, 2));
}
