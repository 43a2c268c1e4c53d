//! Pools of connections for a service.

use std::{sync::Arc, time::Duration};

use bb8::Pool;
use diesel::IntoSql as _;
use diesel_async::{
    RunQueryDsl as _,
    pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod},
};
use futures_util::FutureExt as _;

use crate::{
    ConnectError, ConnectOptions, DatabaseFile, DatabaseUrl, DbConn, DbError, PgManager, Rows,
    SqliteConn, inline, sqlite, url::Target,
};

/// A pooled PostgreSQL connection.
pub type PgConn = diesel_async::AsyncPgConnection;

/// How a pool behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolOptions {
    /// Connections at most. Default: 10. SQLite takes them as readers, beside one writer.
    pub size: u32,
    /// How long to wait for a free one. Default: 30 s.
    pub wait: Duration,
    /// How old one may become. Default: 30 min.
    pub recycle: Duration,
    /// PostgreSQL: whether one that rested for a second is tried before it is handed out. Default:
    /// yes.
    pub liveness_check: bool,
    /// PostgreSQL: the name in `pg_stat_activity`, unless the URL gives one.
    pub application_name: String,
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self {
            size: 10,
            wait: Duration::from_secs(30),
            recycle: Duration::from_mins(30),
            liveness_check: true,
            application_name: "underpin".to_owned(),
        }
    }
}

/// How busy a pool is at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolState {
    /// `postgres`, `sqlite_writer` or `sqlite_readers`.
    pub name: &'static str,
    /// Open connections.
    pub size: u32,
    /// Those of them that nobody uses.
    pub idle: u32,
}

/// The pools of one database.
#[derive(Clone)]
pub enum Db {
    /// PostgreSQL: every connection reads and writes.
    Postgres {
        /// Of the whole database, whichever schema is worked in.
        pool: Pool<PgManager>,
        /// The schema of all units of work; `None` leaves it to the URL.
        schema: Option<Arc<str>>,
    },
    /// SQLite: one connection writes, the others read.
    Sqlite {
        /// The only one that may write.
        writer: Pool<AsyncDieselConnectionManager<SqliteConn>>,
        /// `query_only`.
        readers: Pool<AsyncDieselConnectionManager<SqliteConn>>,
    },
}

impl Db {
    /// Opens the pools. A database that cannot be reached now is an error here, not later.
    pub async fn connect(url: &DatabaseUrl, options: &PoolOptions) -> Result<Self, ConnectError> {
        // The pool would only say that it waited; one connection says what is wrong.
        let connect = ConnectOptions {
            application_name: options.application_name.clone(),
            ..ConnectOptions::default()
        };
        drop(url.connect(&connect).await?);
        let db = match &url.target {
            Target::Sqlite(sqlite::Place::File(path)) => {
                let file = DatabaseFile::find(path)?;
                let writer = sqlite_pool(&file, 1, options, false);
                let readers = sqlite_pool(&file, options.size, options, true);
                Self::Sqlite { writer, readers }
            }
            Target::Sqlite(sqlite::Place::Memory) => {
                return Err(ConnectError::NoFile(":memory:".into()));
            }
            Target::Postgres(server) => {
                let manager = PgManager { server: *server.clone(), options: connect };
                let pool = build(manager, options.size, options, options.liveness_check);
                Self::Postgres { pool, schema: None }
            }
        };
        Ok(db)
    }

    /// Lets the database renew its statistics, by which it plans queries.
    pub async fn optimize(&self) -> Result<(), DbError> {
        use diesel_async::SimpleAsyncConnection as _;
        self.write(|conn| {
            async move {
                match conn {
                    DbConn::Postgres(conn) => conn.batch_execute("ANALYZE").await?,
                    DbConn::Sqlite(conn) => conn.batch_execute("PRAGMA optimize").await?,
                }
                Ok(())
            }
            .boxed()
        })
        .await
    }

    /// What the clock of the database's server says, in Unix seconds; `None` on SQLite, which has none.
    pub async fn server_time(&self) -> Result<Option<i64>, DbError> {
        if matches!(self, Self::Sqlite { .. }) {
            return Ok(None);
        }
        self.read(Rows::Few, |conn| {
            async move {
                let DbConn::Postgres(conn) = conn else { return Ok(None) };
                let query = "SELECT pg_catalog.date_part('epoch', pg_catalog.clock_timestamp())::\
                             pg_catalog.int8 AS seconds";
                #[expect(
                    clippy::disallowed_methods,
                    reason = "a function of the server has no table"
                )]
                let read = diesel::sql_query(query).get_result::<ServerTime>(&mut **conn).await?;
                Ok(Some(read.seconds))
            }
            .boxed()
        })
        .await
    }

    /// How busy each pool is.
    #[must_use]
    pub fn pools(&self) -> Vec<PoolState> {
        match self {
            Self::Postgres { pool, .. } => vec![state("postgres", pool)],
            Self::Sqlite { writer, readers } => {
                vec![state("sqlite_writer", writer), state("sqlite_readers", readers)]
            }
        }
    }

    /// Asks the database for a sign of life.
    pub async fn ping(&self) -> Result<(), DbError> {
        self.read(Rows::Few, |conn| {
            async move {
                let query = diesel::select(1.into_sql::<diesel::sql_types::Integer>());
                match conn {
                    DbConn::Postgres(conn) => query.execute(&mut **conn).await?,
                    DbConn::Sqlite(conn) => query.execute(&mut **conn).await?,
                };
                Ok(())
            }
            .boxed()
        })
        .await
    }
}

#[derive(diesel::QueryableByName)]
struct ServerTime {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    seconds: i64,
}

fn state<M: bb8::ManageConnection>(name: &'static str, pool: &Pool<M>) -> PoolState {
    let state = pool.state();
    PoolState { name, size: state.connections, idle: state.idle_connections }
}

fn sqlite_pool(
    file: &DatabaseFile,
    size: u32,
    options: &PoolOptions,
    query_only: bool,
) -> Pool<AsyncDieselConnectionManager<SqliteConn>> {
    let uri = sqlite::uri(file.path(), "mode=rw");
    let file = file.clone();
    let mut config = ManagerConfig::default();
    config.recycling_method = RecyclingMethod::Fast;
    config.custom_setup = Box::new(move |url| {
        // The file may have been replaced since the first connection was opened.
        let refused = file.loses_no_journal().err();
        async move {
            use diesel_async::SimpleAsyncConnection as _;
            if let Some(error) = refused {
                return Err(diesel::ConnectionError::BadConnection(error.to_string()));
            }
            let mut conn = inline::connect(url).await?;
            if query_only {
                conn.batch_execute("PRAGMA query_only = ON")
                    .await
                    .map_err(diesel::ConnectionError::CouldntSetupConfiguration)?;
            }
            Ok(conn)
        }
        .boxed()
    });
    build(AsyncDieselConnectionManager::new_with_config(uri, config), size, options, false)
}

fn build<M: bb8::ManageConnection>(
    manager: M,
    size: u32,
    options: &PoolOptions,
    liveness_check: bool,
) -> Pool<M> {
    Pool::builder()
        .max_size(size)
        .connection_timeout(options.wait)
        .max_lifetime(Some(options.recycle))
        .test_on_check_out(liveness_check)
        .build_unchecked(manager)
}
