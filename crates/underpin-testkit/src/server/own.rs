//! A PostgreSQL server of a test's own, which may be killed.

use std::time::Duration;

use super::{cluster::Cluster, container};
use crate::block_on;

/// A PostgreSQL server of a test's own, which may be killed: from the installed server programs,
/// else a container. Stopped and gone when it is dropped.
pub struct OwnServer {
    base: String,
    home: Home,
}

enum Home {
    Cluster(Cluster),
    Container(Box<container::Postgres>),
}

impl OwnServer {
    /// Starts one.
    ///
    /// # Panics
    ///
    /// When none can be had; the text says how to get one.
    #[must_use]
    pub fn start() -> Self {
        let cluster = match Cluster::start() {
            Ok(cluster) => return Self { base: cluster.base(), home: Home::Cluster(cluster) },
            Err(error) => error,
        };
        match container::start_lasting() {
            Ok((base, container)) => Self { base, home: Home::Container(Box::new(container)) },
            Err(container) => panic!(
                "no PostgreSQL server that a test may kill\n  installed programs: {cluster}\n  \
                 container: {container}\ninstall the PostgreSQL server, or start Docker"
            ),
        }
    }

    /// The URL of a database on this server; `postgres` is there from the start.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("{}/{database}", self.base)
    }

    /// Ends the server in the middle of whatever it does.
    ///
    /// # Panics
    ///
    /// When the container cannot be killed.
    pub fn kill(&mut self) {
        match &mut self.home {
            Home::Cluster(cluster) => cluster.kill(),
            Home::Container(container) => {
                container::docker("kill", container).expect("a container that can be killed");
            }
        }
    }

    /// Starts the server again on its port and its data, and waits until it answers.
    ///
    /// # Panics
    ///
    /// When it does not start within 30 s.
    pub fn restart(&mut self) {
        match &mut self.home {
            Home::Cluster(cluster) => cluster.restart().expect("a server that starts again"),
            Home::Container(container) => {
                container::docker("start", container).expect("a container that starts again");
                let url = format!("{}/postgres", self.base).parse().expect("the testkit's own URL");
                let limit = Duration::from_secs(30);
                block_on(async || underpin_db::wait_until_ready(&url, limit).await)
                    .expect("a server that starts again");
            }
        }
    }
}
