//! Many processes that start at once: one applies, all succeed.

use std::process::Stdio;

use rstest::rstest;
use underpin_testkit::{Dialect, TestDb};

use crate::{folder, said, state, succeed, underpin, write_migration};

#[rstest]
fn one_applies_and_all_succeed(
    #[values(Dialect::Sqlite, Dialect::Postgres)] dialect: Dialect,
    #[values(2, 5, 16)] count: usize,
    #[values("empty", "half-migrated")] start: &str,
) {
    let db = TestDb::new(dialect);
    folder(&db, 20);
    let done = if start == "empty" { 0 } else { 10 };
    if done > 0 {
        succeed(&db, &["--migrations", "migrations", "upgrade", &format!("+{done}")]);
    }

    let starters: Vec<_> = (0..count)
        .map(|_| {
            let mut command = underpin(&db, &["--migrations", "migrations", "upgrade"]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();

    let mut applied = 0;
    for starter in starters {
        let output = starter.wait_with_output().unwrap();
        let text = said(&output);
        assert_eq!(output.status.code(), Some(0), "{text}");
        assert!(output.stderr.is_empty(), "{text}");
        let here = text.matches("applied ").count();
        assert!(here == 0 || here == 20 - done, "one runner does all of it: {text}");
        applied += here;
    }
    assert_eq!(applied, 20 - done);
    let (tables, versions) = state(&db);
    assert_eq!((tables.len(), versions.len()), (20, 20));
    assert!(tables.values().all(|rows| rows.len() == 1));
}

/// What one of them runs outside a transaction is no interrupted migration to the others.
#[rstest]
fn one_runs_a_script_outside_a_transaction_and_all_succeed(
    #[values(Dialect::Sqlite, Dialect::Postgres)] dialect: Dialect,
    #[values(2, 16)] count: usize,
) {
    let db = TestDb::new(dialect);
    let dir = folder(&db, 2);
    let slow = match dialect {
        Dialect::Sqlite => {
            "WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 3000000) \
             SELECT max(n) FROM c;"
        }
        Dialect::Postgres => "SELECT pg_sleep(0.5);",
    };
    let up = format!("CREATE TABLE a (id INTEGER); {slow} INSERT INTO a VALUES (1); {slow}");
    write_migration(&dir, "0003_outside", &up, "DROP TABLE a;");
    std::fs::write(dir.join("0003_outside/metadata.toml"), "run_in_transaction = false\n").unwrap();
    write_migration(&dir, "0004_after", "CREATE TABLE b (id INTEGER);", "DROP TABLE b;");

    let starters: Vec<_> = (0..count)
        .map(|number| {
            // They do not come all at once.
            std::thread::sleep(std::time::Duration::from_millis(50 * (number as u64 % 4)));
            let mut command = underpin(&db, &["--migrations", "migrations", "upgrade"]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();

    let mut applied = 0;
    for starter in starters {
        let output = starter.wait_with_output().unwrap();
        let text = said(&output);
        assert_eq!(output.status.code(), Some(0), "{text}");
        applied += text.matches("applied ").count();
    }
    assert_eq!(applied, 4);
    assert_eq!(db.texts("SELECT CAST(count(*) AS TEXT) FROM a"), ["1"]);
}
