//! Parameters that other drivers read in a URL, and what to write instead of them.

use crate::{error::with_causes, url};

const PATH: &str =
    "is another driver's: write `options=-csearch_path%3DNAME` for the schema instead";
const TLS: &str = "is another driver's: write `sslmode=require` instead, or `sslmode=disable`";
const PROVEN: &str = "is another driver's: write `sslmode=verify-full` instead";
const WAIT: &str = "is another driver's: write `connect_timeout` instead, in seconds";
const POOLER: &str = "is another driver's: leave it out, a pooler is noticed without it";
const NOTHING: &str = "is another driver's: leave it out, nothing is needed instead";
const CERTIFICATE: &str = "belongs to client certificates, which are not supported: leave it out, and log in with a password";
const SERVICE: &str =
    "belongs to service files, which are not supported: leave it out, and write what the file says";
const UNKNOWN: &str = "is not known, and may be another driver's: leave it out";

/// By the names that the drivers of other programs gave them.
const FOREIGN: [(&str, &str); 28] = [
    ("schema", PATH),
    ("currentSchema", PATH),
    ("search_path", PATH),
    ("ssl", TLS),
    ("tls", TLS),
    ("sslaccept", PROVEN),
    ("timeout", WAIT),
    ("connectTimeout", WAIT),
    ("connection_timeout", WAIT),
    ("pgbouncer", POOLER),
    ("prepareThreshold", POOLER),
    ("prepared_statements", POOLER),
    ("prepared_statement_cache_size", POOLER),
    ("statement_cache_size", POOLER),
    ("statement-cache-capacity", POOLER),
    ("async_fallback", NOTHING),
    ("connection_limit", NOTHING),
    ("pool_timeout", NOTHING),
    ("pool_size", NOTHING),
    ("pool_max_conns", NOTHING),
    ("max_overflow", NOTHING),
    ("sslkey", CERTIFICATE),
    ("sslcert", CERTIFICATE),
    ("sslpassword", CERTIFICATE),
    ("sslidentity", CERTIFICATE),
    ("ssl_certificate", CERTIFICATE),
    ("service", SERVICE),
    ("servicefile", SERVICE),
];

/// Why the driver refuses `url`. A parameter that it does not know is named without its value; what may be
/// part of a password is not even named.
pub(super) fn explain(url: &str, error: &tokio_postgres::Error) -> String {
    let reason = with_causes(error);
    // The driver has no kind for it.
    let Some((_, name)) = reason.split_once("unknown option `") else { return reason };
    let name = name.strip_suffix('`').unwrap_or(name);
    let query = url.split_once('?').map_or("", |(_, query)| query);
    if !url::is_name(name) || query.contains('@') {
        return "a parameter is not known: write `%40`, `%3F` and `%26` for `@`, `?` and `&` in a password"
            .to_owned();
    }
    let known = FOREIGN.iter().find(|(foreign, _)| *foreign == name);
    format!("the parameter `{name}` {}", known.map_or(UNKNOWN, |(_, next)| next))
}
