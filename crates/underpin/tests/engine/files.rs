//! An SQLite file is one thing, whatever leads to it, and what stands beside it is believed by proof alone.

use std::{fs, os::unix::fs::symlink, path::Path, process::Command, time::Duration};

use rstest::rstest;
use underpin::{DatabaseUrl, Engine, Error, Goal, Marks, Options};
use underpin_testkit::{Dialect, TestDb, block_on};

use crate::{applied, migrate, tables, with_engine};

fn upgrade(path: &Path, options: Options) -> Result<(), Error> {
    let catalog = tables(Dialect::Sqlite, 2);
    let url = DatabaseUrl::file(path);
    block_on(async || {
        let engine = Engine::new(&catalog, &[], &url, options)?;
        engine.migrate(&Goal::Head).await.map(drop)
    })
}

fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[rstest]
#[case::sqlite_a_pipe(|path: &Path| pipe(path), "is a named pipe")]
#[case::sqlite_a_socket(|path: &Path| drop(std::os::unix::net::UnixListener::bind(path).unwrap()), "is a socket")]
#[case::sqlite_a_device(|path: &Path| symlink("/dev/null", path).unwrap(), "is a device")]
#[case::sqlite_a_directory(|path: &Path| fs::create_dir(path).unwrap(), "is a directory")]
fn what_is_no_file_is_refused_by_everything(#[case] make: fn(&Path), #[case] said: &str) {
    let db = TestDb::new(Dialect::Sqlite);
    let path = db.dir().join("other");
    make(&path);
    let catalog = tables(Dialect::Sqlite, 1);

    let error = upgrade(&path, Options::default()).unwrap_err();
    let header = Marks::new(&catalog).history(&path).unwrap_err();

    assert!(error.to_string().contains(said), "{error}");
    assert!(header.to_string().contains(said), "{header}");
    assert_eq!(underpin::exit::code(&error), underpin::exit::USAGE);
}

/// What others put where the lock's file is to be, and whether the lock can be had.
#[rstest]
#[case::sqlite_a_link(|lock: &Path, other: &Path| symlink(other, lock).unwrap(), false)]
#[case::sqlite_a_dangling_link(|lock: &Path, other: &Path| symlink(other.with_extension("no"), lock).unwrap(), false)]
#[case::sqlite_another_name(|lock: &Path, other: &Path| fs::hard_link(other, lock).unwrap(), true)]
#[case::sqlite_a_file_of_a_killed_run(|lock: &Path, _: &Path| fs::write(lock, "process 1").unwrap(), true)]
#[case::sqlite_a_pipe(|lock: &Path, _: &Path| pipe(lock), false)]
#[case::sqlite_a_directory(|lock: &Path, _: &Path| fs::create_dir(lock).unwrap(), false)]
fn what_stands_in_the_place_of_the_lock_is_not_written_to(
    #[case] make: fn(&Path, &Path),
    #[case] succeeds: bool,
) {
    let db = TestDb::new(Dialect::Sqlite);
    let (lock, other) = (db.dir().join("test.db.underpin.lock"), db.dir().join("precious"));
    fs::write(&other, "precious").unwrap();
    make(&lock, &other);

    let result = upgrade(&db.file(), Options::default());

    assert_eq!(result.is_ok(), succeeds, "{result:?}");
    assert_eq!(fs::read_to_string(&other).unwrap(), "precious");
    assert!(!other.with_extension("no").exists());
    assert_eq!(lock.symlink_metadata().is_ok(), !succeeds);
}

#[rstest]
#[case::sqlite_a_link(|to: &Path, from: &Path| symlink(to, from).unwrap())]
#[case::sqlite_a_linked_directory(|to: &Path, from: &Path| {
    symlink(to.parent().unwrap(), from.parent().unwrap().join("in")).unwrap();
})]
fn a_link_leads_to_the_one_file(#[case] link: fn(&Path, &Path)) {
    let db = TestDb::new(Dialect::Sqlite);
    let links = db.dir().join("links");
    fs::create_dir(&links).unwrap();
    // Before the file is there and afterwards.
    link(&db.file(), &links.join("other.db"));
    let path = [links.join("other.db"), links.join("in/test.db")];
    let path = path
        .iter()
        .find(|path| {
            path.parent().unwrap().exists()
                && (path.symlink_metadata().is_ok() || path.starts_with(links.join("in")))
        })
        .unwrap();

    upgrade(path, Options::default()).unwrap();

    assert_eq!(applied(&db), ["0001", "0002"]);
    let catalog = tables(Dialect::Sqlite, 2);
    let marks = Marks::new(&catalog);
    assert_eq!(marks.history(path).unwrap().unwrap().applied.len(), 2);
    fs::write(db.dir().join("test.db-wal"), "something").unwrap();
    assert_eq!(marks.history(path).unwrap(), None);
}

#[test]
fn sqlite_a_file_with_two_names_is_not_migrated() {
    let db = TestDb::new(Dialect::Sqlite);
    migrate(&db, &tables(Dialect::Sqlite, 1), &Goal::Head).unwrap();
    fs::hard_link(db.file(), db.dir().join("second.db")).unwrap();

    let error = upgrade(&db.dir().join("second.db"), Options::default()).unwrap_err();

    assert!(error.to_string().contains("has 2 names"), "{error}");
    assert_eq!(applied(&db), ["0001"]);
}

/// Another program's write is waited for as long as for another runner.
#[rstest]
#[case::sqlite_long_enough(Duration::from_secs(20), true)]
#[case::sqlite_not_long_enough(Duration::from_millis(300), false)]
fn a_busy_file_is_waited_for(#[case] lock_wait: Duration, #[case] succeeds: bool) {
    let db = TestDb::new(Dialect::Sqlite);
    migrate(&db, &tables(Dialect::Sqlite, 1), &Goal::Head).unwrap();
    let script = format!(
        "import sqlite3, time; c = sqlite3.connect({:?}, isolation_level=None); \
         c.execute('BEGIN IMMEDIATE'); print('held', flush=True); time.sleep(2.5); c.execute('ROLLBACK')",
        db.file().display().to_string()
    );
    let mut other = Command::new("python3")
        .args(["-c", &script])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut held = [0; 5];
    std::io::Read::read_exact(other.stdout.as_mut().unwrap(), &mut held).unwrap();

    let result = upgrade(&db.file(), Options { lock_wait, ..Options::default() });

    other.wait().unwrap();
    assert_eq!(result.is_ok(), succeeds, "{result:?}");
    if let Err(error) = result {
        assert_eq!(underpin::exit::code(&error), underpin::exit::LOCKED);
        let text = underpin::exit::explain(&error);
        assert!(
            text.contains("another program writes to `") && text.contains("test.db`"),
            "{text}"
        );
    }
}

/// A number of another program stays, also where marks are negative; a mark is known after others changed
/// the schema.
#[rstest]
#[case::sqlite_free(0, false)]
#[case::sqlite_below_zero(-7, true)]
#[case::sqlite_far_below_zero(i32::MIN, true)]
#[case::sqlite_above_zero(42, true)]
#[case::sqlite_far_above_zero(i32::MAX, true)]
fn a_number_of_another_program_stays(#[case] number: i32, #[case] stays: bool) {
    let user_version =
        |db: &TestDb| db.texts("SELECT CAST(user_version AS TEXT) FROM pragma_user_version");
    for before in [true, false] {
        let db = TestDb::new(Dialect::Sqlite);
        let catalog = tables(Dialect::Sqlite, 3);
        let set = format!("PRAGMA user_version = {number}");
        if before {
            db.batch(&set);
        }
        migrate(&db, &catalog, &Goal::Up(1)).unwrap();
        if !before {
            db.batch(&set);
        }
        for goal in [Goal::Head, Goal::Down(1), Goal::Up(1)] {
            migrate(&db, &catalog, &goal).unwrap();
            assert_eq!(user_version(&db) == [number.to_string()], stays, "{number} {goal:?}");
        }
        db.batch("CREATE TABLE foreign_one (id INTEGER); CREATE INDEX i ON foreign_one (id)");
        migrate(&db, &catalog, &Goal::Down(1)).unwrap();
        let told = Marks::new(&catalog).history(&db.file()).unwrap();
        assert_eq!(told.is_none(), stays, "{number}");
        with_engine(&db, &catalog, Options::default(), async |engine| engine.status().await)
            .unwrap();
    }
}
