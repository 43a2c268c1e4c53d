//! PostgreSQL servers for tests.

use std::sync::{Arc, Mutex, PoisonError, Weak};

mod cluster;
mod container;
mod own;

pub use own::OwnServer;

/// A PostgreSQL server for tests; stopped and gone when it is dropped.
pub struct Server {
    /// Up to the name of the database.
    base: String,
    _kept: Kept,
}

/// What keeps the server alive.
enum Kept {
    /// Somebody else does.
    Elsewhere,
    Container {
        _container: Box<container::Postgres>,
    },
    Cluster {
        _cluster: cluster::Cluster,
    },
}

static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());

impl Server {
    /// The server of this process, started when nobody holds it.
    ///
    /// # Panics
    ///
    /// When none can be had; the text says how to get one.
    #[must_use]
    pub fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let server = Arc::new(Self::start());
            *shared = Arc::downgrade(&server);
            server
        })
    }

    /// The server that `TEST_DATABASE_URL` names, else a container, else a local cluster.
    ///
    /// # Panics
    ///
    /// When none can be had; the text says how to get one.
    #[must_use]
    pub fn start() -> Self {
        if let Some(url) = std::env::var("TEST_DATABASE_URL").ok().filter(|url| !url.is_empty()) {
            let base = url.rsplit_once('/').map_or(url.as_str(), |(base, _)| base).to_owned();
            return Self { base, _kept: Kept::Elsewhere };
        }
        let container = match container::start() {
            Ok((base, container)) => {
                return Self { base, _kept: Kept::Container { _container: Box::new(container) } };
            }
            Err(error) => error,
        };
        match cluster::Cluster::start() {
            Ok(cluster) => {
                Self { base: cluster.base(), _kept: Kept::Cluster { _cluster: cluster } }
            }
            Err(cluster) => panic!(
                "no PostgreSQL server for the tests\n  container: {container}\n  installed programs: \
                 {cluster}\nstart Docker, install the PostgreSQL server, or set TEST_DATABASE_URL to \
                 the URL of a server where databases may be created: `scripts/test` does it for you"
            ),
        }
    }

    /// The URL of a database on this server.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("{}/{database}", self.base)
    }
}
