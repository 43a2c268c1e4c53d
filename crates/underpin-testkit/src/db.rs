//! A database that exists as long as a test holds it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use tempfile::TempDir;
use underpin_db::{Access, Conn, ConnectOptions, DatabaseUrl, Dialect};

use crate::{OwnServer, Server, block_on};

/// A database that exists as long as a test holds it.
pub struct TestDb {
    dialect: Dialect,
    url: String,
    dir: TempDir,
    /// The server that it is on, and its name there.
    home: Option<(Arc<Server>, String)>,
    /// A role of its own, with which `url` logs in, and the URL of the test itself.
    login: Option<(String, String)>,
}

const FILE: &str = "test.db";
static COUNT: AtomicU32 = AtomicU32::new(0);

impl TestDb {
    /// An empty database.
    ///
    /// # Panics
    ///
    /// When no server can be had.
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        match dialect {
            Dialect::Sqlite => {
                let url = format!("sqlite:{}", dir.path().join(FILE).display());
                Self { dialect, url, dir, home: None, login: None }
            }
            Dialect::Postgres => {
                let server = Server::shared();
                let count = COUNT.fetch_add(1, Ordering::Relaxed);
                let name = format!("test_{}_{count}", std::process::id());
                run(
                    &server.url("postgres"),
                    &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
                );
                run(&server.url("postgres"), &format!("CREATE DATABASE {name} TEMPLATE template0"));
                let url = server.url(&name);
                Self { dialect, url, dir, home: Some((server, name)), login: None }
            }
        }
    }

    /// A copy of an SQLite database: of its file and of the journals beside it. A process that was killed
    /// in the middle of a commit leaves half of it in the file, and in the journal what it takes to undo
    /// that; the file alone is no database.
    ///
    /// # Panics
    ///
    /// When the file cannot be copied.
    #[must_use]
    pub fn copy_of(file: &Path) -> Self {
        let db = Self::new(Dialect::Sqlite);
        for end in ["", "-journal", "-wal"] {
            let beside = |path: &Path| PathBuf::from(format!("{}{end}", path.display()));
            let from = beside(file);
            if end.is_empty() || from.exists() {
                let copied = std::fs::copy(&from, beside(&db.file()));
                copied.unwrap_or_else(|error| panic!("{}: {error}", from.display()));
            }
        }
        db
    }

    /// The database `postgres` of a server that is the test's own.
    ///
    /// # Panics
    ///
    /// When no directory can be had.
    #[must_use]
    pub fn on(server: &OwnServer) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let url = server.url("postgres");
        Self { dialect: Dialect::Postgres, url, dir, home: None, login: None }
    }

    /// An empty PostgreSQL database whose URL logs in as an ordinary role of its own, which may do what it
    /// likes in this database. Settings of role and database reach the program alone: the test's own
    /// statements run as the server's administrator.
    ///
    /// # Panics
    ///
    /// When no server can be had.
    #[must_use]
    pub fn with_login() -> Self {
        let mut db = Self::new(Dialect::Postgres);
        let name = db.name().expect("a database of its own").to_owned();
        let role = format!("{name}_login");
        db.batch(&format!(
            "DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN PASSWORD 'pw'; \
             ALTER DATABASE {name} OWNER TO {role}; GRANT CREATE ON DATABASE {name} TO pg_database_owner"
        ));
        let (_, server) = db.url.split_once('@').expect("a URL with a user");
        let url = format!("postgres://{role}:pw@{server}");
        let own = format!("{}?options=-csearch_path%3Dapp,public", db.url);
        db.url = url;
        db.login = Some((role, own));
        db
    }

    /// The role that [`TestDb::with_login`] made.
    #[must_use]
    pub fn login(&self) -> Option<&str> {
        self.login.as_ref().map(|(role, _)| role.as_str())
    }

    /// What the database is called on its server.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.home.as_ref().map(|(_, name)| name.as_str())
    }

    /// The URL of the test's own statements.
    #[must_use]
    pub fn administrator(&self) -> &str {
        self.login.as_ref().map_or(&self.url, |(_, own)| own)
    }

    /// SQLite's file, which may not exist yet.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.dir().join(FILE)
    }

    /// The whole URL, for a child process as well.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// [`TestDb::url`], parsed.
    ///
    /// # Panics
    ///
    /// Never: the testkit made it.
    #[must_use]
    pub fn database_url(&self) -> DatabaseUrl {
        self.url.parse().expect("the testkit's own URL")
    }

    /// The kind of database.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// A directory of the test's own; SQLite's file is in it.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Runs statements on a connection of their own.
    ///
    /// # Panics
    ///
    /// With what the database says when it refuses them.
    pub fn batch(&self, statements: &str) {
        run(self.administrator(), statements);
    }

    /// The first column of every row, as text.
    ///
    /// # Panics
    ///
    /// With what the database says when it refuses the query.
    #[must_use]
    pub fn texts(&self, query: &str) -> Vec<String> {
        let texts = block_on(async || connect(self.administrator()).await.texts(query).await);
        texts.unwrap_or_else(|error| panic!("{query}: {error}"))
    }

    /// The names of all tables, sorted, without the databases' own.
    #[must_use]
    pub fn tables(&self) -> Vec<String> {
        self.texts(match self.dialect {
            Dialect::Sqlite => {
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' \
                 ORDER BY name"
            }
            Dialect::Postgres => {
                "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() \
                 ORDER BY tablename COLLATE \"C\""
            }
        })
    }

    /// Every row of every table, as sorted JSON texts with the columns by name; without the
    /// tables of the engine.
    #[must_use]
    pub fn dump(&self) -> BTreeMap<String, Vec<String>> {
        let own = ["__diesel_schema_migrations", "underpin_history", "underpin_lease"];
        let tables = self.tables().into_iter().filter(|table| !own.contains(&table.as_str()));
        tables.map(|table| (table.clone(), self.rows(&table))).collect()
    }

    fn rows(&self, table: &str) -> Vec<String> {
        let query = match self.dialect {
            Dialect::Postgres => format!("SELECT to_jsonb(t)::text FROM \"{table}\" AS t"),
            Dialect::Sqlite => {
                let columns = self.texts(&format!(
                    "SELECT group_concat('''' || name || ''', quote(\"' || name || '\")', ', ') FROM \
                     (SELECT name FROM pragma_table_info('{table}') ORDER BY name)"
                ));
                format!("SELECT json_object({}) FROM \"{table}\"", columns.concat())
            }
        };
        let mut rows = self.texts(&query);
        rows.sort();
        rows
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        if let Some((server, name)) = &self.home {
            run(&server.url("postgres"), &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
            if let Some((role, _)) = &self.login {
                run(&server.url("postgres"), &format!("DROP OWNED BY {role}; DROP ROLE {role}"));
            }
        }
    }
}

async fn connect(url: &str) -> Conn {
    let options = ConnectOptions { access: Access::Create, ..ConnectOptions::default() };
    let url: DatabaseUrl = url.parse().expect("a URL");
    url.connect(&options).await.unwrap_or_else(|error| panic!("{url}: {error}"))
}

fn run(url: &str, statements: &str) {
    let result = block_on(async || connect(url).await.batch(statements).await);
    result.unwrap_or_else(|error| panic!("{statements}: {error}"));
}
