//! Which pages may use what a browser would let any page use.

use std::sync::Arc;

use axum::{
    extract::{Request, State as Shared},
    http::{HeaderMap, HeaderValue, Method, header},
    middleware::Next,
    response::Response,
};
use tower_http::cors::CorsLayer;

use super::{
    State,
    error::{ApiError, Code},
    refuse,
};

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
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_MATCH,
            header::IF_NONE_MATCH,
        ])
        .expose_headers([header::ETAG, header::LINK, header::LOCATION])
        .allow_credentials(true);
    Some(layer)
}

/// Refuses what a page of somebody else asks for, where the browser does not ask first whether the page
/// may: a change, such as a form with a file, and a WebSocket.
pub(super) async fn check(
    Shared(state): Shared<Arc<State>>,
    request: Request,
    next: Next,
) -> Response {
    let guarded = !request.method().is_safe() || request.headers().contains_key(header::UPGRADE);
    if guarded && !is_allowed(request.headers(), &state.config.cors_origins) {
        let message = "this page is of another origin: `CORS_ORIGINS` says which ones may use this";
        return refuse(request.uri().path(), ApiError::new(Code::Forbidden, message));
    }
    next.run(request).await
}

/// Whether a request comes from where requests may come from: from no page at all, from a page of this
/// service, or from one of the origins in `others`. The host that it names was looked at before.
fn is_allowed(headers: &HeaderMap, others: &[HeaderValue]) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let (origin, second) = (origins.next(), origins.next());
    if second.is_some() {
        return false;
    }
    if origin.is_some_and(|origin| others.contains(origin)) {
        return true;
    }
    let elsewhere = headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site");
    let same_host = |origin: &HeaderValue| {
        let (origin, host) = (origin.as_bytes(), headers.get(header::HOST)?.as_bytes());
        let from = origin.strip_prefix(b"http://").or_else(|| origin.strip_prefix(b"https://"))?;
        from.eq_ignore_ascii_case(host).then_some(())
    };
    !elsewhere && origin.is_none_or(|origin| same_host(origin).is_some())
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

    #[test]
    fn what_the_browser_says_of_the_page_counts_as_well() {
        let others = [HeaderValue::from_static("http://localhost:3000")];
        let allowed = |site: &'static str, origins: &[&'static str]| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static("box:8080"));
            headers.insert("sec-fetch-site", HeaderValue::from_static(site));
            for origin in origins {
                headers.append(header::ORIGIN, HeaderValue::from_static(origin));
            }
            is_allowed(&headers, &others)
        };

        for site in ["same-origin", "none"] {
            assert!(allowed(site, &[]) && allowed(site, &["http://box:8080"]), "{site}");
        }
        assert!(allowed("cross-site", &["http://localhost:3000"]));
        assert!(!allowed("cross-site", &[]));
        assert!(!allowed("cross-site", &["http://box:8080"]));
        assert!(!allowed("same-site", &["http://box:9090"]));
        assert!(!allowed("same-origin", &["http://box:8080", "http://box:8080"]));
    }
}
