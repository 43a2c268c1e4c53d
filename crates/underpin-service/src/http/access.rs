//! Who may use projects: whoever reaches the port, or whoever has a token, when there are tokens.

use std::sync::Arc;

use axum::{
    extract::{Request, State as Shared},
    http::{HeaderMap, HeaderValue, Method, header},
    middleware::Next,
    response::Response,
};
use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};

use super::{
    State,
    auth::{Secret, bearer, scheme},
    error::{ApiError, Code},
    refuse,
};

/// The protocol that a WebSocket speaks here, for clients that have to name one.
pub(super) const PROTOCOL: &str = "underpin";
/// What stands before the token, where a page names it beside the protocol: a page can set no header.
const TOKEN_PROTOCOL: &str = "underpin.token.";
/// Each kind of proof that is taken: the first by programs, the second by browsers, which ask for it.
const CHALLENGES: [&str; 2] = ["Bearer", "Basic realm=\"projects\", charset=\"UTF-8\""];

/// Who may read projects, and who may change them. What has no secret is open.
#[derive(Debug, Clone, Default)]
pub struct ProjectTokens {
    /// `PROJECT_READ_TOKEN`
    pub read: Option<Secret>,
    /// `PROJECT_WRITE_TOKEN`; it opens reading as well.
    pub write: Option<Secret>,
}

/// What a request may not do.
#[derive(Debug, PartialEq, Eq)]
enum Denied {
    /// It has no token, or none that is known here.
    Unknown,
    /// Its token is for reading.
    ReadsOnly,
}

/// Refuses who has no token that opens this.
pub(super) async fn check(
    Shared(state): Shared<Arc<State>>,
    request: Request,
    next: Next,
) -> Response {
    let tokens = &state.config.project_tokens;
    let denied = match tokens.allow(request.method(), request.headers()) {
        Ok(()) => return next.run(request).await,
        Err(denied) => denied,
    };
    let path = request.uri().path();
    if denied == Denied::ReadsOnly {
        let message = "this token may read: a change needs `PROJECT_WRITE_TOKEN`";
        return refuse(path, ApiError::new(Code::Forbidden, message));
    }
    let message = "expected `Authorization: Bearer` with a token of this service's projects";
    let mut response = refuse(path, ApiError::new(Code::Unauthorized, message));
    for challenge in CHALLENGES {
        let challenge = HeaderValue::from_static(challenge);
        response.headers_mut().append(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

impl ProjectTokens {
    fn allow(&self, method: &Method, headers: &HeaderMap) -> Result<(), Denied> {
        let changes = !method.is_safe();
        let needed = if changes { &self.write } else { &self.read };
        if needed.is_none() {
            return Ok(());
        }
        let token = given(headers).ok_or(Denied::Unknown)?;
        // Both are compared, whatever the first one says.
        let is = |secret: &Option<Secret>| secret.as_ref().is_some_and(|secret| secret.is(&token));
        match (is(&self.write), is(&self.read)) {
            (false, true) if changes => Err(Denied::ReadsOnly),
            (true, _) | (false, true) => Ok(()),
            (false, false) => Err(Denied::Unknown),
        }
    }
}

/// The token of a request: as `Bearer`, as the password of a browser's login, or as a protocol of a WebSocket.
fn given(headers: &HeaderMap) -> Option<Vec<u8>> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let value = value.as_bytes();
        return bearer(value).map(<[u8]>::to_vec).or_else(|| password(value));
    }
    let protocols = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    let mut protocols =
        protocols.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
    let token = protocols.find_map(|one| one.trim().strip_prefix(TOKEN_PROTOCOL))?;
    BASE64_URL_SAFE_NO_PAD.decode(token).ok()
}

/// The password of `Basic <login>`; the name before it is anybody's.
fn password(value: &[u8]) -> Option<Vec<u8>> {
    let login = BASE64_STANDARD.decode(scheme(value, b"basic ")?).ok()?;
    let colon = login.iter().position(|byte| *byte == b':')?;
    Some(login[colon + 1..].to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: &str = "a token to read with";
    const WRITE: &str = "a token to write with";

    fn tokens(read: bool, write: bool) -> ProjectTokens {
        let secret = |wanted: bool, text| wanted.then(|| Secret::new(text).unwrap());
        ProjectTokens { read: secret(read, READ), write: secret(write, WRITE) }
    }

    /// What a request with this header gets, for reading and for changing.
    fn asked(
        tokens: &ProjectTokens,
        name: header::HeaderName,
        value: &str,
    ) -> [Result<(), Denied>; 2] {
        let mut headers = HeaderMap::new();
        if !value.is_empty() {
            headers.insert(name, HeaderValue::from_str(value).unwrap());
        }
        [Method::GET, Method::POST].map(|method| tokens.allow(&method, &headers))
    }

    #[test]
    fn what_has_no_token_is_open() {
        let name = header::AUTHORIZATION;
        let unknown = || Err(Denied::Unknown);
        assert_eq!(asked(&tokens(false, false), name.clone(), ""), [Ok(()), Ok(())]);
        assert_eq!(asked(&tokens(false, false), name.clone(), "Bearer x"), [Ok(()), Ok(())]);
        assert_eq!(asked(&tokens(false, true), name.clone(), ""), [Ok(()), unknown()]);
        assert_eq!(asked(&tokens(true, true), name, ""), [unknown(), unknown()]);
    }

    #[test]
    fn a_token_may_come_in_several_ways() {
        let tokens = tokens(true, true);
        let basic = |text: &str| format!("Basic {}", BASE64_STANDARD.encode(text));
        let protocol = |text: &str| {
            format!("{PROTOCOL}, {TOKEN_PROTOCOL}{}", BASE64_URL_SAFE_NO_PAD.encode(text))
        };
        for (token, expected) in [
            (WRITE, [Ok(()), Ok(())]),
            (READ, [Ok(()), Err(Denied::ReadsOnly)]),
            ("a token of neither", [Err(Denied::Unknown), Err(Denied::Unknown)]),
            ("", [Err(Denied::Unknown), Err(Denied::Unknown)]),
        ] {
            for (name, value) in [
                (header::AUTHORIZATION, format!("Bearer {token}")),
                (header::AUTHORIZATION, format!("bearer   {token}")),
                (header::AUTHORIZATION, basic(&format!("anybody:{token}"))),
                (header::AUTHORIZATION, basic(&format!(":{token}"))),
                (header::SEC_WEBSOCKET_PROTOCOL, protocol(token)),
            ] {
                assert_eq!(asked(&tokens, name, &value), expected, "{value}");
            }
        }
        for other in [
            WRITE.to_owned(),
            format!("Token {WRITE}"),
            basic(WRITE),
            format!("Basic x:{WRITE}"),
            "Bearer".to_owned(),
        ] {
            let denied = [Err(Denied::Unknown), Err(Denied::Unknown)];
            assert_eq!(asked(&tokens, header::AUTHORIZATION, &other), denied, "{other}");
        }
    }
}
