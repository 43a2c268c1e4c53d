//! One decision: what `status` and `plan` say is what a run does, and what a run does that is gone on
//! with or tried again, for every way in which a target may stand and every goal.

use std::collections::BTreeSet;

use rstest::rstest;
use underpin::{Direction, Goal, Policy};
use underpin_fleet::{Action, Announced, Fleet, Report, RunOptions, Stop, TargetRow};
use underpin_testkit::Dialect;

use crate::{HEAD, Home, catalog, fleet, table, tables, whatever};

/// Does `action`, with these migrations, to some of the targets.
fn some(home: &Home, numbers: &[usize], migrations: &[u32], action: &Action) {
    let catalog = catalog(home.db.dialect(), migrations.iter().copied().map(table).collect());
    let mut found = home.found();
    found.targets.retain(|target| numbers.iter().any(|number| target.id == number.to_string()));
    let (journal, unproven) = (home.journal(), RunOptions { verify: false, ..whatever() });
    fleet(&catalog).run(&found, action, &unproven, &journal, &(), &Stop::default()).unwrap();
}

/// One target for each way to stand before three migrations.
fn of_every_kind(dialect: Dialect) -> Home {
    // 1 is empty, 2 and 11 are at the first, 3 is at the second, 4 at head.
    let home = Home::new(dialect, 11);
    some(&home, &[2, 11], &[1], &HEAD);
    some(&home, &[3, 5, 6, 9], &[1, 2], &HEAD);
    some(&home, &[4, 8], &[1, 2, 3], &HEAD);
    // 5 was taken back to base.
    some(&home, &[5], &[1, 2], &Action::Migrate(Goal::Base));
    // 6 is at the second, and nobody knows; 7 is of somebody else.
    home.batch(6, "DROP TABLE __diesel_schema_migrations; DROP TABLE underpin_history");
    home.batch(7, "CREATE TABLE foreigner (id INTEGER)");
    // 8 is of a newer program, and of 9 the scripts were edited since.
    home.newer(8);
    home.batch(9, &format!("UPDATE underpin_history SET checksum = '{}'", "a".repeat(64)));
    // 10 has a gap.
    some(&home, &[10], &[1, 3], &HEAD);
    home
}

/// Making databases takes PostgreSQL a while, so it gets one goal of each kind.
fn goals(dialect: Dialect) -> Vec<Action> {
    let version = |text: &str| text.parse().unwrap();
    let goals = [
        Goal::Head,
        Goal::Up(0),
        Goal::Up(1),
        Goal::Up(2),
        Goal::UpTo(version("0002")),
        Goal::UpTo(version("0001")),
        Goal::Only(version("0002")),
        Goal::Only(version("0003")),
        Goal::Down(1),
        Goal::Down(2),
        Goal::DownTo(version("0001")),
        Goal::DownTo(version("0002")),
        Goal::Base,
    ];
    let every = if dialect == Dialect::Postgres { 2 } else { 1 };
    goals.into_iter().step_by(every).map(Action::Migrate).chain([Action::Adopt]).collect()
}

/// What is applied in each target; `None` where nobody knows.
fn applied(home: &Home) -> Vec<Option<BTreeSet<String>>> {
    let table = match home.db.dialect() {
        Dialect::Sqlite => {
            "SELECT name FROM sqlite_schema WHERE name = '__diesel_schema_migrations'"
        }
        Dialect::Postgres => {
            "SELECT tablename FROM pg_tables WHERE tablename = '__diesel_schema_migrations' AND \
             schemaname = current_schema()"
        }
    };
    let one = |number| {
        let known = !home.texts(number, table).is_empty();
        known.then(|| home.applied(number).into_iter().collect())
    };
    (1..=11).map(one).collect()
}

/// What is announced for one target, and what came of it.
fn assert_kept(
    announced: &Announced,
    row: &TargetRow,
    before: Option<&BTreeSet<String>>,
    after: Option<&BTreeSet<String>>,
) {
    let of = format!("{announced:#?}\n{row:#?}\nbefore: {before:?}\nafter: {after:?}");
    assert_eq!(announced.place, row.place);
    if announced.error.is_some() {
        assert_eq!((row.state.as_str(), before), ("failed", after), "{of}");
        return;
    }
    let report = announced.report.as_ref();
    let adopted = announced.adopted.as_ref().or(report.and_then(|report| report.adopted.as_ref()));
    let steps = report.map_or(&[][..], |report| &report.steps);
    let works = adopted.is_some() || !steps.is_empty();
    assert_eq!(row.state.as_str(), if works { "done" } else { "unchanged" }, "{of}");
    assert_eq!(usize::try_from(row.steps).unwrap(), steps.len(), "{of}");
    let mut expected = before.cloned().unwrap_or_default();
    if let Some(adopted) = adopted {
        let up_to = adopted.version.to_string();
        expected.extend(
            ["0001", "0002", "0003"].map(str::to_owned).into_iter().filter(|one| *one <= up_to),
        );
    }
    for step in steps {
        let version = step.version.to_string();
        let changed = match step.direction {
            Direction::Up => expected.insert(version),
            Direction::Down => expected.remove(&version),
        };
        assert!(changed, "{of}");
    }
    assert_eq!(after.cloned().unwrap_or_default(), expected, "{of}");
    if let Some(report) = report {
        assert_eq!(report.head.as_ref().map(ToString::to_string), row.version_after, "{of}");
    }
}

/// Which way a run comes to its end.
#[derive(Debug, Clone, Copy)]
enum Way {
    Run,
    /// Stopped before it did anything, and gone on with.
    Resumed,
    /// Each target was locked, and tried again.
    Retried,
}

fn run(home: &Home, fleet: &Fleet<'_>, action: &Action, way: Way) -> Report {
    let (journal, found, stop) = (home.journal(), home.found(), Stop::default());
    let begin = |stop: &Stop| {
        fleet.run(&found, action, &whatever(), &journal, &(), stop).unwrap();
    };
    match way {
        Way::Run => begin(&stop),
        Way::Resumed => {
            let stopped = Stop::default();
            stopped.ask();
            begin(&stopped);
            let report = journal.report(None).unwrap();
            assert_eq!(report.counts.done, 0);
            if report.run.outcome.as_str() == "stopped" {
                fleet.resume(&found, &journal, &(), &stop).unwrap();
            }
        }
        Way::Retried => {
            home.locked(|| begin(&stop));
            if journal.report(None).unwrap().counts.failed > 0 {
                fleet.retry_failed(&found, &journal, &(), &stop).unwrap();
            }
        }
    }
    journal.report(None).unwrap()
}

#[rstest]
fn what_is_announced_happens(
    #[values(Dialect::Sqlite, Dialect::Postgres)] dialect: Dialect,
    #[values(Way::Run, Way::Resumed, Way::Retried)] way: Way,
    #[values(false, true)] allowed: bool,
) {
    let catalog = tables(dialect, 3);
    let policy = Policy { allow_out_of_order: allowed, allow_missing: allowed, resume: false };
    // A header does not tell that a history was edited, and its schema was not.
    let mut fleet = Fleet { thorough: true, ..fleet(&catalog) };
    fleet.options.policy = policy;
    fleet.options.lock_wait = std::time::Duration::ZERO;
    for action in goals(dialect) {
        let home = of_every_kind(dialect);
        let before = applied(&home);
        let announced = fleet.announce(&home.found(), &action).unwrap();
        let status = fleet.status(&home.found()).unwrap();

        let report = run(&home, &fleet, &action, way);

        let after = applied(&home);
        for row in &report.targets {
            let index = row.id.parse::<usize>().unwrap() - 1;
            let (before, after) = (before[index].as_ref(), after[index].as_ref());
            assert_kept(&announced[index], row, before, after);
        }
        if action == HEAD {
            for (status, announced) in status.iter().zip(&announced) {
                let steps = announced.report.as_ref().map(|report| report.steps.len());
                let word = match (announced.error.is_some(), steps) {
                    _ if ["6", "7"].contains(&&*status.id) => "unknown",
                    (true, _) => "refused",
                    (false, Some(0)) => "current",
                    (false, _) => "behind",
                };
                assert_eq!(status.standing.word(), word, "{status:?} {announced:#?}");
            }
        }
    }
}
