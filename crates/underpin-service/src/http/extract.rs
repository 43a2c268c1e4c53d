//! What handlers take out of a request. Each fails in the form of [`ApiError`].

use axum::{
    extract::{FromRequest, FromRequestParts, Request},
    response::{IntoResponse, Response},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{
    error::{ApiError, unreadable},
    input::{beyond, number},
};

/// A body, of a request or of an answer. A request's is an object: Serde alone would also take an
/// array of the fields.
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let axum::Json(object) = axum::Json::<Map<_, _>>::from_request(request, state).await?;
        serde_path_to_error::deserialize(Value::Object(object))
            .map(Self)
            .map_err(|error| unreadable(&error, "the body"))
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// A part of the path.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(ApiError))]
pub(super) struct Path<T>(pub(super) T);

/// What follows the question mark.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(ApiError))]
pub(super) struct Query<T>(pub(super) T);

/// `value`, if a database can hold it: PostgreSQL has no place for NUL, so SQLite gets none either.
pub(super) fn text(field: &'static str, value: String) -> Result<String, ApiError> {
    if value.contains('\0') {
        return Err(ApiError::invalid(field, "expected text without NUL characters"));
    }
    Ok(value)
}

/// The number in `value`, at least 1; more than `most` counts as `most`, also where it is more than 64 bits
/// hold.
pub(super) fn count(field: &'static str, value: &str, most: i64) -> Result<i64, ApiError> {
    let usual = !value.starts_with(['+', '0']);
    match number(value).or_else(|| beyond(value).filter(|_| usual)) {
        Some(number @ 1..) => Ok(number.min(most)),
        _ => Err(ApiError::invalid(field, "expected a whole number from 1")),
    }
}
