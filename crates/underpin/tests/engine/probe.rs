//! How many schemas of one database stand.

use underpin::{
    Access, Conn, Engine, Error, Goal, Grouping, Options, Standing, probe_schemas, schemas_like,
};
use underpin_db::ConnectOptions;
use underpin_testkit::{Dialect, TestDb, block_on};

use crate::{CODE, tables};

const POSTGRES: Dialect = Dialect::Postgres;

/// What there is to know, in one line: how many are applied, and what is in it.
fn line((schema, standing): &(String, Result<Standing, Error>)) -> String {
    match standing {
        Ok(Standing { history, has_tables }) => {
            let tables = if *has_tables { ", tables" } else { "" };
            format!("{schema}: {}{tables}", history.applied.len())
        }
        Err(Error::NoSchema) => format!("{schema}: none"),
        Err(error) => format!("{schema}: {error}"),
    }
}

/// `count` schemas with two of three migrations, and some of other kinds among them.
fn fleet(db: &TestDb, count: usize) -> Vec<String> {
    let url = db.database_url();
    let two = tables(POSTGRES, 2);
    let mut names: Vec<_> = (0..count).map(|number| format!("p_{number}")).collect();
    let create: Vec<_> = names.iter().map(|name| format!("CREATE SCHEMA {name}")).collect();
    db.batch(&create.join(";"));
    block_on(async || {
        let options = Options { grouping: Grouping::Together, ..Options::default() };
        let engine = Engine::new(&two, CODE, &url, options).unwrap();
        let mut conn = engine.connect(Access::ReadWrite).await.unwrap();
        for name in &names {
            engine.migrate_in(&mut conn, name, &Goal::Head).await.unwrap();
        }
    });
    db.batch(
        "CREATE SCHEMA empty; CREATE SCHEMA old; CREATE TABLE old.t1 (id INTEGER); \
         CREATE SCHEMA odd; CREATE TABLE odd.underpin_history (what TEXT); \
         CREATE SCHEMA edited; CREATE TABLE edited.__diesel_schema_migrations (version TEXT, \
         run_on TIMESTAMP); \
         INSERT INTO edited.__diesel_schema_migrations VALUES ('no version'); \
         CREATE SCHEMA viewed; CREATE VIEW viewed.underpin_history AS SELECT 1 AS id",
    );
    for (place, name) in
        ["odd", "absent", "empty", "old", "edited", "viewed"].into_iter().enumerate()
    {
        names.insert(place * count / 5, name.to_owned());
    }
    names
}

async fn probe(conn: &mut Conn, names: &[String]) -> Result<Vec<Result<Standing, Error>>, Error> {
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    probe_schemas(conn, &tables(POSTGRES, 3), &names).await
}

fn connected<T: Send>(db: &TestDb, work: impl AsyncFnOnce(&mut Conn) -> T + Send) -> T {
    let url = db.database_url();
    block_on(async || work(&mut url.connect(&ConnectOptions::default()).await.unwrap()).await)
}

#[test]
fn each_schema_stands_as_it_stands_and_a_broken_history_spoils_no_other_postgres() {
    let db = TestDb::new(POSTGRES);
    let names = fleet(&db, 300);

    let standings = connected(&db, async |conn| probe(conn, &names).await.unwrap());

    let standings: Vec<_> = names.into_iter().zip(standings).collect();
    let lines: Vec<_> = standings.iter().map(line).collect();
    let of = |name: &str| {
        let found = lines.iter().find(|line| line.starts_with(&format!("{name}:")));
        found.unwrap().clone()
    };
    assert_eq!(lines.iter().filter(|line| line.ends_with(": 2, tables")).count(), 300);
    assert_eq!(of("absent"), "absent: none");
    assert_eq!(of("empty"), "empty: 0");
    assert_eq!(of("old"), "old: 0, tables");
    assert!(of("odd").contains("`odd.underpin_history` lacks columns"), "{}", of("odd"));
    assert!(of("viewed").contains("`viewed.underpin_history` is a view"), "{}", of("viewed"));
    assert!(of("edited").starts_with("edited: cannot read the history: "), "{}", of("edited"));
}

#[test]
fn a_schema_that_may_not_be_read_spoils_no_other_postgres() {
    let db = TestDb::new(POSTGRES);
    let names = fleet(&db, 4);
    let role = format!("probe_{}", std::process::id());
    db.batch(&format!(
        "CREATE ROLE {role}; GRANT USAGE ON SCHEMA p_0, p_2, p_3 TO {role}; \
         GRANT SELECT ON ALL TABLES IN SCHEMA p_0, p_1, p_2 TO {role}"
    ));

    let standings = connected(&db, async |conn| {
        conn.batch(&format!("SET ROLE {role}")).await.unwrap();
        probe(conn, &names).await.unwrap()
    });
    db.batch(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));

    let readable: Vec<_> = names.iter().zip(&standings).filter(|(_, one)| one.is_ok()).collect();
    let readable: Vec<_> = readable.into_iter().map(|(name, _)| name).collect();
    assert_eq!(readable, ["empty", "old", "p_0", "p_2"]);
}

#[test]
fn a_lost_connection_is_no_answer_postgres() {
    let db = TestDb::new(POSTGRES);
    let names = fleet(&db, 2);

    let error = connected(&db, async |conn| {
        drop(conn.batch("SELECT pg_terminate_backend(pg_backend_pid())").await);
        probe(conn, &names).await.unwrap_err()
    });

    assert!(matches!(error, Error::Database { .. }), "{error:?}");
}

#[test]
fn schemas_are_listed_by_a_pattern_in_which_only_percent_is_special_postgres() {
    let db = TestDb::new(POSTGRES);
    db.batch(
        "CREATE SCHEMA a_1; CREATE SCHEMA ab1; CREATE SCHEMA a_2; CREATE SCHEMA \"a_%\"; \
         CREATE SCHEMA \"A_3\"; CREATE SCHEMA \"back\\slash\"",
    );

    let listed =
        |pattern: &str| connected(&db, async |conn| schemas_like(conn, pattern).await.unwrap());

    assert_eq!(listed("a_%"), ["a_%", "a_1", "a_2"]);
    assert_eq!(listed("a_1"), ["a_1"]);
    assert_eq!(listed("%1"), ["a_1", "ab1"]);
    assert_eq!(listed("back\\%"), ["back\\slash"]);
    assert_eq!(listed("%"), ["A_3", "a_%", "a_1", "a_2", "ab1", "back\\slash", "public"]);
    assert!(listed("it's").is_empty());
}
