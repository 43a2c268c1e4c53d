//! One throw-away database per test on each dialect.
//!
//! SQLite: a file in a temporary directory. PostgreSQL: a database of its own on one server, which
//! is the one that `TEST_DATABASE_URL` names, else a container, else a cluster of the server
//! programs that are installed. `scripts/test` starts one server for a whole run; a test that is
//! run without it starts its own. When no server can be had, the test fails and says how to get one.
//! NATS: the installed program `nats-server`, one per test that asks for it. A pooler: `pgbouncer`,
//! likewise.

#![expect(clippy::expect_used, reason = "a test ends where its ground is missing")]

mod bouncer;
mod db;
mod hostile;
mod nats;
mod port;
mod relay;
mod server;

pub use bouncer::{PgBouncer, Settings};
pub use db::TestDb;
pub use hostile::{Level, REFUSED, SETTINGS};
pub use nats::NatsServer;
pub use relay::{Announced, Relay};
pub use server::{OwnServer, Server};
pub use underpin_db::Dialect;

/// Runs `work` on a runtime of its own, so that it can be called from any test, asynchronous or not.
///
/// # Panics
///
/// When `work` does.
pub fn block_on<T: Send>(work: impl AsyncFnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let run = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime for a test").block_on(work())
        };
        match scope.spawn(run).join() {
            Ok(value) => value,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
