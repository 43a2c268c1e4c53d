//! Migrations that do something in Rust: told, and refused where that cannot be done.

use std::{fs, path::PathBuf};

use rstest::rstest;
use underpin_testkit::{Dialect, TestDb};

use crate::{folder, said, state, succeed, underpin, write_migration};

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_run_and_a_dry_run_tell_that_code_runs(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    succeed(&db, &["--set", "bot", "upgrade", "20261121090100"]);

    let dry = succeed(&db, &["--set", "bot", "upgrade", "--dry-run"]);
    let json = succeed(&db, &["--set", "bot", "upgrade", "--dry-run", "--json"]);
    let real = succeed(&db, &["--set", "bot", "upgrade"]);

    let step = "20261121090200 hash_api_tokens with code `hash_api_tokens/1`";
    assert!(dry.contains(&format!("would apply {step}\n")), "{dry}");
    assert!(json.contains(r#""code": "hash_api_tokens/1""#), "{json}");
    assert!(real.contains(&format!("applied {step} (")), "{real}");
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_script_for_a_client_is_refused(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);

    let output = underpin(&db, &["--set", "bot", "upgrade", "--sql"]).output().unwrap();

    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(output.stdout.is_empty(), "{}", said(&output));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "error: a script cannot run the code `hash_api_tokens/1` of migration 20261121090200 \
         hash_api_tokens: apply it with `underpin upgrade`, or stop before it\n"
    );
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_folder_whose_code_is_not_known_is_refused(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    let dir = folder(&db, 1);
    succeed(&db, &["--migrations", "migrations", "upgrade"]);
    write_migration(&dir, "0002_more", "CREATE TABLE more (id INTEGER);", "DROP TABLE more;");
    let metadata = "run_in_transaction = true\n[underpin]\ncode = 'theirs/1'\n";
    fs::write(dir.join("0002_more/metadata.toml"), metadata).unwrap();

    for args in [&["upgrade"][..], &["upgrade", "--dry-run"], &["upgrade", "--sql"]] {
        let output =
            underpin(&db, &[&["--migrations", "migrations"], args].concat()).output().unwrap();

        assert_eq!(output.status.code(), Some(3), "{args:?}: {}", said(&output));
        let text = said(&output);
        let expected = "error: nothing was run: migration 0002 runs the code `theirs/1`, which is \
                        not in this program: ";
        assert!(text.starts_with(expected), "{args:?}: {text}");
    }
    assert_eq!(state(&db).1, ["0001"]);
    let metadata = "run_in_transaction = false\n[underpin]\ncode = 'theirs/1'\n";
    fs::write(dir.join("0002_more/metadata.toml"), metadata).unwrap();
    let output = underpin(&db, &["--migrations", "migrations", "upgrade"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(
        said(&output).contains("`code` needs `run_in_transaction = true`"),
        "{}",
        said(&output)
    );
}

/// It would leave the database behind where it was.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn redo_takes_nothing_back_that_it_cannot_apply_again(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    let dir = folder(&db, 2);
    let metadata = "run_in_transaction = true\n[underpin]\ncode = 'theirs/1'\n";
    fs::write(dir.join("0002_create_t2/metadata.toml"), metadata).unwrap();
    succeed(&db, &["--migrations", "migrations", "upgrade", "+1"]);
    db.batch("CREATE TABLE t2 (id INTEGER NOT NULL PRIMARY KEY, text TEXT)");
    succeed(&db, &["--migrations", "migrations", "stamp", "0002"]);

    let output = underpin(&db, &["--migrations", "migrations", "redo"]).output().unwrap();

    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(said(&output).contains("runs the code `theirs/1`"), "{}", said(&output));
    assert_eq!(state(&db).1, ["0001", "0002"]);
    succeed(&db, &["--migrations", "migrations", "downgrade", "-1"]);
}

/// The folder that the set was made of needs nothing that this program does not have.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_folder_whose_code_is_known_is_applied(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    let dir: PathBuf = [env!("CARGO_MANIFEST_DIR"), "../../migrations/bot"].iter().collect();
    let dir = dir.to_str().unwrap();

    succeed(&db, &["--migrations", dir, "upgrade"]);

    succeed(&db, &["--migrations", dir, "check"]);
    succeed(&db, &["--set", "bot", "check"]);
}

#[rstest]
fn processes_at_once_run_the_code_once(
    #[values(Dialect::Sqlite, Dialect::Postgres)] dialect: Dialect,
) {
    let db = TestDb::new(dialect);
    succeed(&db, &["--set", "bot", "upgrade", "20261121090100"]);
    db.batch("INSERT INTO api_tokens (token, created_at) VALUES ('a token in clear', 1)");

    let start = |_| {
        let mut command = underpin(&db, &["--set", "bot", "upgrade"]);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        command.spawn().unwrap()
    };
    let runners: Vec<_> = (0..5).map(start).collect();
    let outputs = runners.into_iter().map(|runner| runner.wait_with_output().unwrap());
    let outputs: Vec<_> = outputs.map(|output| (output.status.code(), said(&output))).collect();

    assert!(outputs.iter().all(|(code, _)| *code == Some(0)), "{outputs:?}");
    let applied = outputs.iter().filter(|(_, text)| text.contains("applied ")).count();
    assert_eq!(applied, 1, "{outputs:?}");
    let rows =
        "SELECT CAST(count(*) AS TEXT) FROM underpin_history WHERE version = '20261121090200'";
    assert_eq!(db.texts(rows), ["1"]);
    // Hashed twice, it would be another.
    let hash = "sha256:8bb6a2e8a1f61ccf5cd7828aaa7b825baff4b074fecab666b04ef2f874b91f29";
    assert_eq!(db.texts("SELECT token_hash FROM api_tokens"), [hash]);
}
