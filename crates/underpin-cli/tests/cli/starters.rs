//! Many processes that start at once: one applies, all succeed.

use std::process::Stdio;

use rstest::rstest;
use underpin_testkit::{Dialect, TestDb};

use crate::{folder, said, state, succeed, underpin};

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
