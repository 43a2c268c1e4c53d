//! What each version of a catalog and each known shape builds.
//!
//! SQLite: built in memory. PostgreSQL: built in a scratch schema, in a transaction that is rolled
//! back.

use std::collections::BTreeMap;

use underpin_catalog::{Catalog, Dialect, Migration, Shape, Version, statement};
use underpin_db::{Access, Conn, ConnectOptions, DatabaseUrl, DbError};

use super::{AdoptRefused, Found, add_column, scratch_path, scratch_schema};
use crate::{
    Error, Schema,
    error::Doing,
    frame::renew,
    plan::resets_path,
    session::{
        Session,
        sqlite::{Began, can_change, can_rewrite},
    },
    sql::{identifier, json, literal},
};

/// Everything that a database may turn out to be.
pub(super) struct Reference<'a> {
    pub(super) candidates: Vec<Candidate<'a>>,
}

/// One thing that a database may turn out to be.
pub(super) struct Candidate<'a> {
    /// Finishes the sentence "this is …".
    pub(super) description: String,
    /// What it is, or becomes.
    pub(super) version: Version,
    pub(super) shape: Option<&'a Shape>,
    pub(super) schema: Schema,
    /// What `version` builds.
    target: Schema,
}

impl<'a> Candidate<'a> {
    pub(super) fn found(
        &self,
        missing: Vec<crate::Difference>,
        leftovers: Vec<String>,
    ) -> Found<'a> {
        Found {
            description: self.description.clone(),
            version: self.version.clone(),
            shape: self.shape,
            missing,
            leftovers,
            expected: self.target.clone(),
            notes: Vec::new(),
        }
    }
}

const DOING: &str = "build a version for comparison";

impl<'a> Reference<'a> {
    pub(super) async fn build(session: &mut Session<'a>) -> Result<Self, Error> {
        let catalog = session.catalog;
        let versions = versions(session).await?;
        let mut candidates: Vec<_> = versions
            .iter()
            .map(|(migration, schema)| Candidate {
                description: format!("version {} {}", migration.version, migration.name),
                version: migration.version.clone(),
                shape: None,
                schema: schema.clone(),
                target: schema.clone(),
            })
            .collect();
        for shape in catalog.shapes() {
            let target = versions.iter().find(|(one, _)| one.version == shape.version);
            let Some((_, target)) = target else { continue };
            let schema = match (&shape.schema, catalog.dialect()) {
                (None, _) => target.clone(),
                (Some(script), Dialect::Sqlite) => {
                    let mut conn = memory().await?;
                    run(&mut conn, script, None).await?;
                    Schema::inspect(&mut conn, None).await?
                }
                (Some(script), Dialect::Postgres) => {
                    let built = in_scratch(session, Some(script)).await?;
                    built.into_iter().next().map(|(_, schema)| schema).unwrap_or_default()
                }
            };
            candidates.push(Candidate {
                description: shape.description.clone().into_owned(),
                version: shape.version.clone(),
                shape: Some(shape),
                schema,
                target: target.clone(),
            });
        }
        Ok(Self { candidates })
    }

    /// What `version` builds.
    pub(super) fn schema_of(&self, version: &Version) -> Schema {
        let candidate = self.candidates.iter().find(|one| one.version == *version);
        candidate.map(|one| one.target.clone()).unwrap_or_default()
    }
}

async fn memory() -> Result<Conn, Error> {
    let options = ConnectOptions { access: Access::Create, ..ConnectOptions::default() };
    let mut conn = DatabaseUrl::memory().connect(&options).await?;
    // A rebuild drops tables that others point to; there are no rows to lose here.
    conn.batch("PRAGMA foreign_keys = OFF").await.doing(DOING)?;
    Ok(conn)
}

/// What each migration of the session's catalog leads to.
pub(crate) async fn versions<'a>(
    session: &mut Session<'a>,
) -> Result<Vec<(&'a Migration, Schema)>, Error> {
    match session.catalog.dialect() {
        Dialect::Sqlite => {
            let inspect = async |conn: &mut Conn, _: &Migration| Schema::inspect(conn, None).await;
            in_memory(session.catalog, inspect).await
        }
        Dialect::Postgres => in_scratch(session, None).await,
    }
}

/// SQLite: each migration, and what `look` sees after it.
pub(crate) async fn in_memory<'a, T>(
    catalog: &'a Catalog,
    look: impl AsyncFn(&mut Conn, &Migration) -> Result<T, Error>,
) -> Result<Vec<(&'a Migration, T)>, Error> {
    let mut conn = memory().await?;
    let mut versions = Vec::new();
    for migration in catalog.migrations() {
        let began = if can_change(&migration.up) {
            Some(Began::of(&mut conn).await.doing(DOING)?)
        } else {
            None
        };
        let done = run(&mut conn, &migration.up, None).await;
        done.map_err(|error| unprovable(&migration.version, &error))?;
        if let Some(began) = began {
            began.restore(&mut conn, can_rewrite(&migration.up)).await.doing(DOING)?;
        }
        versions.push((migration, look(&mut conn, migration).await?));
    }
    Ok(versions)
}

fn unprovable(version: &Version, error: &Error) -> Error {
    let reason = crate::exit::explain(error);
    Error::Adopt(Box::new(AdoptRefused::Unprovable { version: version.clone(), reason }))
}

/// The scratch schema keeps a script away from the live tables only as long as it names no schema.
fn check_names(catalog: &Catalog, live: &str) -> Result<(), Error> {
    let names = [format!("{}.", live.to_lowercase()), format!("{}.", identifier(live))];
    let told = |migration: &&Migration| {
        let script = migration.up.to_lowercase();
        names.iter().any(|name| script.contains(name.as_str()))
    };
    match catalog.migrations().iter().find(told) {
        None => Ok(()),
        Some(migration) => Err(Error::Adopt(Box::new(AdoptRefused::Unprovable {
            version: migration.version.clone(),
            reason: format!("its script names the schema `{live}`, and would change it"),
        }))),
    }
}

/// Builds every version, or what `script` builds in place of the first, and takes it back.
async fn in_scratch<'a>(
    session: &mut Session<'a>,
    script: Option<&str>,
) -> Result<Vec<(&'a Migration, Schema)>, Error> {
    if let (None, Some(live)) = (script, session.tables.schema()) {
        check_names(session.catalog, live)?;
    }
    let schema = scratch_schema();
    let catalog = session.catalog;
    let built = async {
        let Some(first) = catalog.migrations().first() else { return Ok(Vec::new()) };
        let scratch = Scratch::begin(&mut session.conn, &schema).await.map_err(|error| {
            let reason = format!("a schema to build it in cannot be created: {error}");
            let version = first.version.clone();
            Error::Adopt(Box::new(AdoptRefused::Unprovable { version, reason }))
        })?;
        if let Some(script) = script {
            return Ok(vec![(first, scratch.build(&mut session.conn, script).await?)]);
        }
        let mut versions = Vec::new();
        for migration in catalog.migrations() {
            let built = scratch.build(&mut session.conn, &migration.up).await;
            let built = built.map_err(|error| unprovable(&migration.version, &error))?;
            versions.push((migration, built));
        }
        Ok(versions)
    };
    let built = built.await;
    session.roll_back().await;
    built
}

/// A schema of the transaction that is open, in which scripts are tried.
struct Scratch<'s> {
    schema: &'s str,
    /// Statements that make the session one of the user's, where names are made in the schema.
    before: String,
    /// A statement that leads a script to the schema again that went back to where its connection began.
    back: String,
    /// Statements that make it ours again.
    after: String,
}

impl<'s> Scratch<'s> {
    async fn begin(conn: &mut Conn, schema: &'s str) -> Result<Self, DbError> {
        let local = conn.is_pooled();
        let begin = format!(
            "BEGIN;\nCREATE SCHEMA {};\nSELECT {}",
            identifier(schema),
            scratch_path(schema)
        );
        let answers = conn.answers(&begin, &[2]).await?;
        let path = answers.into_iter().find_map(|(_, path)| path).unwrap_or_default();
        let mut before = conn.as_new();
        before.push(format!("SET LOCAL search_path TO {path}"));
        let back = format!(
            "SELECT pg_catalog.set_config('search_path', {}, true) FROM pg_catalog.pg_settings AS s WHERE \
             s.name OPERATOR(pg_catalog.=) 'search_path' AND s.setting OPERATOR(pg_catalog.=) s.reset_val",
            literal(&path)
        );
        let (before, after) = (before.join(";\n"), renew(conn, local).join(";\n"));
        Ok(Self { schema, before, back, after })
    }

    /// The schema when `script` has run as well.
    async fn build(&self, conn: &mut Conn, script: &str) -> Result<Schema, Error> {
        conn.batch(&self.before).await.doing(DOING)?;
        run(conn, script, Some(&self.back)).await?;
        conn.batch(&self.after).await.doing(DOING)?;
        Schema::inspect(conn, Some(self.schema)).await
    }
}

/// Runs a script inside the transaction that is open. What cannot run there is either of no
/// consequence for the schema, or an index that can be built without `CONCURRENTLY` as well.
///
/// PostgreSQL: `back` follows each statement that may have gone to another schema than the one it is built in.
async fn run(conn: &mut Conn, script: &str, back: Option<&str>) -> Result<(), Error> {
    let dialect = conn.dialect();
    let statements =
        statement::split(script, dialect).map_err(|error| Error::Script(error.to_string()))?;
    for one in statements {
        match one.kind {
            statement::Kind::TransactionControl
            | statement::Kind::ForeignKeysPragma
            | statement::Kind::BeforeQueries
            | statement::Kind::ReadOnly
            | statement::Kind::OtherEncoding => {}
            statement::Kind::NotInTransaction => {
                if let Some(plain) = statement::at_once(one.text) {
                    conn.batch(&plain).await.trying(DOING)?;
                }
            }
            _ => conn.batch(one.text).await.trying(DOING)?,
        }
        if let Some(back) = back.filter(|_| resets_path(one.text)) {
            conn.batch(back).await.doing(DOING)?;
        }
    }
    Ok(())
}

/// How a version defines its objects, for adding one that is missing.
#[derive(Default)]
pub(super) struct Definitions {
    /// `CREATE` statements by name, in SQLite's own words, with the table each belongs to.
    statements: BTreeMap<String, (String, String)>,
    schema: Schema,
}

impl Definitions {
    /// The statements that add `object`: a table with its indexes, a column or an index.
    pub(super) fn of(&self, object: &str) -> Vec<String> {
        if let Some((table, column)) = object.split_once('.') {
            return add_column(table, column, &self.schema).into_iter().collect();
        }
        let own = self.statements.get(object).into_iter();
        let indexes =
            self.statements.iter().filter(|(name, (table, _))| table == object && *name != object);
        own.chain(indexes.map(|(_, definition)| definition)).map(|(_, sql)| sql.clone()).collect()
    }
}

/// How `version` defines its objects. Only SQLite files have known shapes with something missing.
pub(super) async fn definitions(
    catalog: &Catalog,
    version: &Version,
) -> Result<Definitions, Error> {
    let mut conn = memory().await?;
    for migration in catalog.migrations().iter().take_while(|one| one.version <= *version) {
        run(&mut conn, &migration.up, None).await?;
    }
    let query = "SELECT json_group_object(name, json_array(tbl_name, sql)) FROM sqlite_schema \
                 WHERE sql IS NOT NULL";
    Ok(Definitions {
        statements: json(&mut conn, DOING, query).await?,
        schema: Schema::inspect(&mut conn, None).await?,
    })
}
