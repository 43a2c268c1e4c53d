//! One connection at work: where its history is, and the SQL around a script.

pub(crate) mod sqlite;

use std::{
    borrow::Cow,
    ops::{Deref, DerefMut},
};

use underpin_catalog::{Catalog, CatalogError, Checksum, Dialect, Migration, Version};
use underpin_db::{Conn, ConnectOptions, DatabaseUrl, DbError};

use crate::{
    Direction, Error, History, Schema, Step, StepCause,
    dangling::Dangling,
    error::Doing,
    frame::Frame,
    history::{Former, Note, Tables},
    identity::Identity,
    proof::Proving,
};

/// One connection at work on one catalog.
pub(crate) struct Session<'a> {
    pub(crate) conn: Held<'a>,
    pub(crate) catalog: &'a Catalog,
    pub(crate) tables: Tables,
    /// What is proven before a transaction is committed.
    pub(crate) proving: Option<Proving<'a>>,
    pub(crate) frame: Frame,
    /// Whether the run counts on a schema in which nothing is.
    pub(crate) expects_empty: bool,
    /// What the history was before the steps that run.
    pub(crate) former: Former,
    /// SQLite: what `PRAGMA data_version` said when the copy of the database was taken.
    pub(crate) copied_at: Option<String>,
    /// SQLite: how another connection to the file is opened.
    pub(crate) again: Option<(DatabaseUrl, ConnectOptions)>,
    /// SQLite: what dangled after the last script.
    pub(crate) dangling: Option<Dangling>,
    /// SQLite: the session before a script that can have changed it.
    lent: Option<sqlite::Lent>,
    /// SQLite: the mark in the header, which is ours to replace.
    pub(crate) marked: Option<i32>,
    /// SQLite: the digests of the catalog's versions, once one was asked for.
    pub(crate) digests: Option<Vec<u64>>,
    identity: &'static Identity,
}

/// A connection that ends with the session, or one that somebody lends for it.
pub(crate) enum Held<'a> {
    Own(Conn),
    Lent(&'a mut Conn),
}

impl Deref for Held<'_> {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        match self {
            Self::Own(conn) => conn,
            Self::Lent(conn) => conn,
        }
    }
}

impl DerefMut for Held<'_> {
    fn deref_mut(&mut self) -> &mut Conn {
        match self {
            Self::Own(conn) => conn,
            Self::Lent(conn) => conn,
        }
    }
}

/// What a row of the history is about.
pub(crate) struct Entry<'a> {
    pub(crate) version: &'a Version,
    /// Of the migration.
    pub(crate) name: &'a str,
    pub(crate) action: &'static str,
    /// SQL that gives milliseconds, or `NULL`.
    pub(crate) duration: String,
    /// Of a script outside a transaction that goes on: statements done.
    pub(crate) running: Option<usize>,
    pub(crate) reason: Option<&'a str>,
    /// Of `up.sql`; of the script itself while one outside a transaction goes on.
    pub(crate) checksum: Option<Checksum>,
}

impl<'a> Entry<'a> {
    pub(crate) fn new(migration: &'a Migration, action: &'static str) -> Self {
        Self {
            version: &migration.version,
            name: &migration.name,
            action,
            duration: "NULL".to_owned(),
            running: None,
            reason: None,
            checksum: Some(migration.checksum),
        }
    }
}

impl<'a> Session<'a> {
    pub(crate) async fn new(mut conn: Conn, catalog: &'a Catalog) -> Result<Self, Error> {
        let tables = Tables::find(&mut conn).await?;
        Ok(Self::on(Held::Own(conn), catalog, tables, Frame::default()))
    }

    /// On a file whose history is not looked for before the lock is taken.
    pub(crate) fn on_file(conn: Conn, catalog: &'a Catalog) -> Self {
        Self::on(Held::Own(conn), catalog, Tables::of_file(), Frame::default())
    }

    pub(crate) fn on(conn: Held<'a>, catalog: &'a Catalog, tables: Tables, frame: Frame) -> Self {
        let identity = Identity::of_this_process();
        Self {
            conn,
            catalog,
            tables,
            proving: None,
            frame,
            expects_empty: false,
            former: Former::default(),
            copied_at: None,
            again: None,
            dangling: None,
            lent: None,
            marked: None,
            digests: None,
            identity,
        }
    }

    /// Whether rows are counted before and after the scripts.
    pub(crate) fn counts_rows(&self) -> bool {
        self.proving.is_some_and(|proving| proving.rows)
    }

    pub(crate) async fn history(&mut self) -> Result<History, Error> {
        let (history, rows) = self.tables.read_counted(&mut self.conn, self.catalog).await?;
        self.former = Former::new(&history, rows);
        Ok(history)
    }

    /// What the transaction that is open made of it, which may come to nothing. It has made both tables.
    pub(crate) async fn history_now(&mut self) -> Result<History, DbError> {
        Ok(self.read_now().await?.0)
    }

    /// The same, with the number of rows in both tables.
    pub(crate) async fn read_now(&mut self) -> Result<(History, usize), DbError> {
        let read = self.tables.made().read_counted(&mut self.conn, self.catalog).await;
        read.map_err(|error| DbError {
            message: crate::exit::explain(&error),
            ..DbError::default()
        })
    }

    /// Looks again, now that nobody else may change it. Whether tables that were there are gone is told
    /// by reading them.
    pub(crate) async fn refresh(&mut self) -> Result<History, Error> {
        // What others write while it is read is noticed: the count comes first.
        let seen = match self.conn.dialect() {
            Dialect::Sqlite => self.changes_by_others().await.doing("read the history")?,
            Dialect::Postgres => None,
        };
        let mut history = None;
        if self.tables.diesel && self.tables.own {
            history = self.history().await.ok();
        }
        let history = if let Some(history) = history {
            history
        } else {
            self.tables = Tables::find(&mut self.conn).await?;
            self.history().await?
        };
        if seen.is_some() && !self.is_named_elsewhere().await.doing("read the schema")? {
            self.former.read_at(seen);
        }
        self.look_at_mark(&history).await.doing("read the header")?;
        Ok(history)
    }

    /// Looks, in the transaction that is open, whether nobody has made a table since the run found none.
    pub(crate) async fn still_empty(&mut self) -> Result<(), StepCause> {
        if self.expects_empty && !self.inspect().await?.is_empty() {
            return Err(StepCause::NotEmpty);
        }
        Ok(())
    }

    /// The schema as it is now, in the transaction that is open.
    pub(crate) async fn inspect(&mut self) -> Result<Schema, Error> {
        Schema::inspect(&mut self.conn, self.tables.schema()).await
    }

    /// PostgreSQL: gives the session to what the user wrote, with the user's settings. The session is
    /// as new already.
    pub(crate) async fn as_user(&mut self) -> Result<(), DbError> {
        let statements = self.frame.script.join(";\n");
        if statements.is_empty() { Ok(()) } else { self.conn.batch(&statements).await }
    }

    /// PostgreSQL: makes the session as new and fit for our own statements, after what the user wrote.
    pub(crate) async fn as_ours(&mut self) -> Result<(), DbError> {
        let statements = self.frame.renew.join(";\n");
        if statements.is_empty() { Ok(()) } else { self.conn.batch(&statements).await }
    }

    /// PostgreSQL: statements that make one transaction of their own.
    pub(crate) fn framed<'s>(
        &'s self,
        statements: impl IntoIterator<Item = &'s str>,
    ) -> Vec<&'s str> {
        self.frame.start().chain(statements).chain(self.frame.end()).collect()
    }

    /// The statements that come before a script in its transaction.
    pub(crate) fn before(&self, step: &Step<'_>) -> String {
        match step.direction {
            Direction::Up => self.tables.claim(&step.migration.version),
            Direction::Down => self.tables.release(&step.migration.version),
        }
    }

    /// The statement that comes after a script in its transaction.
    pub(crate) fn after(&self, step: &Step<'_>, duration: String) -> String {
        self.record(&Entry { duration, ..Entry::new(step.migration, step.direction.action()) })
    }

    /// The statement that records how far a script outside a transaction came.
    pub(crate) fn progress(&self, step: &Step<'_>, done: usize, note: &Note) -> String {
        self.record(&Entry {
            running: Some(done),
            reason: Some(&note.to_string()),
            checksum: Some(Checksum::of(&step.script)),
            ..Entry::new(step.migration, step.direction.action())
        })
    }

    /// How many statements of a script outside a transaction are recorded as done.
    pub(crate) async fn recorded(&mut self, step: &Step<'_>) -> Option<usize> {
        let tables = self.tables.made();
        let history = tables.read(&mut self.conn, self.catalog).await.ok()?;
        history.interrupted.filter(|one| one.version == step.migration.version).map(|one| one.done)
    }

    /// The statement that appends a row to the history.
    pub(crate) fn record(&self, entry: &Entry<'_>) -> String {
        let Entry { version, name, action, duration, running, reason, checksum } = entry;
        let number = |number: usize| number.to_string();
        // A script outside a transaction may have changed where strings end.
        let literal = |text: &str| match self.conn.dialect() {
            Dialect::Sqlite => crate::sql::literal(text),
            Dialect::Postgres => underpin_db::literal(text),
        };
        self.tables.append(&[
            ("set_name", literal(self.catalog.set())),
            ("version", literal(version.as_str())),
            ("name", literal(name)),
            ("action", literal(action)),
            (
                "checksum",
                checksum.map_or_else(|| "NULL".to_owned(), |one| literal(&one.to_string())),
            ),
            ("duration_ms", duration.clone()),
            ("actor", literal(&self.identity.actor)),
            ("host", literal(&self.identity.host)),
            ("engine", literal(env!("CARGO_PKG_VERSION"))),
            ("outcome", literal(if running.is_some() { "running" } else { "done" })),
            ("statement", running.map_or_else(|| "NULL".to_owned(), number)),
            ("reason", reason.map_or_else(|| "NULL".to_owned(), literal)),
        ])
    }
}

impl Direction {
    /// The script that leads this way, `None` when nobody wrote one.
    pub(crate) fn script(
        self,
        migration: &Migration,
    ) -> Result<Option<Cow<'_, str>>, CatalogError> {
        match self {
            Self::Up => Ok(Some(Cow::Borrowed(&migration.up))),
            Self::Down => migration.down(),
        }
    }

    /// The word in the history.
    pub(crate) fn action(self) -> &'static str {
        match self {
            Self::Up => "upgrade",
            Self::Down => "downgrade",
        }
    }
}
