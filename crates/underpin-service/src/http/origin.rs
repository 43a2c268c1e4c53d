//! Which pages may use what a browser would let any page use.

use std::sync::Arc;

use axum::{
    extract::{Request, State as Shared},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use tower_http::cors::CorsLayer;

use super::{State, failure::Failure};

/// Lets pages of `origins`, if there are any, read the answers, as the original project service did
/// for its front end.
pub(super) fn cors(origins: &[HeaderValue]) -> Option<CorsLayer> {
    if origins.is_empty() {
        return None;
    }
    let methods = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    let layer = CorsLayer::new()
        .allow_origin(origins.to_vec())
        .allow_methods(methods)
        .allow_headers([header::CONTENT_TYPE, header::IF_MATCH])
        .expose_headers([header::ETAG, header::LINK, header::LOCATION])
        .allow_credentials(true);
    Some(layer)
}

/// Refuses a change that a page of somebody else asks for. A browser sends some of them, such as a form
/// with a file, without asking first.
pub(super) async fn check(
    Shared(state): Shared<Arc<State>>,
    request: Request,
    next: Next,
) -> Response {
    let changes = !request.method().is_safe();
    if changes && !is_allowed(request.headers(), &state.config.cors_origins) {
        return Failure::new(StatusCode::FORBIDDEN, REFUSED).into_response();
    }
    next.run(request).await
}

/// What a page of somebody else is told.
pub(super) const REFUSED: &str =
    "this page is of another origin: `CORS_ORIGINS` says which ones may use this";

/// Whether a request comes from where requests may come from: from no page at all, from a page of this
/// service, or from one of the origins in `others`.
///
/// A browser says with every WebSocket of which origin the page is, and leaves it to the server to
/// refuse: otherwise every page that somebody visits could use what he can reach.
pub(super) fn is_allowed(headers: &HeaderMap, others: &[HeaderValue]) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let same_host = || {
        let host = headers.get(header::HOST)?.as_bytes();
        let origin = origin.as_bytes();
        let from = origin.strip_prefix(b"http://").or_else(|| origin.strip_prefix(b"https://"))?;
        from.eq_ignore_ascii_case(host).then_some(())
    };
    others.contains(origin) || same_host().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_pages_and_those_that_are_named_may_come() {
        let others = [HeaderValue::from_static("http://localhost:3000")];
        let allowed = |host: Option<&str>, origin: Option<&str>| {
            let mut headers = HeaderMap::new();
            for (name, value) in [(header::HOST, host), (header::ORIGIN, origin)] {
                if let Some(value) = value {
                    headers.insert(name, HeaderValue::from_str(value).unwrap());
                }
            }
            is_allowed(&headers, &others)
        };
        let host = Some("box:8080");

        assert!(allowed(host, None));
        assert!(allowed(host, Some("http://box:8080")));
        assert!(allowed(host, Some("https://Box:8080")));
        assert!(allowed(host, Some("http://localhost:3000")));
        for origin in
            ["http://box", "http://box:80801", "http://localhost:3001", "null", "", "box:8080"]
        {
            assert!(!allowed(host, Some(origin)), "{origin}");
        }
        assert!(!allowed(Some(""), Some("null")));
        assert!(!allowed(None, Some("http://box:8080")));
    }
}
