//! Indexes that PostgreSQL builds without locking their table: found as the statement finds them, and
//! never taken for what they are not.

use rstest::rstest;
use underpin::{Catalog, Error, Goal, Options, Policy, Report, exit::explain};
use underpin_testkit::{Dialect, TestDb};

use crate::{applied, catalog, migrate, migration, stepwise::outside, with_engine};

fn resume(db: &TestDb, catalog: &Catalog) -> Result<Report, Error> {
    let policy = Policy { resume: true, ..Policy::default() };
    let options = Options { policy, ..Options::default() };
    with_engine(db, catalog, options, async |engine| engine.migrate(&Goal::Head).await)
}

/// Two tables of the same name, each with a value twice, and then this script.
fn indexing(script: &str) -> Catalog {
    let table = |name: &str| {
        format!(
            "CREATE TABLE {name} (a INTEGER, b INTEGER); INSERT INTO {name} VALUES (1, 1), (1, 2);"
        )
    };
    let tables = format!(
        "CREATE SCHEMA app; CREATE SCHEMA \"Other one\"; {}{}{}{}",
        table("app.items"),
        table("items"),
        table("others"),
        table("\"Other one\".\"T t\"")
    );
    catalog(Dialect::Postgres, vec![migration(1, "tables", &tables, ""), outside(2, script, "")])
}

const PREPARED: &str = "-- the tables alone";

/// A database with the tables alone.
fn database() -> TestDb {
    let db = TestDb::new(Dialect::Postgres);
    let first = indexing(PREPARED).migrations()[0].clone();
    migrate(&db, &catalog(Dialect::Postgres, vec![first]), &Goal::Head).unwrap();
    db
}

/// Leaves an invalid index.
fn fail_to_build(db: &TestDb, statement: &str) {
    let failing = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| db.batch(statement)));
    assert!(failing.is_err());
}

fn indexes(db: &TestDb) -> Vec<String> {
    db.texts(
        "SELECT n.nspname || '.' || c.relname || ' on ' || t.relname || CASE WHEN x.indisvalid THEN '' ELSE ', invalid' END \
         FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid \
         JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname IN ('app', 'public', 'Other one') \
         AND t.relname NOT LIKE '%schema_migrations' AND t.relname <> 'underpin_history' \
         AND t.relname <> 'underpin_lease' ORDER BY 1",
    )
}

#[rstest]
#[case::plain("u", "items", "public.u on items")]
#[case::quoted("\"U one\"", "items", "public.U one on items")]
#[case::upper("UPPER", "ITEMS", "public.upper on items")]
#[case::after_a_comment("/* the key */ u", "items", "public.u on items")]
#[case::with_a_schema("u", "app.items", "app.u on items")]
#[case::with_a_quoted_schema("u", "\"Other one\".\"T t\"", "Other one.u on T t")]
#[case::by_numbers("U&\"\\0075\"", "U&\"\\0069tems\"", "public.u on items")]
#[case::alone("u", "ONLY items", "public.u on items")]
fn a_build_that_failed_is_done_anew_however_it_is_spelled(
    #[values("UNIQUE INDEX CONCURRENTLY", "unique/**/index concurrently if not exists")] head: &str,
    #[case] name: &str,
    #[case] table: &str,
    #[case] built: &str,
) {
    let db = database();
    let catalog = indexing(&format!("CREATE {head} {name} ON {table} (a)"));
    migrate(&db, &catalog, &Goal::Head).unwrap_err();
    assert_eq!(indexes(&db), [format!("{built}, invalid")]);
    db.batch("UPDATE items SET a = b; UPDATE app.items SET a = b; UPDATE \"Other one\".\"T t\" SET a = b");

    resume(&db, &catalog).unwrap();

    assert_eq!(indexes(&db), [built]);
}

/// What was there before is another's, whether it is valid or not, and stays.
#[rstest]
#[case::invalid_elsewhere_on_the_path("public.items", "UNIQUE", true)]
#[case::valid_elsewhere_on_the_path("public.items", "", true)]
#[case::invalid_on_another_table("app.others", "UNIQUE", false)]
#[case::valid_on_another_table("app.others", "", false)]
#[case::invalid_on_the_table_itself("app.items", "UNIQUE", false)]
fn an_index_of_another_is_neither_dropped_nor_taken(
    #[case] table: &str,
    #[case] unique: &str,
    #[case] builds: bool,
    #[values("", "IF NOT EXISTS")] exists: &str,
) {
    let db = database();
    db.batch("CREATE TABLE app.others (a INTEGER); INSERT INTO app.others VALUES (1), (1)");
    let theirs = format!("CREATE {unique} INDEX CONCURRENTLY i ON {table} (a)");
    if unique.is_empty() {
        db.batch(&theirs);
    } else {
        fail_to_build(&db, &theirs);
    }
    let before = indexes(&db);
    let script = format!(
        "SET search_path TO app, public; CREATE INDEX CONCURRENTLY {exists} i ON items (a)"
    );
    let catalog = indexing(&script);

    let first = migrate(&db, &catalog, &Goal::Head);

    assert!(before.iter().all(|one| indexes(&db).contains(one)), "{before:?} {:?}", indexes(&db));
    if builds {
        first.unwrap();
        assert!(indexes(&db).contains(&"app.i on items".to_owned()), "{:?}", indexes(&db));
        return;
    }
    let error = explain(&first.unwrap_err());
    assert!(error.contains("is invalid") || error.contains("is there already"), "{error}");
    let again = explain(&resume(&db, &catalog).unwrap_err());
    assert!(again.contains("is invalid") || again.contains("is there already"), "{again}");
    assert_eq!(indexes(&db), before);
    assert_eq!(applied(&db), ["0001"]);
}

#[test]
fn an_index_that_was_there_before_passes_only_where_the_script_says_so() {
    let db = database();
    db.batch("CREATE INDEX i ON items (b)");
    let build =
        |exists: &str| indexing(&format!("CREATE INDEX CONCURRENTLY {exists} i ON items (a)"));

    migrate(&db, &build(""), &Goal::Head).unwrap_err();
    let error = explain(&resume(&db, &build("")).unwrap_err());

    assert!(error.contains("`public.i` is there already"), "{error}");
    let db = database();
    db.batch("CREATE INDEX i ON items (b)");
    migrate(&db, &build("IF NOT EXISTS"), &Goal::Head).unwrap();
    assert_eq!(applied(&db), ["0001", "0002"]);
}

#[test]
fn a_resumed_build_is_not_taken_for_done_by_an_index_of_another_schema() {
    let db = database();
    let script = "SET search_path TO app, public; SELECT 1 / (SELECT count(*) - 1 FROM others); \
                  CREATE INDEX CONCURRENTLY i ON items (a)";
    db.batch("CREATE INDEX i ON public.items (a); DELETE FROM others WHERE b = 1");
    let catalog = indexing(script);
    migrate(&db, &catalog, &Goal::Head).unwrap_err();
    db.batch("INSERT INTO others VALUES (3, 3)");

    resume(&db, &catalog).unwrap();

    assert_eq!(indexes(&db), ["app.i on items", "public.i on items"]);
}

#[test]
fn a_build_without_a_name_is_not_gone_on_with_blindly() {
    let db = database();
    let catalog = indexing("CREATE UNIQUE INDEX CONCURRENTLY ON items (a)");
    migrate(&db, &catalog, &Goal::Head).unwrap_err();

    let error = explain(&resume(&db, &catalog).unwrap_err());

    assert!(error.contains("give the index a name"), "{error}");
    assert_eq!(indexes(&db), ["public.items_a_idx on items, invalid"]);
}

#[test]
fn what_a_failed_rebuild_left_is_named() {
    let db = database();
    let script = "CREATE INDEX i ON items (a); REINDEX INDEX CONCURRENTLY i; SELECT 1 / (SELECT count(*) - 2 FROM others)";
    let catalog = indexing(script);
    migrate(&db, &catalog, &Goal::Head).unwrap_err();
    fail_to_build(&db, "CREATE UNIQUE INDEX CONCURRENTLY i_ccnew ON items (a)");
    db.batch("DELETE FROM others");

    let error = explain(&resume(&db, &catalog).unwrap_err());

    assert!(error.contains("index `public.i_ccnew` is invalid"), "{error}");
    db.batch("DROP INDEX i_ccnew");
    resume(&db, &catalog).unwrap();
    assert_eq!(applied(&db), ["0001", "0002"]);
}

#[test]
fn a_drop_that_was_done_is_not_done_to_another_index() {
    let db = database();
    db.batch("CREATE INDEX i ON app.items (a); CREATE INDEX i ON public.items (a)");
    let catalog = indexing("SET search_path TO app, public; DROP INDEX CONCURRENTLY i");
    // The run dies when the index is gone and nobody has said so.
    db.batch(
        "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.statement = 2 THEN \
         RAISE EXCEPTION 'died'; END IF; RETURN NEW; END $$; \
         CREATE TRIGGER die BEFORE INSERT ON underpin_history FOR EACH ROW EXECUTE FUNCTION die()",
    );
    migrate(&db, &catalog, &Goal::Head).unwrap_err();
    assert_eq!(indexes(&db), ["public.i on items"]);
    db.batch("DROP TRIGGER die ON underpin_history");

    resume(&db, &catalog).unwrap();

    assert_eq!(indexes(&db), ["public.i on items"]);
}

#[test]
fn a_partition_that_is_half_detached_is_detached_to_the_end() {
    let db = database();
    db.batch(
        "CREATE TABLE p (a INTEGER) PARTITION BY LIST (a); \
         CREATE TABLE \"P 1\" PARTITION OF p FOR VALUES IN (1)",
    );
    let catalog = indexing("ALTER TABLE p DETACH PARTITION \"P 1\" CONCURRENTLY");
    db.batch(
        "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.statement = 1 THEN \
         RAISE EXCEPTION 'died'; END IF; RETURN NEW; END $$; \
         CREATE TRIGGER die BEFORE INSERT ON underpin_history FOR EACH ROW EXECUTE FUNCTION die()",
    );
    migrate(&db, &catalog, &Goal::Head).unwrap_err();
    db.batch("DROP TRIGGER die ON underpin_history");

    resume(&db, &catalog).unwrap();

    assert!(db.texts("SELECT inhrelid::text FROM pg_inherits").is_empty());
    assert_eq!(applied(&db), ["0001", "0002"]);
}

/// `IF NOT EXISTS` is content with an index that no query uses.
#[test]
fn an_invalid_index_that_a_transaction_passes_over_fails_it() {
    let db = database();
    fail_to_build(&db, "CREATE UNIQUE INDEX CONCURRENTLY i ON items (a)");
    let mut migrations = indexing(PREPARED).migrations().to_vec();
    migrations[1] = migration(2, "index", "CREATE UNIQUE INDEX IF NOT EXISTS i ON items (a)", "");

    let error = migrate(&db, &catalog(Dialect::Postgres, migrations), &Goal::Head).unwrap_err();

    let text = explain(&error);
    assert!(text.contains("index `public.i` is invalid") && text.contains("rolled back"), "{text}");
    assert_eq!(applied(&db), ["0001"]);
}
