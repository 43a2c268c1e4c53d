//! Two runs at once where the targets are, with a journal each.

use std::{borrow::Cow, fs, path::Path, sync::Mutex, time::Duration};

use rstest::rstest;
use underpin::{Code, DatabaseLock, DbError, Metadata, Migration, RunLock};
use underpin_fleet::{Fleet, FleetError, Found, Journal, Names, RunOptions, Source, Stop};
use underpin_testkit::{Dialect, PgBouncer, Settings, block_on};

use crate::{AtWork, HEAD, Home, catalog, fleet, reason, table, tables, whatever};

/// How the second run finds its targets.
#[derive(Clone, Copy)]
enum Way {
    Pattern,
    List,
    Pooler,
}

#[rstest]
#[case::sqlite(Dialect::Sqlite, Way::Pattern)]
#[case::list_sqlite(Dialect::Sqlite, Way::List)]
#[case::postgres(Dialect::Postgres, Way::Pattern)]
#[case::list_postgres(Dialect::Postgres, Way::List)]
#[case::pooler_postgres(Dialect::Postgres, Way::Pooler)]
fn the_second_is_refused_and_names_the_first(#[case] dialect: Dialect, #[case] way: Way) {
    let home = Home::new(dialect, 3);
    let bouncer = matches!(way, Way::Pooler).then(|| PgBouncer::start(&home.db, Settings::Refused));
    let (catalog, found) = (tables(dialect, 2), home.found());
    let again = || match (way, &bouncer) {
        (Way::Pooler, Some(bouncer)) => through(bouncer, &home),
        (Way::List, _) => listed(&home, &found),
        _ => home.found(),
    };
    let other = Journal::begin(&home.db.dir().join("another journal")).unwrap();
    let begin = || {
        let options = RunOptions::default();
        fleet(&catalog).run(&again(), &HEAD, &options, &other, &(), &Stop::default())
    };
    let second = Mutex::new(Vec::new());
    let watch = AtWork(&|| {
        let (fleet, found, stop) = (fleet(&catalog), again(), Stop::default());
        let resumed = fleet.resume(&found, &other, &(), &stop);
        let retried = fleet.retry_failed(&found, &other, &(), &stop);
        *second.lock().unwrap() = vec![begin(), resumed, retried];
    });

    let journal = home.journal();
    let (options, stop) = (RunOptions::default(), Stop::default());
    fleet(&catalog).run(&found, &HEAD, &options, &journal, &watch, &stop).unwrap();

    assert_eq!(journal.report(None).unwrap().counts.done, 3);
    let first = format!("process {} (user ", std::process::id());
    let second = second.into_inner().unwrap();
    assert_eq!(second.len(), 3);
    for refused in second {
        let refused = refused.unwrap_err();
        assert_eq!(refused.exit_code(), 5);
        let text = refused.to_string();
        assert!(text.contains("another run on this fleet") && text.contains(&first), "{text}");
    }
    assert!(matches!(other.run(None), Err(FleetError::NoRun { .. })));
    // Now nobody is in its way, and nothing of the lock is left.
    assert_eq!(begin().unwrap(), 1);
    assert_eq!(other.report(None).unwrap().counts.unchanged, 3);
    let names = fs::read_dir(home.db.dir()).unwrap().map(|one| one.unwrap().file_name());
    assert!(!names.into_iter().any(|name| name.to_string_lossy().starts_with("underpin-fleet")));
}

/// Not only where the first of them by name is.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn each_place_of_a_list_is_locked(#[case] dialect: Dialect) {
    let homes = [Home::new(dialect, 2), Home::new(dialect, 2)];
    let targets = homes.iter().flat_map(|home| home.found().targets).collect();
    let found = listed(&homes[0], &Found { targets, ..homes[0].found() });
    let catalog = tables(dialect, 1);
    let codes = Mutex::new(Vec::new());
    let watch = AtWork(&|| {
        for home in &homes {
            let other = Journal::begin(&home.db.dir().join("another journal")).unwrap();
            let (options, stop) = (RunOptions::default(), Stop::default());
            let second = fleet(&catalog).run(&home.found(), &HEAD, &options, &other, &(), &stop);
            codes.lock().unwrap().push(second.unwrap_err().exit_code());
        }
    });

    let (journal, options, stop) = (homes[0].journal(), RunOptions::default(), Stop::default());
    fleet(&catalog).run(&found, &HEAD, &options, &journal, &watch, &stop).unwrap();

    assert_eq!(codes.into_inner().unwrap(), [5, 5]);
    assert_eq!(journal.report(None).unwrap().counts.done, 4);
    for home in &homes {
        let names = fs::read_dir(home.db.dir()).unwrap().map(|one| one.unwrap().file_name());
        let names: Vec<_> = names.map(|name| name.to_string_lossy().into_owned()).collect();
        let is_left = |name: &String| name.starts_with("underpin-fleet");
        assert!(!names.iter().any(is_left), "{names:?}");
    }
}

/// A run is not in its own way, however many names and addresses lead to a place.
#[test]
fn sqlite_a_directory_by_two_names_is_locked_once() {
    let home = Home::new(Dialect::Sqlite, 2);
    let (link, list) = (home.db.dir().join("link"), home.db.dir().join("list"));
    std::os::unix::fs::symlink(".", &link).unwrap();
    let two = link.join("project_2.db");
    let lines = format!("sqlite:{}\nsqlite:{}\n", home.file("project_1").display(), two.display());
    fs::write(&list, lines).unwrap();

    assert_eq!(done(&home, &Source::List(list).find().unwrap()), 2);
}

#[test]
fn postgres_a_database_by_two_addresses_is_locked_once() {
    let home = Home::new(Dialect::Postgres, 2);
    let bouncer = PgBouncer::start(&home.db, Settings::Refused);
    let pooled: underpin_db::DatabaseUrl = bouncer.url(&home.db).parse().unwrap();
    let list = home.db.dir().join("list");
    let urls = [home.url(1), pooled.in_schema("project_2")];
    fs::write(&list, urls.map(|url| url.expose().to_owned()).join("\n")).unwrap();

    assert_eq!(done(&home, &Source::List(list).find().unwrap()), 2);
}

/// How many targets a run brings to head.
fn done(home: &Home, found: &Found) -> i64 {
    let (catalog, journal) = (tables(home.db.dialect(), 1), home.journal());
    let (options, stop) = (RunOptions::default(), Stop::default());
    fleet(&catalog).run(found, &HEAD, &options, &journal, &(), &stop).unwrap();
    journal.report(None).unwrap().counts.done
}

fn through(bouncer: &PgBouncer, home: &Home) -> Found {
    let url = bouncer.url(&home.db).parse().unwrap();
    let pattern = "project_%".to_owned();
    Source::Schemas { url, pattern, names: Names::Numbers }.find().unwrap()
}

/// The same targets, from a list that names them the other way round.
fn listed(home: &Home, found: &Found) -> Found {
    let list = home.db.dir().join("list");
    let lines = found.targets.iter().rev().map(|one| one.url().expose().to_owned());
    fs::write(&list, lines.collect::<Vec<_>>().join("\n")).unwrap();
    Source::List(list).find().unwrap()
}

/// Through a pooler, too, the lock is there as long as its holder, whatever idles how long.
#[rstest]
#[case::direct_postgres(false)]
#[case::pooled_postgres(true)]
fn a_database_is_locked_until_it_is_released(#[case] pooled: bool) {
    let home = Home::new(Dialect::Postgres, 1);
    home.db.batch(
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET idle_in_transaction_session_timeout = 200', \
         current_database()); END $$",
    );
    let bouncer = PgBouncer::start(&home.db, Settings::Refused);
    let direct = home.db.database_url();
    let url = if pooled { bouncer.url(&home.db).parse().unwrap() } else { direct.clone() };
    block_on(async || {
        let first = DatabaseLock::take(&url, "first").await.unwrap();
        tokio::time::sleep(Duration::from_millis(400)).await;
        let refused = DatabaseLock::take(&direct, "second").await.map(drop).unwrap_err();
        let text = refused.to_string();
        assert!(text.contains(&format!("first: process {}", std::process::id())), "{text}");
        first.release().await;
        DatabaseLock::take(&direct, "second").await.unwrap().release().await;
    });
}

/// Says who has the lock of the file that is migrated, as a failure.
const WHO: Code = Code {
    name: "who/1",
    run: |conn| {
        Box::pin(async move {
            let file = conn.text("SELECT file FROM pragma_database_list").await?;
            let taken = RunLock::take(Path::new(&file.unwrap_or_default()));
            let message = taken.map_or_else(|held| held.to_string(), |_| "nobody".to_owned());
            Err(DbError { message, ..DbError::default() })
        })
    },
};

#[test]
fn sqlite_a_file_at_work_is_locked_in_the_name_of_the_run() {
    let home = Home::new(Dialect::Sqlite, 2);
    let who = Metadata { code: Some(Cow::Borrowed(WHO.name)), ..Metadata::DEFAULT };
    let catalog = catalog(Dialect::Sqlite, vec![Migration { metadata: who, ..table(1) }]);

    let report = home.run(&Fleet { code: &[WHO], ..fleet(&catalog) }, &HEAD, &whatever());

    let held = format!("process {} (user ", std::process::id());
    for id in ["1", "2"] {
        let reason = reason(&report, id);
        assert!(
            reason.contains("the migration lock, held by") && reason.contains(&held),
            "{reason}"
        );
    }
    assert!(RunLock::take(&home.file("project_1")).is_ok());
}

/// They are names of one file, and still nobody who takes one keeps others from the rest.
#[test]
fn sqlite_names_that_a_killed_run_left_lock_one_file_each() {
    let home = Home::new(Dialect::Sqlite, 3);
    let lock = |name: &str| home.db.dir().join(format!("{name}.underpin.lock"));
    fs::write(lock("underpin-fleet"), "process 1").unwrap();
    for name in ["project_1.db", "project_2.db"] {
        fs::hard_link(lock("underpin-fleet"), lock(name)).unwrap();
    }

    let one = RunLock::take(&home.file("project_1")).unwrap();
    let two = RunLock::take(&home.file("project_2")).unwrap();
    RunLock::take(&home.file("project_2")).unwrap_err();
    drop((one, two));
    fs::hard_link(lock("underpin-fleet"), lock("project_3.db")).unwrap();
    let report = home.run(&fleet(&tables(Dialect::Sqlite, 1)), &HEAD, &RunOptions::default());

    assert_eq!(report.counts.done, 3, "{report:#?}");
    assert!(!["underpin-fleet", "project_3.db"].iter().any(|name| lock(name).exists()));
}
