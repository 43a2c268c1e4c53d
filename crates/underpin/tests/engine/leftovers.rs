//! Scripts outside a transaction: what they leave reaches no other client of a pooler, and where their strings
//! end is where the engine reads that they do.

use rstest::rstest;
use underpin::{DatabaseUrl, Engine, Error, Goal, Left, Options, StepCause, exit::explain};
use underpin_db::ConnectOptions;
use underpin_testkit::{Dialect, PgBouncer, Settings, TestDb, block_on};

use crate::{applied, catalog, migrate, migration, stepwise::outside, table};

/// All that a session can have, of the connection that answers.
const STATE: &str = "SELECT (SELECT coalesce(string_agg(name || '=' || setting, ', ' ORDER BY name), '') FROM pg_settings \
     WHERE name IN ('search_path', 'lock_timeout', 'statement_timeout', 'role', 'session_authorization', \
     'standard_conforming_strings', 'work_mem')) || ', temporary ' || \
     (SELECT count(*) FROM pg_class WHERE relpersistence = 't' AND pg_table_is_visible(oid)) || ', prepared ' || \
     (SELECT count(*) FROM pg_prepared_statements WHERE from_sql) || ', cursors ' || \
     (SELECT count(*) FROM pg_cursors WHERE is_holdable) || ', channels ' || \
     (SELECT count(*) FROM pg_listening_channels()) || ', locks ' || \
     (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()) || \
     ', mine ' || coalesce(current_setting('my.own', true), '')";

/// What each of the pooler's connections has, with its process.
fn states(url: &DatabaseUrl) -> Vec<String> {
    block_on(async || {
        let mut clients = Vec::new();
        for _ in 0..4 {
            let mut conn = url.connect(&ConnectOptions::default()).await.unwrap();
            // As long as the transactions are open they are on connections of their own.
            conn.batch("BEGIN").await.unwrap();
            clients.push(conn);
        }
        let mut states = Vec::new();
        for conn in &mut clients {
            states.push(conn.text(STATE).await.unwrap().unwrap());
        }
        states
    })
}

/// Hides from whoever reads the script what `statement` does.
fn hidden(statement: &str) -> String {
    let (first, rest) = statement.split_at(3);
    let rest = rest.replace('\'', "''");
    format!("DO $$ BEGIN EXECUTE '{first}' || '{rest}'; END $$")
}

fn in_procedure(statement: &str) -> String {
    format!(
        "CREATE PROCEDURE p() LANGUAGE plpgsql AS $p$ BEGIN EXECUTE $q${statement}$q$; COMMIT; END $p$; CALL p()"
    )
}

fn in_function(statement: &str) -> String {
    format!(
        "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $p$ BEGIN EXECUTE $q${statement}$q$; END $p$; \
         SELECT f()"
    )
}

fn in_own_transaction(statement: &str) -> String {
    format!("BEGIN; {}; COMMIT", hidden(statement))
}

#[rstest]
fn what_they_leave_reaches_no_other_client_postgres(
    #[values(hidden, in_function, in_procedure, in_own_transaction)] way: fn(&str) -> String,
    #[values(
        "SET search_path TO pg_catalog",
        "SET lock_timeout = 77",
        "SET role = pg_monitor",
        "SELECT set_config('my.own', 'x', false)",
        "SELECT set_config('standard_conforming_strings', 'off', false)",
        "CREATE TEMPORARY TABLE t1 (a integer)",
        "PREPARE mine AS SELECT 1",
        "LISTEN mine",
        "SELECT pg_advisory_lock(7)"
    )]
    statement: &str,
) {
    let db = TestDb::new(Dialect::Postgres);
    let bouncer = PgBouncer::start(&db, Settings::Ignored);
    let url: DatabaseUrl = bouncer.url(&db).parse().unwrap();
    let before = states(&url);
    let scripts = vec![table(1), outside(2, &way(statement), "DROP TABLE t1"), table(3)];
    let catalog = catalog(Dialect::Postgres, scripts);

    let result = block_on(async || {
        Engine::new(&catalog, &[], &url, Options::default()).unwrap().migrate(&Goal::Head).await
    });

    match result {
        Ok(_) => assert_eq!(applied(&db), ["0001", "0002", "0003"]),
        // What can be read of it refuses the run before it begins.
        Err(error) => assert!(explain(&error).contains("the server itself"), "{}", explain(&error)),
    }
    assert_eq!(states(&url), before);
}

const OFF: &str = "SELECT set_config('standard_conforming_strings', lower('OFF'), false)";

#[rstest]
#[case::in_a_transaction(true)]
#[case::outside(false)]
fn a_script_does_not_switch_where_strings_end(
    #[case] inside: bool,
    #[values(
        "SET standard_conforming_strings = off",
        "SET SESSION standard_conforming_strings TO 'off'",
        "set local Standard_Conforming_Strings=0",
        "SET \"standard_conforming_strings\" TO FALSE"
    )]
    text: &str,
) {
    let db = TestDb::new(Dialect::Postgres);
    let step = if inside { migration(2, "off", text, "") } else { outside(2, text, "") };

    let error = migrate(&db, &catalog(Dialect::Postgres, vec![table(1), step]), &Goal::Head);

    let text = explain(&error.unwrap_err());
    assert!(text.contains("standard_conforming_strings") && text.contains("E'…'"), "{text}");
    assert!(db.tables().is_empty());
}

#[rstest]
#[case("SET standard_conforming_strings = on")]
#[case("SET standard_conforming_strings TO DEFAULT")]
#[case("SET LOCAL standard_conforming_strings = 'on'")]
fn a_script_may_say_what_is_so_postgres(#[case] text: &str) {
    let db = TestDb::new(Dialect::Postgres);
    let script = format!("{text}; CREATE TABLE own (a text); INSERT INTO own VALUES ('a\\')");

    migrate(&db, &catalog(Dialect::Postgres, vec![migration(1, "on", &script, "")]), &Goal::Head)
        .unwrap();

    assert_eq!(db.texts("SELECT a FROM own"), ["a\\"]);
}

/// What only the run can see.
#[test]
fn a_backslash_behind_a_hidden_switch_stops_the_script_postgres() {
    let db = TestDb::new(Dialect::Postgres);
    let text = format!("{OFF}; CREATE TABLE own (a text); INSERT INTO own VALUES ('a\\\\')");
    let scripts = vec![table(1), outside(2, &text, "DROP TABLE own")];

    let error = migrate(&db, &catalog(Dialect::Postgres, scripts), &Goal::Head).unwrap_err();

    let Error::Step(step) = &error else { panic!("{error:?}") };
    assert!(matches!(step.cause, StepCause::StringsOff), "{error:?}");
    assert_eq!(step.left, Left::Statements(2));
    assert_eq!(db.texts("SELECT a FROM own"), [""; 0]);
    assert_eq!(applied(&db), ["0001"]);
}

/// The history's own texts may have a backslash, whatever the script left.
#[test]
fn a_literal_means_the_same_wherever_strings_end_postgres() {
    let db = TestDb::new(Dialect::Postgres);
    let url = db.database_url();
    block_on(async || {
        let mut conn = url.connect(&ConnectOptions::default()).await.unwrap();
        for setting in ["on", "off"] {
            conn.batch(&format!("SET standard_conforming_strings = {setting}")).await.unwrap();
            for text in [r"CORP\ada", r"\'); DROP TABLE x; --", "it's", r"\\''\", ""] {
                let query = format!("SELECT {}", underpin_db::literal(text));
                assert_eq!(conn.text(&query).await.unwrap().as_deref(), Some(text), "{setting}");
            }
        }
    });
}
