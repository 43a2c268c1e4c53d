//! The history: what is refused because of it, and what repairs it.

use rstest::rstest;
use underpin::{Access, Error, Goal, Options, Policy, Refusal, Version, probe_schemas};
use underpin_testkit::{Dialect, TestDb};

use crate::{applied, catalog, migrate, migration, own_tables, ran, table, tables, with_engine};

fn version(text: &str) -> Version {
    text.parse().unwrap()
}

fn refusals(error: Error) -> Vec<Refusal> {
    match error {
        Error::Refused(refused) => refused.0,
        other => panic!("{other:?}"),
    }
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn every_run_is_recorded(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    let catalog = tables(dialect, 2);

    migrate(&db, &catalog, &Goal::Head).unwrap();
    migrate(&db, &catalog, &Goal::Down(1)).unwrap();

    let log =
        with_engine(&db, &catalog, Options::default(), async |engine| engine.log().await.unwrap());
    let actions: Vec<_> =
        log.records.iter().map(|one| (one.version.as_str(), one.action.as_str())).collect();
    assert_eq!(actions, [("0001", "upgrade"), ("0002", "upgrade"), ("0002", "downgrade")]);
    for record in &log.records {
        assert_eq!((record.set.as_str(), record.outcome.as_str()), ("test", "done"));
        assert_eq!(record.checksum.as_ref().unwrap().len(), 64);
        assert!(record.duration_ms.is_some_and(|millis| millis >= 0), "{record:?}");
        assert!(!record.actor.is_empty() && !record.host.is_empty() && !record.engine.is_empty());
        assert!(record.started_at.starts_with("20"), "{record:?}");
    }
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn an_edited_script_is_refused_until_somebody_accepts_it(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    migrate(&db, &tables(dialect, 2), &Goal::Head).unwrap();
    let edited = migration(2, "create_t2", "CREATE TABLE t2 (id BIGINT)", "DROP TABLE t2");
    let catalog = catalog(dialect, vec![table(1), edited, table(3)]);

    let refused = refusals(migrate(&db, &catalog, &Goal::Head).unwrap_err());

    assert!(
        matches!(&refused[..], [Refusal::Diverged { version, .. }] if version.as_str() == "0002")
    );
    assert_eq!(own_tables(&db), ["t1", "t2"]);
    with_engine(&db, &catalog, Options::default(), async |engine| {
        let migration = catalog.get(&version("0002")).unwrap();
        engine.repair(migration, "the table is the same", true).await.unwrap();
        let log = engine.log().await.unwrap();
        let last = log.records.last().unwrap();
        assert_eq!(
            (last.action.as_str(), last.reason.as_deref()),
            ("repair", Some("the table is the same"))
        );
    });
    assert_eq!(ran(&migrate(&db, &catalog, &Goal::Head).unwrap()), ["0003"]);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn other_line_endings_are_no_edit(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    migrate(&db, &tables(dialect, 1), &Goal::Head).unwrap();
    let windows = table(1).up.replace('\n', "\r\n");
    let catalog = catalog(
        dialect,
        vec![migration(1, "create_t1", &format!("{windows}\r\n"), "DROP TABLE t1"), table(2)],
    );

    assert_eq!(ran(&migrate(&db, &catalog, &Goal::Head).unwrap()), ["0002"]);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_binary_older_than_its_database_refuses(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    migrate(&db, &tables(dialect, 3), &Goal::Head).unwrap();
    let older = tables(dialect, 2);

    let refused = refusals(migrate(&db, &older, &Goal::Down(1)).unwrap_err());

    assert_eq!(refused, [Refusal::Missing { version: version("0003") }]);
    let policy = Policy { allow_missing: true, ..Policy::default() };
    let report =
        with_engine(&db, &older, Options { policy, ..Options::default() }, async |engine| {
            engine.migrate(&Goal::Down(1)).await.unwrap()
        });
    assert_eq!(ran(&report), ["0002"]);
    assert_eq!(applied(&db), ["0001", "0003"]);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_migration_that_comes_late_is_refused_or_applied_on_demand(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    let early = catalog(dialect, vec![table(1), table(3)]);
    migrate(&db, &early, &Goal::Head).unwrap();
    let late = tables(dialect, 3);

    let refused = refusals(migrate(&db, &late, &Goal::Head).unwrap_err());

    let expected = Refusal::OutOfOrder { version: version("0002"), head: version("0003") };
    assert_eq!(refused, [expected]);
    let policy = Policy { allow_out_of_order: true, ..Policy::default() };
    let report =
        with_engine(&db, &late, Options { policy, ..Options::default() }, async |engine| {
            engine.migrate(&Goal::Head).await.unwrap()
        });
    assert_eq!(ran(&report), ["0002"]);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_stamp_is_refused_when_the_schema_does_not_fit(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    let catalog = tables(dialect, 3);
    migrate(&db, &catalog, &Goal::Up(2)).unwrap();
    let stamp = async |text: &'static str, force: bool| {
        with_engine(&db, &catalog, Options::default(), async |engine| {
            engine.stamp(Some(&version(text)), force).await
        })
    };
    let stamp = |text, force| underpin_testkit::block_on(async || stamp(text, force).await);

    let error = stamp("0003", false).unwrap_err();

    assert!(error.to_string().contains("table `t3`"), "{error}");
    assert_eq!(applied(&db), ["0001", "0002"]);
    assert_eq!(stamp("0002", false).unwrap().applied, 2);
    assert_eq!(stamp("0003", true).unwrap().applied, 3);
    assert_eq!(stamp("0001", true).unwrap().applied, 1);
    assert_eq!(own_tables(&db), ["t1", "t2"], "a stamp runs no script");
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn two_sets_live_side_by_side_in_one_database(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    let one = tables(dialect, 2);
    let other = underpin::Catalog::new("other", dialect, vec![table(11), table(12)]).unwrap();

    migrate(&db, &one, &Goal::Head).unwrap();
    migrate(&db, &other, &Goal::Head).unwrap();

    assert_eq!(own_tables(&db), ["t1", "t11", "t12", "t2"]);
    assert_eq!(ran(&migrate(&db, &other, &Goal::Base).unwrap()), ["0012", "0011"]);
    assert_eq!(ran(&migrate(&db, &one, &Goal::Down(1)).unwrap()), ["0002"]);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_version_that_another_set_has_is_refused(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    let other = migration(1, "mine", "CREATE TABLE mine (id INTEGER)", "DROP TABLE mine");
    let other = underpin::Catalog::new("other", dialect, vec![other]).unwrap();
    migrate(&db, &tables(dialect, 2), &Goal::Head).unwrap();

    let refused = refusals(migrate(&db, &other, &Goal::Head).unwrap_err());

    assert_eq!(refused, [Refusal::Taken { version: version("0001"), set: "test".to_owned() }]);
    assert!(migrate(&db, &other, &Goal::Base).is_err());
    assert_eq!(applied(&db), ["0001", "0002"]);
}

/// A program may call its set otherwise than the person at the command line.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn the_same_migrations_are_the_same_under_another_name_of_the_set(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    let renamed = underpin::Catalog::new("renamed", dialect, (1..=3).map(table).collect()).unwrap();
    migrate(&db, &tables(dialect, 2), &Goal::Head).unwrap();

    assert_eq!(ran(&migrate(&db, &renamed, &Goal::Head).unwrap()), ["0003"]);
    assert_eq!(ran(&migrate(&db, &renamed, &Goal::Base).unwrap()), ["0003", "0002", "0001"]);
}

/// They share the history tables, which only one of them can create.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn two_sets_may_start_at_once_on_an_empty_database(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    let one = tables(dialect, 2);
    let other = underpin::Catalog::new("other", dialect, vec![table(11), table(12)]).unwrap();

    std::thread::scope(|scope| {
        let runners = [&one, &other].map(|set| scope.spawn(|| migrate(&db, set, &Goal::Head)));
        for runner in runners {
            runner.join().unwrap().unwrap();
        }
    });

    assert_eq!(applied(&db), ["0001", "0002", "0011", "0012"]);
}

/// Passing it over would say that nothing is applied.
#[rstest]
#[case::view_sqlite(Dialect::Sqlite, "VIEW", "AS SELECT * FROM kept", "a view")]
#[case::view_postgres(Dialect::Postgres, "VIEW", "AS SELECT * FROM kept", "a view")]
#[case::partitioned_postgres(
    Dialect::Postgres,
    "TABLE",
    "(LIKE kept) PARTITION BY LIST (version)",
    "a partitioned table"
)]
fn a_history_of_another_kind_is_named_and_refused(
    #[case] dialect: Dialect,
    #[case] kind: &str,
    #[case] rest: &str,
    #[case] told: &str,
    #[values("__diesel_schema_migrations", "underpin_history")] table: &str,
) {
    let db = TestDb::new(dialect);
    let all = tables(dialect, 3);
    migrate(&db, &all, &Goal::Up(2)).unwrap();
    db.batch(&format!("ALTER TABLE {table} RENAME TO kept; CREATE {kind} {table} {rest}"));

    let status = with_engine(&db, &all, Options::default(), async |engine| {
        engine.status().await.map(|status| status.applied)
    });
    let errors = [status.unwrap_err(), migrate(&db, &all, &Goal::Head).unwrap_err()];

    for error in errors {
        let text = underpin::exit::explain(&error);
        assert!(text.contains(&format!("{table}` is {told}")), "{text}");
        assert!(text.contains("rename it or drop it"), "{text}");
    }
    db.batch(&format!("DROP {kind} {table}; ALTER TABLE kept RENAME TO {table}"));
    assert_eq!(ran(&migrate(&db, &all, &Goal::Head).unwrap()), ["0003"]);
}

/// What a status, a log and a run say.
fn refused_by_all(db: &TestDb, all: &underpin::Catalog) -> Vec<String> {
    let mut errors = vec![
        migrate(db, all, &Goal::Head).unwrap_err(),
        with_engine(db, all, Options::default(), async |engine| engine.status().await.unwrap_err()),
        with_engine(db, all, Options::default(), async |engine| engine.log().await.unwrap_err()),
    ];
    if db.dialect() == Dialect::Postgres {
        errors.extend(with_engine(db, all, Options::default(), async |engine| {
            let mut conn = engine.connect(Access::ReadWrite).await.unwrap();
            let lent = engine.migrate_in(&mut conn, "public", &Goal::Head).await.unwrap_err();
            let mut probed = probe_schemas(&mut conn, all, &["public"]).await.unwrap();
            [lent, probed.remove(0).unwrap_err()]
        }));
    }
    errors.iter().map(|error| underpin::exit::explain(error)).collect()
}

/// Whose it is, how it came to be, and a column that a history has and it does not.
#[rstest]
#[case::of_somebody_else(
    "__diesel_schema_migrations",
    "ALTER TABLE {} RENAME TO kept; CREATE TABLE {} (version TEXT, what TEXT)",
    "run_on"
)]
#[case::of_somebody_else_ours(
    "underpin_history",
    "ALTER TABLE {} RENAME TO kept; CREATE TABLE {} (id INTEGER, what TEXT)",
    "set_name"
)]
#[case::without_a_column(
    "__diesel_schema_migrations",
    "CREATE TABLE kept AS SELECT * FROM {}; ALTER TABLE {} DROP COLUMN run_on",
    "run_on"
)]
#[case::without_a_column_ours(
    "underpin_history",
    "CREATE TABLE kept AS SELECT * FROM {}; ALTER TABLE {} DROP COLUMN reason",
    "reason"
)]
fn a_history_with_other_columns_is_told_with_what_to_do(
    #[values(Dialect::Sqlite, Dialect::Postgres)] dialect: Dialect,
    #[case] table: &str,
    #[case] change: &str,
    #[case] missing: &str,
) {
    let db = TestDb::new(dialect);
    let all = tables(dialect, 3);
    migrate(&db, &all, &Goal::Up(2)).unwrap();
    db.batch(&change.replace("{}", table));

    for text in refused_by_all(&db, &all) {
        let (lacks, has) = text.split_once("what it has: ").unwrap();
        assert!(lacks.contains(&format!("{table}` lacks columns")), "{text}");
        assert!(lacks.contains(&format!("`{missing}`")), "{text}");
        assert!(!has.contains(&format!("`{missing}`")), "{text}");
        assert!(has.contains("rename it") && has.contains("put its columns back"), "{text}");
        assert_eq!(has.contains("`what`"), change.contains("what"), "{text}");
    }
    assert!(!db.tables().contains(&"t3".to_owned()));
    if change.contains("what") {
        db.batch(&format!("DROP TABLE {table}; ALTER TABLE kept RENAME TO {table}"));
        assert_eq!(ran(&migrate(&db, &all, &Goal::Head).unwrap()), ["0003"]);
    }
}

/// Nothing was ever applied there.
#[rstest]
fn a_table_of_somebody_else_is_not_taken_for_the_history(
    #[values(Dialect::Sqlite, Dialect::Postgres)] dialect: Dialect,
    #[values("__diesel_schema_migrations", "underpin_history")] table: &str,
) {
    let db = TestDb::new(dialect);
    let all = tables(dialect, 3);
    db.batch(&format!("CREATE TABLE {table} (what TEXT)"));

    for text in refused_by_all(&db, &all) {
        assert!(text.contains(&format!("{table}` lacks columns")), "{text}");
        assert!(text.contains("what it has: `what`"), "{text}");
    }
    db.batch(&format!("DROP TABLE {table}"));
    assert_eq!(ran(&migrate(&db, &all, &Goal::Head).unwrap()).len(), 3);
}
