//! What the API of projects takes out of a request, and how its document describes that.
//!
//! An [`Input`] says once which fields it has. The same words read a body, a query or a path, tell
//! every fault at once, and describe the fields in the document.

use std::borrow::Cow;

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, RawPathParams, Request},
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use serde_json::{Map, Value};
use utoipa::{
    IntoParams, PartialSchema, ToSchema,
    openapi::{
        RefOr, Required, Schema,
        path::{Parameter, ParameterBuilder, ParameterIn},
        schema::{AdditionalProperties, ObjectBuilder, SchemaType, Type},
    },
};

use super::failure::{Failure, Fault};

mod fields;
mod form;
mod kinds;
mod precondition;
#[cfg(test)]
mod tests;

pub(super) use fields::{Fields, Noted};
pub(super) use form::{Form, Part};
use kinds::Nested;
pub(super) use kinds::{Array, Count, Flag, Id, Json, Kind, List, OneOf, Text, Whole};
pub(super) use precondition::{IfMatch, unless_read};

/// Something that a request says.
pub(super) trait Input: Sized {
    /// Reads every field before it gives up, so that every fault is told.
    fn read(fields: &mut Fields) -> Result<Self, Noted>;
}

/// What the fields of `values` say, all of them or none.
pub(super) fn read<T: Input>(
    values: Map<String, Value>,
    place: &'static str,
) -> Result<T, Failure> {
    all(Nested::new().read(Value::Object(values)), place)
}

/// What was read at `place`, or the faults in it.
fn all<T>(read: Result<T, Vec<Fault>>, place: &'static str) -> Result<T, Failure> {
    read.map_err(|faults| {
        Failure::faults(faults.into_iter().map(|fault| fault.within(place)).collect())
    })
}

/// What a body may be: an object with the fields of an [`Input`], or an [`Array`] of such.
pub(super) trait Content: Sized {
    /// As a value of this kind.
    fn kind() -> impl Kind<Value = Self>;
}

impl<T: Input> Content for T {
    fn kind() -> impl Kind<Value = Self> {
        Nested::new()
    }
}

/// The body of a request. No body at all is an empty object.
pub(super) struct Body<T>(pub(super) T);

impl<T: Content, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let value = sent(request, state).await?.unwrap_or_else(|| Value::Object(Map::new()));
        all(T::kind().read(value), "body").map(Self)
    }
}

/// The body of a request that must have one, also where none of its fields must be there: clients of the
/// original know it so.
pub(super) struct Said<T>(pub(super) T);

impl<T: Content, S: Send + Sync> FromRequest<S> for Said<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let Some(value) = sent(request, state).await? else {
            let message = format!("expected {}, found no body", T::kind().expected());
            return all(Err(vec![Fault::new("missing", message)]), "body");
        };
        all(T::kind().read(value), "body").map(Self)
    }
}

/// What the body of a request says; `None` where it has none.
async fn sent<S: Send + Sync>(request: Request, state: &S) -> Result<Option<Value>, Failure> {
    let json = is_json(request.headers());
    let bytes = Bytes::from_request(request, state).await?;
    if bytes.is_empty() {
        return Ok(None);
    }
    if !json {
        let message = "expected a body with `Content-Type: application/json`";
        return Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    let value = serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|error| vec![Fault::new("json_invalid", format!("expected JSON: {error}"))]);
    all(value, "body")
}

/// `application/json`, or a type that ends in `+json`.
fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = value.and_then(|value| value.split(';').next()).unwrap_or_default();
    let kind = kind.trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// The number that `text` says, if it says it in the one way that is usual: `7`, and not `+7`, `07` or ` 7`.
pub(super) fn number(text: &str) -> Option<i64> {
    text.parse::<i64>().ok().filter(|number| number.to_string() == text)
}

/// The end of 64 bits beyond which the whole number lies that `text` says; `None` where it says one within
/// them, or none.
pub(super) fn beyond(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_whole = !digits.is_empty() && digits.bytes().all(|one| one.is_ascii_digit());
    if !is_whole || text.parse::<i64>().is_ok() {
        return None;
    }
    Some(if text.starts_with('-') { i64::MIN } else { i64::MAX })
}

/// What follows the question mark. Of a parameter that is given twice the last one counts.
pub(super) struct Query<T>(pub(super) T);

/// Parameters of a query at most.
const PARAMETERS: usize = 100;

impl<T: Input, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let pairs = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
        let text = |text: Cow<'_, str>| text.into_owned();
        let values = pairs.map(|(name, value)| (text(name), Value::String(text(value))));
        let values: Vec<_> = values.take(PARAMETERS + 1).collect();
        if values.len() > PARAMETERS {
            let message = format!("expected at most {PARAMETERS} parameters, found more");
            return all(Err(vec![Fault::new("too_long", message)]), "query");
        }
        read(values.into_iter().collect(), "query").map(Self)
    }
}

/// The parts of the path that are not fixed.
pub(super) struct Path<T>(pub(super) T);

impl<T: Input, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let values = RawPathParams::from_request_parts(parts, state).await;
        let values = values.map_err(|_| Failure::new(StatusCode::NOT_FOUND, "Not Found"))?;
        let values = values.iter().map(|(name, value)| (name.to_owned(), Value::from(value)));
        read(values.collect(), "path").map(Self)
    }
}

impl<T: Content> PartialSchema for Body<T> {
    fn schema() -> RefOr<Schema> {
        T::kind().schema()
    }
}

impl<T: Content> ToSchema for Body<T> {}

/// The schema of an object with the fields of `T`.
fn object<T: Input>() -> RefOr<Schema> {
    let described = Fields::described::<T>();
    let mut object = ObjectBuilder::new().schema_type(SchemaType::new(Type::Object));
    for field in described.fields {
        object = object.property(field.name, field.schema);
        if field.required {
            object = object.required(field.name);
        }
    }
    if !described.open {
        object = object.additional_properties(Some(AdditionalProperties::FreeForm(false)));
    }
    object.into()
}

impl<T: Input> IntoParams for Query<T> {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        parameters::<T>(&ParameterIn::Query)
    }
}

impl<T: Input> IntoParams for Path<T> {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        parameters::<T>(&ParameterIn::Path)
    }
}

fn parameters<T: Input>(place: &ParameterIn) -> Vec<Parameter> {
    let fields = Fields::described::<T>().fields.into_iter();
    let parameter = |field: fields::Described| {
        let required = if field.required { Required::True } else { Required::False };
        ParameterBuilder::new()
            .name(field.name)
            .parameter_in(place.clone())
            .required(required)
            .schema(Some(field.schema))
            .build()
    };
    fields.map(parameter).collect()
}
