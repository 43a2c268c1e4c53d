//! Diesel's own harness on the same database, before us and after us.

use diesel::{Connection as _, SqliteConnection};
use diesel_async::{
    AsyncConnection as _, AsyncPgConnection, async_connection_wrapper::AsyncConnectionWrapper,
};
use diesel_migrations::MigrationHarness;
use rstest::rstest;
use underpin::{Catalog, DieselSource, Goal};
use underpin_testkit::{Dialect, TestDb};

use crate::{applied, catalog, migrate, own_tables, ran, table, tables};

/// What Diesel's harness does with the catalog: the versions that it ran.
fn harness(db: &TestDb, catalog: &Catalog) -> Result<Vec<String>, String> {
    fn run<DB: diesel::backend::Backend>(
        conn: &mut impl MigrationHarness<DB>,
        catalog: &Catalog,
    ) -> Result<Vec<String>, String> {
        let ran = conn
            .run_pending_migrations(DieselSource(catalog))
            .map_err(|error| error.to_string())?;
        Ok(ran.iter().map(ToString::to_string).collect())
    }
    match db.dialect() {
        Dialect::Sqlite => {
            let path = db.dir().join("test.db");
            run(&mut SqliteConnection::establish(path.to_str().unwrap()).unwrap(), catalog)
        }
        Dialect::Postgres => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
            let conn = runtime.block_on(AsyncPgConnection::establish(db.url())).unwrap();
            let _entered = runtime.enter();
            run(&mut AsyncConnectionWrapper::<AsyncPgConnection>::from(conn), catalog)
        }
    }
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn after_diesel_nothing_is_pending_for_us(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    assert_eq!(harness(&db, &tables(dialect, 2)).unwrap(), ["0001", "0002"]);

    let report = migrate(&db, &tables(dialect, 3), &Goal::Head).unwrap();

    assert_eq!(ran(&report), ["0003"]);
    assert_eq!(own_tables(&db), ["t1", "t2", "t3"]);
    assert_eq!(ran(&migrate(&db, &tables(dialect, 3), &Goal::Base).unwrap()).len(), 3);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn after_us_nothing_is_pending_for_diesel(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    migrate(&db, &tables(dialect, 2), &Goal::Head).unwrap();

    assert!(harness(&db, &tables(dialect, 2)).unwrap().is_empty());
    assert_eq!(harness(&db, &tables(dialect, 3)).unwrap(), ["0003"]);

    assert_eq!(applied(&db), ["0001", "0002", "0003"]);
    assert!(migrate(&db, &tables(dialect, 3), &Goal::Head).unwrap().steps.is_empty());
}

/// The harness has no connection that our code could work on, and must not leave it out in silence.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn diesel_stops_at_a_migration_with_code(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    let mut second = table(2);
    second.metadata.code = Some("insert/1".into());

    let error = harness(&db, &catalog(dialect, vec![table(1), second])).unwrap_err();

    assert!(error.contains("0002_create_t2 runs the code `insert/1`"), "{error}");
    assert!(error.contains("`underpin upgrade`"), "{error}");
    assert_eq!(applied(&db), ["0001"]);
    assert_eq!(own_tables(&db), ["t1"]);
}
