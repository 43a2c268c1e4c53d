//! What a database's schema is, as data that can be compared.
//!
//! One query per dialect gives one JSON document, and both dialects fill the same types. Column
//! order does not count: programs that added a column to an old file put it last.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::Deserialize;
use underpin_catalog::Dialect;
use underpin_db::{Conn, DbError};

use crate::{Error, error::Doing, sql::json};

mod postgres;
mod sqlite;

/// A database's schema, without the tables that tools keep for themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Schema {
    /// By name.
    pub tables: BTreeMap<String, Table>,
    /// Definitions by name.
    #[serde(default)]
    pub views: BTreeMap<String, String>,
    /// Definitions by name.
    #[serde(default)]
    pub triggers: BTreeMap<String, String>,
    /// PostgreSQL's enum types: labels in order, by name.
    #[serde(default)]
    pub enums: BTreeMap<String, Vec<String>>,
}

/// A table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Table {
    /// By name.
    pub columns: BTreeMap<String, Column>,
    /// Definitions by name.
    pub indexes: BTreeMap<String, String>,
    /// Primary key, unique keys, foreign keys and checks, each as a normalised definition.
    pub constraints: BTreeSet<String>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Column {
    /// As declared, upper case on SQLite, as the server shows it on PostgreSQL.
    #[serde(rename = "type")]
    pub kind: String,
    /// `NOT NULL`.
    pub not_null: bool,
    /// SQL of the default.
    pub default: Option<String>,
    /// `AUTOINCREMENT`, `IDENTITY` or a generated column's expression.
    #[serde(default)]
    pub generated: Option<String>,
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.kind.is_empty() { "no type" } else { &self.kind })?;
        if self.not_null {
            f.write_str(" NOT NULL")?;
        }
        if let Some(default) = &self.default {
            write!(f, " DEFAULT {default}")?;
        }
        if let Some(generated) = &self.generated {
            write!(f, " {generated}")?;
        }
        Ok(())
    }
}

impl Schema {
    /// Reads the schema of the database, on PostgreSQL that of `schema`, for which the connection runs
    /// our own statements.
    pub(crate) async fn inspect(conn: &mut Conn, schema: Option<&str>) -> Result<Self, Error> {
        const DOING: &str = "read the schema";
        match conn.dialect() {
            // The query takes longer to compile than most schemas to read.
            Dialect::Sqlite
                if conn
                    .text("SELECT name FROM sqlite_schema LIMIT 1")
                    .await
                    .doing(DOING)?
                    .is_none() =>
            {
                Ok(Self::default())
            }
            Dialect::Sqlite => Ok(sqlite::interpret(json(conn, DOING, sqlite::QUERY).await?)),
            Dialect::Postgres => {
                let query = postgres::query(schema.unwrap_or_default());
                let answers = conn.answers(&query, &[0]).await.doing(DOING)?;
                let text = answers.into_iter().next().and_then(|(_, text)| text);
                serde_json::from_str(&text.unwrap_or_else(|| "null".to_owned()))
                    .map_err(|error| Error::History(error.to_string()))
            }
        }
    }

    /// SQLite: the texts that all of [`Schema::inspect`] follows from, which take less time to read.
    pub(crate) async fn texts(conn: &mut Conn) -> Result<Vec<String>, DbError> {
        conn.texts(sqlite::TEXTS).await
    }

    /// Nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What `found` has otherwise than `self`, in the order of names.
    #[must_use]
    pub fn differences(&self, found: &Self) -> Vec<Difference> {
        let mut all = Vec::new();
        for (name, kind) in
            [("view", (&self.views, &found.views)), ("trigger", (&self.triggers, &found.triggers))]
        {
            compare(kind.0, kind.1, &mut all, |object| format!("{name} `{object}`"), String::clone);
        }
        compare(
            &self.enums,
            &found.enums,
            &mut all,
            |object| format!("type `{object}`"),
            |labels| labels.join(", "),
        );
        for (name, table) in &self.tables {
            match found.tables.get(name) {
                None => all.push(Difference::missing(name, format!("table `{name}`"))),
                Some(other) => table.differences(name, other, &mut all),
            }
        }
        for name in found.tables.keys().filter(|name| !self.tables.contains_key(*name)) {
            all.push(Difference::unknown(name, format!("table `{name}`")));
        }
        all
    }
}

impl Table {
    fn differences(&self, table: &str, found: &Self, all: &mut Vec<Difference>) {
        let first = all.len();
        let column = |name: &str| format!("column `{table}.{name}`");
        compare(&self.columns, &found.columns, all, column, ToString::to_string);
        let index = |name: &str| format!("index `{name}` of `{table}`");
        compare(&self.indexes, &found.indexes, all, index, String::clone);
        for difference in &mut all[first..] {
            // Columns are told apart by their table; index names are their own.
            if difference.what.starts_with("column") {
                difference.object = format!("{table}.{}", difference.object);
            }
        }
        for rule in self.constraints.difference(&found.constraints) {
            all.push(Difference::missing(table, format!("`{table}`: {rule}")));
        }
        for rule in found.constraints.difference(&self.constraints) {
            all.push(Difference::unknown(table, format!("`{table}`: {rule}")));
        }
    }
}

/// One thing in which two schemas differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// `table`, `table.column`, or the name of an index, view, trigger or type.
    pub object: String,
    what: String,
    /// How it differs.
    pub kind: DifferenceKind,
}

/// How something differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DifferenceKind {
    /// It is expected and not there.
    Missing,
    /// It is there and not expected.
    Unknown,
    /// It is there in another form.
    Changed {
        /// As it should be.
        expected: String,
        /// As it is.
        found: String,
    },
}

impl Difference {
    fn missing(object: &str, what: String) -> Self {
        Self { object: object.to_owned(), what, kind: DifferenceKind::Missing }
    }

    fn unknown(object: &str, what: String) -> Self {
        Self { object: object.to_owned(), what, kind: DifferenceKind::Unknown }
    }

    pub(crate) fn is_index(&self) -> bool {
        self.what.starts_with("index")
    }

    /// What it is that differs, for people: "column `t.c`".
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, kind, .. } = self;
        match kind {
            DifferenceKind::Missing => write!(f, "{what} is missing"),
            DifferenceKind::Unknown => write!(f, "{what} is not known"),
            DifferenceKind::Changed { expected, found } => {
                write!(f, "{what}: expected `{expected}`, found `{found}`")
            }
        }
    }
}

fn compare<T: PartialEq>(
    expected: &BTreeMap<String, T>,
    found: &BTreeMap<String, T>,
    all: &mut Vec<Difference>,
    what: impl Fn(&str) -> String,
    show: impl Fn(&T) -> String,
) {
    for (name, wanted) in expected {
        match found.get(name) {
            None => all.push(Difference::missing(name, what(name))),
            Some(other) if other != wanted => all.push(Difference {
                object: name.clone(),
                what: what(name),
                kind: DifferenceKind::Changed { expected: show(wanted), found: show(other) },
            }),
            Some(_) => {}
        }
    }
    for name in found.keys().filter(|name| !expected.contains_key(*name)) {
        all.push(Difference::unknown(name, what(name)));
    }
}
