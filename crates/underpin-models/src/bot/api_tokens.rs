//! `api_tokens`.

use diesel::prelude::*;

use super::schema::api_tokens;

/// A token that a caller of the HTTP API presents.
#[derive(Clone, PartialEq, Eq, Identifiable, Insertable, Queryable, Selectable)]
#[diesel(table_name = api_tokens, treat_none_as_default_value = false)]
#[diesel(check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
pub struct ApiToken {
    /// Of the row.
    pub id: i64,
    /// The secret itself; unique. Never logged and never part of an answer.
    pub token: String,
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
}

impl std::fmt::Debug for ApiToken {
    /// Without the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { id, description, is_active, .. } = self;
        let mut shown = f.debug_struct("ApiToken");
        shown.field("id", id).field("description", description).field("is_active", is_active);
        shown.finish_non_exhaustive()
    }
}
