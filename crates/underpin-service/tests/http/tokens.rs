//! Who may: the operator's secret and the callers' tokens.

use rstest::rstest;
use serde_json::json;
use underpin_testkit::Dialect;

use crate::service::{ADMIN, Service, now};

const SAY: &str = r#"{"message":"hello"}"#;

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn without_an_admin_token_the_routes_do_not_exist(#[case] dialect: Dialect) {
    let service = Service::with(dialect, &[]);

    for (method, path) in
        [("GET", "/api/tokens"), ("POST", "/api/tokens"), ("DELETE", "/api/tokens/12345678")]
    {
        let answer = service.admin(method, path, "{}");
        answer.fails(404, "not_found", None);
        assert_eq!(answer.json(), service.get("/api/nothing").json());
    }
    assert!(service.db.texts("SELECT preview FROM api_tokens").is_empty());
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn only_the_admin_token_opens_them(#[case] dialect: Dialect) {
    let service = Service::start(dialect);
    let token = service.token();
    let json = ("Content-Type", "application/json");

    let wrong = [
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        "Basic dGVzdA==",
        ADMIN,
        &format!("Bearer {ADMIN}x"),
        &format!("Bearer {}", &ADMIN[1..]),
        &format!("Bearer {token}"),
        &format!("Token {ADMIN}"),
        "\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}",
    ];
    for value in wrong {
        for (method, path) in
            [("GET", "/api/tokens"), ("POST", "/api/tokens"), ("DELETE", "/api/tokens/12345678")]
        {
            let answer = service.send(method, path, &[("Authorization", value), json], "{");
            answer.fails(401, "unauthorized", None);
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
    }
    let bearer = format!("bearer  {ADMIN}");
    assert_eq!(service.send("GET", "/api/tokens", &[("Authorization", &bearer)], "").status, 200);
    assert!(!service.log().contains(ADMIN));
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_token_is_made_used_and_revoked(#[case] dialect: Dialect) {
    let service = Service::start(dialect);
    let before = now();
    let made = service.admin("POST", "/api/tokens", r#"{"description":"für den Bot"}"#);
    let body = made.json();
    let token = body["token"].as_str().unwrap();
    let created = body["created_at"].as_i64().unwrap();
    assert_eq!((made.status, made.header("cache-control")), (200, Some("no-store")));
    assert_eq!((token.len(), body["description"].as_str()), (43, Some("für den Bot")));
    assert!((before..=now()).contains(&created));
    let listed = |last_used: serde_json::Value, revoked: bool| {
        json!({ "tokens": [{
            "description": "für den Bot", "created_at": created, "last_used": last_used,
            "revoked": revoked, "token_preview": format!("{}...", &token[..8]),
        }] })
    };
    assert_eq!(service.admin("GET", "/api/tokens", "").json(), listed(json!(null), false));

    assert_eq!(service.say(token, SAY).status, 200);
    let used = service.admin("GET", "/api/tokens", "").json();
    let used_at = used["tokens"][0]["last_used"].clone();
    assert!(used_at.as_i64() >= Some(before), "{used}");

    let revoked = service.admin("DELETE", &format!("/api/tokens/{}", &token[..8]), "");
    assert_eq!((revoked.status, revoked.json()), (200, json!({ "revoked": 1 })));
    service.say(token, SAY).fails(401, "unauthorized", None);
    assert_eq!(service.admin("GET", "/api/tokens", "").json(), json!({ "tokens": [] }));
    let all = service.admin("GET", "/api/tokens?include_revoked=true", "").json();
    assert_eq!(all, listed(used_at, true));
    let again = service.admin("DELETE", &format!("/api/tokens/{token}"), "");
    again.fails(404, "not_found", None);

    let stored = format!("{:?}", service.db.dump());
    assert!(!stored.contains(token) && !service.log().contains(token));
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn revoking_what_is_not_there_says_how_to_name_a_token(#[case] dialect: Dialect) {
    let service = Service::start(dialect);
    let token = service.token();

    for name in
        ["abcdefgh", "a", &token[..7], &token[..9], "%25", "%25%25%25%25%25%25%25%25", "________"]
    {
        let answer = service.admin("DELETE", &format!("/api/tokens/{name}"), "");
        answer.fails(404, "not_found", None);
        assert!(answer.body.contains("the eight characters of the preview, or the whole token"));
    }
    service.admin("DELETE", "/api/tokens/%00", "").fails(400, "invalid", Some("prefix"));
    service.admin("DELETE", "/api/tokens/%ff", "").fails(400, "invalid", Some("prefix"));
    service.admin("GET", "/api/tokens?include_revoked=yes", "").fails(
        400,
        "invalid",
        Some("include_revoked"),
    );
    assert_eq!(service.say(&token, SAY).status, 200);
    let whole = service.admin("DELETE", &format!("/api/tokens/{token}"), "");
    assert_eq!(whole.json(), json!({ "revoked": 1 }));
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_token_needs_no_description_but_a_body(#[case] dialect: Dialect) {
    let service = Service::start(dialect);

    assert_eq!(service.admin("POST", "/api/tokens", "{}").json()["description"], "");
    service.admin("POST", "/api/tokens", "").fails(400, "invalid", None);
    service.admin("POST", "/api/tokens", r#"{"description":5}"#).fails(
        400,
        "invalid",
        Some("description"),
    );
    let nul = r#"{"description":"a\u0000"}"#;
    service.admin("POST", "/api/tokens", nul).fails(400, "invalid", Some("description"));
    assert_eq!(service.db.texts("SELECT preview FROM api_tokens").len(), 1);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn nobody_speaks_without_a_token(#[case] dialect: Dialect) {
    let service = Service::start(dialect);
    let token = service.token();

    for wrong in ["", "wrong", &token[..42], &token.to_uppercase(), ADMIN, "ä", "%", "' OR 1=1 --"]
    {
        let answer = service.say(wrong, SAY);
        answer.fails(401, "unauthorized", None);
        assert_eq!(answer.header("www-authenticate"), Some("X-API-Token"));
    }
    let json = [("Content-Type", "application/json")];
    service.send("POST", "/api/say", &json, SAY).fails(401, "unauthorized", None);
    assert_eq!(service.get("/api/outbound/recent").json(), json!({ "messages": [] }));
}
