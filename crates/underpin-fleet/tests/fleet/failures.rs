//! Targets that cannot be worked on, in the middle of many that can.

use std::{fs, os::unix::fs::PermissionsExt as _};

use rstest::rstest;
use underpin::Goal;
use underpin_fleet::{Action, Limit, RunOptions, Source, Stop, Watch};
use underpin_testkit::{Dialect, TestDb, block_on};

use crate::{AtWork, HEAD, Home, fleet, reason, states, tables, whatever};

/// A fleet of 200 at version 1, of which some are ill.
fn ill(dialect: Dialect) -> Home {
    let home = Home::at_head(&tables(dialect, 1), 200);
    // One fails in the middle of the script, one is of a newer program, one is of somebody else.
    home.batch(50, "CREATE TABLE t2 (id INTEGER)");
    home.batch(100, "INSERT INTO __diesel_schema_migrations (version) VALUES ('9999')");
    home.batch(
        101,
        "DROP TABLE t1; DROP TABLE __diesel_schema_migrations; DROP TABLE underpin_history; \
         CREATE TABLE foreigner (name TEXT); INSERT INTO foreigner VALUES ('mine')",
    );
    home
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn the_others_come_to_head(#[case] dialect: Dialect) {
    let home = ill(dialect);
    let catalog = tables(dialect, 2);
    if dialect == Dialect::Sqlite {
        fs::write(home.file("project_150"), "this is no database, whatever its name says").unwrap();
        fs::set_permissions(home.file("project_151"), fs::Permissions::from_mode(0o444)).unwrap();
        let mut bytes = fs::read(home.file("project_152")).unwrap();
        bytes[100..].fill(0x55);
        fs::write(home.file("project_152"), bytes).unwrap();
        fs::remove_file(home.file("project_153")).unwrap();
        fs::create_dir(home.file("project_153")).unwrap();
    } else {
        home.batch(150, "DROP TABLE underpin_history; CREATE TABLE underpin_history (id INTEGER)");
    }
    let url = home.url(160);
    let locked = dialect == Dialect::Postgres;
    let lock = (dialect == Dialect::Sqlite)
        .then(|| underpin::RunLock::take(&home.file("project_160")).unwrap());

    let report = block_on(async || {
        let mut other = url.connect(&underpin_db::ConnectOptions::default()).await.unwrap();
        if locked {
            let lock = crate::lock_of("project_160");
            other.text(&format!("SELECT {lock}::text")).await.unwrap();
        }
        std::thread::scope(|scope| {
            scope.spawn(|| home.run(&fleet(&catalog), &HEAD, &whatever())).join().unwrap()
        })
    });
    drop(lock);

    assert_eq!(report.run.outcome.as_str(), "failed");
    let told = |id: &str, text: &str| {
        let reason = reason(&report, id);
        assert!(reason.contains(text), "{id}: {reason}");
    };
    told("50", "`CREATE TABLE t2");
    told("100", "is applied but unknown");
    told("101", "fits no version of set `test`");
    told("160", "waited 0 s for the migration lock, held by process");
    let failed = if dialect == Dialect::Sqlite {
        told("150", "is not an SQLite database");
        told("151", "is read-only");
        told("152", "malformed");
        told("153", "is a directory");
        8
    } else {
        told("150", "cannot read the history");
        5
    };
    assert_eq!((report.counts.failed, report.counts.done), (failed, 200 - failed));
    assert_eq!(home.texts(101, "SELECT name FROM foreigner"), ["mine"]);
    assert_eq!(home.applied(50), ["0001"]);
    assert!((102..150).all(|number| home.applied(number) == ["0001", "0002"]));

    // What was only in the way once is done with the next try, and nothing else is tried.
    let journal = home.journal();
    fleet(&catalog).retry_failed(&home.found(), &journal, &(), &Stop::default()).unwrap();
    let report = journal.report(None).unwrap();
    assert_eq!((report.counts.targets(), report.counts.done), (failed, 1));
    assert_eq!(states(&report)["160"], ("done", Some("0002".to_owned())));
}

/// Without `--continue-on-error` what is ill is seen before anything is touched.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn nothing_is_touched_when_a_target_cannot_be_read(#[case] dialect: Dialect) {
    let home = Home::at_head(&tables(dialect, 1), 5);
    home.newer(3);
    let catalog = tables(dialect, 2);

    let report = home.run(&fleet(&catalog), &HEAD, &RunOptions::default());

    assert_eq!(report.run.outcome.as_str(), "stopped");
    assert_eq!((report.counts.failed, report.counts.waiting), (1, 4));
    // Whoever goes on has seen it.
    let report = home.resume(&fleet(&catalog));
    assert_eq!((report.run.outcome.as_str(), report.counts.done), ("failed", 4));
}

#[rstest]
#[case::sqlite_two(Dialect::Sqlite, Limit::Failures(2), 3)]
#[case::postgres_two(Dialect::Postgres, Limit::Failures(2), 3)]
#[case::sqlite_ten_percent(Dialect::Sqlite, Limit::Percent(10), 5)]
#[case::postgres_ten_percent(Dialect::Postgres, Limit::Percent(10), 5)]
fn a_run_takes_so_many_failures(
    #[case] dialect: Dialect,
    #[case] limit: Limit,
    #[case] failures: i64,
) {
    let home = Home::at_head(&tables(dialect, 1), 40);
    for number in 1..=40 {
        home.batch(number, "CREATE TABLE t2 (id INTEGER)");
    }
    let catalog = tables(dialect, 2);
    let fleet = underpin_fleet::Fleet { jobs: 1, ..fleet(&catalog) };

    let report = home.run(&fleet, &HEAD, &RunOptions { limit, ..RunOptions::default() });

    assert_eq!(report.run.outcome.as_str(), "stopped");
    assert_eq!((report.counts.failed, report.counts.waiting), (failures, 40 - failures));
}

/// The migrations of a target share a transaction, unless one of them runs outside any.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn the_version_of_a_failed_target_is_where_it_came_to(#[case] dialect: Dialect) {
    let home = Home::at_head(&tables(dialect, 1), 2);
    home.batch(1, "CREATE TABLE t3 (id INTEGER)");
    let whole = tables(dialect, 4);
    let mut parted = whole.migrations().to_vec();
    parted[3].metadata.run_in_transaction = false;
    let catalog = crate::catalog(dialect, parted);
    let unproven = RunOptions { verify: false, ..whatever() };

    let report =
        home.run(&fleet(&whole), &Action::Migrate(Goal::UpTo("0003".parse().unwrap())), &unproven);
    assert_eq!(states(&report)["1"], ("failed", Some("0001".to_owned())));
    assert_eq!(home.applied(1), ["0001"]);

    let report = home.run(&fleet(&catalog), &Action::Migrate(Goal::Head), &unproven);

    assert_eq!(states(&report)["1"], ("failed", Some("0002".to_owned())));
    assert_eq!(home.applied(1), ["0001", "0002"]);
    assert_eq!(states(&report)["2"], ("done", Some("0004".to_owned())));
}

/// Trying again ends where the first try was to end, and not as far again.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_target_that_came_half_way_is_tried_again_from_there(#[case] dialect: Dialect) {
    let mut parted = tables(dialect, 4).migrations().to_vec();
    parted[2].metadata.run_in_transaction = false;
    let catalog = crate::catalog(dialect, parted);
    let home = Home::at_head(&catalog, 2);
    home.batch(1, "DROP TABLE t2");
    let unproven = RunOptions { verify: false, ..whatever() };
    let report = home.run(&fleet(&catalog), &Action::Migrate(Goal::Down(3)), &unproven);
    assert_eq!(states(&report)["1"], ("failed", Some("0002".to_owned())));
    home.batch(1, "CREATE TABLE t2 (id INTEGER)");

    let journal = home.journal();
    fleet(&catalog).retry_failed(&home.found(), &journal, &(), &Stop::default()).unwrap();

    assert_eq!(
        (home.applied(1), home.applied(2)),
        (vec!["0001".to_owned()], vec!["0001".to_owned()])
    );
}

/// A target that is gone when its turn comes is not made anew, which would look like a target that lost
/// everything.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_target_that_is_gone_stays_gone(#[case] dialect: Dialect) {
    let home = Home::at_head(&tables(dialect, 1), 3);
    let remove = || match dialect {
        Dialect::Sqlite => fs::remove_file(home.file("project_2")).unwrap(),
        Dialect::Postgres => home.db.batch("DROP SCHEMA project_2 CASCADE"),
    };
    let (catalog, journal, stop) = (tables(dialect, 2), home.journal(), Stop::default());
    let watch = AtWork(&remove);

    fleet(&catalog).run(&home.found(), &HEAD, &whatever(), &journal, &watch, &stop).unwrap();

    let report = journal.report(None).unwrap();
    let told = match dialect {
        Dialect::Sqlite => "project_2.db`: correct the list",
        Dialect::Postgres => "no schema",
    };
    assert!(reason(&report, "2").contains(told), "{report:#?}");
    assert_eq!((report.counts.done, report.counts.failed), (2, 1));
    assert_eq!(home.found().targets.len(), 2);
}

/// What is wrong with the first place of a list.
#[derive(Debug, Clone, Copy)]
enum Wrong {
    Directory,
    Server,
    Database,
    User,
}

impl Wrong {
    /// A URL whose place comes first by name.
    fn url(self, home: &Home) -> String {
        let (start, name) = home.db.url().rsplit_once('/').unwrap();
        match self {
            Self::Directory => "sqlite:/0 is not there/project_9.db".to_owned(),
            Self::Server => "postgres://u:secret@0.0.0.0:1/d".to_owned(),
            Self::Database => format!("{start}/0_missing"),
            Self::User => {
                let server = start.rsplit_once('@').unwrap().1;
                let path = "options=-csearch_path%3D0_first";
                format!("postgres://nobody_here:secret@{server}/{name}?{path}")
            }
        }
    }
}

/// Nothing is held back by what cannot be reached: it fails, and whether the others are done is for the limit to say.
#[rstest]
#[case::sqlite_directory(Dialect::Sqlite, Wrong::Directory)]
#[case::postgres_server(Dialect::Postgres, Wrong::Server)]
#[case::postgres_database(Dialect::Postgres, Wrong::Database)]
#[case::postgres_user(Dialect::Postgres, Wrong::User)]
fn a_place_that_cannot_be_reached_fails_alone(#[case] dialect: Dialect, #[case] wrong: Wrong) {
    let home = Home::new(dialect, 3);
    let urls = (1..=3).map(|number| home.url(number).expose().to_owned());
    let lines: Vec<_> = [wrong.url(&home)].into_iter().chain(urls).collect();
    let list = home.db.dir().join("list");
    fs::write(&list, lines.join("\n")).unwrap();
    let (found, catalog) = (Source::List(list).find().unwrap(), tables(dialect, 1));
    let run = |options: &RunOptions| {
        let journal = home.journal();
        let stop = Stop::default();
        fleet(&catalog).run(&found, &HEAD, options, &journal, &(), &stop).unwrap();
        journal.report(None).unwrap()
    };

    let stopped = run(&RunOptions::default());
    assert_eq!(stopped.run.outcome.as_str(), "stopped");
    assert_eq!((stopped.counts.failed, stopped.counts.waiting), (1, 3), "{stopped:#?}");

    let report = run(&whatever());
    assert_eq!((report.counts.failed, report.counts.done), (1, 3), "{report:#?}");
    let reason = reason(&report, &found.targets[0].id);
    let told = match wrong {
        Wrong::Directory => "no file `/0 is not there/project_9.db`",
        Wrong::Server => "cannot reach PostgreSQL",
        Wrong::Database | Wrong::User => "refused the connection",
    };
    assert!(reason.contains(told) && !reason.contains("secret"), "{reason}");
}

/// What happens to the first target when the run has looked at it.
#[derive(Debug, Clone, Copy)]
enum First {
    Gone,
    /// Its role may not log in any more.
    Shut,
    /// Its role may make no schema, in which the versions could be built.
    Bare,
}

/// The others are compared with what the versions build, wherever that can be built.
#[rstest]
#[case::gone_sqlite(Dialect::Sqlite, First::Gone)]
#[case::gone_postgres(Dialect::Postgres, First::Gone)]
#[case::shut_postgres(Dialect::Postgres, First::Shut)]
#[case::bare_postgres(Dialect::Postgres, First::Bare)]
fn what_is_wrong_with_the_first_target_is_its_own(#[case] dialect: Dialect, #[case] first: First) {
    let home = Home::new(dialect, 3);
    let db = match dialect {
        Dialect::Sqlite => TestDb::new(dialect),
        Dialect::Postgres => TestDb::with_login(),
    };
    if dialect == Dialect::Sqlite {
        fs::write(db.file(), "").unwrap();
    }
    let urls = (1..=3).map(|number| home.url(number).expose().to_owned());
    let lines: Vec<_> = [db.url().to_owned()].into_iter().chain(urls).collect();
    let list = home.db.dir().join("list");
    fs::write(&list, lines.join("\n")).unwrap();
    let (found, journal) = (Source::List(list).find().unwrap(), home.journal());
    let run = |versions: u32, watch: &dyn Watch| {
        let (catalog, stop) = (tables(dialect, versions), Stop::default());
        fleet(&catalog).run(&found, &HEAD, &whatever(), &journal, watch, &stop).unwrap();
        journal.report(None).unwrap()
    };
    assert_eq!(run(1, &()).counts.done, 4);
    // One of the others drifted, which only the comparison shows.
    home.batch(3, "CREATE INDEX drift ON t1 (id)");
    let (name, role) = (db.name().unwrap_or_default(), db.login().unwrap_or_default());
    let change = || match (dialect, first) {
        (Dialect::Sqlite, _) => fs::remove_file(db.file()).unwrap(),
        (_, First::Gone) => db.batch("DROP SCHEMA public CASCADE"),
        (_, First::Shut) => db.batch(&format!("ALTER ROLE {role} NOLOGIN")),
        (_, First::Bare) => {
            db.batch(&format!("REVOKE CREATE ON DATABASE {name} FROM {role}, pg_database_owner"));
        }
    };

    let report = run(2, &AtWork(&change));

    let id = |index: usize| found.targets[index].id.as_str();
    let told = match (dialect, first) {
        (Dialect::Sqlite, _) => Some("no file"),
        (_, First::Gone) => Some("no schema"),
        (_, First::Shut) => Some("refused the connection"),
        // What it has to do takes no other schema.
        (_, First::Bare) => None,
    };
    let states = states(&report);
    let done = ("done", Some("0002".to_owned()));
    match told {
        Some(told) => assert!(reason(&report, id(0)).contains(told), "{report:#?}"),
        None => assert_eq!(states[id(0)], done, "{report:#?}"),
    }
    assert_eq!((&states[id(1)], &states[id(2)]), (&done, &done), "{report:#?}");
    assert!(reason(&report, id(3)).contains("drift"), "{report:#?}");
}
