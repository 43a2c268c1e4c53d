//! Runs that come to their end, or are stopped and gone on with.

use std::fs;

use rstest::rstest;
use underpin::Goal;
use underpin_fleet::{Action, Limit, RunOptions, Stop};
use underpin_testkit::Dialect;

use crate::{HEAD, Home, StopAfter, catalog, fleet, migration, states, table, tables, whatever};

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn every_target_comes_to_head(#[case] dialect: Dialect) {
    let home = Home::new(dialect, 12);
    let catalog = tables(dialect, 3);

    let report = home.run(&fleet(&catalog), &HEAD, &RunOptions::default());

    assert_eq!(report.run.outcome.as_str(), "done");
    assert_eq!((report.counts.done, report.counts.targets()), (12, 12));
    let ids: Vec<_> = report.targets.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(ids, (1..=12).map(|id| id.to_string()).collect::<Vec<_>>());
    for (number, row) in (1..).zip(&report.targets) {
        assert_eq!(home.applied(number), ["0001", "0002", "0003"]);
        assert_eq!(
            (row.version_before.as_deref(), row.version_after.as_deref()),
            (None, Some("0003"))
        );
        assert_eq!((row.steps, row.wave), (3, if number <= 10 { 1 } else { 2 }));
    }

    let again = home.run(&fleet(&catalog), &HEAD, &RunOptions::default());
    assert_eq!((again.run.number, again.counts.unchanged), (2, 12));
    assert_eq!(again.run.outcome.as_str(), "done");
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn targets_go_up_and_down_from_wherever_they_are(#[case] dialect: Dialect) {
    let home = Home::new(dialect, 4);
    let catalog = tables(dialect, 4);
    let up_to = |version: &str| Action::Migrate(Goal::UpTo(version.parse().unwrap()));
    home.run(&fleet(&catalog), &up_to("0002"), &RunOptions::default());
    home.add("project_5");

    let report = home.run(&fleet(&catalog), &Action::Migrate(Goal::Up(1)), &RunOptions::default());
    let after = |number: usize| report.targets[number - 1].version_after.clone().unwrap();
    assert_eq!((after(1), after(5)), ("0003".to_owned(), "0001".to_owned()));

    let down_to = Action::Migrate(Goal::DownTo("0001".parse().unwrap()));
    let report = home.run(&fleet(&catalog), &down_to, &RunOptions::default());
    assert_eq!((report.counts.done, report.counts.unchanged), (4, 1));

    let report = home.run(&fleet(&catalog), &Action::Migrate(Goal::Base), &RunOptions::default());
    assert_eq!(report.counts.done, 5);
    assert!((1..=5).all(|number| home.applied(number).is_empty()));
}

/// What is announced is what the run does, and announcing changes nothing.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_is_announced_is_done(#[case] dialect: Dialect) {
    let some = tables(dialect, 2);
    let home = Home::at_head(&some, 3);
    home.add("project_4");
    // Created, but not by migrations: they have to be recognised.
    home.batch(3, "DROP TABLE __diesel_schema_migrations; DROP TABLE underpin_history");
    home.add("project_5");
    home.batch(5, "CREATE TABLE foreigner (id INTEGER)");
    let before = home.bytes();
    let catalog = tables(dialect, 3);

    let announced = fleet(&catalog).announce(&home.found(), &HEAD).unwrap();

    assert_eq!(home.bytes(), before);
    let report = home.run(&fleet(&catalog), &HEAD, &whatever());
    for (announced, row) in announced.iter().zip(&report.targets) {
        let promised = announced.report.as_ref();
        assert_eq!(announced.id, row.id);
        assert_eq!(announced.error.is_some(), row.state.as_str() == "failed", "{announced:?}");
        let steps = promised.map_or(0, |report| report.steps.len());
        assert_eq!(i32::try_from(steps).unwrap(), row.steps, "{announced:?}");
        let head = promised.and_then(|report| report.head.as_ref()).map(ToString::to_string);
        assert_eq!(head, row.version_after, "{announced:?}");
        let adopts = promised.is_some_and(|report| report.adopted.is_some());
        assert_eq!(adopts, row.id == "3");
    }
    assert_eq!((report.counts.done, report.counts.failed), (4, 1));
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn schemas_without_a_history_are_adopted_and_nothing_more(#[case] dialect: Dialect) {
    let catalog = tables(dialect, 2);
    let home = Home::at_head(&tables(dialect, 1), 3);
    home.batch(2, "DROP TABLE __diesel_schema_migrations; DROP TABLE underpin_history");

    let report = home.run(&fleet(&catalog), &Action::Adopt, &RunOptions::default());

    assert_eq!((report.counts.done, report.counts.unchanged), (1, 2));
    assert_eq!(home.applied(2), ["0001"]);
    assert!(report.targets[1].message.as_ref().unwrap().contains("this is version 0001"));
    // Where nobody knows where it is, nobody can go one further.
    home.batch(3, "DROP TABLE __diesel_schema_migrations; DROP TABLE underpin_history");
    let report = home.run(&fleet(&catalog), &Action::Migrate(Goal::Up(1)), &whatever());
    assert!(crate::reason(&report, "3").contains("underpin fleet adopt"));
    assert_eq!(states(&report)["2"], ("done", Some("0002".to_owned())));
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_run_that_is_asked_to_stop_is_gone_on_with(#[case] dialect: Dialect) {
    let home = Home::new(dialect, 20);
    let catalog = tables(dialect, 2);
    let fleet = fleet(&catalog);
    let stop = Stop::default();
    let watch = StopAfter { stop: &stop, left: 3.into() };
    let journal = home.journal();
    fleet.run(&home.found(), &HEAD, &RunOptions::default(), &journal, &watch, &stop).unwrap();
    let report = journal.report(None).unwrap();
    drop(journal);
    assert_eq!(report.run.outcome.as_str(), "stopped");
    assert!((3..10).contains(&report.counts.done), "{:?}", report.counts);
    assert_eq!(report.counts.done + report.counts.waiting, 20);

    let report = home.resume(&fleet);

    assert_eq!(report.run.number, 1);
    assert_eq!((report.run.outcome.as_str(), report.counts.done), ("done", 20));
    assert!((1..=20).all(|number| home.applied(number).len() == 2));
    let error = fleet.resume(&home.found(), &home.journal(), &(), &Stop::default()).unwrap_err();
    assert!(error.to_string().contains("run 1 came to its end"), "{error}");
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_canary_that_fails_keeps_the_rest_untouched(#[case] dialect: Dialect) {
    let before = tables(dialect, 1);
    let home = Home::at_head(&before, 30);
    home.batch(2, "CREATE TABLE t2 (id INTEGER)");
    let catalog = tables(dialect, 2);
    let options = RunOptions { canary: 3, limit: Limit::None, ..RunOptions::default() };

    let report = home.run(&fleet(&catalog), &HEAD, &options);

    assert_eq!(report.run.outcome.as_str(), "stopped");
    let counts = report.counts;
    assert_eq!((counts.done, counts.failed, counts.waiting), (2, 1, 27));
    assert!((4..=30).all(|number| home.applied(number) == ["0001"]));
    // Repaired, the run goes on.
    home.batch(2, "DROP TABLE t2");
    let report = home.resume(&fleet(&catalog));
    assert_eq!((report.counts.done, report.counts.failed), (29, 1));
}

/// The canary counts rows, which others do not.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_canary_that_loses_rows_is_rolled_back(#[case] dialect: Dialect) {
    let tie = match dialect {
        Dialect::Sqlite => "CREATE TRIGGER tie AFTER DELETE ON t1 BEGIN DELETE FROM t2; END;",
        Dialect::Postgres => {
            "CREATE FUNCTION tie() RETURNS trigger LANGUAGE plpgsql AS \
             'BEGIN DELETE FROM t2; RETURN NULL; END'; \
             CREATE TRIGGER tie AFTER DELETE ON t1 FOR EACH ROW EXECUTE FUNCTION tie();"
        }
    };
    let tied = migration(2, &format!("{} {tie}", table(2).up), "");
    let home = Home::at_head(&catalog(dialect, vec![table(1), tied.clone()]), 3);
    let catalog = catalog(dialect, vec![table(1), tied, migration(3, "DELETE FROM t1", "")]);
    let options = RunOptions { canary: 1, ..RunOptions::default() };

    let report = home.run(&fleet(&catalog), &HEAD, &options);

    assert!(crate::reason(&report, "1").contains("`t2`, which no script names, had 1 rows"));
    assert!((1..=3).all(|number| home.texts(number, "SELECT '1' FROM t2") == ["1"]));
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_schema_that_drifted_fails_its_proof(#[case] dialect: Dialect) {
    let home = Home::at_head(&tables(dialect, 1), 2);
    home.batch(1, "CREATE INDEX by_hand ON t1 (id)");
    let catalog = tables(dialect, 2);

    let report = home.run(&fleet(&catalog), &HEAD, &whatever());
    assert!(crate::reason(&report, "1").contains("index `by_hand`"));
    assert_eq!(home.applied(1), ["0001"]);

    let unproven = RunOptions { verify: false, ..whatever() };
    let report = home.run(&fleet(&catalog), &HEAD, &unproven);
    assert_eq!((report.counts.done, report.counts.unchanged), (1, 1));
}

#[test]
fn sqlite_every_file_is_copied_before_it_is_changed() {
    let home = Home::at_head(&tables(Dialect::Sqlite, 1), 3);
    let catalog = tables(Dialect::Sqlite, 2);
    let dir = home.db.dir().join("copies/of today");
    let options = RunOptions { backup: Some(dir.clone()), ..RunOptions::default() };

    home.run(&fleet(&catalog), &HEAD, &options);
    home.run(&fleet(&catalog), &HEAD, &options);

    let runs: Vec<_> = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [run] = runs.as_slice() else { panic!("{runs:?}") };
    let mut copies: Vec<_> =
        fs::read_dir(run).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    copies.retain(|name| name != ".underpin-copies");
    copies.sort();
    assert_eq!(copies, ["1-project_1.db", "2-project_2.db", "3-project_3.db"]);
    let copy = underpin_testkit::TestDb::copy_of(&run.join("1-project_1.db"));
    assert_eq!(copy.dump().into_keys().collect::<Vec<_>>(), ["t1"]);
}

#[test]
fn postgres_cannot_be_copied_here() {
    let home = Home::new(Dialect::Postgres, 1);
    let catalog = tables(Dialect::Postgres, 1);
    let options = RunOptions { backup: Some(home.db.dir().join("b")), ..RunOptions::default() };
    let error = fleet(&catalog)
        .run(&home.found(), &HEAD, &options, &home.journal(), &(), &Stop::default())
        .unwrap_err();
    assert!(error.to_string().contains("pg_dump"), "{error}");
    assert_eq!(error.exit_code(), 2);
}

/// Databases of their own, each with its URL: as a shard each would be.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_list_of_databases_is_a_fleet(#[case] dialect: Dialect) {
    let (home, other) = (Home::new(dialect, 1), underpin_testkit::TestDb::new(dialect));
    if dialect == Dialect::Sqlite {
        fs::write(other.file(), "").unwrap();
    }
    let list = home.db.dir().join("list");
    fs::write(&list, format!("{}\n{}\n", home.url(1).expose(), other.url())).unwrap();
    let catalog = tables(dialect, 2);
    let journal = home.journal();
    let found = underpin_fleet::Source::List(list).find().unwrap();

    let run = |options: &RunOptions| {
        let stop = Stop::default();
        fleet(&catalog).run(&found, &HEAD, options, &journal, &(), &stop).unwrap();
        journal.report(None).unwrap()
    };
    let report = run(&RunOptions { canary: 1, ..RunOptions::default() });

    assert_eq!((report.counts.done, report.targets.len()), (2, 2));
    assert_eq!(home.applied(1), ["0001", "0002"]);
    assert_eq!(other.dump().into_keys().collect::<Vec<_>>(), ["t1", "t2"]);
    assert!(report.targets.iter().all(|row| !row.place.contains(":x@")), "{report:?}");
    assert_eq!(run(&RunOptions::default()).counts.unchanged, 2);
}
