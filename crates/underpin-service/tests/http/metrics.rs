//! `/metrics`.

use std::time::Duration;

use rstest::rstest;
use underpin_testkit::Dialect;

use crate::service::Service;

/// The value of a series, written as Prometheus writes it but with its labels sorted.
fn value(text: &str, series: &str) -> Option<f64> {
    text.lines().find_map(|line| {
        let (name, value) = line.rsplit_once(' ')?;
        let sorted = match name.split_once('{') {
            Some((name, labels)) => {
                let mut labels: Vec<_> = labels.trim_end_matches("\"}").split("\",").collect();
                labels.sort_unstable();
                format!("{name}{{{}\"}}", labels.join("\","))
            }
            None => name.to_owned(),
        };
        (sorted == series).then(|| value.parse().unwrap())
    })
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn requests_are_counted_by_route_and_never_by_path(#[case] dialect: Dialect) {
    let service = Service::start(dialect);
    for path in ["/api/user/secret-name", "/api/user/other", "/api/stats", "/nowhere/secret-path"] {
        service.get(path);
    }
    service.send("SECRETMETHOD", "/api/stats", &[], "");

    let answer = service.get("/metrics");

    let text = &answer.body;
    let kind = answer.header("content-type").unwrap();
    assert_eq!((answer.status, kind), (200, "text/plain; version=0.0.4; charset=utf-8"));
    let count = |method: &str, route: &str, status: u16| {
        let labels = format!("method=\"{method}\",route=\"{route}\",status=\"{status}\"");
        value(text, &format!("underpin_http_requests_total{{{labels}}}"))
    };
    assert_eq!(count("GET", "/api/user/{name}", 404), Some(2.0), "{text}");
    assert_eq!(count("GET", "/api/stats", 200), Some(1.0), "{text}");
    assert_eq!(count("GET", "unmatched", 404), Some(1.0), "{text}");
    assert_eq!(count("other", "/api/stats", 405), Some(1.0), "{text}");
    let seconds = "underpin_http_request_seconds";
    let labels = "method=\"GET\",route=\"/api/user/{name}\"";
    assert_eq!(value(text, &format!("{seconds}_count{{{labels}}}")), Some(2.0), "{text}");
    let bucket = format!("{seconds}_bucket{{le=\"30\",{labels}}}");
    assert_eq!(value(text, &bucket), Some(2.0), "{text}");
    assert!(!text.to_lowercase().contains("secret"), "{text}");
    assert!(text.contains("# HELP underpin_http_requests_total "), "{text}");
    assert!(text.contains("# TYPE underpin_http_request_seconds histogram"), "{text}");
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn a_scrape_tells_how_database_and_pools_are(#[case] dialect: Dialect) {
    let service = Service::start(dialect);
    service.db.batch(
        "INSERT INTO outbound_messages (timestamp, message, sent, retry_count) VALUES \
         (1, 'a', false, 0), (1, 'b', false, 0), (1, 'c', true, 0), (1, 'd', false, 1)",
    );
    service.get("/api/stats");

    let text = service.get("/metrics").body;

    assert_eq!(value(&text, "underpin_schema_up_to_date"), Some(1.0));
    assert_eq!(value(&text, "underpin_schema_pending"), Some(0.0));
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(value(&text, &format!("underpin_build_info{{version=\"{version}\"}}")), Some(1.0));
    for (state, count) in
        [("queued", 2.0), ("sent", 1.0), ("retrying", 1.0), ("failed", 0.0), ("abandoned", 0.0)]
    {
        let series = format!("underpin_outbound_messages{{state=\"{state}\"}}");
        assert_eq!(value(&text, &series), Some(count), "{state}: {text}");
    }
    let pools: &[&str] = match dialect {
        Dialect::Sqlite => &["sqlite_writer", "sqlite_readers"],
        Dialect::Postgres => &["postgres"],
    };
    for pool in pools {
        let of = |name: &str| value(&text, &format!("underpin_pool_{name}{{pool=\"{pool}\"}}"));
        let (size, idle, in_use) = (of("size"), of("idle"), of("in_use"));
        assert_eq!(size, idle.zip(in_use).map(|(idle, in_use)| idle + in_use), "{pool}: {text}");
    }
    let last = pools.last().unwrap();
    assert!(value(&text, &format!("underpin_pool_size{{pool=\"{last}\"}}")) >= Some(1.0), "{text}");
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn scrapes_ask_the_database_once_a_second(#[case] dialect: Dialect) {
    let service = Service::start(dialect);
    let queued =
        || value(&service.get("/metrics").body, "underpin_outbound_messages{state=\"queued\"}");
    // A thousand rows take the database far less than the second that an answer holds.
    let rows: Vec<_> = (0..1_000).map(|number| format!("({number}, 'm')")).collect();
    let insert =
        format!("INSERT INTO outbound_messages (timestamp, message) VALUES {}", rows.join(", "));
    assert_eq!(queued(), Some(0.0));
    service.db.batch(&insert);

    let soon = queued();
    std::thread::sleep(Duration::from_millis(1_100));

    assert_eq!((soon, queued()), (Some(0.0), Some(1_000.0)));
}
