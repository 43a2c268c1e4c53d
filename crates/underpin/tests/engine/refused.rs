//! Scripts that the engine does not run, or whose transaction it does not commit.

use rstest::rstest;
use underpin::{Error, Goal, Left, Refusal, exit::explain};
use underpin_testkit::{Dialect, TestDb, block_on};

use crate::{applied, catalog, migrate, migration, own_tables, stepwise::outside, table};

/// Every way that a script has to the rows of the history, of which only the first ones can be read in it.
#[rstest]
#[case::drop("DROP TABLE __diesel_schema_migrations", &[Dialect::Sqlite, Dialect::Postgres])]
#[case::drop_ours("DROP TABLE IF EXISTS \"underpin_history\"", &[Dialect::Sqlite, Dialect::Postgres])]
#[case::delete("DELETE/**/FROM __diesel_schema_migrations", &[Dialect::Sqlite, Dialect::Postgres])]
#[case::delete_some("DELETE FROM underpin_history WHERE version = '0001'", &[Dialect::Sqlite, Dialect::Postgres])]
#[case::update("UPDATE __diesel_schema_migrations SET version = 'x'", &[Dialect::Sqlite, Dialect::Postgres])]
#[case::rename("ALTER TABLE __diesel_schema_migrations RENAME TO gone", &[Dialect::Sqlite, Dialect::Postgres])]
#[case::in_brackets("DROP TABLE [main] . [underpin_history]", &[Dialect::Sqlite])]
#[case::truncate("TRUNCATE t1, __diesel_schema_migrations", &[Dialect::Postgres])]
#[case::with_its_schema("DELETE FROM public.__diesel_schema_migrations", &[Dialect::Postgres])]
#[case::ours_with_its_schema("TRUNCATE public.underpin_history", &[Dialect::Postgres])]
#[case::to_another_schema("CREATE SCHEMA s; ALTER TABLE underpin_history SET SCHEMA s", &[Dialect::Postgres])]
#[case::in_code("DO $$ BEGIN DELETE FROM __diesel_schema_migrations; END $$", &[Dialect::Postgres])]
#[case::in_built_code("DO $$ BEGIN EXECUTE 'TRUNCATE under' || 'pin_history'; END $$", &[Dialect::Postgres])]
#[case::dropped_in_code("DO $$ BEGIN EXECUTE 'DROP TABLE __diesel' || '_schema_migrations'; END $$", &[Dialect::Postgres])]
#[case::in_a_function(
    "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'DELETE FROM underpin_history'; SELECT f()",
    &[Dialect::Postgres]
)]
#[case::in_a_query("WITH gone AS (DELETE FROM underpin_history RETURNING 1) SELECT * FROM gone", &[Dialect::Postgres])]
#[case::in_a_trigger(
    "CREATE TRIGGER r AFTER INSERT ON t1 BEGIN DELETE FROM underpin_history; END; INSERT INTO t1 VALUES (7)",
    &[Dialect::Sqlite]
)]
#[case::through_a_view(
    "CREATE VIEW v AS SELECT * FROM underpin_history; DELETE FROM v",
    &[Dialect::Postgres]
)]
#[case::with_its_whole_schema("DROP SCHEMA public CASCADE; CREATE SCHEMA public", &[Dialect::Postgres])]
#[case::with_its_renamed_schema("ALTER SCHEMA public RENAME TO old; CREATE SCHEMA public", &[Dialect::Postgres])]
fn the_history_is_never_taken_away(#[case] text: &str, #[case] dialects: &[Dialect]) {
    for dialect in dialects {
        let db = TestDb::new(*dialect);
        migrate(&db, &catalog(*dialect, vec![table(1)]), &Goal::Head).unwrap();
        let script = format!("CREATE TABLE made (a INTEGER); {text}");
        let hostile = catalog(*dialect, vec![table(1), migration(2, "hostile", &script, "")]);

        let error = explain(&migrate(&db, &hostile, &Goal::Head).unwrap_err());

        let named =
            error.contains("underpin_history") || error.contains("__diesel_schema_migrations");
        assert!(named, "{error}");
        assert_eq!(applied(&db), ["0001"]);
        assert_eq!(db.texts("SELECT version FROM underpin_history"), ["0001"]);
        assert_eq!(own_tables(&db), ["t1"]);
    }
}

#[rstest]
#[case::drop("DROP TABLE __diesel_schema_migrations", Dialect::Sqlite)]
#[case::with_its_schema("DELETE FROM \"public\".underpin_history", Dialect::Postgres)]
fn outside_a_transaction_it_is_not_taken_away_either(#[case] text: &str, #[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    let hostile = catalog(dialect, vec![table(1), outside(2, text, "")]);

    let error = explain(&migrate(&db, &hostile, &Goal::Head).unwrap_err());

    assert!(error.contains("leave"), "{error}");
    migrate(&db, &catalog(dialect, vec![table(1)]), &Goal::Head).ok();
    assert!(db.tables().is_empty() || applied(&db) == ["0001"]);
}

/// Where the script that takes rows of the history does not name it, and nothing that leads there is left at
/// its end.
#[rstest]
#[case::a_trigger_that_goes(
    "CREATE TRIGGER away AFTER DELETE ON t1 BEGIN DELETE FROM __diesel_schema_migrations; END",
    "DELETE FROM t1; DROP TRIGGER away"
)]
#[case::a_reference_of_the_table_itself(
    "CREATE TABLE u (v TEXT PRIMARY KEY); INSERT INTO u VALUES ('0001'), ('0002'); \
     ALTER TABLE __diesel_schema_migrations RENAME TO was; CREATE TABLE __diesel_schema_migrations \
     (version VARCHAR(50) PRIMARY KEY NOT NULL REFERENCES u (v) ON DELETE CASCADE, run_on TIMESTAMP NOT NULL \
     DEFAULT CURRENT_TIMESTAMP); INSERT INTO __diesel_schema_migrations SELECT * FROM was; DROP TABLE was",
    "DELETE FROM u WHERE v = '0001'"
)]
#[case::a_view_of_another_tool(
    "CREATE VIEW applied AS SELECT version FROM __diesel_schema_migrations; CREATE TRIGGER away INSTEAD OF \
     DELETE ON applied BEGIN DELETE FROM __diesel_schema_migrations WHERE version = OLD.version; END",
    "DELETE FROM applied; DROP VIEW applied"
)]
fn sqlite_the_history_is_not_taken_by_what_names_it(#[case] before: &str, #[case] script: &str) {
    let db = TestDb::new(Dialect::Sqlite);
    let taking = migration(2, "take", script, "");
    let catalog = catalog(Dialect::Sqlite, vec![table(1), taking, table(3)]);
    migrate(&db, &catalog, &Goal::Up(1)).unwrap();
    db.batch(before);

    let error = explain(&migrate(&db, &catalog, &Goal::Head).unwrap_err());

    assert!(error.contains("__diesel_schema_migrations"), "{error}");
    assert_eq!(applied(&db), ["0001"]);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn notes_do_not_take_the_history_away(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    let mut taking = table(2);
    let notes =
        "DELETE FROM __diesel_schema_migrations WHERE version = '0001' RETURNING 'gone' AS note";
    taking.metadata.notes = Some(notes.into());
    let catalog = catalog(dialect, vec![table(1), taking]);
    migrate(&db, &catalog, &Goal::Up(1)).unwrap();

    let error = explain(&migrate(&db, &catalog, &Goal::Head).unwrap_err());

    assert!(error.contains("__diesel_schema_migrations"), "{error}");
    assert_eq!(applied(&db), ["0001"]);
    assert_eq!(own_tables(&db), ["t1"]);
}

#[test]
fn another_schemas_history_may_go() {
    let db = TestDb::new(Dialect::Postgres);
    let script = "CREATE SCHEMA old; CREATE TABLE old.underpin_history (a INTEGER); DROP TABLE old.underpin_history";
    let catalog = catalog(Dialect::Postgres, vec![migration(1, "old", script, "")]);

    migrate(&db, &catalog, &Goal::Head).unwrap();

    assert_eq!(applied(&db), ["0001"]);
}

/// Rows that a client would send or take.
#[rstest]
#[case("COPY t1 TO STDOUT")]
#[case("COPY (SELECT 1) TO STDOUT WITH (FORMAT binary)")]
#[case("COPY t1 FROM STDIN;\n1\n\\.\n")]
#[case("COPY t1 (id) FROM /* x */ stdin;\n1\tit's; me\n\\.\n")]
#[case("COPY t1 FROM STDOUT")]
fn rows_of_a_client_are_refused(#[case] text: &str, #[values(true, false)] inside: bool) {
    let db = TestDb::new(Dialect::Postgres);
    let step = if inside { migration(2, "copy", text, "") } else { outside(2, text, "") };
    let catalog = catalog(Dialect::Postgres, vec![table(1), step]);

    let error = migrate(&db, &catalog, &Goal::Head).unwrap_err();

    let Error::Refused(refused) = error else { panic!("{error:?}") };
    assert!(refused.to_string().contains("COPY"), "{refused}");
    assert!(db.tables().is_empty());
}

/// What the driver does not know does not end a message early: the server goes on with it.
#[test]
fn after_rows_for_a_client_the_rest_is_heard() {
    let db = TestDb::new(Dialect::Postgres);
    let url = db.database_url();
    block_on(async || {
        let mut conn = url.connect(&underpin_db::ConnectOptions::default()).await.unwrap();
        let rows = "COPY (SELECT * FROM generate_series(1, 1000)) TO STDOUT";

        conn.batch(&format!("CREATE TABLE a (b INTEGER); {rows}; INSERT INTO a VALUES (1)"))
            .await
            .unwrap();
        let failed = conn
            .batch(&format!("INSERT INTO a VALUES (2); {rows}; SELECT 1 / 0"))
            .await
            .unwrap_err();
        let answer = conn.text(&format!("{rows}; SELECT count(*) FROM a")).await.unwrap();

        assert_eq!((failed.sqlstate.as_deref(), failed.completed), (Some("22012"), Some(2)));
        assert_eq!(answer.as_deref(), Some("1"));
        let waits =
            conn.batch("INSERT INTO a VALUES (3); COPY a FROM STDIN; COMMIT").await.unwrap_err();
        assert!(waits.message.contains("COPY"), "{waits}");
    });
    assert_eq!(db.texts("SELECT b::text FROM a"), ["1"]);
}

/// What only the server can tell not to run in a transaction.
#[rstest]
#[case("CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$; CALL p()")]
#[case("DO $$ BEGIN COMMIT; END $$")]
#[case(
    "CREATE TABLE pt (a INTEGER) PARTITION BY LIST (a); CREATE INDEX pi ON pt (a); REINDEX TABLE pt"
)]
fn what_fails_in_a_transaction_alone_says_what_to_set(#[case] text: &str) {
    let db = TestDb::new(Dialect::Postgres);
    let catalog = catalog(Dialect::Postgres, vec![migration(1, "inside", text, "")]);

    let error = migrate(&db, &catalog, &Goal::Head).unwrap_err();

    assert!(matches!(&error, Error::Step(step) if step.left == Left::Nothing), "{error:?}");
    assert!(explain(&error).contains("set `run_in_transaction = false`"), "{}", explain(&error));
    assert!(db.tables().is_empty());
}

#[rstest]
#[case::nothing("")]
#[case::blanks(" \n\t;;\n")]
#[case::comments("-- to be written\n/* later */\n")]
fn a_script_without_a_statement_is_refused(
    #[values(Dialect::Sqlite, Dialect::Postgres)] dialect: Dialect,
    #[case] text: &str,
) {
    let db = TestDb::new(dialect);
    let empty = catalog(dialect, vec![table(1), migration(2, "empty", text, "")]);

    let error = migrate(&db, &empty, &Goal::Head).unwrap_err();

    let Error::Refused(refused) = error else { panic!("{error:?}") };
    assert!(matches!(&refused.0[..], [Refusal::Empty { .. }]), "{refused}");
    assert!(db.tables().is_empty());
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_script_that_is_meant_to_be_empty_is_applied_and_taken_back(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    let mut empty = migration(2, "empty", "-- nothing\n", "\n;;\n");
    empty.metadata.empty = true;
    let catalog = catalog(dialect, vec![table(1), empty]);

    migrate(&db, &catalog, &Goal::Head).unwrap();
    assert_eq!(applied(&db), ["0001", "0002"]);
    migrate(&db, &catalog, &Goal::Down(1)).unwrap();

    assert_eq!(applied(&db), ["0001"]);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn an_empty_script_that_ran_before_stays_applied(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    let empty = catalog(dialect, vec![table(1), migration(2, "empty", "-- nothing", "")]);
    migrate(&db, &catalog(dialect, vec![table(1)]), &Goal::Head).unwrap();
    db.batch("INSERT INTO __diesel_schema_migrations (version) VALUES ('0002')");

    let report = migrate(&db, &empty, &Goal::Head).unwrap();

    assert!(report.steps.is_empty());
}

#[rstest]
#[case::a_mark("SELECT 1;\n\u{feff}SELECT 2", "a byte order mark (U+FEFF)")]
#[case::a_no_break_space(
    "SELECT 1;\nCREATE TABLE z\u{a0}(id INTEGER)",
    "a no-break space (U+00A0)"
)]
#[case::no_width("SELECT 1;\nSELECT\u{200b}2", "an invisible character (U+200B)")]
fn what_nobody_sees_is_refused_with_its_line(
    #[values(Dialect::Sqlite, Dialect::Postgres)] dialect: Dialect,
    #[case] text: &str,
    #[case] named: &str,
) {
    let db = TestDb::new(dialect);
    let catalog = catalog(dialect, vec![migration(1, "invisible", text, "")]);

    let error = migrate(&db, &catalog, &Goal::Head).unwrap_err().to_string();

    assert!(error.contains("line 2") && error.contains(named), "{error}");
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_version_that_is_written_in_another_way_is_not_run_again(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    migrate(&db, &catalog(dialect, vec![table(1)]), &Goal::Head).unwrap();
    let mut respelled = table(1);
    respelled.version = "1".parse().unwrap();

    let error = migrate(&db, &catalog(dialect, vec![respelled]), &Goal::Head).unwrap_err();

    let Error::Refused(refused) = error else { panic!("{error:?}") };
    assert!(matches!(&refused.0[0], Refusal::Respelled { .. }), "{refused}");
}

/// A row that the engine writes is there, or the run says that it is not.
#[rstest]
#[case::sqlite_diesel(
    Dialect::Sqlite,
    "CREATE TRIGGER x BEFORE INSERT ON __diesel_schema_migrations BEGIN SELECT RAISE(IGNORE); END"
)]
#[case::sqlite_ours(
    Dialect::Sqlite,
    "CREATE TRIGGER x BEFORE INSERT ON underpin_history BEGIN SELECT RAISE(IGNORE); END"
)]
#[case::postgres_diesel(
    Dialect::Postgres,
    "CREATE RULE x AS ON INSERT TO __diesel_schema_migrations DO INSTEAD NOTHING"
)]
#[case::postgres_ours(
    Dialect::Postgres,
    "CREATE RULE x AS ON INSERT TO underpin_history DO INSTEAD NOTHING"
)]
fn a_script_outside_a_transaction_is_not_applied_when_no_row_says_so(
    #[case] dialect: Dialect,
    #[case] keeps_out: &str,
) {
    let db = TestDb::new(dialect);
    let all = catalog(dialect, vec![table(1), outside(2, "INSERT INTO t1 VALUES (7)", "")]);
    migrate(&db, &all, &Goal::Up(1)).unwrap();
    db.batch(keeps_out);

    for _ in 0..2 {
        let error = explain(&migrate(&db, &all, &Goal::Head).unwrap_err());
        let told = error.contains("does not arrive there") || error.contains("interrupted");
        assert!(told, "{error}");
    }

    assert_eq!(applied(&db), ["0001"]);
    assert!(db.texts("SELECT id FROM t1 WHERE id = 7").len() <= 1);
}

/// Nothing undoes it, so the statement that takes the history along does not run; where nobody can see it
/// coming, the message says what happened.
#[rstest]
#[case::in_code("DO $$ BEGIN DROP TABLE __diesel_schema_migrations; END $$", true)]
#[case::executed("DO $$ BEGIN EXECUTE 'DROP TABLE underpin_history'; END $$", true)]
#[case::with_its_schema("DROP SCHEMA public CASCADE", true)]
#[case::renamed_with_its_schema("ALTER SCHEMA \"public\" RENAME TO gone", true)]
#[case::in_built_code("DO $$ BEGIN EXECUTE 'DROP TABLE under' || 'pin_history'; END $$", false)]
fn postgres_outside_a_transaction_the_history_is_not_taken_along(
    #[case] text: &str,
    #[case] is_seen: bool,
) {
    let db = TestDb::new(Dialect::Postgres);
    let all = catalog(Dialect::Postgres, vec![table(1), outside(2, text, "")]);
    migrate(&db, &all, &Goal::Up(1)).unwrap();

    let error = explain(&migrate(&db, &all, &Goal::Head).unwrap_err());

    let named = error.contains("underpin_history") || error.contains("__diesel_schema_migrations");
    assert!(named, "{error}");
    if is_seen {
        assert_eq!(applied(&db), ["0001"]);
    } else {
        assert!(error.contains("is gone: restore the tables of the history"), "{error}");
    }
}
