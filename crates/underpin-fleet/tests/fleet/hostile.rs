//! Settings of role and database, and what strangers put into a schema of the path: a fleet of schemas does
//! and says the same.

use std::fmt::Write as _;

use rstest::rstest;
use underpin::{Catalog, Goal};
use underpin_fleet::{Action, RunOptions};
use underpin_testkit::{Dialect, Level, REFUSED, SETTINGS, TestDb};

use crate::{HEAD, Home, fleet, migration};

/// Scripts that mean the same under every setting: all of them belong to the test.
fn scripts() -> Catalog {
    let table = "CREATE TABLE t1 (id integer PRIMARY KEY, path varchar(50) NOT NULL); \
         INSERT INTO t1 VALUES (1, 'a\\'), (2, 'it''s \\'); \
         CREATE TABLE t2 (id integer PRIMARY KEY, parent integer REFERENCES t1 (id))";
    let mut index = migration(2, "CREATE INDEX CONCURRENTLY i1 ON t2 (parent)", "DROP INDEX i1");
    index.metadata.run_in_transaction = false;
    let view = migration(3, "CREATE VIEW v1 AS SELECT id FROM t2", "DROP VIEW v1");
    crate::catalog(Dialect::Postgres, vec![migration(1, table, "DROP TABLE t2, t1"), index, view])
}

/// Two schemas of a role of the test's own.
fn home() -> Home {
    let home = Home { db: TestDb::with_login(), elsewhere: None };
    for number in 1..=2 {
        let owner = home.db.login().unwrap();
        home.db.batch(&format!(
            "CREATE SCHEMA project_{number} AUTHORIZATION {owner}; \
             GRANT ALL ON SCHEMA project_{number} TO pg_database_owner"
        ));
    }
    home
}

/// What each run says of each target.
fn told(home: &Home) -> String {
    let scripts = scripts();
    let mut fleet = fleet(&scripts);
    fleet.jobs = 1;
    let mut said = String::new();
    let up = Action::Migrate(Goal::Up(1));
    let down = Action::Migrate(Goal::Down(1));
    for action in [&up, &HEAD, &down, &HEAD, &HEAD] {
        let report = home.run(
            &fleet,
            action,
            &RunOptions { canary: 1, verify: true, ..RunOptions::default() },
        );
        for target in &report.targets {
            let (state, head) = (&target.state, &target.version_after);
            let _infallible =
                writeln!(said, "{}: {state:?} {head:?} {:?}", target.id, target.message);
        }
    }
    let forget = "DROP TABLE project_1.__diesel_schema_migrations, project_1.underpin_history";
    home.db.batch(forget);
    let report = home.run(&fleet, &Action::Adopt, &RunOptions::default());
    for target in &report.targets {
        let _infallible =
            writeln!(said, "adopted {}: {:?} {:?}", target.id, target.state, target.message);
    }
    said
}

#[rstest]
fn a_run_is_the_same_whatever_a_session_starts_with_postgres(
    #[values(Level::Role, Level::Database)] level: Level,
) {
    let plain = told(&home());
    let mut wrong = String::new();
    for (name, value) in SETTINGS {
        let home = home();
        home.db.start_with(level, name, value);
        if name == REFUSED {
            let refused = underpin::exit::explain(&home.source().find().unwrap_err());
            assert!(refused.contains("ALTER ROLE ... RESET"), "{refused}");
            continue;
        }
        let said = told(&home);
        if said != plain {
            let _infallible = writeln!(wrong, "{name} = {value}: {said}\n");
        }
    }
    assert_eq!(wrong, "", "without: {plain}");
    assert!(plain.contains("Done") && !plain.contains("Failed"), "{plain}");
}

#[rstest]
#[case("public, pg_catalog")]
#[case("public")]
fn nothing_in_the_path_stands_in_for_the_servers_own_postgres(#[case] path: &str) {
    let plain = told(&home());
    let home = home();
    home.db.start_with(Level::Role, "search_path", path);
    home.db.poison_public();

    let said = told(&home);

    assert_eq!(home.db.poisonings(), 0, "{said}");
    assert_eq!(said, plain);
}
