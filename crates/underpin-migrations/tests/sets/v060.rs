//! Databases that v0.6.0 of the bot created are mapped to the typed schema.

use rstest::rstest;
use underpin::Goal;
use underpin_testkit::{Dialect, TestDb};

use crate::{migrate, schema, tokens::hash};

/// As its `create_all` made it, with most indexes twice, and with rows.
fn v060(dialect: Dialect) -> TestDb {
    let db = TestDb::new(dialect);
    db.batch(match dialect {
        Dialect::Sqlite => {
            include_str!("../../../../migrations/bot/adopt/sqlite/rosey_v060/schema.sql")
        }
        Dialect::Postgres => {
            include_str!("../../../../migrations/bot/adopt/postgres/rosey_v060/schema.sql")
        }
    });
    let (no, yes) = if dialect == Dialect::Sqlite { ("0", "1") } else { ("FALSE", "TRUE") };
    db.batch(&format!(
        "CREATE INDEX ix_user_stats_last_seen ON user_stats (last_seen);
         CREATE INDEX idx_last_seen ON user_stats (last_seen);
         CREATE UNIQUE INDEX ix_api_tokens_token ON api_tokens (token);
         CREATE INDEX idx_token_active ON api_tokens (is_active, token);
         INSERT INTO user_stats VALUES ('Zoë', 1, 2, 3, 4, NULL), ('it''s', 5, 6, 0, 0, 7);
         INSERT INTO user_actions (id, timestamp, username, action_type) VALUES (1, 9, 'Zoë', 'join');
         INSERT INTO channel_stats VALUES (1, 10, 11, NULL, NULL, 12);
         INSERT INTO user_count_history VALUES (3, 1, 2, 2);
         INSERT INTO recent_chat VALUES (4, 1, 'Zoë', 'hi; there');
         INSERT INTO current_status (id, last_updated, status, bot_rank, bot_afk, bot_connected)
             VALUES (1, 5, 'online', 2, NULL, {yes});
         INSERT INTO outbound_messages (id, timestamp, message, sent, retry_count, error_message)
             VALUES (8, 1, 'm', {no}, 2, 'why');
         INSERT INTO api_tokens (id, token, name, created_at, is_active)
             VALUES (5, 'abc', 'n', 1, {no}), (6, 'abd', NULL, 2, {yes});"
    ));
    db
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn it_becomes_the_head_with_every_row(#[case] dialect: Dialect) {
    let db = v060(dialect);
    let counts = |db: &TestDb| -> Vec<(String, usize)> {
        let own = |table: &String| table != "bot_recovered_values";
        db.dump()
            .into_iter()
            .map(|(name, rows)| (name, rows.len()))
            .filter(|(table, rows)| own(table) && *rows > 0)
            .collect()
    };
    let before = counts(&db);

    let report = migrate(&db, "bot", &Goal::Head).unwrap();

    let adopted = report.adopted.unwrap();
    assert_eq!(adopted.description, "a database that Rosey v0.6.0 created");
    let first = report.steps.first().map(|step| step.name.as_str());
    assert_eq!(first, Some("hash_api_tokens"), "it is mapped to the second version");
    assert_eq!(counts(&db), before);
    let users =
        db.texts("SELECT username || first_seen || total_chat_lines FROM user_stats ORDER BY 1");
    assert_eq!(users, ["Zoë13", "it's50"]);
    assert_eq!(db.texts("SELECT max_connected || '' FROM channel_stats"), ["0"]);
    let status =
        "SELECT status || bot_rank FROM current_status WHERE bot_connected AND bot_afk IS NULL";
    assert!(db.texts(status)[0].starts_with("online2"));
    let message =
        "SELECT message || retry_count || error_message FROM outbound_messages WHERE NOT sent";
    assert_eq!(db.texts(message), ["m2why"]);
    let tokens = "SELECT id || token_hash FROM api_tokens ORDER BY id";
    assert_eq!(db.texts(tokens), [format!("5{}", hash("abc")), format!("6{}", hash("abd"))]);
    let revoked = "SELECT token_hash FROM api_tokens WHERE NOT is_active AND revoked_at > 0";
    assert_eq!(db.texts(revoked), [hash("abc")]);
    let fresh = TestDb::new(dialect);
    migrate(&fresh, "bot", &Goal::Head).unwrap();
    assert_eq!(schema(&fresh, "bot").differences(&schema(&db, "bot")), []);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn the_next_row_gets_an_id_of_its_own(#[case] dialect: Dialect) {
    let db = v060(dialect);
    migrate(&db, "bot", &Goal::Head).unwrap();

    for _ in 0..5 {
        db.batch("INSERT INTO user_count_history (timestamp, chat_users, connected_users) VALUES (1, 3, 2)");
    }

    assert_eq!(db.texts("SELECT CAST(count(*) AS TEXT) FROM user_count_history"), ["6"]);
}
