//! What a run says of its end is what the database shows: nothing is "rolled back" that stays, "interrupted" that
//! is running, or "done" that was not.

use std::{
    thread,
    time::{Duration, Instant},
};

use rstest::rstest;
use underpin::{Catalog, Error, Goal, Interrupted, Options, Report, exit::explain};
use underpin_testkit::{Dialect, TestDb};

use crate::{applied, catalog, migrate, migration, stepwise::outside, table, with_engine};

/// What the database shows.
struct Facts {
    /// The first statement of the script stays.
    made: bool,
    applied: bool,
    interrupted: Option<Interrupted>,
}

fn facts(db: &TestDb, catalog: &Catalog) -> Facts {
    let history = with_engine(db, catalog, Options::default(), async |engine| {
        engine.standing(None).await.unwrap().history
    });
    let has = |table: &str| db.tables().iter().any(|one| one == table);
    Facts {
        made: has("made"),
        applied: has("__diesel_schema_migrations") && applied(db).contains(&"0002".to_owned()),
        interrupted: history.interrupted,
    }
}

/// What of the words is not so.
fn untrue(result: &Result<Report, Error>, facts: &Facts) -> Vec<String> {
    let text = match result {
        Ok(report) => {
            let ran = report.steps.iter().any(|step| step.version.as_str() == "0002");
            let head = report.head.as_ref().is_some_and(|head| head.as_str() == "0002");
            let lies = [(ran && !facts.applied, "ran"), (head != facts.applied, "is at the head")];
            return lies
                .iter()
                .filter(|(lie, _)| *lie)
                .map(|(_, what)| (*what).to_owned())
                .collect();
        }
        Err(error) => explain(error),
    };
    let says = |words: &str| text.contains(words);
    let running = facts.interrupted.as_ref().is_some_and(|one| one.runner.is_some());
    let half = facts.interrupted.is_some() && !running;
    let kept = says("done and stay") || says("may be committed") || says("is not known");
    let number =
        text.split(" statements of it are done").next().filter(|_| says("statements of it are"));
    let number = number.and_then(|text| text.rsplit(' ').next()?.parse::<usize>().ok());
    let done = facts.interrupted.as_ref().map(|one| one.done);
    let lies = [
        (says("was rolled back and left nothing") && (facts.made || facts.applied), "rolled back"),
        (says("interrupted") && !half, "interrupted"),
        (says("at work") && half, "at work"),
        (facts.made && !facts.applied && !kept && !half && !running, "nothing stays"),
        (number.is_some() && number != done, "so many statements"),
        (says("nothing was changed") && (facts.made || facts.applied), "nothing was changed"),
        (says("is applied") && !facts.applied, "applied"),
    ];
    let lies = lies.iter().filter(|(lie, _)| *lie).map(|(_, what)| format!("`{what}`: {text}"));
    lies.collect()
}

const MADE: &str = "CREATE TABLE made (id INTEGER PRIMARY KEY)";
const FAILS: &str = "INSERT INTO no_such_table VALUES (1)";
const BOTH: &[Dialect] = &[Dialect::Sqlite, Dialect::Postgres];
const POSTGRES: &[Dialect] = &[Dialect::Postgres];

/// Every way in which a script ends, with words that must be said of it.
#[rstest]
#[case::done_sqlite_postgres("{MADE}", true, BOTH, "")]
#[case::done_outside_sqlite_postgres("{MADE}", false, BOTH, "")]
#[case::fails_sqlite_postgres("{MADE}; {FAILS}", true, BOTH, "was rolled back and left nothing")]
#[case::fails_outside_sqlite_postgres(
    "{MADE}; {FAILS}",
    false,
    BOTH,
    "1 statements of it are done and stay"
)]
#[case::fails_at_once_outside_sqlite_postgres(
    "{FAILS}; {MADE}",
    false,
    BOTH,
    "0 statements of it are done"
)]
#[case::fails_in_its_own_sqlite_postgres(
    "BEGIN; {MADE}; {FAILS}; COMMIT",
    false,
    BOTH,
    "0 statements of it are done"
)]
#[case::fails_after_its_own_sqlite_postgres(
    "BEGIN; {MADE}; COMMIT; {FAILS}",
    false,
    BOTH,
    "3 statements of it are done"
)]
#[case::rolls_back_its_own_sqlite_postgres(
    "BEGIN; {MADE}; ROLLBACK; {FAILS}",
    false,
    BOTH,
    "statements of it are done"
)]
#[case::chained_postgres(
    "BEGIN; {MADE}; COMMIT AND CHAIN; {FAILS}; COMMIT",
    false,
    POSTGRES,
    "2 statements of it are done"
)]
#[case::control_sqlite_postgres("{MADE}; COMMIT; {FAILS}", true, BOTH, "transaction control")]
#[case::empty_sqlite_postgres("-- nothing", true, BOTH, "")]
#[case::conflict_sqlite("{MADE}; INSERT INTO made VALUES (1); INSERT OR ROLLBACK INTO made VALUES (1)", true,
    &[Dialect::Sqlite], "was rolled back and left nothing")]
#[case::rows_for_a_client_postgres("{MADE}; COPY made TO STDOUT; {FAILS}", true, POSTGRES, "COPY")]
#[case::rows_for_a_client_outside_postgres("{MADE}; COPY made TO STDOUT", false, POSTGRES, "COPY")]
#[case::rows_of_a_client_postgres("{MADE}; COPY made FROM STDIN", true, POSTGRES, "COPY")]
#[case::commits_in_code_postgres(
    "{MADE}; DO $$ BEGIN COMMIT; END $$",
    true,
    POSTGRES,
    "was rolled back"
)]
#[case::commits_in_code_outside_postgres(
    "{MADE}; DO $$ BEGIN COMMIT; END $$; {FAILS}",
    false,
    POSTGRES,
    "2 statements of it are done and stay"
)]
#[case::at_the_end_sqlite_postgres(
    "{MADE}; CREATE TABLE refers (made INTEGER REFERENCES made (id) DEFERRABLE \
    INITIALLY DEFERRED); INSERT INTO refers VALUES (404)",
    true,
    BOTH,
    "was rolled back and left nothing"
)]
#[case::needs_to_be_outside_postgres("{MADE}; VACUUM made", true, POSTGRES, "run_in_transaction")]
#[case::ends_its_connection_postgres(
    "{MADE}; SELECT pg_terminate_backend(pg_backend_pid())",
    true,
    POSTGRES,
    ""
)]
#[case::ends_its_connection_outside_postgres(
    "{MADE}; SELECT pg_terminate_backend(pg_backend_pid())",
    false,
    POSTGRES,
    ""
)]
#[case::takes_the_history_sqlite_postgres(
    "{MADE}; DELETE FROM __diesel_schema_migrations",
    true,
    BOTH,
    "history"
)]
fn what_is_said_of_an_end_is_so(
    #[case] script: &str,
    #[case] inside: bool,
    #[case] dialects: &[Dialect],
    #[case] words: &str,
) {
    let script = script.replace("{MADE}", MADE).replace("{FAILS}", FAILS);
    for dialect in dialects {
        let db = TestDb::new(*dialect);
        let step = if inside { migration(2, "odd", &script, "") } else { outside(2, &script, "") };
        let catalog = catalog(*dialect, vec![table(1), step]);
        migrate(&db, &crate::tables(*dialect, 1), &Goal::Head).unwrap();

        let result = migrate(&db, &catalog, &Goal::Head);
        // The second run says it of what the first has left.
        let again = migrate(&db, &catalog, &Goal::Head);

        let facts = facts(&db, &catalog);
        for result in [&result, &again] {
            assert_eq!(untrue(result, &facts), [""; 0], "{dialect:?}");
        }
        let text = result.as_ref().map_or_else(|error| explain(error), |_| String::new());
        assert!(text.contains(words), "{dialect:?}: {text}");
        assert_eq!(result.is_ok(), facts.applied, "{dialect:?}: {text}");
    }
}

/// While a script outside a transaction runs, it is at work and nothing else.
#[test]
fn what_is_said_of_a_run_while_it_runs_is_so_postgres() {
    let db = TestDb::new(Dialect::Postgres);
    let slow = outside(2, &format!("{MADE}; SELECT pg_sleep(4)"), "");
    let catalog = catalog(Dialect::Postgres, vec![table(1), slow]);
    migrate(&db, &crate::tables(Dialect::Postgres, 1), &Goal::Head).unwrap();

    thread::scope(|scope| {
        let runner = scope.spawn(|| migrate(&db, &catalog, &Goal::Head));
        let limit = Instant::now() + Duration::from_secs(30);
        while !facts(&db, &catalog).made && Instant::now() < limit {
            thread::sleep(Duration::from_millis(50));
        }
        let options = Options { lock_wait: Duration::from_millis(100), ..Options::default() };
        let kept_out =
            with_engine(&db, &catalog, options, async |engine| engine.migrate(&Goal::Head).await);
        let facts = facts(&db, &catalog);

        assert!(matches!(kept_out, Err(Error::Locked { .. })), "{kept_out:?}");
        assert!(facts.interrupted.as_ref().is_some_and(|one| one.runner.is_some()));
        assert_eq!(untrue(&kept_out, &facts), [""; 0]);
        runner.join().unwrap().unwrap();
    });

    assert!(facts(&db, &catalog).applied);
}
