//! Whatever strangers set for the role or the database, and whatever they put into a schema of its path: each
//! verb does and says the same.

use std::{fmt::Write as _, time::Duration};

use rstest::rstest;
use underpin::{
    Access, Catalog, DatabaseUrl, Engine, Error, Goal, Migration, Options, exit::explain,
};
use underpin_testkit::{Dialect, Level, PgBouncer, REFUSED, SETTINGS, Settings, TestDb, block_on};

use crate::{catalog, migrate, migration};

/// Text that means something else where strings end elsewhere.
const REASON: &str = r"CORP\ada said: it's \'); DROP TABLE t1; --";

/// Scripts that mean the same under every setting: all of them belong to the test.
fn scripts() -> Vec<Migration> {
    let table = "CREATE TABLE t1 (id integer PRIMARY KEY, path varchar(50) NOT NULL); \
         INSERT INTO t1 VALUES (1, 'a\\'), (2, 'it''s \\'); \
         CREATE TABLE t2 (id integer PRIMARY KEY, parent integer REFERENCES t1 (id)); \
         INSERT INTO t2 VALUES (1, 1), (2, NULL)";
    let mut index =
        migration(2, "index", "CREATE INDEX CONCURRENTLY i1 ON t2 (parent)", "DROP INDEX i1");
    index.metadata.run_in_transaction = false;
    let mut view = migration(3, "view", "CREATE VIEW v1 AS SELECT id FROM t2", "DROP VIEW v1");
    view.metadata.notes = Some("SELECT 'noted'".into());
    vec![migration(1, "tables", table, "DROP TABLE t2, t1"), index, view]
}

fn edited() -> Catalog {
    let mut scripts = scripts();
    scripts[0].checksum = underpin::Checksum::of("another text");
    catalog(Dialect::Postgres, scripts)
}

/// What each verb says, without times, one line each.
async fn verbs(url: &DatabaseUrl) -> Result<String, Error> {
    let scripts = catalog(Dialect::Postgres, scripts());
    let options = Options { lock_wait: Duration::from_secs(2), ..Options::default() };
    let engine = Engine::new(&scripts, &[], url, options.clone())?;
    let mut said = String::new();
    let mut say = |what: &str, how: String| {
        let _infallible = writeln!(said, "{what}: {how}");
    };
    let ran = |report: underpin::Report| {
        let step = |step: &underpin::StepReport| format!("{} {:?}", step.version, step.notes);
        let steps: Vec<_> = report.steps.iter().map(step).collect();
        format!("{steps:?} {:?} {:?}", report.head, report.adopted.map(|one| one.description))
    };
    say("status", format!("{:?}", engine.status().await?));
    say("dry run", ran(engine.dry_run(&Goal::Head).await?));
    say("script", engine.script(&Goal::Head).await?);
    say("upgrade", ran(engine.migrate(&Goal::Head).await?));
    say("downgrade", ran(engine.migrate(&Goal::Down(2)).await?));
    say("upgrade by one", ran(engine.migrate(&Goal::Up(1)).await?));
    say("redo", ran(engine.redo().await?));
    say("upgrade again", ran(engine.migrate(&Goal::Head).await?));
    say("unchanged", ran(engine.migrate(&Goal::Head).await?));
    say("schema", format!("{:?}", engine.schema().await?));
    say("proof", format!("{:?}", engine.proof().await.is_ok()));
    let edited = edited();
    let editor = Engine::new(&edited, &[], url, options)?;
    let repaired = editor.repair(&edited.migrations()[0], REASON, true).await?;
    say("repair", format!("{repaired:?}"));
    say("stamp", format!("{:?}", editor.stamp(Some(&edited.migrations()[0].version), true).await?));
    for record in editor.log().await?.records {
        say("record", format!("{} {} {:?}", record.version, record.action, record.reason));
    }
    let mut conn = engine.connect(Access::ReadWrite).await?;
    conn.own().await.unwrap();
    let schema = conn.schema().unwrap().to_owned();
    let forget =
        format!("DROP TABLE {schema}.__diesel_schema_migrations, {schema}.underpin_history");
    conn.batch(&forget).await.unwrap();
    drop(conn);
    say("adopt dry run", format!("{:?}", engine.adopt_dry_run().await?));
    let adopted = engine.adopt().await?;
    say("adopt", format!("{:?}", adopted.map(|adopted| (adopted.version, adopted.description))));
    say("adopted", ran(engine.migrate(&Goal::Head).await?));
    Ok(said)
}

/// How the verbs reach the server.
#[derive(Debug, Clone, Copy)]
enum Way {
    Direct,
    Pooled,
}

impl Way {
    /// Whether a script outside a transaction needs what cannot be set for it.
    fn cannot_set(self, name: &str) -> bool {
        let needed =
            ["default_transaction_read_only", "standard_conforming_strings", "statement_timeout"];
        matches!(self, Self::Pooled) && needed.contains(&name)
    }
}

fn told(db: &TestDb, way: Way) -> Result<String, String> {
    let bouncer = match way {
        Way::Direct => None,
        Way::Pooled => Some(PgBouncer::start(db, Settings::Ignored)),
    };
    let url = bouncer.as_ref().map_or_else(|| db.url().to_owned(), |bouncer| bouncer.url(db));
    let url: DatabaseUrl = url.parse().unwrap();
    block_on(async || verbs(&url).await).map_err(|error| explain(&error))
}

#[rstest]
#[case::direct_postgres(Way::Direct)]
#[case::behind_the_pooler_postgres(Way::Pooled)]
fn every_verb_is_the_same_whatever_a_session_starts_with(
    #[case] way: Way,
    #[values(Level::Role, Level::Database)] level: Level,
) {
    let plain = told(&TestDb::with_login(), way).unwrap();
    let mut wrong = String::new();
    for (name, value) in SETTINGS {
        let db = TestDb::with_login();
        db.start_with(level, name, value);
        match told(&db, way) {
            Ok(said) if said == plain && name != REFUSED => {}
            Err(said) if name == REFUSED && said.contains("ALTER ROLE ... RESET") => {}
            Err(said) if way.cannot_set(name) && said.contains("to the server itself") => {}
            said => {
                let _infallible = writeln!(wrong, "{name} = {value}: {said:?}\n");
            }
        }
    }
    assert_eq!(wrong, "", "without: {plain:?}");
}

#[rstest]
#[case::direct_postgres(Way::Direct)]
#[case::behind_the_pooler_postgres(Way::Pooled)]
fn a_role_that_may_lets_triggers_work(#[case] way: Way) {
    let plain = told(&TestDb::with_login(), way);
    let db = TestDb::with_login();
    db.batch(&format!("GRANT SET ON PARAMETER {REFUSED} TO {}", db.login().unwrap()));
    db.start_with(Level::Role, REFUSED, "replica");

    assert_eq!(told(&db, way), plain);
}

/// What a script makes goes into the first schema of the path, and this one is the server's.
#[rstest]
#[case::direct_postgres(Way::Direct)]
#[case::behind_the_pooler_postgres(Way::Pooled)]
fn the_servers_own_schema_is_not_migrated(#[case] way: Way) {
    let db = TestDb::with_login();
    db.start_with(Level::Role, "search_path", "pg_catalog, public");

    let said = told(&db, way).unwrap_err();

    assert!(said.contains("`pg_catalog` comes first in the search path"), "{said}");
    assert!(said.contains("?options=-csearch_path%3D"), "{said}");
}

#[rstest]
#[case::direct_postgres(Way::Direct)]
#[case::behind_the_pooler_postgres(Way::Pooled)]
fn nothing_in_the_path_stands_in_for_the_servers_own(
    #[case] way: Way,
    #[values("app, public, pg_catalog", "app, public")] path: &str,
) {
    let databases = [false, true].map(|poisoned| {
        let db = TestDb::with_login();
        db.batch(&format!("CREATE SCHEMA app AUTHORIZATION {}", db.login().unwrap()));
        db.start_with(Level::Role, "search_path", path);
        if poisoned {
            db.poison_public();
        }
        db
    });

    let [plain, said] = databases.each_ref().map(|db| told(db, way));

    assert_eq!(databases[1].poisonings(), 0, "{said:?}");
    assert_eq!(said, plain);
    assert!(plain.is_ok(), "{plain:?}");
}

/// Without this the test above could not fail.
#[rstest]
#[case("pg_catalog.now()", "now()")]
#[case("pg_catalog.to_regclass('x')", "to_regclass('x')")]
#[case("1", "(SELECT count(*))")]
#[case("1", "1::text")]
#[case("1", "(SELECT 1 FROM pg_class LIMIT 1)")]
#[case("1", "'a' = 'b'")]
#[case("1", "json_build_object('a', 1)")]
fn what_stands_in_is_noticed_postgres(#[case] own: &str, #[case] poisoned: &str) {
    let db = TestDb::with_login();
    db.poison_public();
    db.start_with(Level::Role, "search_path", "public, pg_catalog");
    block_on(async || {
        let mut conn =
            db.database_url().connect(&underpin_db::ConnectOptions::default()).await.unwrap();
        assert!(conn.text(&format!("SELECT {own}")).await.is_ok());
        let error = conn.text(&format!("SELECT {poisoned}")).await.unwrap_err();
        assert!(error.message.contains("poison"), "{error}");
    });
    assert_eq!(db.poisonings(), 1);
}

/// The server reads a message by the encoding that the session has when the message comes. Only the run can see
/// this one.
#[rstest]
#[case::in_which_the_bytes_are_other_letters_postgres("WIN1251")]
#[case::in_which_the_bytes_are_no_letters_postgres("EUC_JP")]
fn what_is_recorded_is_right_whatever_encoding_a_script_sets(#[case] encoding: &str) {
    let db = TestDb::new(Dialect::Postgres);
    let script = format!(
        "DO $$ BEGIN EXECUTE 'SET client_' || 'encoding TO {encoding}'; END $$; CREATE TABLE t1 (id integer); \
         CREATE TABLE seen AS SELECT current_setting('client_encoding') AS encoding"
    );
    let mut one = migration(1, "имя", &script, "DROP TABLE t1, seen");
    one.metadata.run_in_transaction = false;
    let all = catalog(Dialect::Postgres, vec![one, migration(2, "дальше", "SELECT 1", "SELECT 1")]);

    migrate(&db, &all, &Goal::Head).unwrap();

    let names = "SELECT name FROM underpin_history GROUP BY name ORDER BY min(id)";
    assert_eq!(db.texts(names), ["имя", "дальше"]);
    assert_eq!(db.texts("SELECT encoding FROM seen"), [encoding], "the script has its own again");
}
