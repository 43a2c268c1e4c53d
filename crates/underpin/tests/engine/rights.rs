//! A history that is in another schema of the path, or of which the role may not do all that a run does: it is
//! named, with the next step, and nothing is ever taken for "nothing applied".

use rstest::rstest;
use underpin::{Access, Engine, Error, Goal, Options, exit, exit::explain};
use underpin_testkit::{Dialect, Level, TestDb, block_on};

use crate::{catalog, table, tables};

const DIESEL: &str = "__diesel_schema_migrations";
const OWN: &str = "underpin_history";

/// A database that the administrator has migrated by two; its role may do everything.
fn migrated() -> TestDb {
    let db = TestDb::with_login();
    let role = db.login().unwrap();
    db.batch(&format!(
        "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO {role}; CREATE TABLE t1 (id INTEGER NOT NULL PRIMARY KEY)"
    ));
    let two = tables(Dialect::Postgres, 2);
    let url = db.administrator().parse().unwrap();
    block_on(async || {
        let engine = Engine::new(&two, &[], &url, Options::default()).unwrap();
        engine.stamp(Some(&two.migrations()[0].version), false).await.unwrap();
        engine.migrate(&Goal::Head).await.unwrap();
    });
    db.batch(&format!("ALTER TABLE t1 OWNER TO {role}; ALTER TABLE t2 OWNER TO {role}"));
    db
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Status,
    Log,
    DryRun,
    Upgrade,
    Lent,
    Downgrade,
    Stamp,
    Repair,
}

impl Verb {
    const ALL: [Self; 8] = [
        Self::Status,
        Self::Log,
        Self::DryRun,
        Self::Upgrade,
        Self::Lent,
        Self::Downgrade,
        Self::Stamp,
        Self::Repair,
    ];

    /// Runs it, and says how many migrations are applied then, as it sees them.
    fn run(self, db: &TestDb) -> Result<usize, Error> {
        let mut scripts: Vec<_> = (1..=3).map(table).collect();
        if self == Self::Repair {
            scripts[0].checksum = underpin::Checksum::of("another text");
        }
        let catalog = catalog(Dialect::Postgres, scripts);
        let url = db.database_url();
        let applied = |report: underpin::Report| {
            report.head.map_or(0, |head| head.as_str().parse::<usize>().unwrap())
        };
        block_on(async || {
            let engine = Engine::new(&catalog, &[], &url, Options::default())?;
            Ok(match self {
                Self::Status => engine.status().await?.applied,
                Self::Log => engine.log().await?.history.applied.len(),
                Self::DryRun => applied(engine.dry_run(&Goal::Head).await?),
                Self::Upgrade => applied(engine.migrate(&Goal::Head).await?),
                Self::Lent => {
                    let mut conn = engine.connect(Access::ReadWrite).await?;
                    applied(engine.migrate_in(&mut conn, "public", &Goal::Head).await?)
                }
                Self::Downgrade => applied(engine.migrate(&Goal::Down(1)).await?),
                Self::Stamp => {
                    engine.stamp(Some(&catalog.migrations()[0].version), true).await?.applied
                }
                Self::Repair => {
                    engine.repair(&catalog.migrations()[0], "a comment", true).await?.applied
                }
            })
        })
    }

    /// What it comes to when nothing is in the way.
    fn applied(self) -> usize {
        match self {
            Self::Status | Self::Log | Self::Repair => 2,
            Self::DryRun | Self::Upgrade | Self::Lent => 3,
            Self::Downgrade | Self::Stamp => 1,
        }
    }

    /// The rights without which it cannot be done.
    fn needs(self, table: &str) -> &'static [&'static str] {
        match (self, table) {
            (Self::Downgrade | Self::Stamp, DIESEL) => &["SELECT", "DELETE"],
            (Self::Upgrade | Self::Lent, _)
            | (Self::Downgrade | Self::Stamp | Self::Repair, OWN) => &["SELECT", "INSERT"],
            _ => &["SELECT"],
        }
    }
}

#[rstest]
fn a_right_that_is_missing_is_told_with_what_to_grant_postgres(
    #[values(DIESEL, OWN)] table: &str,
    #[values("SELECT", "INSERT", "UPDATE", "DELETE")] right: &str,
) {
    for verb in Verb::ALL {
        let db = migrated();
        db.batch(&format!("REVOKE {right} ON {table} FROM {}", db.login().unwrap()));

        let result = verb.run(&db);

        if verb.needs(table).contains(&right) {
            let error = result.unwrap_err();
            let text = explain(&error);
            assert!(text.contains(table) && text.contains("grant"), "{verb:?}: {text}");
            assert_eq!(exit::code(&error) == exit::REFUSED, right == "SELECT", "{verb:?}: {text}");
            assert_eq!(
                db.texts("SELECT version FROM __diesel_schema_migrations ORDER BY 1"),
                ["0001", "0002"]
            );
            assert_eq!(db.tables(), [DIESEL, "t1", "t2", OWN], "{verb:?}");
        } else {
            assert_eq!(result.map_err(|error| explain(&error)), Ok(verb.applied()), "{verb:?}");
        }
    }
}

#[rstest]
fn rows_that_a_policy_hides_are_told_postgres(
    #[values(DIESEL, OWN)] table: &str,
    #[values(
        "",
        "CREATE POLICY none ON {table} USING (false)",
        "CREATE POLICY all_of_them ON {table} USING (true)"
    )]
    policy: &str,
) {
    for verb in Verb::ALL {
        let db = migrated();
        let policy = policy.replace("{table}", table);
        db.batch(&format!("ALTER TABLE {table} ENABLE ROW LEVEL SECURITY; {policy}"));

        let text = explain(&verb.run(&db).unwrap_err());

        assert!(
            text.contains("DISABLE ROW LEVEL SECURITY") && text.contains(table),
            "{verb:?}: {text}"
        );
        assert_eq!(db.tables(), [DIESEL, "t1", "t2", OWN], "{verb:?}");
    }
}

/// Also where the role owns the tables, and row-level security is forced on owners.
#[test]
fn forced_row_level_security_is_told_postgres() {
    for verb in Verb::ALL {
        let db = migrated();
        let role = db.login().unwrap();
        db.batch(&format!(
            "ALTER TABLE {OWN} OWNER TO {role}; ALTER TABLE {OWN} ENABLE ROW LEVEL SECURITY; \
             ALTER TABLE {OWN} FORCE ROW LEVEL SECURITY"
        ));

        let text = explain(&verb.run(&db).unwrap_err());

        assert!(text.contains("DISABLE ROW LEVEL SECURITY"), "{verb:?}: {text}");
    }
}

#[rstest]
#[case::before_it("app, public")]
#[case::with_the_servers_own("app, pg_catalog, public")]
#[case::of_the_roles_name("\"$user\", public")]
fn a_history_elsewhere_in_the_path_is_named_and_refused_postgres(#[case] path: &str) {
    for verb in Verb::ALL {
        let db = migrated();
        let role = db.login().unwrap();
        let first = if path.contains("$user") { role } else { "app" };
        db.batch(&format!("CREATE SCHEMA {first} AUTHORIZATION {role}"));
        db.start_with(Level::Role, "search_path", path);

        let result = verb.run(&db);

        // On a connection that is lent for one schema, no path says which.
        if verb == Verb::Lent {
            assert_eq!(result.map_err(|error| explain(&error)), Ok(3));
            continue;
        }
        let error = result.unwrap_err();
        let text = explain(&error);
        assert!(matches!(error, Error::Elsewhere { .. }), "{verb:?}: {text}");
        assert_eq!(exit::code(&error), exit::REFUSED);
        assert!(
            text.contains("`public`") && text.contains(&format!("`{first}`")),
            "{verb:?}: {text}"
        );
        assert_eq!(
            db.texts(&format!("SELECT tablename FROM pg_tables WHERE schemaname = '{first}'")),
            [""; 0]
        );
    }
}

/// The server passes over such a schema without a word, and the set would be built again in the next one.
#[rstest]
#[case::before_another("app", "app, public")]
#[case::alone("app", "app")]
#[case::after_one_that_is_not_there("app", "nowhere, app, public")]
#[case::of_a_quoted_name("\"App, \"\"mine\"\"\"", "\"App, \"\"mine\"\"\", public")]
#[case::of_the_roles_name("$user", "\"$user\", public")]
fn a_schema_that_the_role_may_not_use_is_named_postgres(#[case] schema: &str, #[case] path: &str) {
    // On a connection that is lent for one schema, no path says which.
    for verb in Verb::ALL.into_iter().filter(|verb| *verb != Verb::Lent) {
        let db = migrated();
        let role = db.login().unwrap();
        let schema = if schema == "$user" { role } else { schema };
        let moved = ["t1", "t2", DIESEL, OWN]
            .map(|table| format!("ALTER TABLE public.{table} SET SCHEMA {schema}"));
        db.batch(&format!("CREATE SCHEMA {schema}; {}", moved.join("; ")));
        db.start_with(Level::Role, "search_path", path);

        let error = verb.run(&db).unwrap_err();

        let text = explain(&error);
        assert_eq!(exit::code(&error), exit::REFUSED, "{verb:?}: {text}");
        let grant = format!("GRANT USAGE ON SCHEMA {schema} TO {role}");
        assert!(text.contains(&grant), "{verb:?}: {text}");
        let made = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'";
        assert_eq!(db.texts(made), [""; 0], "{verb:?}");
        db.batch(&format!("{grant}; GRANT CREATE ON SCHEMA {schema} TO {role}"));
        assert_eq!(verb.run(&db).map_err(|error| explain(&error)), Ok(verb.applied()), "{verb:?}");
    }
}

/// A schema without a history that the role may not use hides nothing before the schema that has one.
#[test]
fn an_empty_schema_that_the_role_may_not_use_is_in_nobodys_way_postgres() {
    for verb in Verb::ALL {
        let db = migrated();
        db.batch("CREATE SCHEMA app");
        db.start_with(Level::Role, "search_path", "app, public");

        assert_eq!(verb.run(&db).map_err(|error| explain(&error)), Ok(verb.applied()), "{verb:?}");
    }
}

/// Behind the schema that is migrated it is never looked up, whatever another program has in it.
#[test]
fn a_schema_behind_its_own_that_the_role_may_not_use_is_in_nobodys_way_postgres() {
    let db = TestDb::with_login();
    let role = db.login().unwrap();
    db.batch(&format!(
        "CREATE SCHEMA own AUTHORIZATION {role}; CREATE SCHEMA app; \
         CREATE TABLE app.{DIESEL} (version VARCHAR(50) PRIMARY KEY, run_on TIMESTAMP)"
    ));
    db.start_with(Level::Role, "search_path", "own, app");

    let applied = Verb::Upgrade.run(&db).map_err(|error| explain(&error));

    assert_eq!(applied, Ok(3));
}

/// Where the schema is given, no path says which comes next, and the server says only that it may not be used.
#[test]
fn a_given_schema_that_the_role_may_not_use_is_named_postgres() {
    let db = migrated();
    let role = db.login().unwrap();
    let moved =
        ["t1", "t2", DIESEL, OWN].map(|table| format!("ALTER TABLE public.{table} SET SCHEMA app"));
    db.batch(&format!("CREATE SCHEMA app; {}", moved.join("; ")));
    let three = tables(Dialect::Postgres, 3);
    let url = db.database_url();

    let (lent, probed) = block_on(async || {
        let engine = Engine::new(&three, &[], &url, Options::default()).unwrap();
        let mut conn = engine.connect(Access::ReadWrite).await.unwrap();
        let lent = engine.migrate_in(&mut conn, "app", &Goal::Head).await.unwrap_err();
        (lent, underpin::probe_schemas(&mut conn, &three, &["app"]).await.unwrap().remove(0))
    });

    for error in [lent, probed.unwrap_err()] {
        assert_eq!(exit::code(&error), exit::REFUSED, "{error:?}");
        let text = explain(&error);
        assert!(text.contains(&format!("GRANT USAGE ON SCHEMA app TO {role}")), "{text}");
    }
}
