//! Which pages may use what a browser would let any page use.

use axum::http::{HeaderMap, HeaderValue, header};

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
