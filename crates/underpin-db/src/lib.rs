//! Connections to SQLite and PostgreSQL, chosen by a URL: the only crate that picks a driver.

mod client;
mod code;
mod conn;
pub mod durable;
mod error;
mod file;
mod inline;
mod lease;
mod named;
mod options;
mod pool;
mod pooled;
mod postgres;
mod result_code;
mod simple;
mod sqlite;
mod url;
mod work;

pub use client::PgClient;
pub use code::{Code, CodeFuture};
pub use conn::{AUTHORIZATION, Conn, SETTLED, literal, own_settings, renewal};
pub use error::{ConnectError, DbError, with_causes};
pub use file::{DatabaseFile, FileId};
pub use inline::{Inline, SqliteConn};
pub use lease::{Hold, Lease};
pub use named::NamedFile;
pub use options::{Access, ConnectOptions};
pub use pool::{Db, PgConn, PoolOptions, PoolState};
pub use pooled::{PgManager, PooledPgConn};
pub use postgres::percent_decoded;
pub use underpin_catalog::{Dialect, read_file};
pub use url::{DatabaseUrl, UrlError};
pub use work::{DbConn, Rows, Work};

/// Waits until a connection to the database at `url` can be opened, at most `timeout`.
///
/// Gives the last error when it cannot; a configuration that cannot work is not waited for.
pub async fn wait_until_ready(
    url: &DatabaseUrl,
    timeout: std::time::Duration,
) -> Result<(), ConnectError> {
    let start = std::time::Instant::now();
    loop {
        match url.connect(&ConnectOptions::default()).await {
            Ok(_) => return Ok(()),
            Err(error) if error.is_configuration() || start.elapsed() >= timeout => {
                return Err(error);
            }
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(200)).await,
        }
    }
}
