//! What people let the database run at the statements of the engine's own: when it fails, no script is blamed, and
//! what the message says to do helps.

use rstest::rstest;
use underpin::{Checksum, Error, Goal, Left, Options, StepCause, exit::explain};
use underpin_testkit::{Dialect, TestDb};

use crate::{
    applied, catalog, migrate, migration, own_tables, stepwise::outside, table, with_engine,
};

/// A function of a trigger that names another one without its schema.
fn noting(kind: &str) -> String {
    let body = match kind {
        "trigger" => "PERFORM note(tg_op); RETURN NULL",
        _ => "PERFORM note(tg_tag)",
    };
    format!(
        "CREATE FUNCTION note(what text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM what; END $$; \
         CREATE FUNCTION on_it() RETURNS {kind} LANGUAGE plpgsql AS $$ BEGIN {body}; END $$"
    )
}

/// Looks at what a run said, and does what it said.
fn told_and_mended(db: &TestDb, error: &Error) {
    let text = explain(error);
    assert!(text.contains("in a statement of Underpin's own"), "{text}");
    assert!(!text.contains(" script,") && !text.contains(" script)"), "{text}");
    assert!(text.contains("function note(text) does not exist"), "{text}");
    let (_, next) = text.split_once("run `ALTER FUNCTION ").unwrap();
    let (next, _) = next.split_once(" = …`").unwrap();
    assert!(next.ends_with("on_it() SET search_path"), "{text}");
    db.batch(&format!("ALTER FUNCTION {next} = public"));
}

#[rstest]
#[case::in_a_transaction(true)]
#[case::outside(false)]
fn an_event_trigger_that_fails_is_named_postgres(#[case] inside: bool) {
    let db = TestDb::new(Dialect::Postgres);
    let event = "CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION on_it()";
    db.batch(&format!("{}; {event}", noting("event_trigger")));
    let one = if inside { table(1) } else { outside(1, &table(1).up, "") };
    let all = catalog(Dialect::Postgres, vec![one]);

    let error = migrate(&db, &all, &Goal::Head).unwrap_err();

    let Error::Step(step) = &error else { panic!("{error:?}") };
    assert!(step.place.is_none() && matches!(step.cause, StepCause::Trigger(_)), "{error:?}");
    assert_eq!(step.left, Left::Nothing);
    assert!(db.tables().is_empty());
    told_and_mended(&db, &error);
    migrate(&db, &all, &Goal::Head).unwrap();
    assert_eq!(applied(&db), ["0001"]);
}

/// What a trigger refuses on purpose has nothing to do with the schemas that are looked up.
#[test]
fn an_event_trigger_that_refuses_is_told_without_a_cause_of_ours_postgres() {
    let db = TestDb::new(Dialect::Postgres);
    db.batch(
        "CREATE FUNCTION no() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'only on Sundays'; END $$; \
         CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION no()",
    );

    let error = migrate(&db, &catalog(Dialect::Postgres, vec![table(1)]), &Goal::Head).unwrap_err();

    let text = explain(&error);
    assert!(text.contains("function `public.no()`") || text.contains("function `no()`"), "{text}");
    assert!(text.contains("only on Sundays") && !text.contains("ALTER FUNCTION"), "{text}");
}

/// Where it is, and when it runs.
const TRIGGERS: [&str; 5] = [
    "CREATE TRIGGER r AFTER INSERT ON underpin_history FOR EACH ROW EXECUTE FUNCTION on_it()",
    "CREATE TRIGGER r BEFORE INSERT ON underpin_history FOR EACH STATEMENT EXECUTE FUNCTION on_it()",
    "CREATE CONSTRAINT TRIGGER r AFTER INSERT ON underpin_history DEFERRABLE INITIALLY DEFERRED FOR EACH ROW \
     EXECUTE FUNCTION on_it()",
    "CREATE TRIGGER r AFTER INSERT OR DELETE ON __diesel_schema_migrations FOR EACH ROW EXECUTE FUNCTION on_it()",
    "CREATE CONSTRAINT TRIGGER r AFTER INSERT OR DELETE ON __diesel_schema_migrations DEFERRABLE INITIALLY \
     DEFERRED FOR EACH ROW EXECUTE FUNCTION on_it()",
];

#[derive(Debug, Clone, Copy)]
enum Verb {
    Upgrade,
    Downgrade,
    Stamp,
    Repair,
}

#[rstest]
fn a_trigger_on_the_history_that_fails_is_named_postgres(
    #[values(Verb::Upgrade, Verb::Downgrade, Verb::Stamp, Verb::Repair)] verb: Verb,
    #[values(0, 1, 2, 3, 4)] trigger: usize,
) {
    // Nothing is applied anew by it.
    if matches!(verb, Verb::Repair) && TRIGGERS[trigger].contains("__diesel") {
        return;
    }
    let db = TestDb::new(Dialect::Postgres);
    let mut scripts = vec![table(1), table(2), table(3)];
    migrate(&db, &catalog(Dialect::Postgres, scripts.clone()), &Goal::Up(2)).unwrap();
    db.batch(&format!("{}; {}", noting("trigger"), TRIGGERS[trigger]));
    if matches!(verb, Verb::Repair) {
        scripts[0].checksum = Checksum::of("another text");
    }
    let all = catalog(Dialect::Postgres, scripts);
    let run = || {
        with_engine(&db, &all, Options::default(), async |engine| match verb {
            Verb::Upgrade => engine.migrate(&Goal::Head).await.map(drop),
            Verb::Downgrade => engine.migrate(&Goal::Down(1)).await.map(drop),
            Verb::Stamp => engine.stamp(Some(&all.migrations()[2].version), true).await.map(drop),
            Verb::Repair => engine.repair(&all.migrations()[0], "mended", true).await.map(drop),
        })
    };

    // What waits for the end of a script is done there, with the settings of people.
    if matches!(verb, Verb::Upgrade | Verb::Downgrade) && trigger == 4 {
        run().unwrap();
        return;
    }
    let error = run().unwrap_err();

    assert_eq!(applied(&db), ["0001", "0002"]);
    assert_eq!(own_tables(&db), ["t1", "t2"]);
    told_and_mended(&db, &error);
    run().unwrap();
}

#[rstest]
fn a_trigger_that_fails_beside_a_script_outside_a_transaction_is_named_postgres(
    #[values(0, 1, 2, 3, 4)] trigger: usize,
) {
    let db = TestDb::new(Dialect::Postgres);
    let up = "INSERT INTO t1 VALUES (7); INSERT INTO t1 VALUES (8)";
    let all = catalog(Dialect::Postgres, vec![table(1), outside(2, up, "")]);
    migrate(&db, &all, &Goal::Up(1)).unwrap();
    db.batch(&format!("{}; {}", noting("trigger"), TRIGGERS[trigger]));

    let error = migrate(&db, &all, &Goal::Head).unwrap_err();

    let Error::Step(step) = &error else { panic!("{error:?}") };
    assert!(step.place.is_none() && matches!(step.cause, StepCause::Trigger(_)), "{error:?}");
    // Diesel's table is written when the script is done.
    let ours = TRIGGERS[trigger].contains("underpin_history");
    assert_eq!(step.left, if ours { Left::Nothing } else { Left::Statements(2) });
    told_and_mended(&db, &error);
    let policy = underpin::Policy { resume: true, ..underpin::Policy::default() };
    let options = Options { policy, ..Options::default() };
    with_engine(&db, &all, options, async |engine| engine.migrate(&Goal::Head).await.unwrap());
    assert_eq!(db.texts("SELECT id::text FROM t1 ORDER BY id"), ["1", "7", "8"]);
}

/// What a script's own triggers do at its end is its own.
#[rstest]
#[case::at_once("")]
#[case::at_the_end("DEFERRABLE INITIALLY DEFERRED")]
fn a_trigger_on_a_table_of_people_is_the_scripts_postgres(#[case] when: &str) {
    let db = TestDb::new(Dialect::Postgres);
    let up = format!(
        "CREATE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$; \
         CREATE CONSTRAINT TRIGGER r AFTER INSERT ON t1 {when} FOR EACH ROW EXECUTE FUNCTION fails(); \
         INSERT INTO t1 VALUES (7)"
    );
    let all = catalog(Dialect::Postgres, vec![table(1), migration(2, "own", &up, "")]);
    migrate(&db, &all, &Goal::Up(1)).unwrap();

    let text = explain(&migrate(&db, &all, &Goal::Head).unwrap_err());

    assert!(text.contains("up script") && !text.contains("Underpin's own"), "{text}");
}
