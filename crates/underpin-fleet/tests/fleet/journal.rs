//! The journal keeps runs apart, and says what came of each.

use rstest::rstest;
use underpin::Goal;
use underpin_fleet::{Action, FleetError, Journal, RunOptions, Stop};
use underpin_testkit::{Dialect, TestDb};

use crate::{HEAD, Home, StopAfter, fleet, tables};

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_second_run_is_refused_and_names_the_first(#[case] dialect: Dialect) {
    let home = Home::new(dialect, 1);
    let first = home.journal();

    let path = first.path().to_owned();
    let second = Journal::begin(&path).map(drop).unwrap_err();

    let text = second.to_string();
    assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
    assert_eq!(second.exit_code(), 5);
    // Looking is no run.
    drop(first);
    home.run(&fleet(&tables(dialect, 1)), &HEAD, &RunOptions::default());
    let _first = home.journal();
    assert_eq!(Journal::open(&path).unwrap().report(None).unwrap().counts.done, 1);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn runs_are_told_apart(#[case] dialect: Dialect) {
    let home = Home::new(dialect, 3);
    let catalog = tables(dialect, 2);
    home.run(&fleet(&catalog), &Action::Migrate(Goal::Up(1)), &RunOptions::default());
    home.run(&fleet(&catalog), &Action::Migrate(Goal::Base), &RunOptions::default());
    let journal = home.journal();

    let action = |number| journal.run(Some(number)).unwrap().action;
    assert_eq!((action(1), action(2)), ("upgrade +1".to_owned(), "downgrade base".to_owned()));
    let error = journal.report(Some(3)).unwrap_err();
    assert!(matches!(error, FleetError::NoRun { .. }));
    assert!(error.to_string().contains("no run 3 in") && error.to_string().contains("1 to 2"));
    assert_eq!(error.exit_code(), 2);
}

/// A relative goal is not taken twice by a target that was done when the run stopped.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_was_done_and_not_written_down_is_not_done_twice(#[case] dialect: Dialect) {
    let catalog = tables(dialect, 3);
    let home = Home::at_head(&catalog, 4);
    let stop = Stop::default();
    let watch = StopAfter { stop: &stop, left: 1.into() };
    let one = underpin_fleet::Fleet { jobs: 1, ..fleet(&catalog) };
    let journal = home.journal();
    let down = Action::Migrate(Goal::Down(1));
    one.run(&home.found(), &down, &RunOptions::default(), &journal, &watch, &stop).unwrap();
    drop(journal);
    // As if it had been killed between the target and the journal.
    let file = underpin_db::DatabaseUrl::file(&home.db.dir().join("journal"));
    underpin_testkit::block_on(async || {
        let mut conn = file.connect(&underpin_db::ConnectOptions::default()).await.unwrap();
        conn.batch("UPDATE targets SET state = 'running' WHERE run = 2 AND state = 'done'")
            .await
            .unwrap();
    });

    let report = home.resume(&fleet(&catalog));

    assert_eq!((report.counts.done, report.counts.failed), (4, 0));
    assert!((1..=4).all(|number| home.applied(number) == ["0001", "0002"]));
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_run_of_another_set_or_fleet_is_not_gone_on_with(#[case] dialect: Dialect) {
    let catalog = tables(dialect, 2);
    let home = Home::new(dialect, 12);
    let stop = Stop::default();
    stop.ask();
    let journal = home.journal();
    let fleet = fleet(&catalog);
    fleet.run(&home.found(), &HEAD, &RunOptions::default(), &journal, &(), &stop).unwrap();
    let resume = |fleet: &underpin_fleet::Fleet<'_>, found: &underpin_fleet::Found| {
        fleet.resume(found, &journal, &(), &Stop::default()).unwrap_err().to_string()
    };

    let other = underpin::Catalog::new("other", dialect, vec![]).unwrap();
    let error = resume(&crate::fleet(&other), &home.found());
    assert!(error.contains("run 1 is one of set `test`, not of `other`"), "{error}");

    let mut smaller = home.found();
    smaller.targets.pop();
    let error = resume(&fleet, &smaller);
    assert!(error.contains("is not among"), "{error}");
}

#[test]
fn a_file_that_is_no_journal_stays_what_it_is() {
    let db = TestDb::new(Dialect::Sqlite);
    db.batch("CREATE TABLE mine (id INTEGER)");
    let before = std::fs::read(db.file()).unwrap();

    let error = Journal::begin(&db.file()).map(drop).unwrap_err();

    assert!(error.to_string().contains("expected a journal of format 2"), "{error}");
    assert_eq!(std::fs::read(db.file()).unwrap(), before);
    let missing = Journal::open(&db.dir().join("none")).map(drop).unwrap_err();
    assert!(missing.to_string().contains("No such file"), "{missing}");
}
