//! What is left of a token in the bytes of a database.

use underpin::{Engine, Goal, Options};
use underpin_db::{Access, ConnectOptions};
use underpin_migrations::CODE;
use underpin_testkit::{Dialect, TestDb, block_on};

use crate::{fixture, migrate, set, tokens::VERSION};

/// Half a token is enough to know that one is there; a preview shows the first eight characters.
fn tails(tokens: &[String]) -> Vec<String> {
    tokens.iter().map(|token| token[9..].to_owned()).collect()
}

/// Tokens that are there, that were there before the first migration of ours, and between the two,
/// and that `ANALYZE` took as samples.
fn worn(dialect: Dialect) -> (TestDb, Vec<String>) {
    let db = fixture(dialect, "bot", "rosey_v050.db");
    let (first, last) = (1..400, 400..800);
    let token = |number: i32| format!("a-token--{number}-{number:x}-of-many");
    let rows = |numbers: std::ops::Range<i32>| {
        let rows = numbers.map(|number| format!("('{}', {number})", token(number)));
        format!(
            "INSERT INTO api_tokens (token, created_at) VALUES {}",
            rows.collect::<Vec<_>>().join(", ")
        )
    };
    let lessen = "DELETE FROM api_tokens WHERE created_at < 800 AND created_at % 3 = 0; ANALYZE";
    db.batch(&format!("{}; {lessen}", rows(first.clone())));
    migrate(&db, "bot", &Goal::UpTo(VERSION.parse().unwrap())).unwrap();
    db.batch(&format!("{}; {lessen}", rows(last.clone())));
    let mut tokens = db.texts("SELECT token FROM api_tokens WHERE created_at > 1000");
    tokens.extend(first.chain(last).map(token));
    (db, tokens)
}

fn found(bytes: &[u8], tails: &[String]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    tails.iter().filter(|tail| text.contains(tail.as_str())).cloned().collect()
}

#[test]
fn no_byte_of_a_token_stays_in_the_file() {
    let (db, tokens) = worn(Dialect::Sqlite);
    let tails = tails(&tokens);
    let before = found(&std::fs::read(db.file()).unwrap(), &tails).len();
    assert!(before > 700, "only {before} of the tokens are there, deleted ones included");

    migrate(&db, "bot", &Goal::Head).unwrap();

    assert_eq!(found(&std::fs::read(db.file()).unwrap(), &tails), [""; 0]);
    assert_eq!(db.texts("PRAGMA integrity_check"), ["ok"]);
}

/// A service that has the file open keeps it, and its journal, in use.
#[test]
fn no_byte_of_a_token_stays_in_a_journal_that_others_use() {
    let (db, tokens) = worn(Dialect::Sqlite);
    let tails = tails(&tokens);
    let url = db.database_url();
    let catalog = set("bot", Dialect::Sqlite);
    let journal = db.file().with_extension("db-wal");

    block_on(async || {
        let options = ConnectOptions { access: Access::ReadWrite, ..ConnectOptions::default() };
        let mut other = url.connect(&options).await.unwrap();
        other
            .batch("PRAGMA journal_mode = WAL; UPDATE api_tokens SET last_used = 5")
            .await
            .unwrap();
        assert!(!found(&std::fs::read(&journal).unwrap(), &tails).is_empty());
        let engine = Engine::new(catalog, CODE, &url, Options::default()).unwrap();

        engine.migrate(&Goal::Head).await.unwrap();
        other.batch("PRAGMA wal_checkpoint(TRUNCATE)").await.unwrap();

        for file in [db.file(), journal] {
            assert_eq!(
                found(&std::fs::read(&file).unwrap(), &tails),
                [""; 0],
                "{}",
                file.display()
            );
        }
    });
}

/// Neither the rows as they were, nor what the planner knows of them.
#[test]
fn no_byte_of_a_token_stays_in_a_table_of_postgres() {
    let (db, tokens) = worn(Dialect::Postgres);
    let of_tables = || {
        let statistics = db.texts(
            "SELECT concat(most_common_vals, histogram_bounds) FROM pg_stats \
             WHERE tablename IN ('api_tokens', 'bot_recovered_values')",
        );
        db.batch("CHECKPOINT");
        let pages = db.texts(
            "SELECT encode(pg_read_binary_file(pg_relation_filepath(oid)), 'escape') FROM pg_class \
             WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i')",
        );
        found([statistics, pages].concat().concat().as_bytes(), &tails(&tokens))
    };
    assert!(of_tables().len() > 500, "{:?}", of_tables().len());

    migrate(&db, "bot", &Goal::Head).unwrap();

    assert_eq!(of_tables(), [""; 0]);
}
