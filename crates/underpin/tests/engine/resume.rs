//! Going on with a script that was interrupted: no statement runs twice, and none is left out.

use rstest::rstest;
use underpin::{Catalog, Error, Goal, Options, Policy, Refusal, Report};
use underpin_testkit::{Dialect, TestDb};

use crate::{applied, catalog, migrate, migration, own_tables, stepwise::outside, with_engine};

fn resume(db: &TestDb, catalog: &Catalog) -> Result<Report, Error> {
    let policy = Policy { resume: true, ..Policy::default() };
    let options = Options { policy, ..Options::default() };
    with_engine(db, catalog, options, async |engine| engine.migrate(&Goal::Head).await)
}

fn repair(db: &TestDb, catalog: &Catalog) -> Result<(), Error> {
    with_engine(db, catalog, Options::default(), async |engine| {
        engine.repair(catalog.head().unwrap(), "mended", false).await.map(drop)
    })
}

/// A table of log lines, and then this script outside a transaction.
fn logging(dialect: Dialect, script: &str) -> Catalog {
    let log =
        migration(1, "log", "CREATE TABLE log (line TEXT); CREATE TABLE gate (ok INTEGER)", "");
    catalog(dialect, vec![log, outside(2, script, "")])
}

fn lines(db: &TestDb) -> Vec<String> {
    db.texts("SELECT line FROM log ORDER BY line")
}

const ONE: &str = "INSERT INTO log VALUES ('1')";
const TWO: &str = "INSERT INTO log VALUES ('2')";
const WRONG: &str = "INSERT INTO nonsense VALUES (1)";
const THREE: &str = "INSERT INTO log VALUES ('3')";
const FOUR: &str = "INSERT INTO log VALUES ('4')";

/// Every way to edit a script of which the first two of four statements are done; without lines it is
/// refused.
#[rstest]
#[case::the_wrong_one_is_mended(&[ONE, TWO, THREE, FOUR], &["1", "2", "3", "4"])]
#[case::the_wrong_one_is_taken_out(&[ONE, TWO, FOUR], &["1", "2", "4"])]
#[case::all_the_rest_is_taken_out(&[ONE, TWO], &["1", "2"])]
#[case::something_is_added_after(&[ONE, TWO, THREE, FOUR, FOUR], &["1", "2", "3", "4", "4"])]
#[case::comments_between_change(&["-- one\n", ONE, "/* two */", TWO, FOUR], &["1", "2", "4"])]
#[case::something_is_put_before(&[FOUR, ONE, TWO, THREE], &[])]
#[case::something_is_put_between(&[ONE, FOUR, TWO, THREE], &[])]
#[case::the_first_is_taken_out(&[TWO, THREE, FOUR], &[])]
#[case::what_is_done_is_taken_out(&[THREE, FOUR], &[])]
#[case::what_is_done_changes_places(&[TWO, ONE, THREE, FOUR], &[])]
#[case::what_is_done_is_another_statement(&[ONE, THREE, FOUR], &[])]
#[case::only_one_is_left(&[ONE], &[])]
fn an_edit_after_what_is_done_is_accepted_and_one_before_is_not(
    #[values(Dialect::Sqlite, Dialect::Postgres)] dialect: Dialect,
    #[case] parts: &[&str],
    #[case] expected: &[&str],
) {
    let db = TestDb::new(dialect);
    let first = logging(dialect, &[ONE, TWO, WRONG, FOUR].join(";\n"));
    migrate(&db, &first, &Goal::Head).unwrap_err();
    assert_eq!(lines(&db), ["1", "2"]);
    let script: String = parts
        .iter()
        .map(
            |part| {
                if part.starts_with("INSERT") { format!("{part};\n") } else { (*part).to_owned() }
            },
        )
        .collect();
    let edited = logging(dialect, &script);

    let untold = resume(&db, &edited).unwrap_err();
    assert!(matches!(untold, Error::Refused(_)), "{untold:?}");
    let repaired = repair(&db, &edited);

    if !expected.is_empty() {
        repaired.unwrap();
        resume(&db, &edited).unwrap();
        assert_eq!(lines(&db), expected);
        assert_eq!(applied(&db), ["0001", "0002"]);
        return;
    }
    for error in [repaired.unwrap_err(), resume(&db, &edited).unwrap_err()] {
        let Error::Refused(refused) = error else { panic!("{error:?}") };
        assert!(matches!(&refused.0[..], [Refusal::Rewritten { done: 2, .. }]), "{refused}");
    }
    assert_eq!(lines(&db), ["1", "2"]);
    // The script as it was can still be mended.
    let mended = logging(dialect, &[ONE, TWO, THREE, FOUR].join(";\n"));
    repair(&db, &mended).unwrap();
    resume(&db, &mended).unwrap();
    assert_eq!(lines(&db), ["1", "2", "3", "4"]);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_history_of_an_older_program_is_gone_on_with_while_the_script_is_the_same(
    #[case] dialect: Dialect,
) {
    let db = TestDb::new(dialect);
    let script = format!("{ONE}; INSERT INTO later VALUES (1); {THREE}");
    let first = logging(dialect, &script);
    migrate(&db, &first, &Goal::Head).unwrap_err();
    db.batch("UPDATE underpin_history SET reason = NULL; CREATE TABLE later (a INTEGER)");
    let edited = logging(dialect, &format!("{ONE}; {THREE}"));

    let refused = repair(&db, &edited).unwrap_err();
    resume(&db, &first).unwrap();

    assert!(matches!(refused, Error::Refused(_)), "{refused:?}");
    assert_eq!(lines(&db), ["1", "3"]);
}

#[rstest]
#[case::a_table("CREATE TEMP TABLE kept AS SELECT '1' AS line")]
#[case::a_table_by_its_schema("CREATE TABLE pg_temp.kept AS SELECT '1' AS line")]
#[case::a_selected_table("SELECT '1' AS line INTO TEMP kept")]
#[case::a_view("CREATE TEMP VIEW kept AS SELECT '1' AS line")]
#[case::in_code("DO $$ BEGIN EXECUTE 'CREATE TEMP TABLE kept (line text)'; END $$")]
#[case::a_prepared_statement("PREPARE q AS SELECT 1")]
#[case::a_cursor("DECLARE c CURSOR WITH HOLD FOR SELECT 1")]
#[case::a_channel("LISTEN x")]
#[case::an_advisory_lock("SELECT pg_advisory_lock(7)")]
#[case::a_setting_of_code("DO $$ BEGIN PERFORM set_config('search_path', 'extra', false); END $$")]
#[case::a_setting_that_is_worked_out("SELECT set_config('search_path', current_schema(), false)")]
fn what_ended_with_the_session_refuses_to_go_on(#[case] made: &str) {
    let db = TestDb::new(Dialect::Postgres);
    let script = format!("{ONE};\n{made};\nINSERT INTO later VALUES (1);\n{THREE}");
    let catalog = logging(Dialect::Postgres, &script);
    migrate(&db, &catalog, &Goal::Head).unwrap_err();
    db.batch("CREATE TABLE later (a INTEGER)");

    let error = resume(&db, &catalog).unwrap_err();

    let Error::Refused(refused) = error else { panic!("{error:?}") };
    assert!(
        matches!(&refused.0[..], [Refusal::SessionLost { statement: 2, line: 2, .. }]),
        "{refused}"
    );
    assert_eq!(lines(&db), ["1"]);
}

#[rstest]
#[case("CREATE TEMP TABLE kept AS SELECT '1' AS line")]
#[case("CREATE TABLE [temp] . kept (line TEXT)")]
#[case("CREATE TEMPORARY VIEW kept AS SELECT '1' AS line")]
fn what_ended_with_the_connection_refuses_to_go_on(#[case] made: &str) {
    let db = TestDb::new(Dialect::Sqlite);
    let catalog = logging(Dialect::Sqlite, &format!("{made}; INSERT INTO later VALUES (1)"));
    migrate(&db, &catalog, &Goal::Head).unwrap_err();
    db.batch("CREATE TABLE later (a INTEGER)");

    let error = resume(&db, &catalog).unwrap_err().to_string();

    assert!(error.contains("cannot go on by itself: statement 1 at line 1"), "{error}");
}

/// Where a table is made says what the path was.
#[rstest]
#[case::set("SET search_path TO extra", "extra")]
#[case::set_and_reset("SET search_path TO extra; RESET search_path", "public")]
#[case::set_twice("SET search_path TO public; SET/**/search_path = 'extra'", "extra")]
#[case::reset_all("SET search_path TO extra; RESET ALL", "public")]
#[case::by_a_function("SELECT pg_catalog.set_config('search_path', 'extra', false)", "extra")]
#[case::for_a_transaction("BEGIN; SET LOCAL search_path TO extra; COMMIT", "public")]
#[case::in_a_transaction("BEGIN; SET search_path TO extra; COMMIT", "extra")]
#[case::rolled_back("BEGIN; SET search_path TO extra; ROLLBACK", "public")]
#[case::discarded("SET search_path TO extra; DISCARD ALL", "public")]
fn the_session_is_as_the_script_had_set_it(#[case] set: &str, #[case] schema: &str) {
    let db = TestDb::new(Dialect::Postgres);
    db.batch("CREATE SCHEMA extra");
    let gate = "SELECT 1 / (SELECT count(*) FROM public.gate)";
    let catalog =
        logging(Dialect::Postgres, &format!("{set}; {gate}; CREATE TABLE made (a INTEGER)"));
    migrate(&db, &catalog, &Goal::Head).unwrap_err();
    db.batch("INSERT INTO gate VALUES (1)");

    resume(&db, &catalog).unwrap();

    let made = "SELECT schemaname::text FROM pg_tables WHERE tablename = 'made'";
    assert_eq!(db.texts(made), [schema]);
}

/// The history is written by the role of the connection, and the script goes on with its own.
#[rstest]
#[case::set_role("SET ROLE {}", "{}")]
#[case::set_and_reset("SET ROLE {}; RESET ROLE", "login")]
#[case::authorization("SET SESSION AUTHORIZATION {}", "{}")]
#[case::in_a_transaction("BEGIN; SET LOCAL ROLE {}; SELECT 1; COMMIT", "login")]
#[case::for_good_in_a_transaction("BEGIN; SET ROLE {}; SELECT 1; COMMIT", "{}")]
fn a_role_that_the_script_takes_is_kept_from_the_history(#[case] set: &str, #[case] owner: &str) {
    let db = TestDb::new(Dialect::Postgres);
    let role =
        format!("half_{}", std::process::id()) + &db.texts("SELECT current_database()::text")[0];
    db.batch(&format!(
        "CREATE ROLE \"{role}\"; CREATE SCHEMA extra; GRANT ALL ON SCHEMA extra TO \"{role}\""
    ));
    let set = set.replace("{}", &format!("\"{role}\""));
    let made = "CREATE TABLE extra.made (a INTEGER)";
    let catalog = logging(
        Dialect::Postgres,
        &format!("{set}; {made}; SELECT FROM extra.later; CREATE TABLE extra.also (a INTEGER)"),
    );
    migrate(&db, &catalog, &Goal::Head).unwrap_err();
    db.batch(&format!(
        "CREATE TABLE extra.later (a INTEGER); GRANT ALL ON extra.later TO \"{role}\""
    ));

    let resumed = resume(&db, &catalog);

    let login = db.texts("SELECT current_user::text");
    let owners =
        db.texts("SELECT tableowner::text FROM pg_tables WHERE tablename IN ('made', 'also')");
    db.batch(&format!("DROP OWNED BY \"{role}\"; DROP ROLE \"{role}\""));
    resumed.unwrap();
    let owner = if owner == "login" { login[0].clone() } else { role };
    assert_eq!(owners, [owner.clone(), owner]);
    assert_eq!(applied(&db), ["0001", "0002"]);
}

#[test]
fn pragmas_are_as_the_script_had_set_them() {
    let db = TestDb::new(Dialect::Sqlite);
    let script = "PRAGMA recursive_triggers = ON; PRAGMA/**/[case_sensitive_like] = 1; \
                  PRAGMA recursive_triggers = OFF; SELECT ok FROM later; \
                  INSERT INTO log SELECT recursive_triggers || ('a' LIKE 'A') FROM pragma_recursive_triggers";
    let catalog = logging(Dialect::Sqlite, script);
    migrate(&db, &catalog, &Goal::Head).unwrap_err();
    db.batch("CREATE TABLE later (ok INTEGER)");

    resume(&db, &catalog).unwrap();

    assert_eq!(lines(&db), ["00"]);
    assert_eq!(own_tables(&db), ["gate", "later", "log"]);
}

/// Where a transaction begins the next one, it is interrupted in each statement in turn and gone on with: no row
/// is there twice and none is missing, and what is chained is of the kind of the first.
#[rstest]
#[case::commit("BEGIN", "COMMIT AND CHAIN", &["1", "2", "3", "4"])]
#[case::commit_with_a_word_more("START TRANSACTION", "COMMIT WORK AND CHAIN", &["1", "2", "3", "4"])]
#[case::end("BEGIN WORK", "END TRANSACTION AND CHAIN", &["1", "2", "3", "4"])]
#[case::of_a_kind("BEGIN ISOLATION LEVEL SERIALIZABLE", "COMMIT AND CHAIN", &["1", "2", "3", "4"])]
#[case::roll_back("BEGIN", "ROLLBACK AND CHAIN", &["3", "4"])]
#[case::abort("BEGIN ISOLATION LEVEL SERIALIZABLE", "ABORT WORK AND CHAIN", &["3", "4"])]
#[case::not_chained("BEGIN", "COMMIT AND NO CHAIN; BEGIN", &["1", "2", "3", "4"])]
fn a_chain_of_transactions_is_gone_on_with(
    #[case] begin: &str,
    #[case] chain: &str,
    #[case] expected: &[&str],
    #[values(0, 1, 2, 3, 4)] at: usize,
) {
    let db = TestDb::new(Dialect::Postgres);
    let level = "INSERT INTO level SELECT current_setting('transaction_isolation')";
    let mut parts = [
        format!("SET application_name = 'one'; {begin}; {ONE}"),
        format!("{TWO}; SET lock_timeout = 4321"),
        format!("{chain}; {THREE}"),
        format!("{level}; {FOUR}"),
        "COMMIT; INSERT INTO level SELECT current_setting('lock_timeout')".to_owned(),
    ];
    parts[at].push_str("; SELECT 1 / (SELECT count(*) FROM gate)");
    let made = format!("CREATE TABLE level (is_at TEXT); {}", parts.join("; "));
    let catalog = logging(Dialect::Postgres, &made);
    migrate(&db, &catalog, &Goal::Head).unwrap_err();
    db.batch("INSERT INTO gate VALUES (1)");

    resume(&db, &catalog).unwrap();

    assert_eq!(lines(&db), expected);
    let level = if begin.contains("SERIALIZABLE") { "serializable" } else { "read committed" };
    let timeout = if expected.len() == 4 { "4321ms" } else { "5s" };
    assert_eq!(db.texts("SELECT is_at FROM level"), [level, timeout]);
    assert_eq!(applied(&db), ["0001", "0002"]);
}

/// The server ends a transaction and nobody writes that down.
#[rstest]
#[case::commit("COMMIT")]
#[case::commit_and_chain("COMMIT AND CHAIN")]
fn a_commit_that_nobody_wrote_down_is_gone_on_with(#[case] commit: &str) {
    let db = TestDb::new(Dialect::Postgres);
    let end = if commit == "COMMIT" { "SELECT 1" } else { "COMMIT" };
    let script = format!(
        "BEGIN; {ONE}; SET lock_timeout = 4321; {commit}; {TWO}; {end}; \
         INSERT INTO log SELECT current_setting('lock_timeout')"
    );
    let catalog = logging(Dialect::Postgres, &format!("{script}; SELECT FROM later"));
    migrate(&db, &catalog, &Goal::Head).unwrap_err();
    // As it is when the runner dies between the commit and its record.
    let rows =
        "DELETE FROM log WHERE line <> '1'; DELETE FROM underpin_history WHERE statement > 3";
    db.batch(&format!("{rows}; CREATE TABLE later (a INTEGER)"));

    resume(&db, &catalog).unwrap();

    assert_eq!(lines(&db), ["1", "2", "4321ms"]);
}

/// What was run outside a transaction would run again in one.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_script_that_began_outside_a_transaction_never_goes_on_inside_one(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    let script = format!("{ONE}; INSERT INTO later VALUES (1); {TWO}");
    let first = logging(dialect, &script);
    migrate(&db, &first, &Goal::Head).unwrap_err();
    db.batch("CREATE TABLE later (a INTEGER)");
    let log = first.migrations()[0].clone();
    let inside = catalog(dialect, vec![log, migration(2, "outside", &script, "")]);

    let error = resume(&db, &inside).unwrap_err();

    let Error::Refused(refused) = error else { panic!("{error:?}") };
    assert!(matches!(&refused.0[..], [Refusal::InTransactionNow { done: 1, .. }]), "{refused}");
    assert_eq!(lines(&db), ["1"]);
    resume(&db, &first).unwrap();
    assert_eq!(lines(&db), ["1", "2"]);
}

const DAMAGED: &str = "CREATE TABLE p (id INTEGER PRIMARY KEY, n TEXT); INSERT INTO p VALUES (1, 'a'), (2, 'b');
    CREATE VIEW v AS SELECT n FROM p; CREATE VIEW w AS SELECT * FROM v;
    CREATE TABLE t (id INTEGER PRIMARY KEY, n TEXT); INSERT INTO t VALUES (1, 'a'), (2, 'b');
    CREATE TABLE c (id INTEGER PRIMARY KEY, t INTEGER REFERENCES t (id)); INSERT INTO c VALUES (1, 2);";

/// Whatever is wrong when a script has run is as wrong when a later run looks, also where the script was
/// interrupted meanwhile.
#[rstest]
#[case::a_view_breaks("DROP VIEW v;", "")]
#[case::a_rebuild_loses_a_row(
    "CREATE TABLE new (id INTEGER PRIMARY KEY, n TEXT); INSERT INTO new SELECT * FROM p WHERE id = 1;
     DROP VIEW w; DROP VIEW v; DROP TABLE p; ALTER TABLE new RENAME TO p;",
    ""
)]
#[case::rows_refer_to_none(
    "PRAGMA foreign_keys = OFF; DROP TABLE t;",
    "CREATE TABLE t (id INTEGER PRIMARY KEY, n TEXT);"
)]
fn sqlite_what_is_wrong_stays_wrong_for_the_run_that_goes_on(
    #[case] before: &str,
    #[case] after: &str,
    #[values(false, true)] interrupted: bool,
) {
    let db = TestDb::new(Dialect::Sqlite);
    let between = if interrupted { "INSERT INTO later VALUES (1);" } else { "" };
    let script = format!("{before} {between} {after}");
    let base = migration(1, "base", DAMAGED, "");
    let all = catalog(Dialect::Sqlite, vec![base, outside(2, &script, "")]);
    migrate(&db, &all, &Goal::Head).unwrap_err();
    if interrupted {
        db.batch("CREATE TABLE later (a INTEGER)");
        resume(&db, &all).unwrap_err();
    }

    for again in [resume(&db, &all), migrate(&db, &all, &Goal::Head)] {
        let Err(Error::Refused(refused)) = again else { panic!("{again:?}") };
        assert!(matches!(&refused.0[..], [Refusal::Damaged { .. }]), "{refused}");
        assert!(refused.to_string().contains("underpin stamp"), "{refused}");
    }
    assert_eq!(applied(&db), ["0001"]);
    // A person decides what it is.
    with_engine(&db, &all, Options::default(), async |engine| {
        engine.stamp(Some(&"0002".parse().unwrap()), true).await.unwrap();
    });
    migrate(&db, &all, &Goal::Head).unwrap();
}

/// Rows that a script says it takes may go, whichever run says it.
#[rstest]
fn sqlite_what_a_script_deletes_before_it_is_interrupted_may_go() {
    let db = TestDb::new(Dialect::Sqlite);
    let script = "CREATE TABLE new (id INTEGER PRIMARY KEY, n TEXT); DELETE FROM t WHERE id = 1;
        INSERT INTO new SELECT * FROM t; DROP TABLE c; DROP TABLE t; INSERT INTO later VALUES (1);
        ALTER TABLE new RENAME TO t";
    let base = migration(1, "base", DAMAGED, "");
    let all = catalog(Dialect::Sqlite, vec![base, outside(2, script, "")]);
    migrate(&db, &all, &Goal::Head).unwrap_err();
    db.batch("CREATE TABLE later (a INTEGER)");

    resume(&db, &all).unwrap();

    assert_eq!(db.texts("SELECT n FROM t"), ["b"]);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn an_interrupted_migration_whose_folder_is_gone_is_recorded_by_a_stamp(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    let first = logging(dialect, &[ONE, WRONG].join(";\n"));
    migrate(&db, &first, &Goal::Head).unwrap_err();
    let without = catalog(dialect, vec![first.migrations()[0].clone()]);
    let refused = resume(&db, &without).unwrap_err();
    assert!(refused.to_string().contains("not among the migrations any more"), "{refused}");

    with_engine(&db, &without, Options::default(), async |engine| {
        engine.stamp(Some(&"0001".parse().unwrap()), false).await.unwrap();
    });

    migrate(&db, &without, &Goal::Head).unwrap();
    assert_eq!(applied(&db), ["0001"]);
}

#[rstest]
#[case::a_selected_table("SELECT '1' AS line INTO pg_temp.kept")]
#[case::a_table_by_the_path("SET search_path = pg_temp, public")]
#[case::a_setting_of_a_view("UPDATE pg_settings SET setting = 'extra' WHERE name = 'search_path'")]
#[case::a_setting_of_a_query(
    "CREATE TABLE kept AS SELECT set_config('search_path', 'extra', false) AS line"
)]
#[case::a_seed("SELECT setseed(0.5)")]
fn what_a_new_session_cannot_be_given_refuses_to_go_on(#[case] made: &str) {
    let db = TestDb::new(Dialect::Postgres);
    let script = format!("{ONE};\n{made};\nINSERT INTO later VALUES (1);\n{THREE}");
    let catalog = logging(Dialect::Postgres, &script);
    migrate(&db, &catalog, &Goal::Head).unwrap_err();
    db.batch("CREATE TABLE later (a INTEGER)");

    let error = resume(&db, &catalog).unwrap_err();

    let Error::Refused(refused) = error else { panic!("{error:?}") };
    assert!(
        matches!(&refused.0[..], [Refusal::SessionLost { statement: 2, line: 2, .. }]),
        "{refused}"
    );
    assert_eq!(lines(&db), ["1"]);
}

#[rstest]
#[case::a_string_for_a_name("CREATE TABLE 'temp'.kept (line TEXT)")]
#[case::in_memory("ATTACH ':memory:' AS kept")]
#[case::without_a_name("ATTACH '' AS kept")]
fn sqlite_what_a_new_connection_cannot_be_given_refuses_to_go_on(#[case] made: &str) {
    let db = TestDb::new(Dialect::Sqlite);
    let catalog = logging(Dialect::Sqlite, &format!("{made}; INSERT INTO later VALUES (1)"));
    migrate(&db, &catalog, &Goal::Head).unwrap_err();
    db.batch("CREATE TABLE later (a INTEGER)");

    let error = resume(&db, &catalog).unwrap_err().to_string();

    assert!(error.contains("cannot go on by itself: statement 1 at line 1"), "{error}");
}

/// A transaction takes the effect of some pragmas, and takes back none.
#[rstest]
#[case::without_effect(
    "PRAGMA foreign_keys = OFF; BEGIN; PRAGMA foreign_keys = ON; COMMIT",
    "foreign_keys",
    "0"
)]
#[case::without_effect_in_a_savepoint(
    "PRAGMA foreign_keys = OFF; SAVEPOINT a; PRAGMA foreign_keys = ON; RELEASE a",
    "foreign_keys",
    "0"
)]
#[case::rolled_back("BEGIN; PRAGMA recursive_triggers = ON; ROLLBACK", "recursive_triggers", "1")]
fn sqlite_pragmas_of_a_transaction_are_as_they_were(
    #[case] set: &str,
    #[case] pragma: &str,
    #[case] expected: &str,
) {
    let db = TestDb::new(Dialect::Sqlite);
    let look = format!("INSERT INTO log SELECT {pragma} FROM pragma_{pragma}");
    let catalog = logging(Dialect::Sqlite, &format!("{set}; {look}; SELECT ok FROM later; {look}"));
    migrate(&db, &catalog, &Goal::Head).unwrap_err();
    db.batch("CREATE TABLE later (ok INTEGER)");

    resume(&db, &catalog).unwrap();

    assert_eq!(lines(&db), [expected; 2]);
}
