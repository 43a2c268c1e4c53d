//! API tokens: after the migration only their hashes are there, anywhere.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    time::{SystemTime, UNIX_EPOCH},
};

use rstest::rstest;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use underpin::{Goal, exit};
use underpin_testkit::{Dialect, TestDb};

use crate::{back_to_first, fixture, migrate};

/// The tokens of the original file begin with these.
const PREFIXES: [&str; 4] = ["AAAAAAAA", "old_revoked-", "pre_fix%-", "preXfixY-"];
/// The version before.
pub(crate) const VERSION: &str = "20261121090100";

/// How a token is stored.
pub(crate) fn hash(token: &str) -> String {
    let mut text = "sha256:".to_owned();
    for byte in Sha256::digest(token) {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}

/// `text` with the hash in the place of each token of the original file.
pub(crate) fn hashed_words(text: &str) -> String {
    let letter = |letter: char| letter.is_alphanumeric() || "_-%".contains(letter);
    let words = text.split_inclusive(|one| !letter(one)).map(|word| {
        let token = word.trim_end_matches(|one| !letter(one));
        let is_token = PREFIXES.iter().any(|prefix| token.starts_with(prefix) && token.len() == 43);
        if is_token { word.replace(token, &hash(token)) } else { word.to_owned() }
    });
    words.collect()
}

/// A dump in which it makes no difference whether the tokens have been hashed, and whether they are locked.
pub(crate) fn settled(mut dump: BTreeMap<String, Vec<String>>) -> BTreeMap<String, Vec<String>> {
    for (table, rows) in &mut dump {
        *rows = rows.iter().map(|row| hashed_words(row)).collect();
        match table.as_str() {
            "api_tokens" => *rows = rows.iter().map(|row| unlocked(row)).collect(),
            "bot_recovered_values" => *rows = rows.iter().map(|row| keyed_by_hash(row)).collect(),
            _ => {}
        }
        rows.sort();
    }
    dump
}

/// What a locked token says: preview, hash, whether it was active.
pub(crate) fn lock(text: &str) -> Option<(String, String, bool)> {
    let at = text.rfind("sha256:").filter(|at| text.len() > at + 71)?;
    let (head, state) = text.split_at(at + 71);
    let (preview, hash) = head.split_at(at);
    let is_active = state.starts_with(" active");
    (is_active || state.starts_with(" revoked"))
        .then(|| (preview.trim_end_matches(' ').to_owned(), hash.to_owned(), is_active))
}

/// A row of `api_tokens` as JSON, with the token as it was before it was locked.
fn unlocked(row: &str) -> String {
    let mut row: Value = serde_json::from_str(row).unwrap();
    let token = row["token"].as_str().map(str::to_owned);
    if let Some((_, hash, is_active)) = token.and_then(|token| lock(token.trim_matches('\''))) {
        // SQLite's values are quoted as SQL, PostgreSQL's are not.
        let quoted = row["token"].as_str().unwrap().starts_with('\'');
        row["token"] = if quoted { format!("'{hash}'") } else { hash }.into();
        for (column, flag) in [("is_active", is_active), ("revoked", !is_active)] {
            let Some(value) = row.get_mut(column) else { continue };
            *value = match value {
                Value::Bool(_) => flag.into(),
                Value::Number(_) => i32::from(flag).into(),
                _ => i32::from(flag).to_string().into(),
            };
        }
    }
    row.to_string()
}

fn keyed_by_hash(row: &str) -> String {
    let mut row: Value = serde_json::from_str(row).unwrap();
    let key = row["row_key"].as_str().unwrap();
    if let Some((_, hash, _)) = lock(key.trim_matches('\'')) {
        row["row_key"] = if key.starts_with('\'') { format!("'{hash}'") } else { hash }.into();
    }
    row.to_string()
}

/// A database at the version before, without tokens.
fn before(dialect: Dialect) -> TestDb {
    let db = TestDb::new(dialect);
    migrate(&db, "bot", &Goal::UpTo(VERSION.parse().unwrap())).unwrap();
    db
}

fn down_to_before(db: &TestDb) {
    migrate(db, "bot", &Goal::DownTo(VERSION.parse().unwrap())).unwrap();
}

/// Tokens with the ids 1, 2, …; every third is revoked.
fn insert(db: &TestDb, tokens: &[&str]) {
    let rows = (1..).zip(tokens).map(|(id, token)| {
        let (token, active) = (token.replace('\'', "''"), id % 3 != 0);
        format!("({id}, '{token}', 'a token', {id}, {active})")
    });
    let rows = rows.collect::<Vec<_>>().join(", ");
    db.batch(&format!(
        "INSERT INTO api_tokens (id, token, description, created_at, is_active) VALUES {rows}"
    ));
}

/// Hash and preview of every token, in the order of their ids.
fn stored(db: &TestDb) -> Vec<(String, String)> {
    let rows = db.texts("SELECT token_hash || '|' || preview FROM api_tokens ORDER BY id");
    let pair =
        |row: &String| row.split_once('|').map(|(one, two)| (one.to_owned(), two.to_owned()));
    rows.iter().map(|row| pair(row).unwrap()).collect()
}

fn count(db: &TestDb, from: &str) -> String {
    db.texts(&format!("SELECT CAST(count(*) AS TEXT) FROM {from}")).concat()
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn every_token_of_the_original_file_becomes_its_hash(#[case] dialect: Dialect) {
    let db = fixture(dialect, "bot", "rosey_v050.db");
    let tokens = db.texts("SELECT token FROM api_tokens");
    let seconds = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let start = seconds();

    migrate(&db, "bot", &Goal::Head).unwrap();

    let mut expected: Vec<_> =
        tokens.iter().map(|token| (hash(token), token[..8].to_owned())).collect();
    expected.sort();
    let mut found = stored(&db);
    found.sort();
    assert_eq!(found, expected);
    assert_eq!(found.len(), 5);
    let revoked = "SELECT CAST(revoked_at AS TEXT) FROM api_tokens WHERE NOT is_active";
    let revoked: Vec<u64> = db.texts(revoked).iter().map(|at| at.parse().unwrap()).collect();
    assert_eq!(revoked.len(), 2);
    assert!(revoked.iter().all(|at| (start..=seconds()).contains(at)), "{revoked:?}");
    assert_eq!(count(&db, "api_tokens WHERE is_active AND revoked_at IS NOT NULL"), "0");
}

const HOSTILE: [&str; 14] = [
    "",
    "a",
    "1234567",
    "12345678",
    "123456789012345",
    "1234567890123456",
    "o'brien'; DROP TABLE api_tokens; --",
    "%%%%%%%%%%%%%%%%%%%%",
    "________%_",
    "back\\slash\\'\\x41 and more",
    "ünïcödé — 文字列のトークンです🎬",
    "line\nline\ttab\rreturn",
    " spaces around it ",
    "sha256:not a hash, whatever it says",
];

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn whatever_is_in_a_token_it_is_hashed(#[case] dialect: Dialect) {
    let db = before(dialect);
    insert(&db, &HOSTILE);

    migrate(&db, "bot", &Goal::Head).unwrap();

    let previews = [
        "",
        "",
        "123",
        "1234",
        "1234567",
        "12345678",
        "o'brien'",
        "%%%%%%%%",
        "_____",
        "back\\sla",
        "ünïcödé ",
        "line\nlin",
        " spaces ",
        "sha256:n",
    ];
    let expected = HOSTILE.iter().zip(previews);
    let expected: Vec<_> = expected.map(|(token, view)| (hash(token), view.to_owned())).collect();
    assert_eq!(stored(&db), expected);
    let others = "description = 'a token' AND created_at = id AND (revoked_at IS NULL) = is_active";
    assert_eq!(count(&db, &format!("api_tokens WHERE {others}")), HOSTILE.len().to_string());
}

/// A file may hold what is no text at all.
#[test]
fn bytes_that_are_no_text_are_hashed_as_well() {
    let db = before(Dialect::Sqlite);
    db.batch(
        "INSERT INTO api_tokens (token, created_at) VALUES (CAST(x'ff00fe6162636465666768696a6b6c6d' AS TEXT), 1), \
         (x'616263', 2), ('abc', 3)",
    );

    migrate(&db, "bot", &Goal::Head).unwrap();

    let digest = Sha256::digest(b"\xff\x00\xfeabcdefghijklm");
    assert_eq!(
        stored(&db)[0].0[7..15],
        format!("{:02x}{:02x}{:02x}{:02x}", digest[0], digest[1], digest[2], digest[3])
    );
    assert_eq!([&stored(&db)[1].0, &stored(&db)[2].0], [&hash("abc"), &hash(&hash("abc"))]);
}

/// What has been hashed stays as it is, and finds its preview and its time again.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn down_and_up_again_loses_nothing(#[case] dialect: Dialect) {
    let db = before(dialect);
    insert(&db, &HOSTILE);
    migrate(&db, "bot", &Goal::Head).unwrap();
    db.batch("UPDATE api_tokens SET revoked_at = 1000 + id WHERE NOT is_active");
    let head = db.dump();

    down_to_before(&db);
    let locked = db.texts("SELECT token FROM api_tokens ORDER BY id");
    let usable = count(&db, "api_tokens WHERE is_active");
    migrate(&db, "bot", &Goal::Head).unwrap();

    let hashes: Vec<_> = locked.iter().map(|text| lock(text).unwrap().1).collect();
    assert_eq!((hashes, usable), (HOSTILE.map(hash).to_vec(), "0".to_owned()));
    assert_eq!(db.dump(), head);
}

/// What the older release does in between counts.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_happened_after_the_way_back_is_kept(#[case] dialect: Dialect) {
    let db = before(dialect);
    insert(
        &db,
        &["the first of the tokens", "the second of the tokens", "the third of the tokens"],
    );
    migrate(&db, "bot", &Goal::Head).unwrap();
    db.batch("UPDATE api_tokens SET revoked_at = 1000 WHERE id = 3");
    down_to_before(&db);
    db.batch(
        "DELETE FROM api_tokens WHERE id = 2;
         UPDATE api_tokens SET is_active = TRUE WHERE id = 3;
         INSERT INTO api_tokens (id, token, created_at) VALUES (7, 'the first of the tokens', 7)",
    );

    migrate(&db, "bot", &Goal::Head).unwrap();

    let first = hash("the first of the tokens");
    let again = hash(&first);
    let expected = [again, hash("the third of the tokens"), first];
    assert_eq!(stored(&db).into_iter().map(|one| one.0).collect::<Vec<_>>(), expected);
    assert_eq!(count(&db, "api_tokens WHERE preview IN ('the firs', 'the thir')"), "3");
    // The first one, which was issued again, opens by its new row alone: nobody has a token by a hash.
    let active = db.texts("SELECT CAST(id AS TEXT) FROM api_tokens WHERE is_active ORDER BY id");
    assert_eq!(active, ["3", "7"]);
    assert_eq!(count(&db, "api_tokens WHERE (revoked_at IS NULL) = is_active"), "3");
    assert_eq!(count(&db, "bot_recovered_values"), "0");
}

/// Each flag that is none, by the token of its row; the way back to the first version finds the row.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn records_of_values_find_their_token_by_its_hash(#[case] dialect: Dialect) {
    let db = fixture(dialect, "bot", "rosey_v050.db");
    let tokens = db.texts("SELECT token FROM api_tokens ORDER BY token");
    db.batch("UPDATE api_tokens SET revoked = 7");
    let report = migrate(&db, "bot", &Goal::UpTo(VERSION.parse().unwrap())).unwrap();
    let told = format!("{report:?}");
    assert!(told.contains("kept '7' of api_tokens.revoked, row of record 1, in "), "{told}");
    assert!(!tokens.iter().any(|token| told.contains(token)), "{told}");
    // A token that is gone, and a row that v0.6.0 named by its id.
    db.batch(
        "DELETE FROM api_tokens WHERE id = 5;
         INSERT INTO bot_recovered_values (id, table_name, row_key, column_name, value, reason)
         VALUES (100, 'api_tokens', '4', 'last_used', 'x', 'not an integer'),
             (101, 'user_stats', 'a user', 'last_seen', 'x', 'not an integer')",
    );

    migrate(&db, "bot", &Goal::Head).unwrap();

    let mut keys = db.texts("SELECT row_key FROM bot_recovered_values WHERE id < 100");
    keys.sort();
    let mut hashes: Vec<_> = tokens.iter().map(|token| hash(token)).collect();
    hashes.sort();
    assert_eq!(keys, hashes);
    let others = "SELECT row_key FROM bot_recovered_values WHERE id >= 100 ORDER BY id";
    assert_eq!(db.texts(others), ["4", "a user"]);
    db.batch("DELETE FROM bot_recovered_values WHERE id >= 100");
    migrate(&db, "bot", &back_to_first("bot")).unwrap();
    assert_eq!(count(&db, "api_tokens WHERE revoked = 7"), "4");
}

/// On SQLite a token without a key got one; on the way back it is found by the hash of that.
#[test]
fn a_token_that_had_no_key_has_none_again() {
    let db = fixture(Dialect::Sqlite, "bot", "rosey_v050.db");
    db.batch("INSERT INTO api_tokens (token, created_at) VALUES (NULL, 1)");

    migrate(&db, "bot", &Goal::Head).unwrap();
    migrate(&db, "bot", &back_to_first("bot")).unwrap();

    assert_eq!(count(&db, "api_tokens WHERE token IS NULL"), "1");
    assert_eq!(count(&db, "api_tokens"), "6");
}

/// Whatever goes wrong, no token is told, and every one is as it was.
#[rstest]
#[case::sqlite(
    Dialect::Sqlite,
    "CREATE TRIGGER stop BEFORE UPDATE ON bot_recovered_values BEGIN SELECT raise(ABORT, 'stopped'); END"
)]
#[case::postgres(
    Dialect::Postgres,
    "ALTER TABLE bot_recovered_values ADD CONSTRAINT stopped CHECK (row_key NOT LIKE 'sha256:%')"
)]
fn a_failure_tells_no_token_and_leaves_nothing(#[case] dialect: Dialect, #[case] obstacle: &str) {
    let db = before(dialect);
    let token = "a token that nobody is to read";
    insert(&db, &[token]);
    db.batch(&format!(
        "INSERT INTO bot_recovered_values (table_name, row_key, column_name, value, reason)
         VALUES ('api_tokens', '{token}', 'revoked', '7', 'not a flag'); {obstacle}"
    ));
    let all = db.dump();

    let error = migrate(&db, "bot", &Goal::Head).unwrap_err();

    let text = format!("{}\n{error:?}", exit::explain(&error));
    assert!(text.contains("hash_api_tokens failed (code `hash_api_tokens/1`); "), "{text}");
    assert!(text.contains("stopped"), "{text}");
    assert!(!text.contains(token), "{text}");
    assert_eq!(db.dump(), all);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn fifty_thousand_tokens_change_in_one_transaction(#[case] dialect: Dialect) {
    let db = before(dialect);
    db.batch(
        "INSERT INTO api_tokens (token, created_at, is_active)
         WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 50000)
         SELECT 'a token with the number ' || n, n, n % 2 = 0 FROM n;
         INSERT INTO bot_recovered_values (table_name, row_key, column_name, value, reason)
         SELECT 'api_tokens', token, 'revoked', '7', 'not a flag' FROM api_tokens",
    );

    migrate(&db, "bot", &Goal::Head).unwrap();

    let form = "token_hash LIKE 'sha256:%' AND length(token_hash) = 71 AND length(preview) = 8";
    let right = format!("(SELECT DISTINCT token_hash FROM api_tokens WHERE {form}) AS hashes");
    assert_eq!(count(&db, &right), "50000");
    for id in [1, 999, 1000, 1001, 50000] {
        let query = format!("SELECT token_hash FROM api_tokens WHERE created_at = {id}");
        assert_eq!(db.texts(&query), [hash(&format!("a token with the number {id}"))]);
    }
    let matching = "bot_recovered_values JOIN api_tokens ON row_key = token_hash";
    assert_eq!(count(&db, matching), "50000");
    down_to_before(&db);
    migrate(&db, "bot", &Goal::Head).unwrap();
    assert_eq!(count(&db, &right), "50000");
}
