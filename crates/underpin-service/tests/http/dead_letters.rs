//! Events that could not be applied, as the operator sees and settles them.

use rstest::rstest;
use serde_json::json;
use underpin_testkit::Dialect;

use crate::service::{Service, now};

const ROUTES: [(&str, &str); 3] = [
    ("GET", "/api/dead-letters"),
    ("POST", "/api/dead-letters/1/apply"),
    ("POST", "/api/dead-letters/1/drop"),
];

/// Three letters: an event that can be applied, one of no known subject, one that is no event.
fn bury(service: &Service) {
    let letters = [
        ("user.joined", r#"{"username":"ada"}"#),
        ("user.vanished", r#"{"username":"ada"}"#),
        ("user.joined", r#"{"name":"ada"}"#),
    ];
    let rows = letters.map(|(subject, payload)| {
        format!("('S', 4, '{subject}', '{payload}', 1700000000, 1700000009, '23514', 'a check')")
    });
    service.db.batch(&format!(
        "INSERT INTO dead_letters (stream, sequence, subject, payload, happened_at, failed_at, code, reason) \
         VALUES {}",
        rows.join(", ")
    ));
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn only_the_operator_sees_and_settles_them(#[case] dialect: Dialect) {
    let service = Service::start(dialect);
    bury(&service);
    let json = ("Content-Type", "application/json");
    for (method, path) in ROUTES {
        let answer = service.send(method, path, &[json], r#"{"by":"eve"}"#);
        answer.fails(401, "unauthorized", None);
    }
    let without = Service::with(dialect, &[]);
    for (method, path) in ROUTES {
        without.admin(method, path, r#"{"by":"eve"}"#).fails(404, "not_found", None);
    }
    assert_eq!(
        service.db.texts("SELECT CAST(id AS TEXT) FROM dead_letters WHERE outcome IS NULL").len(),
        3
    );
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn one_is_applied_once_with_the_time_at_which_it_happened(#[case] dialect: Dialect) {
    let service = Service::start(dialect);
    bury(&service);
    let waiting = json!({
        "id": 1, "stream": "S", "sequence": 4, "subject": "user.joined",
        "payload": r#"{"username":"ada"}"#, "happened_at": 1_700_000_000, "failed_at": 1_700_000_009,
        "code": "23514", "reason": "a check", "state": "waiting", "settled_at": null, "settled_by": null,
    });
    let listed = service.admin("GET", "/api/dead-letters?limit=1", "").json();
    assert_eq!(listed, json!({ "dead_letters": [waiting] }));

    let before = now();
    let applied = service.admin("POST", "/api/dead-letters/1/apply", r#"{"by":"ada"}"#);

    assert_eq!(applied.status, 200, "{applied:?}");
    let applied = applied.json();
    assert_eq!((&applied["state"], &applied["settled_by"]), (&json!("applied"), &json!("ada")));
    assert!(applied["settled_at"].as_i64().unwrap() >= before);
    let seen = "SELECT username || ' ' || CAST(first_seen AS TEXT) FROM user_stats";
    assert_eq!(service.db.texts(seen), ["ada 1700000000"]);
    for action in ["apply", "drop"] {
        let path = format!("/api/dead-letters/1/{action}");
        service.admin("POST", &path, r#"{"by":"eve"}"#).fails(400, "invalid", Some("id"));
    }
    let left = service.admin("GET", "/api/dead-letters", "").json();
    assert_eq!(left["dead_letters"].as_array().unwrap().len(), 2);
    let all = service.admin("GET", "/api/dead-letters?include_settled=true&after=0", "").json();
    assert_eq!(all["dead_letters"].as_array().unwrap().len(), 3);
    let rest = service.admin("GET", "/api/dead-letters?after=2", "").json();
    assert_eq!(rest["dead_letters"][0]["id"], 3);
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn what_cannot_be_done_changes_nothing(#[case] dialect: Dialect) {
    let service = Service::start(dialect);
    bury(&service);
    for (path, body, status, code, field) in [
        ("/api/dead-letters/2/apply", r#"{"by":"ada"}"#, 400, "invalid", Some("id")),
        ("/api/dead-letters/3/apply", r#"{"by":"ada"}"#, 400, "invalid", Some("id")),
        ("/api/dead-letters/9/apply", r#"{"by":"ada"}"#, 404, "not_found", None),
        ("/api/dead-letters/x/drop", r#"{"by":"ada"}"#, 400, "invalid", Some("id")),
        ("/api/dead-letters/1/drop", r#"{"by":" "}"#, 400, "invalid", Some("by")),
        ("/api/dead-letters/1/drop", r#"{"by":"a\u0000"}"#, 400, "invalid", Some("by")),
    ] {
        service.admin("POST", path, body).fails(status, code, field);
    }
    let waiting = "SELECT CAST(id AS TEXT) FROM dead_letters WHERE outcome IS NULL";
    assert_eq!(service.db.texts(waiting).len(), 3);

    assert_eq!(service.admin("POST", "/api/dead-letters/2/drop", r#"{"by":"ada"}"#).status, 200);

    assert_eq!(service.db.texts(waiting).len(), 2);
    assert!(service.get("/metrics").body.contains("underpin_dead_letters 2"));
    assert!(service.get("/").body.contains("2 dead letters"));
}
