//! What a database says has been applied.
//!
//! Two tables say it. `__diesel_schema_migrations` is Diesel's own and the truth about what is
//! applied, so that Diesel's tools and this engine agree whichever of them ran last.
//! `underpin_history` is ours and append-only: what ran, when, how long, by whom, with which
//! script. The newest row of a version there tells its checksum, or that it was interrupted.

mod kept;
mod note;
mod rows;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use underpin_catalog::{Catalog, Checksum, Dialect, Version, statement};
use underpin_db::{Conn, DbError};

use crate::{
    Direction, Error, Plan, Refusal,
    error::Doing,
    sql::{identifier, json, literal},
};

pub(crate) use kept::{Former, changed, is_taken};
pub use note::{Begun, Note};

/// Diesel's table.
pub(crate) const DIESEL_TABLE: &str = "__diesel_schema_migrations";
/// Our table.
pub(crate) const HISTORY_TABLE: &str = "underpin_history";

/// The columns of Diesel's table.
const DIESEL_COLUMNS: &[&str] = &["version", "run_on"];
/// The columns of ours.
const HISTORY_COLUMNS: &[&str] = &[
    "id",
    "set_name",
    "version",
    "name",
    "action",
    "checksum",
    "started_at",
    "duration_ms",
    "actor",
    "host",
    "engine",
    "outcome",
    "statement",
    "reason",
];

/// What a database says has been applied of one set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// What is applied, with the checksum of the script that ran. `None` where Diesel's own tools
    /// applied it: they record none.
    pub applied: BTreeMap<Version, Option<Checksum>>,
    /// A script outside a transaction that began and did not finish.
    pub interrupted: Option<Interrupted>,
    /// Versions of the catalog that belong to another set in this database, and to which.
    pub taken: BTreeMap<Version, String>,
    /// The database has a history of another set.
    pub others: bool,
}

impl History {
    /// The newest version that is applied.
    #[must_use]
    pub fn head(&self) -> Option<&Version> {
        self.applied.last_key_value().map(|(version, _)| version)
    }

    /// What the lines of [`Tables::lines`] say of `catalog`'s set.
    pub(crate) fn parse(lines: Vec<String>, catalog: &Catalog) -> Result<Self, Error> {
        let rows = rows::Rows::parse(lines).ok_or_else(|| {
            Error::History(format!("`{HISTORY_TABLE}` holds a row of another kind"))
        })?;
        rows::interpret(rows, catalog)
    }

    /// What it will be when `plan` is done.
    pub(crate) fn after(&self, plan: &Plan<'_>) -> Self {
        let mut after = self.clone();
        for step in &plan.steps {
            match step.direction {
                Direction::Up => after.applied.insert(step.migration.version.clone(), None),
                Direction::Down => after.applied.remove(&step.migration.version),
            };
        }
        after
    }

    /// Whether something of the set is applied, or was begun.
    fn has_some(&self) -> bool {
        !self.applied.is_empty() || self.interrupted.is_some()
    }

    /// Whether no migration of any set was applied: the database may be empty, or one that
    /// somebody else made.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.applied.is_empty() && self.interrupted.is_none() && !self.others
    }
}

/// A script outside a transaction that began and did not finish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interrupted {
    /// The migration.
    pub version: Version,
    /// Which script of it.
    pub direction: Direction,
    /// Statements that are recorded as done; the one after them may be half done.
    pub done: usize,
    /// Of the script that began.
    pub checksum: Option<Checksum>,
    /// What it has done; older programs wrote none.
    pub note: Option<Note>,
    /// Who runs it now, where that was looked for: then it is not interrupted at all.
    pub runner: Option<String>,
}

impl Interrupted {
    pub(crate) fn refusal(&self) -> Refusal {
        let Self { version, direction, done, runner, note, .. } = self.clone();
        match (runner, note.and_then(|note| note.fault)) {
            (Some(holder), _) => Refusal::Running { version, direction, done, holder },
            (None, Some(fault)) => Refusal::Damaged { version, fault },
            (None, None) => Refusal::Interrupted { version, direction, done },
        }
    }

    /// Whether no later run can go on with it.
    pub(crate) fn is_damaged(&self) -> bool {
        self.note.as_ref().is_some_and(|note| note.fault.is_some())
    }

    /// The rest of a script means nothing when the script is another one now. An edit after what is done
    /// can be accepted; one before it cannot.
    pub(crate) fn edited(&self, catalog: &Catalog) -> Option<Refusal> {
        let migration = catalog.get(&self.version)?;
        // A script that cannot be read is refused when it is to run.
        let script = self.direction.script(migration).ok()??;
        let now = Checksum::of(&script);
        let began = self.checksum?;
        if now == began {
            return None;
        }
        let version = self.version.clone();
        if self.is_rewritten(&script, catalog.dialect()) {
            return Some(Refusal::Rewritten { version, done: self.done });
        }
        Some(Refusal::Diverged { version, applied: began, catalog: now })
    }

    /// Whether what is recorded as done is not known to be what `script` begins with.
    pub(crate) fn is_rewritten(&self, script: &str, dialect: Dialect) -> bool {
        let statements = statement::split(script, dialect).unwrap_or_default();
        !self.is_kept_in(&statements)
    }
}

/// All that a database tells about its history.
#[derive(Debug, Clone)]
pub struct Log {
    /// What is applied of the set.
    pub history: History,
    /// Our rows of every set, oldest first.
    pub records: Vec<Record>,
    /// When Diesel's table says that each version was applied: UTC, by the database's clock, as
    /// [`Record::started_at`].
    pub run_on: BTreeMap<String, String>,
}

/// One row of `underpin_history`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The family of migrations.
    pub set: String,
    /// Which migration.
    pub version: String,
    /// Its name when it ran.
    pub name: String,
    /// `upgrade`, `downgrade`, `stamp`, `adopt` or `repair`.
    pub action: String,
    /// SHA-256 of the normalised `up.sql`; of the script itself while one outside a transaction is
    /// under way.
    pub checksum: Option<String>,
    /// UTC, by the database's clock: `2026-11-21T09:30:00Z`.
    #[serde(alias = "moment")]
    pub started_at: String,
    /// Milliseconds; `None` where nothing measured it.
    pub duration_ms: Option<i64>,
    /// The user of the operating system.
    pub actor: String,
    /// The machine that ran it.
    pub host: String,
    /// The engine's version.
    pub engine: String,
    /// `done`, or `running` while a script outside a transaction is under way.
    pub outcome: String,
    /// Of a script outside a transaction: statements done so far.
    pub statement: Option<i64>,
    /// Why somebody accepted an edited script.
    pub reason: Option<String>,
}

/// Which of the two tables a database has, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tables {
    dialect: Dialect,
    /// PostgreSQL: the schema that is migrated. Our statements name it, because nothing is looked up
    /// for them.
    schema: Option<String>,
    pub(crate) diesel: bool,
    pub(crate) own: bool,
    /// PostgreSQL: those in other schemas of the search path.
    elsewhere: Vec<Self>,
}

/// The answer to [`Tables::query`].
#[derive(Deserialize)]
pub(crate) struct Found {
    /// PostgreSQL: who asks.
    #[serde(default)]
    role: String,
    /// Each with whether the role may use it.
    #[serde(default)]
    schemas: Vec<(String, bool)>,
    /// Whatever has the name of one of the two tables.
    objects: Vec<Object>,
}

/// Schema, name and kind, and the columns of a table; SQLite has no schemas.
#[derive(Deserialize)]
struct Object(Option<String>, String, String, Vec<String>);

impl Object {
    /// Whether it is a table, in which alone a history can be written.
    fn is_table(&self) -> bool {
        matches!(self.2.as_str(), "r" | "table")
    }

    /// What it is, by PostgreSQL's letter or SQLite's word.
    fn kind(&self) -> &'static str {
        match self.2.as_str() {
            "v" | "view" => "a view",
            "m" => "a materialized view",
            "p" => "a partitioned table",
            "f" => "a foreign table",
            "S" => "a sequence",
            "i" | "I" | "index" => "an index",
            "c" => "a composite type",
            _ => "of another kind",
        }
    }

    /// The columns of a history that it does not have.
    fn missing(&self) -> Vec<&str> {
        let Self(_, name, _, columns) = self;
        let expected = if name == DIESEL_TABLE { DIESEL_COLUMNS } else { HISTORY_COLUMNS };
        let has = |column: &str| columns.iter().any(|one| one == column);
        expected.iter().copied().filter(|column| !has(column)).collect()
    }

    /// Whether it is a table, and has what a history has.
    fn is_history(&self) -> bool {
        self.is_table() && self.missing().is_empty()
    }

    fn refusal(&self) -> Error {
        let Self(schema, name, _, columns) = self;
        let place = schema.as_ref().map(|schema| format!("{schema}.")).unwrap_or_default();
        if self.is_table() {
            let listed = |columns: &[&str]| match columns {
                [] => "none".to_owned(),
                columns => format!("`{}`", columns.join("`, `")),
            };
            let columns: Vec<_> = columns.iter().map(String::as_str).collect();
            return Error::History(format!(
                "`{place}{name}` lacks columns of the engine's table of that name: {}; what it has: {}; when it \
                 belongs to something else, rename it, and when it is the history, put its columns back",
                listed(&self.missing()),
                listed(&columns)
            ));
        }
        Error::History(format!(
            "`{place}{name}` is {}, where the engine keeps a plain table: rename it or drop it and, when \
             something is applied, put the table back that had its rows",
            self.kind()
        ))
    }
}

const LOOK: &str = "look for the history";

/// PostgreSQL's code for what a role may not do, also because a policy would hide rows from it.
const NO_RIGHT: &str = "42501";

/// Why the history could not be read.
pub(crate) fn unreadable(source: DbError) -> Error {
    match source.sqlstate.as_deref() {
        Some(NO_RIGHT) => Error::Hidden { reason: source.message },
        _ => Error::Database { doing: "read the history", source },
    }
}

/// Whether the role may not do that.
pub(crate) fn is_without_rights(error: &DbError) -> bool {
    error.sqlstate.as_deref() == Some(NO_RIGHT)
}

/// PostgreSQL: whether nobody but the server makes something in the schema.
fn is_servers_own(schema: &str) -> bool {
    schema.starts_with("pg_") || schema == "information_schema"
}

impl Found {
    pub(crate) fn parse(text: Option<&str>) -> Result<Self, Error> {
        let text = text.unwrap_or("null");
        serde_json::from_str(text).map_err(|error| Error::History(error.to_string()))
    }

    /// Those of `schema`, or of the SQLite file.
    pub(crate) fn tables(&self, schema: Option<&str>) -> Result<Tables, Error> {
        if schema.is_some_and(|schema| !self.schemas.iter().any(|(one, _)| one == schema)) {
            return Err(Error::NoSchema);
        }
        // To pass it over would be to say that nothing is applied.
        let mut here = self.objects.iter().filter(|one| one.0.as_deref() == schema);
        if let Some(other) = here.find(|one| !one.is_history()) {
            return Err(other.refusal());
        }
        let tables = self.plain_tables(schema);
        match schema.filter(|schema| self.bars(schema) && tables.exist()) {
            Some(schema) => {
                Err(Error::Hidden { reason: self.unusable(schema, "where the history is") })
            }
            None => Ok(tables),
        }
    }

    /// PostgreSQL: whether the role may not use a schema that is there.
    fn bars(&self, schema: &str) -> bool {
        self.schemas.iter().any(|(one, may)| one == schema && !*may)
    }

    fn unusable(&self, schema: &str, more: &str) -> String {
        format!(
            "it may not use schema `{schema}`, {more}: run `GRANT USAGE ON SCHEMA {} TO {}`",
            as_written(schema),
            as_written(&self.role)
        )
    }

    /// Those of `schema`; what has their names and not what they have is nobody's history.
    fn plain_tables(&self, schema: Option<&str>) -> Tables {
        let dialect = if schema.is_some() { Dialect::Postgres } else { Dialect::Sqlite };
        let is = |one: &Object, table| one.0.as_deref() == schema && one.1 == table;
        let has = |table| self.objects.iter().any(|one| is(one, table) && one.is_history());
        let (diesel, own) = (has(DIESEL_TABLE), has(HISTORY_TABLE));
        let schema = schema.map(str::to_owned);
        Tables { dialect, schema, diesel, own, elsewhere: Vec::new() }
    }

    /// PostgreSQL: refuses when the role may not use a schema that comes before `current` in `path`. The
    /// server passes it over, and the set that is in it, or is meant for it, would be built elsewhere. One without
    /// a history is in nobody's way where `current` has one.
    fn refuse_unusable(&self, path: &[String], current: Option<&str>) -> Result<(), Error> {
        let mut before = path.iter().take_while(|schema| Some(schema.as_str()) != current);
        let has_history = |schema: &str| self.plain_tables(Some(schema)).exist();
        let settled = current.is_some_and(has_history);
        let is_meant = |schema: &&String| self.bars(schema) && (!settled || has_history(schema));
        let Some(schema) = before.find(is_meant) else { return Ok(()) };
        let passed_over = match current {
            Some(current) => format!("`{current}` would be migrated in its place"),
            None => "no other is there to migrate".to_owned(),
        };
        let reason =
            self.unusable(schema, &format!("which is in the search path, and {passed_over}"));
        Err(Error::Hidden { reason: format!("{reason}, or take the schema out of the path") })
    }
}

/// PostgreSQL: a name as people write it, in quotes only where it needs them.
fn as_written(name: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let is_plain = name.chars().all(plain) && !name.starts_with(|c: char| c.is_ascii_digit());
    if is_plain { name.to_owned() } else { identifier(name) }
}

impl Tables {
    /// Looks which tables there are. From then on the connection runs our own statements.
    pub(crate) async fn find(conn: &mut Conn) -> Result<Self, Error> {
        conn.own().await.doing(LOOK)?;
        let path: Vec<_> = conn.path().iter().map(String::as_str).collect();
        let query = Self::query(conn.dialect(), &path);
        let schema = conn.schema().map(str::to_owned);
        let found = Found::parse(conn.text(&query).await.doing(LOOK)?.as_deref())?;
        found.refuse_unusable(conn.path(), schema.as_deref())?;
        if conn.dialect() == Dialect::Postgres && schema.is_none() {
            return Err(Error::NoSchema);
        }
        if let Some(schema) = schema.as_deref().filter(|one| is_servers_own(one)) {
            return Err(Error::ServersOwn { schema: schema.to_owned() });
        }
        let mut tables = found.tables(schema.as_deref())?;
        // What the role may not use behind its own schema is never looked up, and another program's.
        let others =
            conn.path().iter().filter(|one| Some(*one) != schema.as_ref() && !found.bars(one));
        let others = others.map(|schema| found.plain_tables(Some(schema)));
        tables.elsewhere = others.filter(Self::exist).collect();
        Ok(tables)
    }

    /// PostgreSQL: those of `schema`, whatever the search path says.
    pub(crate) async fn find_in(conn: &mut Conn, schema: &str) -> Result<Self, Error> {
        conn.own().await.doing(LOOK)?;
        let query = Self::query(Dialect::Postgres, &[schema]);
        Found::parse(conn.text(&query).await.doing(LOOK)?.as_deref())?.tables(Some(schema))
    }

    /// The query that looks what has the names of the tables, on PostgreSQL in `schemas`, for
    /// [`Found::parse`].
    pub(crate) fn query(dialect: Dialect, schemas: &[&str]) -> String {
        match dialect {
            Dialect::Sqlite => format!(
                "SELECT json_object('objects', json((SELECT json_group_array(json_array(NULL, s.name, s.type, \
                 json(CASE s.type WHEN 'table' THEN (SELECT json_group_array(lower(c.name)) FROM \
                 pragma_table_info(s.name, 'main') AS c) ELSE '[]' END))) FROM main.sqlite_schema AS s WHERE \
                 s.type IN ('table', 'view', 'index') AND s.name IN ('{DIESEL_TABLE}', '{HISTORY_TABLE}'))))"
            ),
            Dialect::Postgres => {
                let names: Vec<_> = schemas.iter().map(|schema| literal(schema)).collect();
                let schemas = format!(
                    "(SELECT oid, nspname FROM pg_namespace WHERE nspname = ANY (ARRAY[{}]::name[])) AS n",
                    names.join(", ")
                );
                format!(
                    "SELECT json_build_object('role', current_user, 'schemas', (SELECT \
                     coalesce(json_agg(json_build_array(n.nspname, has_schema_privilege(n.oid, 'USAGE'))), '[]') \
                     FROM {schemas}), 'objects', (SELECT coalesce(json_agg(json_build_array(n.nspname, \
                     c.relname, c.relkind::text, (SELECT coalesce(json_agg(a.attname ORDER BY a.attnum), '[]') \
                     FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT \
                     a.attisdropped))), '[]') FROM {schemas} JOIN pg_class AS c ON \
                     c.relnamespace = n.oid WHERE c.relname = ANY \
                     ('{{{DIESEL_TABLE},{HISTORY_TABLE}}}'::name[])))"
                )
            }
        }
    }

    /// PostgreSQL: those of `schema`, of which the caller knows which there are.
    pub(crate) fn of_schema(schema: &str, diesel: bool, own: bool) -> Self {
        let schema = Some(schema.to_owned());
        Self { dialect: Dialect::Postgres, schema, diesel, own, elsewhere: Vec::new() }
    }

    /// SQLite: both of a file, until reading them tells otherwise.
    pub(crate) fn of_file() -> Self {
        let elsewhere = Vec::new();
        Self { dialect: Dialect::Sqlite, schema: None, diesel: true, own: true, elsewhere }
    }

    /// Whether one of them is there.
    fn exist(&self) -> bool {
        self.diesel || self.own
    }

    /// The same place, where both tables are.
    pub(crate) fn made(&self) -> Self {
        Self { diesel: true, own: true, ..self.clone() }
    }

    /// PostgreSQL: the schema that is migrated.
    pub(crate) fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    /// `name` in the schema that is migrated, as SQL. SQLite would take a temporary table first.
    pub(crate) fn qualified(&self, name: &str) -> String {
        match &self.schema {
            Some(schema) => format!("{}.{name}", identifier(schema)),
            None => format!("main.{name}"),
        }
    }

    /// Reads what is applied of `catalog`'s set; the second read. A history of the set that is in
    /// another schema of the path is not passed over: the set would be built a second time.
    pub(crate) async fn read(&self, conn: &mut Conn, catalog: &Catalog) -> Result<History, Error> {
        Ok(self.read_counted(conn, catalog).await?.0)
    }

    /// The same, with the number of rows in both tables.
    pub(crate) async fn read_counted(
        &self,
        conn: &mut Conn,
        catalog: &Catalog,
    ) -> Result<(History, usize), Error> {
        let lines = self.read_lines(conn).await?;
        let rows = lines.len();
        let history = History::parse(lines, catalog)?;
        self.refuse_elsewhere(conn, catalog, &history).await?;
        Ok((history, rows))
    }

    /// Refuses when `history`, which was read here, has nothing of the set and another schema has.
    pub(crate) async fn refuse_elsewhere(
        &self,
        conn: &mut Conn,
        catalog: &Catalog,
        history: &History,
    ) -> Result<(), Error> {
        if history.has_some() {
            return Ok(());
        }
        for other in &self.elsewhere {
            if History::parse(other.read_lines(conn).await?, catalog)?.has_some() {
                return Err(Error::Elsewhere {
                    set: catalog.set().to_owned(),
                    schema: self.schema.clone().unwrap_or_default(),
                    other: other.schema.clone().unwrap_or_default(),
                });
            }
        }
        Ok(())
    }

    /// The rows of both tables, for [`History::parse`].
    pub(crate) async fn read_lines(&self, conn: &mut Conn) -> Result<Vec<String>, Error> {
        match self.lines() {
            Some(query) => conn.texts(&query).await.map_err(unreadable),
            None => Ok(Vec::new()),
        }
    }

    /// The query that gives both tables, for [`History::parse`]. `None` when there is none of them.
    ///
    /// It names every column, so that a table of somebody else is noticed where nobody looked for it. They come as
    /// plain lines, because a run with nothing to do is mostly this, and JSON takes the
    /// database several times as long.
    pub(crate) fn lines(&self) -> Option<String> {
        let all = |table: &str, columns: &[&str]| {
            format!("(SELECT {} FROM {}) AS h", columns.join(", "), self.qualified(table))
        };
        let applied = self.diesel.then(|| {
            format!("SELECT CAST(version AS TEXT) FROM {}", all(DIESEL_TABLE, DIESEL_COLUMNS))
        });
        let ours = self.own.then(|| {
            // Only a row of ours begins like this, and only one that is under way counts.
            let note = format!(
                "CASE WHEN outcome = 'running' AND reason LIKE '{{%' THEN replace(reason, '{}', '') ELSE '' END",
                rows::SEPARATOR
            );
            let fields = [
                "id",
                "version",
                "action",
                "coalesce(checksum, '')",
                "outcome",
                "coalesce(CAST(statement AS TEXT), '')",
                &note,
                "set_name",
            ];
            let line = fields.join(&format!(" || '{}' || ", rows::SEPARATOR));
            format!("SELECT {line} FROM {}", all(HISTORY_TABLE, HISTORY_COLUMNS))
        });
        let parts: Vec<_> = applied.into_iter().chain(ours).collect();
        (!parts.is_empty()).then(|| parts.join(" UNION ALL "))
    }

    /// Every row of our table, oldest first.
    pub(crate) async fn records(&self, conn: &mut Conn) -> Result<Vec<Record>, Error> {
        if !self.own {
            return Ok(Vec::new());
        }
        let row = self.object(&[
            "version",
            "name",
            "action",
            "checksum",
            "moment",
            "duration_ms",
            "actor",
            "host",
            "engine",
            "outcome",
            "statement",
            "reason",
        ]);
        let table = format!(
            "(SELECT h.*, {} AS moment FROM {} AS h ORDER BY id) AS h",
            self.moment("started_at"),
            self.qualified(HISTORY_TABLE)
        );
        let query = format!("SELECT {}", self.array(&row, &table, ""));
        let mut records: Vec<Record> = json(conn, "read the history", &query).await?;
        // What a script under way notes for its resumption is nobody's reason.
        let is_note = |record: &Record| record.reason.as_deref().is_some_and(Note::is);
        records.iter_mut().filter(|record| is_note(record)).for_each(|record| record.reason = None);
        Ok(records)
    }

    /// When Diesel's table says each version was applied: UTC, by the database's clock.
    pub(crate) async fn run_on(&self, conn: &mut Conn) -> Result<BTreeMap<String, String>, Error> {
        if !self.diesel {
            return Ok(BTreeMap::new());
        }
        let aggregate = match self.dialect {
            Dialect::Sqlite => "json_group_object",
            Dialect::Postgres => "json_object_agg",
        };
        let table = self.qualified(DIESEL_TABLE);
        let moment = self.moment("run_on");
        let query = format!("SELECT {aggregate}(version, {moment}) FROM {table}");
        let rows: Option<_> = json(conn, "read the history", &query).await?;
        Ok(rows.unwrap_or_default())
    }

    /// A time of the database as `2026-11-21T09:30:00Z`, whichever the dialect.
    fn moment(&self, column: &str) -> String {
        match self.dialect {
            Dialect::Sqlite => format!("strftime('%Y-%m-%dT%H:%M:%SZ', {column})"),
            Dialect::Postgres => {
                format!("to_char({column}, 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')")
            }
        }
    }

    fn object(&self, columns: &[&str]) -> String {
        let pairs: Vec<_> = columns.iter().map(|name| format!("'{name}', {name}")).collect();
        let function = match self.dialect {
            Dialect::Sqlite => "json_object",
            Dialect::Postgres => "json_build_object",
        };
        format!("{function}('set', set_name, {})", pairs.join(", "))
    }

    fn array(&self, value: &str, table: &str, rest: &str) -> String {
        match self.dialect {
            Dialect::Sqlite => {
                format!("json((SELECT json_group_array({value}) FROM {table}{rest}))")
            }
            Dialect::Postgres => {
                format!("(SELECT coalesce(json_agg({value}), '[]') FROM {table}{rest})")
            }
        }
    }

    /// Creates what is missing; one or two statements, valid inside a transaction.
    pub(crate) fn create(&self) -> Vec<String> {
        // SQLite's clock is UTC; PostgreSQL's is in the time zone of the session.
        let (id, now) = match self.dialect {
            Dialect::Sqlite => ("INTEGER PRIMARY KEY", "CURRENT_TIMESTAMP"),
            Dialect::Postgres => (
                "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
                "(CURRENT_TIMESTAMP AT TIME ZONE 'UTC')",
            ),
        };
        let diesel = (!self.diesel).then(|| {
            format!(
                "CREATE TABLE {} (version VARCHAR(50) PRIMARY KEY NOT NULL, \
                 run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)",
                self.qualified(DIESEL_TABLE)
            )
        });
        let own = (!self.own).then(|| {
            format!(
                "CREATE TABLE {} (id {id}, set_name TEXT NOT NULL, version TEXT NOT NULL, \
                 name TEXT NOT NULL, action TEXT NOT NULL, checksum TEXT, \
                 started_at TIMESTAMP NOT NULL DEFAULT {now}, duration_ms BIGINT, \
                 actor TEXT NOT NULL, host TEXT NOT NULL, engine TEXT NOT NULL, \
                 outcome TEXT NOT NULL, statement BIGINT, reason TEXT)",
                self.qualified(HISTORY_TABLE)
            )
        });
        diesel.into_iter().chain(own).collect()
    }

    /// Records in Diesel's table that `version` is applied. Its primary key makes this fail when
    /// another runner was faster, so it comes first in a transaction.
    pub(crate) fn claim(&self, version: &Version) -> String {
        let table = self.qualified(DIESEL_TABLE);
        format!("INSERT INTO {table} (version) VALUES ({})", literal(version.as_str()))
    }

    /// Records in Diesel's table that `version` is not applied any more.
    pub(crate) fn release(&self, version: &Version) -> String {
        let table = self.qualified(DIESEL_TABLE);
        format!("DELETE FROM {table} WHERE version = {}", literal(version.as_str()))
    }

    /// Appends a row to our table. `values` are SQL, in the order of `columns`.
    pub(crate) fn append(&self, columns: &[(&str, String)]) -> String {
        let names: Vec<_> = columns.iter().map(|(name, _)| *name).collect();
        let values: Vec<_> = columns.iter().map(|(_, value)| value.as_str()).collect();
        let table = self.qualified(HISTORY_TABLE);
        format!("INSERT INTO {table} ({}) VALUES ({})", names.join(", "), values.join(", "))
    }
}
