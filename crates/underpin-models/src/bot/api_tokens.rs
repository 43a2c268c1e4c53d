//! `api_tokens`.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use diesel::{prelude::*, sql_types::Bool};
use diesel_async::RunQueryDsl;
use sha2::{Digest as _, Sha256};
use underpin_db::{DbError, Rows};

use super::schema::api_tokens;
use crate::{prepared::Prepare as _, repository::repository};

/// Characters of a token that are kept in clear, so that people can tell tokens apart.
const PREVIEW: usize = 8;
/// Random bytes in a token.
const ENTROPY: usize = 32;

/// A token that a caller of the HTTP API presents, without the token itself.
#[derive(Debug, Clone, PartialEq, Eq, Identifiable, Insertable, Queryable, Selectable)]
#[diesel(table_name = api_tokens, treat_none_as_default_value = false)]
#[diesel(check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
pub struct ApiToken {
    /// Of the row.
    pub id: i64,
    /// `sha256:` and the digest of the token in lower-case hexadecimal digits; unique.
    pub token_hash: String,
    /// The first eight characters of the token; fewer of a short one.
    pub preview: String,
    /// What its owner calls it; no operation writes it yet.
    pub name: Option<String>,
    /// What it may do; no operation writes it yet.
    pub permissions: Option<String>,
    /// What it is for, as whoever made it said.
    pub description: Option<String>,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds; `None` until it is first presented.
    pub last_used: Option<i64>,
    /// False once it is revoked.
    pub is_active: bool,
    /// Unix seconds; `None` while it is active.
    pub revoked_at: Option<i64>,
}

repository! {
    /// Tokens of callers. Only their digests are stored.
    pub trait ApiTokenRepository {
        /// Makes a token at `now` (Unix seconds): 32 random bytes as 43 characters of URL-safe
        /// base64. This is the only time that anybody sees it.
        write fn generate_api_token(conn, description: String, now: i64) -> String {
            let token = random_token()?;
            diesel::insert_into(api_tokens::table)
                .values((
                    api_tokens::token_hash.eq(hash(&token)),
                    api_tokens::preview.eq(&token[..PREVIEW]),
                    api_tokens::description.eq(description),
                    api_tokens::created_at.eq(now),
                    api_tokens::is_active.eq(true),
                ))
                .execute(conn)
                .await?;
            Ok(token)
        }

        /// Whether `token` is one of ours and not revoked; if so, notes that it was used at `now`
        /// (Unix seconds). An empty token never is, even where an older database holds one.
        write fn validate_api_token(conn, token: String, now: i64) -> bool {
            if token.is_empty() {
                return Ok(false);
            }
            let used = diesel::update(api_tokens::table)
                .filter(api_tokens::token_hash.eq(hash(&token)))
                .filter(api_tokens::is_active)
                .set(api_tokens::last_used.eq(now))
                .prepared()
                .execute(conn)
                .await?;
            Ok(used > 0)
        }

        /// Revokes at `now` (Unix seconds) the tokens that begin with `prefix`, or the one that is
        /// `prefix`, and says how many there were.
        ///
        /// Eight characters are compared with the tokens' first eight, exactly; any other number
        /// of characters names a whole token, for nothing more of it is stored.
        write fn revoke_api_token(conn, prefix: String, now: i64) -> usize {
            let by_preview = (prefix.chars().count() == PREVIEW).then(|| prefix.clone());
            let revoked = diesel::update(api_tokens::table)
                .filter(api_tokens::is_active)
                .filter(
                    api_tokens::token_hash
                        .eq(hash(&prefix))
                        .or(api_tokens::preview.nullable().eq(by_preview).assume_not_null()),
                )
                .set((api_tokens::is_active.eq(false), api_tokens::revoked_at.eq(now)))
                .execute(conn)
                .await?;
            Ok(revoked)
        }

        /// The tokens, newest first; revoked ones only when they are asked for.
        read(Rows::Many) fn list_api_tokens(conn, include_revoked: bool) -> Vec<ApiToken> {
            let query = api_tokens::table
                .filter(api_tokens::is_active.or(include_revoked.into_sql::<Bool>()))
                .order((api_tokens::created_at.desc(), api_tokens::id.desc()))
                .select(ApiToken::as_select());
            Ok(query.load(conn).await?)
        }

        /// Deletes the tokens that were revoked before `before` (Unix seconds), and says how many.
        write fn delete_tokens_revoked_before(conn, before: i64) -> usize {
            let old = api_tokens::table.filter(api_tokens::revoked_at.lt(before));
            Ok(diesel::delete(old).execute(conn).await?)
        }
    }
}

fn random_token() -> Result<String, DbError> {
    let mut bytes = [0; ENTROPY];
    getrandom::fill(&mut bytes).map_err(|error| DbError {
        message: format!("the operating system gives no random bytes: {error}"),
        ..DbError::default()
    })?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

/// What is stored of a token. A token has 256 random bits, so nobody can try them all, and a slow
/// digest with salt, as for passwords, would only slow down every request.
fn hash(token: &str) -> String {
    let digest = Sha256::digest(token.as_bytes());
    digest.iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}
