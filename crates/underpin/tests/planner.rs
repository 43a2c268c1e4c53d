//! The planner against set arithmetic, and everything that it refuses.

#![expect(clippy::unwrap_used, reason = "a test ends where its ground is missing")]

use std::{borrow::Cow, collections::BTreeSet};

use proptest::prelude::*;
use rstest::rstest;
use underpin::{
    Catalog, Checksum, Code, Dialect, Direction, Goal, Grouping, History, Interrupted, Metadata,
    Migration, Plan, Policy, Refusal, Step, Version, plan,
};
use underpin_catalog::Down;

const STRICT: Policy = Policy { allow_out_of_order: false, allow_missing: false, resume: false };
const LENIENT: Policy = Policy { allow_out_of_order: true, allow_missing: true, resume: false };
const RESUME: Policy = Policy { resume: true, ..STRICT };

fn version(number: u32) -> Version {
    format!("{number:04}").parse().unwrap()
}

fn migration(number: u32, up: &str, down: Down) -> Migration {
    Migration {
        version: version(number),
        name: Cow::Owned(format!("m{number}")),
        up: Cow::Owned(up.to_owned()),
        down,
        checksum: Checksum::of(up),
        metadata: Metadata::DEFAULT,
    }
}

/// A migration whose scripts tell its number.
fn reversible(number: u32) -> Migration {
    let down = Down::Text(format!("SELECT -{number}").into());
    migration(number, &format!("SELECT {number}"), down)
}

fn catalog(dialect: Dialect, migrations: Vec<Migration>) -> Catalog {
    Catalog::new("test", dialect, migrations).unwrap()
}

fn reversibles(numbers: &BTreeSet<u32>) -> Catalog {
    catalog(Dialect::Sqlite, numbers.iter().copied().map(reversible).collect())
}

/// The same, outside a transaction.
fn outside(numbers: impl IntoIterator<Item = u32>) -> Catalog {
    let one = |number| {
        let mut migration = reversible(number);
        migration.metadata.run_in_transaction = false;
        migration
    };
    catalog(Dialect::Sqlite, numbers.into_iter().map(one).collect())
}

/// These are applied, with the scripts that [`reversible`] gives them.
fn history(applied: impl IntoIterator<Item = u32>) -> History {
    let row = |number| (version(number), Some(reversible(number).checksum));
    History { applied: applied.into_iter().map(row).collect(), ..History::default() }
}

fn interrupted(number: u32, direction: Direction, done: usize) -> Interrupted {
    let migration = reversible(number);
    let checksum = match direction {
        Direction::Up => migration.checksum,
        Direction::Down => Checksum::of(&migration.down().unwrap().unwrap()),
    };
    let checksum = Some(checksum);
    Interrupted { version: version(number), direction, done, checksum, note: None, runner: None }
}

/// What a plan runs: the version and the script of each step.
fn steps(plan: &Plan<'_>) -> Vec<(Version, String)> {
    plan.steps
        .iter()
        .map(|step| (step.migration.version.clone(), step.script.clone().into_owned()))
        .collect()
}

fn versions(plan: &Plan<'_>) -> Vec<Version> {
    plan.steps.iter().map(|step| step.migration.version.clone()).collect()
}

/// What a plan should run, by set arithmetic on the numbers.
fn expected(all: &BTreeSet<u32>, applied: &BTreeSet<u32>, goal: &Goal) -> Vec<(Version, String)> {
    let pending = all.difference(applied).copied();
    let oldest_first: Vec<_> = all.intersection(applied).copied().collect();
    let applied = oldest_first.into_iter().rev();
    let chosen: Vec<u32> = match goal {
        Goal::Head => pending.collect(),
        Goal::Up(count) => pending.take(*count).collect(),
        Goal::UpTo(bound) => pending.filter(|one| version(*one) <= *bound).collect(),
        Goal::Only(wanted) => pending.filter(|one| version(*one) == *wanted).collect(),
        Goal::Base => applied.collect(),
        Goal::Down(count) => applied.take(*count).collect(),
        Goal::DownTo(bound) => applied.filter(|one| version(*one) > *bound).collect(),
    };
    let sign = if goal.direction() == Direction::Up { "" } else { "-" };
    chosen.into_iter().map(|one| (version(one), format!("SELECT {sign}{one}"))).collect()
}

fn numbers() -> impl Strategy<Value = BTreeSet<u32>> {
    proptest::collection::btree_set(1_u32..40, 0..20)
}

fn goals() -> impl Strategy<Value = Goal> {
    let bound = (1_u32..40).prop_map(version);
    prop_oneof![
        Just(Goal::Head),
        Just(Goal::Base),
        (0_usize..25).prop_map(Goal::Up),
        (0_usize..25).prop_map(Goal::Down),
        bound.clone().prop_map(Goal::UpTo),
        bound.clone().prop_map(Goal::Only),
        bound.prop_map(Goal::DownTo),
    ]
}

fn policies() -> impl Strategy<Value = Policy> {
    any::<(bool, bool, bool)>().prop_map(|(allow_out_of_order, allow_missing, resume)| Policy {
        allow_out_of_order,
        allow_missing,
        resume,
    })
}

fn interruptions() -> impl Strategy<Value = Option<Interrupted>> {
    let direction = prop_oneof![Just(Direction::Up), Just(Direction::Down)];
    let one = (1_u32..40, direction, 0_usize..3)
        .prop_map(|(number, direction, done)| interrupted(number, direction, done));
    proptest::option::of(one)
}

proptest! {
    #[test]
    fn a_plan_is_what_set_arithmetic_says(all in numbers(), applied in numbers(), goal in goals()) {
        let catalog = reversibles(&all);

        let plan = plan(&catalog, &[], &history(applied.clone()), &goal, LENIENT).unwrap();

        prop_assert_eq!(steps(&plan), expected(&all, &applied, &goal));
        prop_assert!(plan.steps.iter().all(|step| step.direction == goal.direction()));
        prop_assert!(plan.steps.iter().all(|step| step.resumed.is_none()));
    }

    #[test]
    fn planning_twice_gives_the_same(
        all in numbers(), applied in numbers(), interrupted in interruptions(), goal in goals(),
        policy in policies()
    ) {
        let catalog = reversibles(&all);
        let history = History { interrupted, ..history(applied) };

        let first = plan(&catalog, &[], &history, &goal, policy);

        prop_assert_eq!(plan(&catalog, &[], &history, &goal, policy), first);
    }

    /// From any prefix, which is what a strict policy leaves behind.
    #[test]
    fn down_to_base_and_up_to_head_runs_every_migration_once(
        all in numbers(), count in 0_usize..25
    ) {
        let catalog = reversibles(&all);
        let applied: BTreeSet<u32> = all.iter().copied().take(count).collect();

        let history = history(applied.clone());
        let down = plan(&catalog, &[], &history, &Goal::Base, STRICT).unwrap();
        let empty = History::default();
        let up = plan(&catalog, &[], &empty, &Goal::Head, STRICT).unwrap();

        prop_assert_eq!(versions(&down), applied.into_iter().rev().map(version).collect::<Vec<_>>());
        prop_assert_eq!(versions(&up), all.into_iter().map(version).collect::<Vec<_>>());
    }

    /// One step at a time gets to where one run gets.
    #[test]
    fn steps_of_one_add_up_to_head(all in numbers(), applied in numbers()) {
        let catalog = reversibles(&all);
        let mut now = history(applied);
        let whole = steps(&plan(&catalog, &[], &now, &Goal::Head, LENIENT).unwrap());

        let mut single = Vec::new();
        for _ in &whole {
            let one = plan(&catalog, &[], &now, &Goal::Up(1), LENIENT).unwrap();
            single.extend(steps(&one));
            now.applied.extend(versions(&one).into_iter().map(|version| (version, None)));
        }

        prop_assert_eq!(single, whole);
        prop_assert_eq!(underpin::pending(&catalog, &now).count(), 0);
    }

    /// All of it at once, in this order, and each leave lifts only its own refusal.
    #[test]
    fn a_refusal_names_everything_that_the_policy_does_not_allow(
        all in numbers(), applied in numbers(), edited in numbers(), goal in goals(),
        policy in policies()
    ) {
        let catalog = reversibles(&all);
        let mut history = history(applied.clone());
        let other = Checksum::of("another script");
        for number in edited.intersection(&applied) {
            history.applied.insert(version(*number), Some(other));
        }

        let refusals =
            plan(&catalog, &[], &history, &goal, policy).map_or_else(|refused| refused.0, |_| vec![]);

        let mut wanted = Vec::new();
        for number in &applied {
            if !all.contains(number) && !policy.allow_missing {
                wanted.push(Refusal::Missing { version: version(*number) });
            } else if all.contains(number) && edited.contains(number) {
                wanted.push(Refusal::Diverged {
                    version: version(*number),
                    applied: other,
                    catalog: reversible(*number).checksum,
                });
            }
        }
        if let Some(head) = applied.last().filter(|_| !policy.allow_out_of_order) {
            let head = version(*head);
            let chosen = expected(&all, &applied, &goal).into_iter().map(|(version, _)| version);
            let late = chosen.filter(|one| goal.direction() == Direction::Up && *one < head);
            let refusal = |version| Refusal::OutOfOrder { version, head: head.clone() };
            wanted.extend(late.map(refusal));
        }
        prop_assert_eq!(refusals, wanted);
    }

    #[test]
    fn every_step_is_in_one_transaction_and_none_is_moved(
        all in numbers(), goal in goals(), alone in proptest::option::of(1_u32..40)
    ) {
        let mut migrations: Vec<_> = all.iter().copied().map(reversible).collect();
        for one in &mut migrations {
            one.metadata.run_in_transaction = alone.is_none_or(|it| one.version != version(it));
        }
        let catalog = catalog(Dialect::Sqlite, migrations);
        let history = history(all.iter().copied().take(all.len() / 2));
        let plan = plan(&catalog, &[], &history, &goal, STRICT).unwrap();

        for grouping in [Grouping::PerMigration, Grouping::Together] {
            let groups = plan.transactions(grouping);

            prop_assert_eq!(groups.concat(), plan.steps.clone());
            prop_assert!(groups.iter().all(|group| !group.is_empty()));
            let single = grouping == Grouping::Together && plan.fits_one_transaction();
            let most = if single { 1 } else { usize::MAX };
            prop_assert_eq!(groups.len(), plan.steps.len().min(most));
        }
    }
}

#[rstest]
#[case::up(Direction::Up, Goal::Head)]
#[case::down(Direction::Down, Goal::Base)]
fn an_interrupted_script_is_refused_until_it_is_resumed(
    #[case] direction: Direction,
    #[case] goal: Goal,
) {
    let catalog = outside([1, 2, 3]);
    let applied = if direction == Direction::Up { vec![] } else { vec![1, 2, 3] };
    let history = History { interrupted: Some(interrupted(2, direction, 5)), ..history(applied) };

    let refused = plan(&catalog, &[], &history, &goal, LENIENT).unwrap_err();
    let resumed = plan(&catalog, &[], &history, &goal, RESUME).unwrap();

    assert_eq!(refused.0, [Refusal::Interrupted { version: version(2), direction, done: 5 }]);
    let done = |step: &Step<'_>| step.resumed;
    assert_eq!(resumed.steps.iter().map(done).collect::<Vec<_>>(), [None, Some(5), None]);
}

#[rstest]
#[case::up_then_down(Direction::Up, Goal::Base)]
#[case::down_then_up(Direction::Down, Goal::Head)]
fn an_interrupted_script_is_not_resumed_the_other_way(
    #[case] direction: Direction,
    #[case] goal: Goal,
) {
    let catalog = outside([1, 2]);
    let history = History { interrupted: Some(interrupted(2, direction, 0)), ..history([1]) };

    let refused = plan(&catalog, &[], &history, &goal, RESUME).unwrap_err();

    assert_eq!(refused.0, [Refusal::Interrupted { version: version(2), direction, done: 0 }]);
}

#[test]
fn an_interrupted_script_that_was_edited_since_is_not_resumed() {
    let catalog = outside([1, 2]);
    let began = Checksum::of("as it was");
    let interrupted = Interrupted { checksum: Some(began), ..interrupted(2, Direction::Up, 1) };
    let history = History { interrupted: Some(interrupted), ..history([1]) };

    let refused = plan(&catalog, &[], &history, &Goal::Head, RESUME).unwrap_err();

    assert_eq!(refused.0, [Refusal::Rewritten { version: version(2), done: 1 }]);
}

#[test]
fn an_edit_after_what_an_interrupted_script_has_done_can_be_accepted() {
    let catalog = outside([1, 2]);
    let began = Checksum::of("as it was");
    let interrupted = Interrupted { checksum: Some(began), ..interrupted(2, Direction::Up, 0) };
    let history = History { interrupted: Some(interrupted), ..history([1]) };

    let refused = plan(&catalog, &[], &history, &Goal::Head, RESUME).unwrap_err();

    let now = reversible(2).checksum;
    let expected = Refusal::Diverged { version: version(2), applied: began, catalog: now };
    assert_eq!(refused.0, [expected]);
}

#[test]
fn every_migration_without_a_way_back_is_named() {
    let one_way = |number| migration(number, &format!("SELECT {number}"), Down::None);
    let catalog = catalog(Dialect::Sqlite, vec![one_way(1), reversible(2), one_way(3)]);

    let refused = plan(&catalog, &[], &history([1, 2, 3]), &Goal::Base, STRICT).unwrap_err();

    let refusal = |number| Refusal::Irreversible { version: version(number) };
    assert_eq!(refused.0, [refusal(3), refusal(1)]);
    assert!(plan(&catalog, &[], &History::default(), &Goal::Head, STRICT).is_ok());
    assert!(plan(&catalog, &[], &history([1, 2]), &Goal::Down(1), STRICT).is_ok());
}

#[test]
fn a_way_back_that_cannot_be_read_is_named_with_its_path() {
    let dir = tempfile::tempdir().unwrap();
    let unreadable = migration(1, "SELECT 1", Down::File(dir.path().to_owned()));
    let catalog = catalog(Dialect::Sqlite, vec![unreadable]);

    let refused = plan(&catalog, &[], &history([1]), &Goal::Base, STRICT).unwrap_err();

    assert!(matches!(&refused.0[..], [Refusal::Unreadable { .. }]), "{refused}");
    assert!(refused.to_string().contains(&dir.path().display().to_string()), "{refused}");
}

#[rstest]
#[case::commit_on_sqlite(Dialect::Sqlite, "COMMIT")]
#[case::commit_on_postgres(Dialect::Postgres, "COMMIT")]
#[case::foreign_keys_on_sqlite(Dialect::Sqlite, "PRAGMA foreign_keys = OFF")]
#[case::vacuum_on_sqlite(Dialect::Sqlite, "VACUUM")]
#[case::concurrently_on_postgres(Dialect::Postgres, "CREATE INDEX CONCURRENTLY i ON t (a)")]
fn what_a_transaction_cannot_hold_is_refused_at_its_line_and_only_there(
    #[case] dialect: Dialect,
    #[case] statement: &str,
) {
    let script = format!("SELECT 1;\n\n{statement};\nSELECT 2");
    let mut inside = migration(1, &script, Down::Text(script.clone().into()));
    let mut outside = inside.clone();
    outside.metadata.run_in_transaction = false;
    inside.metadata.run_in_transaction = true;
    let applied =
        History { applied: [(version(1), Some(inside.checksum))].into(), ..History::default() };
    let (inside, outside) = (catalog(dialect, vec![inside]), catalog(dialect, vec![outside]));

    for (goal, history) in [(Goal::Head, &History::default()), (Goal::Base, &applied)] {
        let refused = plan(&inside, &[], history, &goal, LENIENT).unwrap_err();

        let wanted = goal.direction();
        assert!(
            matches!(&refused.0[..], [Refusal::Script { line: 3, direction, .. }] if *direction == wanted),
            "{refused}"
        );
        assert!(plan(&outside, &[], history, &goal, STRICT).is_ok());
    }
}

#[rstest]
#[case::inside_a_transaction(true)]
#[case::outside_a_transaction(false)]
fn a_command_of_psql_is_refused_on_postgres(#[case] run_in_transaction: bool) {
    let mut one = migration(1, "SELECT 1;\n\\d t", Down::None);
    one.metadata.run_in_transaction = run_in_transaction;
    let catalog = catalog(Dialect::Postgres, vec![one]);

    let refused = plan(&catalog, &[], &History::default(), &Goal::Head, LENIENT).unwrap_err();

    assert!(matches!(&refused.0[..], [Refusal::Script { line: 2, .. }]), "{refused}");
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_script_that_cannot_be_split_is_refused_and_the_others_are_still_checked(
    #[case] dialect: Dialect,
) {
    let broken = |number| migration(number, "SELECT 1;\nSELECT 'open", Down::None);
    let catalog = catalog(dialect, vec![broken(1), reversible(2), broken(3)]);

    let refused = plan(&catalog, &[], &History::default(), &Goal::Head, LENIENT).unwrap_err();

    let named: Vec<_> = refused
        .0
        .iter()
        .map(|refusal| match refusal {
            Refusal::Script { version, line, .. } => (version.clone(), *line),
            other => panic!("{other}"),
        })
        .collect();
    assert_eq!(named, [(version(1), 2), (version(3), 2)]);
}

#[rstest]
#[case::on_postgres(Dialect::Postgres, 2)]
#[case::sqlite_has_no_enums(Dialect::Sqlite, 1)]
fn a_new_value_of_an_enum_is_committed_before_the_next_step(
    #[case] dialect: Dialect,
    #[case] transactions: usize,
) {
    let add = migration(1, "ALTER TYPE mood ADD VALUE 'glad'", Down::None);
    let catalog = catalog(dialect, vec![add, reversible(2)]);

    let plan = plan(&catalog, &[], &History::default(), &Goal::Head, STRICT).unwrap();

    assert_eq!(plan.transactions(Grouping::Together).len(), transactions);
}

#[test]
fn code_must_be_there_on_the_way_up_alone() {
    let mut with_code = reversible(2);
    with_code.metadata.code = Some("a/1".into());
    let catalog = catalog(Dialect::Sqlite, vec![reversible(1), with_code, reversible(3)]);
    let code = |name| Code { name, run: |_| Box::pin(async { Ok(()) }) };

    for others in [&[][..], &[code("a/2")]] {
        let refused = plan(&catalog, others, &history([1]), &Goal::Head, STRICT).unwrap_err();
        assert_eq!(
            refused.0,
            [Refusal::UnknownCode { version: version(2), code: "a/1".to_owned() }]
        );
        assert!(plan(&catalog, others, &history([]), &Goal::Up(1), STRICT).is_ok());
        assert!(plan(&catalog, others, &history([1, 2]), &Goal::Base, STRICT).is_ok());
    }
    let both = [code("b/1"), code("a/1")];
    let plan = plan(&catalog, &both, &history([1]), &Goal::Head, STRICT).unwrap();
    let names: Vec<_> = plan.steps.iter().map(|step| step.code.map(|code| code.name)).collect();
    assert_eq!(names, [Some("a/1"), None]);
}

#[rstest]
#[case::up(Direction::Up, Goal::Head)]
#[case::down(Direction::Down, Goal::Base)]
fn an_interrupted_script_that_is_to_run_in_a_transaction_now_is_refused(
    #[case] direction: Direction,
    #[case] goal: Goal,
    #[values(LENIENT, RESUME)] policy: Policy,
) {
    let catalog = reversibles(&BTreeSet::from([1, 2]));
    let history = History { interrupted: Some(interrupted(2, direction, 1)), ..history([1, 2]) };

    let refused = plan(&catalog, &[], &history, &goal, policy).unwrap_err();

    assert_eq!(refused.0, [Refusal::InTransactionNow { version: version(2), done: 1 }]);
}

#[rstest]
fn an_interrupted_script_whose_folder_is_gone_is_refused(
    #[values(LENIENT, RESUME)] policy: Policy,
) {
    let catalog = outside([1]);
    let direction = Direction::Up;
    let history = History { interrupted: Some(interrupted(2, direction, 1)), ..history([1]) };

    let refused = plan(&catalog, &[], &history, &Goal::Head, policy).unwrap_err();

    let expected = Refusal::InterruptedMissing { version: version(2), direction, done: 1 };
    assert_eq!(refused.0, [expected]);
}
