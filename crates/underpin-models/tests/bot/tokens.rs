//! Tokens of callers.

use rstest::rstest;
use underpin_db::{Db, Dialect};
use underpin_models::bot::ApiTokenRepository as _;

use crate::{Bot, NOW, hostile, on_head};

async fn make(db: &Db, description: &str, now: i64) -> String {
    db.generate_api_token(description.to_owned(), now).await.unwrap()
}

async fn valid(db: &Db, token: &str) -> bool {
    db.validate_api_token(token.to_owned(), NOW + 1).await.unwrap()
}

async fn revoke(db: &Db, prefix: &str, now: i64) -> usize {
    db.revoke_api_token(prefix.to_owned(), now).await.unwrap()
}

/// The digest under which a token is stored, from an implementation of its own.
const DIGEST_OF_ABC: &str =
    "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const DIGEST_OF_NOTHING: &str =
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// The statement that puts in a token which no operation of ours made.
fn insert(hash: &str, preview: &str) -> String {
    let (hash, preview) = (hash.replace('\'', "''"), preview.replace('\'', "''"));
    format!(
        "INSERT INTO api_tokens (token_hash, preview, created_at) VALUES ('{hash}', '{preview}', 1)"
    )
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_token_is_seen_once_and_stored_as_a_digest(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, on }| {
        let token = make(&db, "f\u{fc}r 'Zo\u{eb}'", NOW).await;
        assert_eq!(token.len(), 43);
        let of_url = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        assert!(token.bytes().all(of_url), "a token is safe in a URL");
        assert_ne!(make(&db, "", NOW).await, token);

        let listed = db.list_api_tokens(false).await.unwrap();
        let first = &listed[1];
        assert_eq!(first.preview, token[..8]);
        assert_eq!(first.description.as_deref(), Some("f\u{fc}r 'Zo\u{eb}'"));
        assert_eq!((first.created_at, first.last_used), (NOW, None));
        assert_eq!((first.is_active, first.revoked_at), (true, None));
        assert_eq!((&first.name, &first.permissions), (&None, &None));
        assert_eq!(first.token_hash.len(), "sha256:".len() + 64);
        assert!(!format!("{:?}", on.dump()).contains(&token), "the token itself is nowhere");
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn the_digest_is_sha_256(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, on }| {
        on.batch(&insert(DIGEST_OF_ABC, "abc"));

        assert!(valid(&db, "abc").await);
        assert!(!valid(&db, DIGEST_OF_ABC).await, "what is stored opens nothing");
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn only_the_exact_token_is_valid_and_its_use_is_noted(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, .. }| {
        let token = make(&db, "used", NOW).await;
        let other = make(&db, "unused", NOW).await;
        let swapped: String = token
            .chars()
            .map(|c| if c.is_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
            .collect();
        let wrong =
            [&token[..42], &token[1..], &swapped, &format!("{token} "), "%", "", &"_".repeat(43)];
        for wrong in wrong.into_iter().map(str::to_owned).chain(hostile()) {
            assert!(!valid(&db, &wrong).await);
        }
        let used = async |db: &Db| -> Vec<Option<i64>> {
            let tokens = db.list_api_tokens(true).await.unwrap();
            tokens.into_iter().map(|token| token.last_used).collect()
        };
        assert_eq!(used(&db).await, [None, None]);

        assert!(valid(&db, &token).await);
        assert_eq!(used(&db).await, [None, Some(NOW + 1)]);
        assert!(db.validate_api_token(token.clone(), NOW - 5).await.unwrap());
        assert_eq!(used(&db).await, [None, Some(NOW - 5)]);

        assert_eq!(revoke(&db, &token, NOW + 2).await, 1);
        assert!(!valid(&db, &token).await);
        assert_eq!(used(&db).await, [None, Some(NOW - 5)]);
        assert!(valid(&db, &other).await);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn an_empty_token_is_never_valid(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, on }| {
        // The older releases had nothing against such a row, but never let anybody in by it.
        on.batch(&insert(DIGEST_OF_NOTHING, ""));

        assert!(!valid(&db, "").await);
        assert_eq!(db.list_api_tokens(true).await.unwrap()[0].last_used, None);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn eight_characters_revoke_every_token_that_begins_with_them(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, on }| {
        let token = make(&db, "mine", NOW).await;
        let previews = [
            "abcdefgh",
            "abcdefgh",
            "ABCDEFGH",
            "%%%%%%%%",
            "________",
            "%_\\'%_\\'",
            "\u{eb}bcdefgh",
        ];
        for (preview, n) in previews.iter().zip(0..) {
            on.batch(&insert(&format!("sha256:{n}"), preview));
        }
        let active = async |db: &Db| db.list_api_tokens(false).await.unwrap().len();
        assert_eq!(active(&db).await, 8);

        for (prefix, expected) in [
            ("abcdefgx", 0),
            ("%%%%%%%_", 0),
            ("%%%%%%%%", 1),
            ("________", 1),
            ("abcdefgh", 2),
            ("abcdefgh", 0),
            ("ABCDEFGH", 1),
            ("%_\\'%_\\'", 1),
            // Eight characters are nine bytes here.
            ("\u{eb}bcdefgh", 1),
            (&token[..8], 1),
        ] {
            assert_eq!(revoke(&db, prefix, NOW).await, expected, "{prefix}");
        }
        assert_eq!(active(&db).await, 0);
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn any_other_number_of_characters_names_a_whole_token(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, on }| {
        let token = make(&db, "mine", NOW).await;
        on.batch(&insert(DIGEST_OF_ABC, "abc"));
        for wrong in ["", "a", "%", "ab%", &token[..7], &token[..9], &token[..42]] {
            assert_eq!(revoke(&db, wrong, NOW).await, 0, "{wrong}");
        }

        assert_eq!(revoke(&db, "abc", NOW).await, 1);
        assert_eq!(revoke(&db, &token, NOW + 3).await, 1);
        assert_eq!(revoke(&db, &token, NOW + 9).await, 0);

        let revoked = db.list_api_tokens(true).await.unwrap();
        assert!(revoked.iter().all(|token| !token.is_active));
        assert_eq!(revoked[0].revoked_at, Some(NOW + 3));
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn the_newest_token_is_listed_first_and_revoked_ones_on_request(#[case] dialect: Dialect) {
    on_head(dialect, async |Bot { db, .. }| {
        let mut tokens = Vec::new();
        for (description, now) in [("b", NOW), ("c", NOW), ("d", NOW + 1), ("a", NOW - 1)] {
            tokens.push(make(&db, description, now).await);
        }
        let listed = async |db: &Db, revoked: bool| -> String {
            let tokens = db.list_api_tokens(revoked).await.unwrap();
            tokens.into_iter().filter_map(|token| token.description).collect()
        };
        assert_eq!(listed(&db, false).await, "dcba");

        assert_eq!(revoke(&db, &tokens[1], NOW).await, 1);
        assert_eq!(listed(&db, false).await, "dba");
        assert_eq!(listed(&db, true).await, "dcba");
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_revoked_token_is_kept_from_its_revocation(#[case] dialect: Dialect) {
    const DAY: i64 = 86_400;
    on_head(dialect, async |Bot { db, on }| {
        // All are a year old; only when they were revoked counts.
        for (n, revoked) in [(1, "NULL"), (2, "9"), (3, "10"), (4, "11")] {
            on.batch(&format!(
                "INSERT INTO api_tokens (token_hash, preview, description, created_at, is_active, revoked_at) \
                 VALUES ('sha256:{n}', 'p', '{n}', {}, {}, {revoked})",
                NOW - 365 * DAY,
                if revoked == "NULL" { "TRUE" } else { "FALSE" },
            ));
        }
        let fresh = make(&db, "fresh", NOW - 365 * DAY).await;
        assert_eq!(revoke(&db, &fresh, NOW).await, 1);

        assert_eq!(db.delete_tokens_revoked_before(10).await.unwrap(), 1);
        assert_eq!(db.delete_tokens_revoked_before(NOW).await.unwrap(), 2);
        let keep = NOW + 90 * DAY;
        assert_eq!(db.delete_tokens_revoked_before(keep - 90 * DAY).await.unwrap(), 0);
        assert_eq!(db.delete_tokens_revoked_before(keep + 1 - 90 * DAY).await.unwrap(), 1);
        let left = db.list_api_tokens(true).await.unwrap();
        assert_eq!((left.len(), left[0].is_active), (1, true));
    });
}
