//! The one form in which a request fails.

use std::{borrow::Cow, error::Error};

use axum::{
    Json,
    extract::rejection::{JsonRejection, PathRejection, QueryRejection},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use underpin_db::DbError;
use utoipa::ToSchema;

/// What is wrong, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Code {
    /// 400: the request cannot be understood, or a value is not allowed.
    Invalid,
    /// 401: no token, or one that does not open this.
    Unauthorized,
    /// 403: a page of another origin asks, and `CORS_ORIGINS` does not name it.
    Forbidden,
    /// 404: no such route, or nothing of this name.
    NotFound,
    /// 405: the route exists, the method does not.
    MethodNotAllowed,
    /// 408: the body did not come, or too slowly; nothing was done.
    BodyTooSlow,
    /// 413: the body is larger than `HTTP_BODY_LIMIT_BYTES`.
    BodyTooLarge,
    /// 415: the body is not declared as `application/json`.
    UnsupportedMediaType,
    /// 421: the host that the request names is none of this service's: `HTTP_HOSTS` says which are.
    WrongHost,
    /// 500: a fault on this side; the log says which.
    Internal,
    /// 503: no connection to the database; nothing was done.
    DatabaseUnavailable,
    /// 503: not done within `HTTP_TIMEOUT_SECONDS`; what was asked for may have happened.
    Timeout,
}

impl Code {
    fn status(self) -> StatusCode {
        match self {
            Self::Invalid => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::WrongHost => StatusCode::MISDIRECTED_REQUEST,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::DatabaseUnavailable | Self::Timeout => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// The body of every failure.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ErrorBody {
    error: Problem,
}

/// What is wrong.
#[derive(Debug, Serialize, ToSchema)]
struct Problem {
    /// For programs.
    code: Code,
    /// For people.
    #[schema(value_type = String)]
    message: Cow<'static, str>,
    /// The parameter or the field of the body that is at fault, when one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    field: Option<Cow<'static, str>>,
}

/// Why a request fails: what the caller reads, and what only the log may say.
#[derive(Debug)]
pub(super) struct ApiError {
    problem: Problem,
    cause: Option<Cause>,
    challenge: Option<&'static str>,
}

/// The reason that the caller does not see, on its way to the log.
#[derive(Debug, Clone)]
pub(super) struct Cause(pub(super) String);

impl ApiError {
    pub(super) fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        let problem = Problem { code, message: message.into(), field: None };
        Self { problem, cause: None, challenge: None }
    }

    /// A value that is not allowed.
    pub(super) fn invalid(
        field: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        let mut error = Self::new(Code::Invalid, message);
        error.problem.field = Some(field.into());
        error
    }

    /// A token is missing or does not fit; `challenge` says which kind is wanted.
    pub(super) fn unauthorized(challenge: &'static str, message: &'static str) -> Self {
        Self { challenge: Some(challenge), ..Self::new(Code::Unauthorized, message) }
    }

    /// A fault on this side.
    pub(super) fn internal(cause: impl Into<String>) -> Self {
        Self::new(Code::Internal, "something went wrong here: the log of the service says what")
            .because(cause)
    }

    /// Status, message and the cause for the log.
    pub(super) fn into_parts(self) -> (StatusCode, Cow<'static, str>, Option<String>) {
        let cause = self.cause.map(|Cause(cause)| cause);
        (self.problem.code.status(), self.problem.message, cause)
    }

    /// Tells the log why.
    pub(super) fn because(self, cause: impl Into<String>) -> Self {
        Self { cause: Some(Cause(cause.into())), ..self }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.problem.code.status();
        let mut response = (status, Json(ErrorBody { error: self.problem })).into_response();
        if let Some(challenge) = self.challenge {
            let challenge = HeaderValue::from_static(challenge);
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(cause) = self.cause {
            response.extensions_mut().insert(cause);
        }
        response
    }
}

impl From<DbError> for ApiError {
    fn from(error: DbError) -> Self {
        if error.no_connection {
            Self::new(Code::DatabaseUnavailable, "the database does not answer: try again later")
                .because(error.to_string())
        } else {
            Self::internal(error.to_string())
        }
    }
}

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        let mut error = malformed::<serde_json::Error>(&rejection, "the body");
        match rejection {
            // The field where the text stops being JSON is not at fault.
            JsonRejection::JsonSyntaxError(_) => error.problem.field = None,
            JsonRejection::MissingJsonContentType(_) => {
                let message = "expected a body with `Content-Type: application/json`";
                error = Self::new(Code::UnsupportedMediaType, message);
            }
            rejection if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                let message = "the body is larger than `HTTP_BODY_LIMIT_BYTES` allows";
                error = Self::new(Code::BodyTooLarge, message);
            }
            _ => {}
        }
        error
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        malformed::<serde::de::value::Error>(&rejection, "the query")
    }
}

impl From<PathRejection> for ApiError {
    fn from(rejection: PathRejection) -> Self {
        use axum::extract::path::ErrorKind;

        match rejection {
            PathRejection::FailedToDeserializePathParams(error) => match error.into_kind() {
                ErrorKind::InvalidUtf8InPathParam { key } => Self::invalid(key, "expected UTF-8"),
                kind => Self::internal(kind.to_string()),
            },
            rejection => Self::internal(rejection.to_string()),
        }
    }
}

/// What `E` says about `what`, and at which field, where it says so.
fn malformed<E: Error + 'static>(rejection: &(dyn Error + 'static), what: &str) -> ApiError {
    let mut causes = std::iter::successors(Some(rejection), |&error| error.source());
    match causes.find_map(|error| error.downcast_ref::<serde_path_to_error::Error<E>>()) {
        Some(error) => unreadable(error, what),
        None => ApiError::new(Code::Invalid, format!("cannot read {what}")),
    }
}

/// A value of `what` has the wrong type.
pub(super) fn unreadable<E: Error>(error: &serde_path_to_error::Error<E>, what: &str) -> ApiError {
    let message = format!("cannot read {what}: {}", error.inner());
    match error.path().to_string() {
        whole if whole == "." => ApiError::new(Code::Invalid, message),
        field => ApiError::invalid(field, message),
    }
}
