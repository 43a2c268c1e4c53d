//! Connections on real databases: TLS as libpq's users expect it, hosts, sockets and pools.

#![expect(clippy::unwrap_used, reason = "a test ends where its ground is missing")]

mod codes;
mod files;
mod hostile;
mod pooler;
mod pools;
mod proxy;
mod ways;

use underpin_db::{Access, ConnectError, ConnectOptions, DatabaseUrl};
use underpin_testkit::block_on;

/// Connects to `url` and asks for the first column of `query`.
fn ask(url: &str, query: &str) -> Result<Option<String>, ConnectError> {
    let url: DatabaseUrl = url.parse().unwrap();
    let options = ConnectOptions { access: Access::ReadOnly, ..ConnectOptions::default() };
    block_on(async || Ok(url.connect(&options).await?.text(query).await.unwrap()))
}

/// An error with its causes, as a person reads it.
fn said(error: &ConnectError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
