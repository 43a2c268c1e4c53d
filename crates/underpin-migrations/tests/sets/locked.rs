//! Tokens on the way back: below the version that hashes them nothing opens anything, and going up again,
//! from wherever, gives each what it had.

use std::collections::BTreeSet;

use rstest::rstest;
use underpin::Goal;
use underpin_testkit::{Dialect, TestDb};

use crate::{
    back_to_first, migrate,
    tokens::{VERSION, hash, lock},
};

/// Tokens as an original file may hold them.
fn odd() -> Vec<String> {
    let mut tokens: Vec<_> = [
        "",
        " ",
        "a",
        "12345678",
        "AAAAAAAAbbbbbbbbccccccccddddddddeeeeeeeefff",
        "AAAAAAAAbbbbbbbbccccccccddddddddeeeeeeeegggg",
        " spaces around ",
        "a b c d e f g h i j k l m",
        "\ttabs\nand lines\r\n of many kinds",
        "%_%_%_%_%_%_%_%_%_%_",
        "'; DROP TABLE api_tokens; --",
        "ünïcödé 文字列のトークン 🎬🎬🎬",
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "sha256:0123456789abcdef",
        "sha256: active",
        "ends with active",
        "ends with revoked 5",
    ]
    .map(str::to_owned)
    .into();
    tokens.push("long ".repeat(2_000));
    tokens
}

/// A file of v0.5.0 with these tokens, each either revoked, not revoked, or neither.
fn file(dialect: Dialect) -> TestDb {
    let db = crate::foreign(dialect, "bot");
    for (number, token) in odd().iter().enumerate() {
        let token = token.replace('\'', "''");
        let revoked = ["0", "1", "NULL"][number % 3];
        db.batch(&format!(
            "INSERT INTO api_tokens (token, description, created_at, last_used, revoked) \
             VALUES ('{token}', 'token {number}', 5, {number}, {revoked})"
        ));
    }
    db
}

/// Every token without its number, which is given anew.
fn rows(db: &TestDb) -> BTreeSet<String> {
    let columns = "token_hash || '|' || preview || '|' || description || '|' || created_at || '|' || last_used";
    let state = "CASE WHEN is_active THEN 'active' ELSE 'revoked' END || '|' || coalesce(CAST(revoked_at AS TEXT), '-')";
    db.texts(&format!("SELECT {columns} || '|' || {state} FROM api_tokens")).into_iter().collect()
}

/// The texts that the older program accepts as tokens.
fn accepted(db: &TestDb, condition: &str) -> Vec<String> {
    db.texts(&format!("SELECT token FROM api_tokens WHERE {condition}"))
}

/// The way back ends at a version, and the older program there asks in this way.
#[rstest]
fn a_hash_opens_nothing_and_everything_comes_back(
    #[values(Dialect::Sqlite, Dialect::Postgres)] dialect: Dialect,
    #[values(false, true)] to_the_first: bool,
) {
    let db = file(dialect);
    migrate(&db, "bot", &Goal::Head).unwrap();
    db.batch("UPDATE api_tokens SET revoked_at = 1000 + id WHERE NOT is_active");
    let head = rows(&db);
    assert_eq!(head.len(), odd().len());

    let (goal, condition) = if to_the_first {
        (back_to_first("bot"), "revoked = 0 OR revoked IS NULL")
    } else {
        (Goal::DownTo(VERSION.parse().unwrap()), "is_active")
    };
    migrate(&db, "bot", &goal).unwrap();

    assert_eq!(accepted(&db, condition), [""; 0]);
    let texts = db.texts("SELECT token FROM api_tokens");
    let hashes: BTreeSet<_> = texts.iter().map(|text| lock(text).unwrap().1).collect();
    assert_eq!(hashes, odd().iter().map(|token| hash(token)).collect());
    // The older program lists a token by its first eight characters.
    let token = "AAAAAAAAbbbbbbbbccccccccddddddddeeeeeeeefff";
    let listed = format!("AAAAAAAA {} revoked 1", hash(token));
    assert!(texts.iter().any(|text| text.starts_with(&listed)), "{texts:?}");

    migrate(&db, "bot", &Goal::Head).unwrap();

    assert_eq!(rows(&db), head);
    // And once more, for what was restored is locked like the rest.
    migrate(&db, "bot", &back_to_first("bot")).unwrap();
    migrate(&db, "bot", &Goal::Head).unwrap();
    assert_eq!(rows(&db), head);
}

/// The older program goes on in between.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn tokens_of_the_time_in_between_are_hashed(#[case] dialect: Dialect) {
    let db = file(dialect);
    migrate(&db, "bot", &Goal::Head).unwrap();
    migrate(&db, "bot", &back_to_first("bot")).unwrap();
    db.batch(
        "INSERT INTO api_tokens (token, created_at, revoked) VALUES ('issued in between', 6, 0), ('a', 7, 0);
         DELETE FROM api_tokens WHERE description = 'token 3'",
    );

    migrate(&db, "bot", &Goal::Head).unwrap();

    let state = |token: &str| {
        let hash = hash(token);
        db.texts(&format!(
            "SELECT preview || '|' || CASE WHEN is_active THEN 'active' ELSE 'revoked' END \
             FROM api_tokens WHERE token_hash = '{hash}'"
        ))
    };
    assert_eq!(state("issued in between"), ["issued i|active"]);
    assert_eq!(state("a"), ["|active"]);
    assert_eq!(state(&odd()[3]), [""; 0], "it was deleted");
    // The row that had the token before opens nothing, whatever is presented.
    let older = db
        .texts("SELECT token_hash FROM api_tokens WHERE description = 'token 2' AND NOT is_active");
    assert_eq!(older, [hash(&hash("a"))]);
}

/// v0.6.0 has no key on the token, and its index may be missing.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn doubled_tokens_stay_with_the_row_that_is_active(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    let (schema, no, yes) = match dialect {
        Dialect::Sqlite => (
            include_str!("../../../../migrations/bot/adopt/sqlite/rosey_v060/schema.sql"),
            "0",
            "1",
        ),
        Dialect::Postgres => (
            include_str!("../../../../migrations/bot/adopt/postgres/rosey_v060/schema.sql"),
            "FALSE",
            "TRUE",
        ),
    };
    db.batch(&format!(
        "{schema}
         INSERT INTO api_tokens (id, token, description, created_at, is_active) VALUES
             (1, 'a token that is there twice', 'one', 1, {no}),
             (2, 'a token that is there twice', 'two', 2, {yes}),
             (3, 'a token that is there twice', 'three', 3, {yes}),
             (4, 'another token that is alone', 'four', 4, {yes})"
    ));

    let report = migrate(&db, "bot", &Goal::Head).unwrap();

    let told = format!("{report:?}");
    assert!(told.contains("of api_tokens.token, row of record"), "{told}");
    assert!(!told.contains("a token that is there twice"), "{told}");
    let active = db.texts("SELECT id || token_hash FROM api_tokens WHERE is_active ORDER BY id");
    let (two, four) = (hash("a token that is there twice"), hash("another token that is alone"));
    assert_eq!(active, [format!("2{two}"), format!("4{four}")]);
    let all = db.texts("SELECT description FROM api_tokens ORDER BY id");
    assert_eq!(all, ["one", "two", "three", "four"]);
}

/// Counters that v0.6.0 left empty are counted from 0, and are empty again on the way back.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn empty_counters_of_v060_come_back(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    db.batch(match dialect {
        Dialect::Sqlite => {
            include_str!("../../../../migrations/bot/adopt/sqlite/rosey_v060/schema.sql")
        }
        Dialect::Postgres => {
            include_str!("../../../../migrations/bot/adopt/postgres/rosey_v060/schema.sql")
        }
    });
    db.batch(
        "INSERT INTO channel_stats (id, max_users, last_updated) VALUES (1, 3, 4);
         INSERT INTO current_status (id, last_updated) VALUES (1, 5)",
    );
    let counters = || {
        let texts = ["current_chat_users", "current_connected_users", "playlist_items"]
            .map(|column| format!("coalesce(CAST({column} AS TEXT), 'none')"));
        let mut found =
            db.texts(&format!("SELECT {} FROM current_status", texts.join(" || ' ' || ")));
        found.extend(
            db.texts("SELECT coalesce(CAST(max_connected AS TEXT), 'none') FROM channel_stats"),
        );
        found.join(" ")
    };

    migrate(&db, "bot", &Goal::Head).unwrap();
    assert_eq!(counters(), "0 0 0 0");
    migrate(&db, "bot", &back_to_first("bot")).unwrap();
    assert_eq!(counters(), "none none none none");
    migrate(&db, "bot", &Goal::Head).unwrap();
    assert_eq!(counters(), "0 0 0 0");
}
