//! Which hosts this service answers to.
//!
//! A page of another name can let that name point at this machine. The browser then takes the service for
//! the page's own server: it sends the name as `Host` and as `Origin`, and lets the page read the answers.
//! So a name has to be known here. An address cannot be pointed elsewhere and is always good.

use std::{net::IpAddr, sync::Arc};

use axum::{
    extract::{Request, State as Shared},
    http::{HeaderMap, Uri, Version, header, uri::Authority},
    middleware::Next,
    response::Response,
};

use super::{
    State,
    error::{ApiError, Code},
    refuse,
};

/// Refuses a request that names another host than this service's.
pub(super) async fn check(
    Shared(state): Shared<Arc<State>>,
    request: Request,
    next: Next,
) -> Response {
    let named = named(request.version(), request.uri(), request.headers());
    match named.and_then(|hosts| known(&hosts, &state.config.http_hosts)) {
        Ok(()) => next.run(request).await,
        Err(error) => refuse(request.uri().path(), error),
    }
}

/// Every host that a request names, as it is written there: in its first line and in `Host`. A program
/// that speaks HTTP/1.0 need not name one, and no browser does.
fn named<'a>(
    version: Version,
    uri: &'a Uri,
    headers: &'a HeaderMap,
) -> Result<Vec<&'a str>, ApiError> {
    let mut hosts: Vec<_> = uri.authority().map(Authority::as_str).into_iter().collect();
    let mut lines = headers.get_all(header::HOST).iter();
    match (lines.next(), lines.next()) {
        (None, _) if version <= Version::HTTP_10 => {}
        (Some(line), None) => hosts.push(line.to_str().map_err(|_| malformed())?),
        (None, _) | (Some(_), Some(_)) => return Err(malformed()),
    }
    Ok(hosts)
}

fn known(hosts: &[&str], names: &[String]) -> Result<(), ApiError> {
    for host in hosts {
        let name = without_port(host).ok_or_else(malformed)?;
        if !is_address(name) && !is_name(name, names) {
            return Err(ApiError::new(
                Code::WrongHost,
                "this service does not answer to this host name: `HTTP_HOSTS` says which ones it has",
            ));
        }
    }
    Ok(())
}

fn malformed() -> ApiError {
    ApiError::new(Code::Invalid, "expected one `Host`, such as `127.0.0.1:8080`")
}

/// The host of `host:port`, brackets and all; `None` when it is neither that nor a host alone.
fn without_port(authority: &str) -> Option<&str> {
    let end = match authority.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at(end);
    let is_port = |port: &str| !port.is_empty() && port.parse::<u16>().is_ok();
    let good = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
    (good && !host.is_empty() && !host.contains('@')).then_some(host)
}

/// Whether it is an address, such as `127.0.0.1` or `[::1]`; a zone may follow the latter.
fn is_address(host: &str) -> bool {
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(inner) => {
            let address = inner.split_once('%').map_or(inner, |(address, _)| address);
            address.parse::<IpAddr>().is_ok_and(|address| address.is_ipv6())
        }
        None => host.parse::<IpAddr>().is_ok_and(|address| address.is_ipv4()),
    }
}

/// Whether it is `localhost` or one of `names`; the dot at the end of a full name does not count.
fn is_name(host: &str, names: &[String]) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
        || names.iter().any(|name| host.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    /// The status that a request with these lines of `Host` gets.
    fn status(version: Version, target: &str, lines: &[&str]) -> u16 {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::HOST, HeaderValue::from_str(line).unwrap());
        }
        let names = ["data.example".to_owned()];
        let uri = target.parse().unwrap();
        let hosts = named(version, &uri, &headers).and_then(|hosts| known(&hosts, &names));
        hosts.map_or_else(|error| error.into_parts().0.as_u16(), |()| 200)
    }

    #[test]
    fn a_host_is_an_address_or_a_name_that_is_known_here() {
        for (host, expected) in [
            ("127.0.0.1", 200),
            ("127.0.0.1:8080", 200),
            ("127.0.0.1:1", 200),
            ("10.1.2.3:8080", 200),
            ("0.0.0.0:8080", 200),
            ("[::1]", 200),
            ("[::1]:8080", 200),
            ("[fe80::1%25eth0]:8080", 200),
            ("[::ffff:127.0.0.1]", 200),
            ("localhost", 200),
            ("LocalHost:8080", 200),
            ("localhost.:8080", 200),
            ("data.example", 200),
            ("DATA.Example.:443", 200),
            ("evil.example", 421),
            ("evil.example:8080", 421),
            ("x.data.example", 421),
            ("data.example.evil.example", 421),
            ("xdata.example", 421),
            ("localhost.evil.example", 421),
            ("127.0.0.1.evil.example", 421),
            ("evil.localhost", 421),
            ("localhost..", 421),
            ("127.1", 421),
            ("0x7f.0.0.1", 421),
            ("2130706433", 421),
            ("127.0.0.1.", 421),
            ("127.0.0.01", 421),
            ("[127.0.0.1]", 421),
            ("[evil.example]", 421),
            ("*", 421),
            ("", 400),
            (":8080", 400),
            ("localhost:", 400),
            ("localhost:http", 400),
            ("localhost:65536", 400),
            ("localhost:80:80", 400),
            ("::1", 400),
            ("[::1", 400),
            ("[::1]x", 400),
            ("evil.example@127.0.0.1", 400),
            ("localhost:8080@evil.example", 400),
            ("localhost, evil.example", 421),
            ("localhost/evil.example", 421),
        ] {
            assert_eq!(status(Version::HTTP_11, "/", &[host]), expected, "{host}");
        }
    }

    #[test]
    fn every_host_that_a_request_names_has_to_be_known() {
        let (good, evil) = ("127.0.0.1:8080", "evil.example:8080");
        for (version, target, lines, expected) in [
            (Version::HTTP_11, "/", &[][..], 400),
            (Version::HTTP_10, "/", &[], 200),
            (Version::HTTP_10, "/", &[evil], 421),
            (Version::HTTP_11, "/", &[good, good], 400),
            (Version::HTTP_11, "/", &[good, evil], 400),
            (Version::HTTP_11, "http://127.0.0.1:8080/", &[good], 200),
            (Version::HTTP_11, "http://evil.example/", &[good], 421),
            (Version::HTTP_11, "http://127.0.0.1:8080/", &[evil], 421),
            (Version::HTTP_11, "http://me@127.0.0.1/", &[good], 400),
            (Version::HTTP_10, "http://evil.example/", &[], 421),
        ] {
            assert_eq!(status(version, target, lines), expected, "{version:?} {target} {lines:?}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_bytes(b"localhost\xff").unwrap());
        assert!(named(Version::HTTP_11, &Uri::from_static("/"), &headers).is_err());
    }
}
