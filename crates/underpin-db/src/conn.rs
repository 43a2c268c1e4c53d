//! One connection of one's own, for work that is SQL text.

use diesel::{
    RunQueryDsl as _, SqliteConnection,
    connection::{DefaultLoadingMode, SimpleConnection as _},
    dsl::sql,
    sql_types::{Nullable, Text},
};

use crate::{DbError, Dialect, PgClient, postgres::session};

/// One connection of one's own.
///
/// On SQLite the work is done where the returned future is polled.
pub enum Conn {
    /// SQLite, through Diesel.
    Sqlite(SqliteConnection),
    /// PostgreSQL, without Diesel, which hides the codes and places of errors.
    Postgres(PgClient),
}

impl Conn {
    /// The kind of database.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Whether the connection is known to be lost.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        match self {
            Self::Sqlite(_) => false,
            Self::Postgres(client) => client.is_closed(),
        }
    }

    /// PostgreSQL: whether a pooler is known to be in between, so that nothing holds longer than a
    /// transaction. See [`Conn::meet`].
    #[must_use]
    pub fn is_pooled(&self) -> bool {
        match self {
            Self::Sqlite(_) => false,
            Self::Postgres(client) => client.is_pooled(),
        }
    }

    /// PostgreSQL: whether the URL says where unqualified names are looked up.
    #[must_use]
    pub fn names_path(&self) -> bool {
        match self {
            Self::Sqlite(_) => false,
            Self::Postgres(client) => client.names_path(),
        }
    }

    /// PostgreSQL: whether a session behind a pooler begins with other settings than this connection was to
    /// begin with, so that a statement to which nothing is sent ahead would run under those.
    #[must_use]
    pub fn begins_otherwise(&self) -> bool {
        match self {
            Self::Sqlite(_) => false,
            Self::Postgres(client) => client.begins_otherwise(),
        }
    }

    /// PostgreSQL: the server process that works for the connection, 0 when nobody has asked. Behind a
    /// pooler it changes.
    #[must_use]
    pub fn backend(&self) -> i32 {
        match self {
            Self::Sqlite(_) => 0,
            Self::Postgres(client) => client.backend(),
        }
    }

    /// PostgreSQL: the schema in which unqualified names were made when the connection was met.
    #[must_use]
    pub fn schema(&self) -> Option<&str> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres(client) => client.schema(),
        }
    }

    /// PostgreSQL: the schemas in which unqualified names were looked up when the connection was met.
    #[must_use]
    pub fn path(&self) -> &[String] {
        match self {
            Self::Sqlite(_) => &[],
            Self::Postgres(client) => client.path(),
        }
    }

    /// PostgreSQL: finds out, once, whether a pooler is in between and what the session begins with.
    ///
    /// Behind a pooler every message that comes outside a transaction sets for its own what the
    /// connection was opened with; see [`Conn::batch_alone`] for the exception.
    pub async fn meet(&mut self) -> Result<(), DbError> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(client) => client.meet().await,
        }
    }

    /// PostgreSQL: lets what follows run under settings that our own statements can count on, whatever
    /// the server, the database, the role or the URL say: nothing in the search path stands in for a
    /// function, an operator, a cast or a type of the server. Tables must be named with their schema.
    ///
    /// [`Conn::reset`] gives a script what it would find in a session of its own.
    pub async fn own(&mut self) -> Result<(), DbError> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(client) => client.own().await,
        }
    }

    /// PostgreSQL: takes [`Conn::own`] back, once [`Conn::start_over`] comes next.
    pub fn disown(&mut self) {
        match self {
            Self::Sqlite(_) => {}
            Self::Postgres(client) => client.disown(),
        }
    }

    /// PostgreSQL: the statements that make the session as its connection began, in a transaction or
    /// outside: settings, role, temporary objects, prepared statements, cursors, advisory locks of the
    /// session, channels.
    #[must_use]
    pub fn as_new(&self) -> Vec<String> {
        match self {
            Self::Sqlite(_) => Vec::new(),
            Self::Postgres(client) => client.as_new(),
        }
    }

    /// PostgreSQL: the statements that undo all settings that were made since the connection began.
    #[must_use]
    pub fn reset(&self) -> Vec<String> {
        match self {
            Self::Sqlite(_) => Vec::new(),
            Self::Postgres(client) => client.reset(),
        }
    }

    /// PostgreSQL behind a pooler: the statements that end a transaction whose session is as new
    /// otherwise, for the pooler's next client.
    #[must_use]
    pub fn given_back() -> Vec<String> {
        PgClient::given_back()
    }

    /// Ends whatever transaction is open. On PostgreSQL the session is as new then.
    pub async fn start_over(&mut self) -> Result<(), DbError> {
        match self {
            Self::Sqlite(conn) => Ok(conn.batch_execute("ROLLBACK")?),
            Self::Postgres(client) => client.start_over().await,
        }
    }

    /// PostgreSQL: `statement`, which is ours, with what it counts on set before it and set back after
    /// it: for a session in which a script is at work, with or without a transaction of its own.
    #[must_use]
    pub fn between(statement: &str) -> String {
        let [authorization, role] = session::AUTHORIZATION;
        let (keep, own) = (session::keep(), session::own("true"));
        let write = "SET LOCAL transaction_read_only TO off";
        [write, &keep, authorization, role, &own, statement, session::GIVE_BACK].join(";\n")
    }

    /// Runs one statement that may not be able to run in a transaction. Behind a pooler nothing is set for it,
    /// and it leaves nothing to the pooler's next client.
    pub async fn batch_alone(&mut self, statement: &str) -> Result<(), DbError> {
        match self {
            Self::Sqlite(conn) => Ok(conn.batch_execute(statement)?),
            Self::Postgres(client) => client.send_alone(statement).await,
        }
    }

    /// Runs one or many statements; on PostgreSQL they travel together.
    pub async fn batch(&mut self, statements: &str) -> Result<(), DbError> {
        match self {
            Self::Sqlite(conn) => Ok(conn.batch_execute(statements)?),
            Self::Postgres(client) => client.send(statements, |_, _| None::<()>).await.map(drop),
        }
    }

    /// Runs statements as [`Conn::batch`] does, and gives what those of them that `wanted` names
    /// (counted from 0) answer: the statement and the first column, as text, of each of its rows.
    ///
    /// PostgreSQL alone tells rows apart by their statement; SQLite takes one statement.
    pub async fn answers(
        &mut self,
        statements: &str,
        wanted: &[usize],
    ) -> Result<Vec<(usize, Option<String>)>, DbError> {
        match self {
            Self::Sqlite(_) => {
                let rows = self.column(statements).await?.into_iter().map(|text| (0, text));
                Ok(rows.filter(|(statement, _)| wanted.contains(statement)).collect())
            }
            Self::Postgres(client) => {
                let read = |statement, row: &tokio_postgres::SimpleQueryRow| {
                    wanted.contains(&statement).then(|| (statement, row.get(0).map(str::to_owned)))
                };
                client.send(statements, read).await
            }
        }
    }

    /// The first column of the first row, as text. `None` without a row, and for NULL.
    pub async fn text(&mut self, query: &str) -> Result<Option<String>, DbError> {
        Ok(self.column(query).await?.into_iter().next().flatten())
    }

    /// The first column of every row, as text, without NULLs.
    pub async fn texts(&mut self, query: &str) -> Result<Vec<String>, DbError> {
        Ok(self.column(query).await?.into_iter().flatten().collect())
    }

    /// Calls `take` with the first column of each row, as text and without NULLs, and keeps none of them.
    pub async fn each_text(
        &mut self,
        query: &str,
        mut take: impl FnMut(&str),
    ) -> Result<(), DbError> {
        let Self::Sqlite(conn) = self else {
            self.texts(query).await?.iter().for_each(|text| take(text));
            return Ok(());
        };
        let query = sql::<Nullable<Text>>(query);
        for row in query.load_iter::<Option<String>, DefaultLoadingMode>(conn)? {
            if let Some(text) = row? {
                take(&text);
            }
        }
        Ok(())
    }

    async fn column(&mut self, query: &str) -> Result<Vec<Option<String>>, DbError> {
        match self {
            Self::Sqlite(conn) => Ok(sql::<Nullable<Text>>(query).load(conn)?),
            Self::Postgres(client) => {
                client.send(query, |_, row| Some(row.get(0).map(str::to_owned))).await
            }
        }
    }
}

/// PostgreSQL: the statement that sets what our own statements count on, for the session or for the
/// transaction alone. The session's role is the one that the connection was opened for.
#[must_use]
pub fn own_settings(local: bool) -> String {
    session::own(if local { "true" } else { "false" })
}

/// PostgreSQL: the statements that take back, for the transaction, whatever role a script has taken.
pub const AUTHORIZATION: [&str; 2] = session::AUTHORIZATION;

/// PostgreSQL: a text as a literal that means the same wherever strings end in the session.
#[must_use]
pub fn literal(text: &str) -> String {
    session::literal(text)
}

/// PostgreSQL: the statements with which a script for `psql` makes its session as new, in a transaction, and
/// settles what [`SETTLED`] does.
#[must_use]
pub fn renewal() -> Vec<String> {
    let unlock = |statement: String| match statement.strip_prefix("SELECT ") {
        // Nobody wants to see a row for it.
        Some(function) => {
            format!("DO {}", session::literal(&format!("BEGIN PERFORM {function}; END")))
        }
        None => statement,
    };
    session::as_new(false).into_iter().map(unlock).chain([SETTLED.to_owned()]).collect()
}

/// PostgreSQL: what a connection of ours starts with whatever the role or the database say, as SQL.
pub const SETTLED: &str = "SET standard_conforming_strings TO on; SET SESSION CHARACTERISTICS AS TRANSACTION \
     ISOLATION LEVEL READ COMMITTED, READ WRITE, NOT DEFERRABLE";
