//! What `repair` accepts, and what it refuses: after it, a check that finds nothing tells the truth.

use rstest::rstest;
use underpin::{AdoptRefused, Catalog, Error, Goal, Migration, Options, Refusal, Status, exit};
use underpin_testkit::{Dialect, TestDb};

use crate::{catalog, migrate, migration, table, with_engine};

fn repair(db: &TestDb, catalog: &Catalog, version: &str, force: bool) -> Result<Status, Error> {
    with_engine(db, catalog, Options::default(), async |engine| {
        let migration = catalog.get(&version.parse().unwrap()).unwrap();
        engine.repair(migration, "why", force).await
    })
}

/// What the script of migration 2 was when it ran, and what it is now.
#[rstest]
#[case::a_comment("CREATE TABLE t2 (id BIGINT)", "-- the same\nCREATE TABLE t2 (id BIGINT)", "")]
#[case::other_blanks("CREATE TABLE t2 (id BIGINT)", "CREATE TABLE  t2 ( id BIGINT )", "")]
#[case::only_rows("CREATE TABLE t2 (id BIGINT)", "CREATE TABLE t2 (id BIGINT); SELECT 1", "")]
#[case::a_table_more("SELECT 1", "CREATE TABLE z (id BIGINT)", "table `z` is missing")]
#[case::a_table_less("CREATE TABLE t2 (id BIGINT)", "SELECT 1", "table `t2` is not known")]
#[case::a_column_more(
    "CREATE TABLE t2 (id BIGINT)",
    "CREATE TABLE t2 (id BIGINT, more BIGINT)",
    "column `t2.more` is missing"
)]
#[case::another_type(
    "CREATE TABLE t2 (id BIGINT)",
    "CREATE TABLE t2 (id SMALLINT)",
    "column `t2.id`: expected"
)]
#[case::an_index_more(
    "CREATE TABLE t2 (id BIGINT)",
    "CREATE TABLE t2 (id BIGINT); CREATE INDEX i ON t2 (id)",
    "index `i` of `t2` is missing"
)]
#[case::a_view_more(
    "CREATE TABLE t2 (id BIGINT)",
    "CREATE TABLE t2 (id BIGINT); CREATE VIEW v AS SELECT id FROM t2",
    "view `v` is missing"
)]
#[case::a_rule_more(
    "CREATE TABLE t2 (id BIGINT)",
    "CREATE TABLE t2 (id BIGINT CHECK (id > 0))",
    "is missing"
)]
fn an_edit_is_accepted_when_the_schema_is_what_it_builds(
    #[values(Dialect::Sqlite, Dialect::Postgres)] dialect: Dialect,
    #[case] ran: &str,
    #[case] now: &str,
    #[case] difference: &str,
) {
    let db = TestDb::new(dialect);
    let all = |second: &str| catalog(dialect, vec![table(1), migration(2, "two", second, "")]);
    migrate(&db, &all(ran), &Goal::Head).unwrap();
    let edited = all(now);
    let before = db.texts("SELECT CAST(count(*) AS TEXT) FROM underpin_history");

    let done = repair(&db, &edited, "0002", false);

    if difference.is_empty() {
        assert!(done.unwrap().is_current());
        return;
    }
    let error = done.unwrap_err();
    let text = error.to_string();
    assert!(matches!(&error, Error::Adopt(told) if matches!(**told, AdoptRefused::Edited { .. })));
    assert!(text.contains(difference) && text.contains("`--force`"), "{text}");
    assert_eq!(exit::code(&error), exit::REFUSED);
    assert_eq!(db.texts("SELECT CAST(count(*) AS TEXT) FROM underpin_history"), before);
    with_engine(&db, &edited, Options::default(), async |engine| {
        assert!(!engine.status().await.unwrap().is_current(), "it is still told");
    });
    assert!(repair(&db, &edited, "0002", true).unwrap().is_current());
}

#[rstest]
#[case::as_it_ran("0001", false)]
#[case::not_applied("0003", true)]
fn what_was_not_edited_is_refused_and_nothing_is_written(
    #[values(Dialect::Sqlite, Dialect::Postgres)] dialect: Dialect,
    #[values(false, true)] force: bool,
    #[case] version: &str,
    #[case] pending: bool,
) {
    let db = TestDb::new(dialect);
    let all = catalog(dialect, vec![table(1), table(2), table(3)]);
    migrate(&db, &all, &Goal::Up(2)).unwrap();
    let before = db.texts("SELECT CAST(count(*) AS TEXT) FROM underpin_history");

    let error = repair(&db, &all, version, force).unwrap_err();

    let Error::Refused(refused) = &error else { panic!("{error:?}") };
    match &refused.0[..] {
        [Refusal::NotApplied { .. }] => assert!(pending),
        [Refusal::NotEdited { .. }] => assert!(!pending),
        other => panic!("{other:?}"),
    }
    assert_eq!(exit::code(&error), exit::REFUSED);
    assert_eq!(db.texts("SELECT CAST(count(*) AS TEXT) FROM underpin_history"), before);
}

/// Diesel's own tools record no checksum, so that no edit is known.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_diesel_applied_has_no_edit(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    let all = catalog(dialect, vec![table(1)]);
    migrate(&db, &all, &Goal::Head).unwrap();
    db.batch("DELETE FROM underpin_history");

    let error = repair(&db, &all, "0001", false).unwrap_err();

    assert!(
        matches!(&error, Error::Refused(told) if matches!(told.0[..], [Refusal::NotEdited { .. }]))
    );
}

/// What the applied migrations build together cannot be told, so that a person has to.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn with_a_gap_it_takes_force(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    let all = |first: Migration| catalog(dialect, vec![first, table(2), table(3)]);
    migrate(&db, &catalog(dialect, vec![table(1), table(3)]), &Goal::Head).unwrap();
    let edited = all(migration(1, "create_t1", &format!("-- {}", table(1).up), ""));

    let error = repair(&db, &edited, "0001", false).unwrap_err();

    assert!(
        matches!(&error, Error::Adopt(told) if matches!(**told, AdoptRefused::Unchecked { .. }))
    );
    assert!(error.to_string().contains("`--force`"), "{error}");
    repair(&db, &edited, "0001", true).unwrap();
}
