//! What every request goes through: it ends in time, whatever happens, and is counted.

use std::{
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use axum::{
    extract::{MatchedPath, Request, State as Shared},
    http::{HeaderValue, Method, header},
    middleware::Next,
    response::Response,
};
use futures_util::FutureExt as _;

use super::{
    arrival::{Arrival, Late},
    error::{ApiError, Cause, Code},
    refuse,
};

/// Answers within `limit` after the whole request has come, also when a handler panics; logs the cause of a
/// failure once.
pub(super) async fn guard(
    Shared(limit): Shared<Duration>,
    request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let method = method(request.method());
    // Never the path itself: whoever asks would decide how many series there are.
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or_else(|| "unmatched".to_owned(), |path| path.as_str().to_owned());
    let path = request.uri().path().to_owned();
    let (request, arrival) = Arrival::watch(request);
    let work = AssertUnwindSafe(next.run(request)).catch_unwind();
    let mut response = match arrival.bound(work, limit).await {
        Ok(Ok(response)) => response,
        Ok(Err(panic)) => refuse(&path, ApiError::internal(panicked(panic.as_ref()))),
        Err(Late::Body) => {
            refuse(&path, ApiError::new(Code::BodyTooSlow, "the body did not come: send it faster"))
        }
        Err(Late::Answer) => {
            let late = ApiError::new(Code::Timeout, "this took too long: try again later");
            refuse(&path, late.because(format!("not done after {} s", limit.as_secs())))
        }
    };
    let status = response.status();
    if let Some(Cause(cause)) = response.extensions_mut().remove() {
        tracing::error!(status = status.as_u16(), "{method} {route} failed: {cause}");
    }
    let nosniff = HeaderValue::from_static("nosniff");
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    metrics::counter!(
        "underpin_http_requests_total",
        "method" => method, "route" => route.clone(), "status" => status.as_str().to_owned()
    )
    .increment(1);
    metrics::histogram!("underpin_http_request_seconds", "method" => method, "route" => route)
        .record(started.elapsed());
    response
}

/// The method, as one of a few words.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("a panic: {}", text.unwrap_or("without a text"))
}

#[cfg(test)]
mod tests {
    use axum::{Router, body::Body, middleware::from_fn_with_state, routing::get};
    use tower::ServiceExt as _;

    use super::*;

    async fn ask(path: &str) -> (u16, String) {
        send(path, Body::empty()).await
    }

    async fn send(path: &str, body: Body) -> (u16, String) {
        let panics = || async { assert!(std::hint::black_box(false), "the secret is hunter2") };
        let sleeps = || tokio::time::sleep(Duration::from_mins(1));
        let router = Router::new()
            .route("/panics", get(panics))
            .route("/sleeps", get(sleeps))
            .route("/reads", get(async |body: String| body))
            .layer(from_fn_with_state(Duration::from_millis(50), guard));
        let request = Request::get(path).body(body).unwrap();
        let response = router.oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), 1_000_000).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_panic_is_answered_without_its_text() {
        let (status, body) = ask("/panics").await;

        assert_eq!(status, 500);
        assert!(body.starts_with(r#"{"error":{"code":"internal","#), "{body}");
        assert!(!body.contains("hunter2"), "{body}");
    }

    #[tokio::test]
    async fn what_takes_too_long_is_answered_all_the_same() {
        let (status, body) = ask("/sleeps").await;

        assert_eq!(status, 503);
        assert!(body.starts_with(r#"{"error":{"code":"timeout","#), "{body}");
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let never = futures_util::stream::pending::<Result<String, std::io::Error>>();

        let (status, body) = send("/reads", Body::from_stream(never)).await;

        assert_eq!(status, 408);
        assert!(body.starts_with(r#"{"error":{"code":"body_too_slow","#), "{body}");
    }

    #[tokio::test]
    async fn a_body_that_comes_may_take_longer_than_an_answer() {
        let pieces = futures_util::stream::unfold(0, async |count| {
            tokio::time::sleep(Duration::from_millis(20)).await;
            (count < 10).then(|| (Ok::<_, std::io::Error>("x".repeat(10_000)), count + 1))
        });

        let (status, body) = send("/reads", Body::from_stream(Box::pin(pieces))).await;

        assert_eq!((status, body.len()), (200, 100_000));
    }
}
