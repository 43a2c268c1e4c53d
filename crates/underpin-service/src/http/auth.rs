//! Who may: callers with a token of `api_tokens`, and the operator.

use std::{fmt, sync::Arc};

use axum::{
    extract::FromRequestParts,
    http::{HeaderValue, header, request::Parts},
};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use underpin_models::bot::ApiTokenRepository as _;

use super::{State, error::ApiError};
use crate::clock;

/// A secret that opens something, as its SHA-256: all digests have one length, so that comparing two
/// tells nothing about the secret, its length included.
#[derive(Clone)]
pub struct Secret([u8; 32]);

impl Secret {
    /// Characters that one must have.
    pub const LEAST: usize = 16;

    /// `None` when `token` is too short.
    #[must_use]
    pub fn new(token: &str) -> Option<Self> {
        (token.chars().count() >= Self::LEAST).then(|| Self(Sha256::digest(token).into()))
    }

    /// Whether it is `token`; takes the same time whatever the answer.
    #[must_use]
    pub fn is(&self, token: impl AsRef<[u8]>) -> bool {
        let digest: [u8; 32] = Sha256::digest(token).into();
        self.0.ct_eq(&digest).into()
    }

    /// Whether both are made of the same text.
    #[must_use]
    pub fn equals(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Somebody with the `ADMIN_TOKEN`. Without that setting the route does not exist.
pub(super) struct Admin;

impl FromRequestParts<Arc<State>> for Admin {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &Arc<State>,
    ) -> Result<Self, Self::Rejection> {
        let Some(expected) = &state.config.admin_token else { return Err(super::no_route()) };
        let given = parts.headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
        match given.and_then(bearer) {
            Some(token) if expected.is(token) => Ok(Self),
            _ => Err(ApiError::unauthorized(
                "Bearer",
                "expected `Authorization: Bearer` with the service's `ADMIN_TOKEN`",
            )),
        }
    }
}

/// The token of `Bearer <token>`.
pub(super) fn bearer(value: &[u8]) -> Option<&[u8]> {
    scheme(value, b"bearer ")
}

/// What follows the word, whose case does not count.
pub(super) fn scheme<'a>(value: &'a [u8], word: &[u8]) -> Option<&'a [u8]> {
    let (found, rest) = value.split_at_checked(word.len())?;
    found.eq_ignore_ascii_case(word).then(|| rest.trim_ascii_start())
}

/// Somebody with a token that is not revoked; it is noted that the token was used.
pub(super) struct Caller;

impl FromRequestParts<Arc<State>> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &Arc<State>,
    ) -> Result<Self, Self::Rejection> {
        let given = parts.headers.get("x-api-token").and_then(|value| value.to_str().ok());
        if let Some(token) = given.filter(|token| !token.is_empty())
            && state.db.validate_api_token(token.to_owned(), clock::now()).await?
        {
            return Ok(Self);
        }
        Err(ApiError::unauthorized(
            "X-API-Token",
            "expected a token in the header `X-API-Token` that is not revoked",
        ))
    }
}
