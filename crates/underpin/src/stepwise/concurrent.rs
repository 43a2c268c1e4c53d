//! What PostgreSQL does in several transactions of its own: indexes that it builds, drops or builds anew
//! without locking their table, and partitions that it detaches.
//!
//! Such a statement may stay half done. What it left is found as the statement itself finds it, by its
//! table, and is touched only when the history says that this very migration had begun it.

use serde::Deserialize;
use underpin_catalog::{
    ObjectName,
    statement::{Concurrently, CreateIndex, created_index},
};
use underpin_db::DbError;

use crate::{
    Step, StepCause,
    history::{Begun, Note},
    session::Session,
    sql::literal,
};

/// What is to be done for a statement.
pub(super) enum Todo {
    Run,
    /// The interrupted run did it, and died before it could say so.
    Nothing,
    /// The interrupted run did half of it, and this does the rest.
    Instead(String),
}

/// Operators are named with their schema, for the path is the script's.
const EQ: &str = "OPERATOR(pg_catalog.=)";

/// What to do for a statement that has begun before, or has not.
pub(super) async fn look(
    session: &mut Session<'_>,
    what: &Concurrently,
    begun: Option<&Begun>,
) -> Result<(Todo, Begun), StepCause> {
    let again = begun.cloned().unwrap_or_default();
    let todo = match what {
        Concurrently::Create(index) => create(session, index, begun.is_some()).await?,
        Concurrently::Drop(name) => {
            let object = match begun {
                None => return Ok((Todo::Run, Begun { object: oid(session, name).await? })),
                Some(begun) => begun.object,
            };
            match object {
                Some(object) if !exists(session, object).await? => Todo::Nothing,
                _ => Todo::Run,
            }
        }
        Concurrently::Detach { table, partition } if begun.is_some() => {
            match is_pending(session, table, partition).await?.as_deref() {
                None => Todo::Nothing,
                Some("true") => Todo::Instead(format!(
                    "ALTER TABLE {} DETACH PARTITION {} FINALIZE",
                    table.to_sql(),
                    partition.to_sql()
                )),
                Some(_) => Todo::Run,
            }
        }
        Concurrently::Reindex | Concurrently::Detach { .. } => Todo::Run,
    };
    Ok((todo, again))
}

async fn create(
    session: &mut Session<'_>,
    index: &CreateIndex,
    begun: bool,
) -> Result<Todo, StepCause> {
    let Some(name) = &index.name else {
        let table = index.table.to_sql();
        return if begun { Err(StepCause::IndexUnnamed { table }) } else { Ok(Todo::Run) };
    };
    let Some(found) = find(session, &index.table, name).await? else { return Ok(Todo::Run) };
    match found {
        Found { same: false, name: index, table, .. } => {
            Err(StepCause::IndexTaken { index, table })
        }
        Found { valid: true, .. } if begun => Ok(Todo::Nothing),
        Found { valid: true, .. } if index.if_not_exists => Ok(Todo::Run),
        // The statement would fail, and the next run take the index for its own.
        Found { valid: true, name: index, table, .. } => {
            Err(StepCause::IndexTaken { index, table })
        }
        Found { builder: Some(process), name: index, .. } => {
            Err(StepCause::IndexBuilt { index, process })
        }
        Found { name, .. } if begun => {
            session.conn.batch_alone(&format!("DROP INDEX CONCURRENTLY {name}")).await?;
            Ok(Todo::Run)
        }
        Found { name: index, .. } => Err(StepCause::IndexInvalid { index }),
    }
}

/// After the statement: the index is there, on its table, and queries can use it.
pub(super) async fn check(session: &mut Session<'_>, what: &Concurrently) -> Result<(), StepCause> {
    let Concurrently::Create(CreateIndex { name: Some(name), table, .. }) = what else {
        return Ok(());
    };
    match find(session, table, name).await? {
        Some(Found { same: true, valid: true, .. }) => Ok(()),
        Some(Found { same: true, name: index, .. }) => Err(StepCause::IndexInvalid { index }),
        Some(Found { name: index, table, .. }) => Err(StepCause::IndexTaken { index, table }),
        None => Err(StepCause::IndexMissing { index: name.clone(), table: table.to_sql() }),
    }
}

/// What has the name of an index in the schema of its table.
#[derive(Deserialize)]
struct Found {
    /// Whether it is an index of that table.
    same: bool,
    valid: bool,
    name: String,
    /// The table that it belongs to; itself when it is no index.
    table: String,
    /// The process that builds it.
    builder: Option<i32>,
}

/// The process that builds an index. Of sessions of other roles only those who may see them see which
/// index it is.
fn builder(index: &str) -> String {
    format!(
        "(SELECT pg_catalog.min(p.pid) FROM pg_catalog.pg_stat_progress_create_index AS p WHERE \
         p.datname {EQ} pg_catalog.current_database() AND \
         (p.index_relid {EQ} {index} OR p.relid IS NULL))"
    )
}

async fn find(
    session: &mut Session<'_>,
    table: &ObjectName,
    index: &str,
) -> Result<Option<Found>, StepCause> {
    let query = format!(
        "SELECT pg_catalog.json_build_object('same', coalesce(x.indrelid {EQ} t.oid, false), \
         'valid', coalesce(x.indisvalid AND x.indisready, false), \
         'name', pg_catalog.format('%I.%I', n.nspname, c.relname), \
         'table', coalesce(x.indrelid, c.oid)::pg_catalog.regclass::pg_catalog.text, 'builder', {}) \
         FROM pg_catalog.pg_class AS t \
         JOIN pg_catalog.pg_namespace AS n ON n.oid {EQ} t.relnamespace \
         JOIN pg_catalog.pg_class AS c ON c.relnamespace {EQ} t.relnamespace AND c.relname {EQ} {} \
         LEFT JOIN pg_catalog.pg_index AS x ON x.indexrelid {EQ} c.oid \
         WHERE t.oid {EQ} {}",
        builder("c.oid"),
        literal(index),
        regclass(table),
    );
    let found = session.conn.text(&query).await?;
    let read = |text: String| serde_json::from_str(&text);
    found.map(read).transpose().map_err(|error| StepCause::Unfit(error.to_string()))
}

/// The object that a name means on the path of the script.
fn regclass(name: &ObjectName) -> String {
    format!("pg_catalog.to_regclass({})", literal(&name.to_sql()))
}

async fn oid(session: &mut Session<'_>, name: &ObjectName) -> Result<Option<u32>, DbError> {
    let query = format!("SELECT {}::pg_catalog.oid::pg_catalog.text", regclass(name));
    Ok(session.conn.text(&query).await?.and_then(|oid| oid.parse().ok()))
}

async fn exists(session: &mut Session<'_>, object: u32) -> Result<bool, DbError> {
    let query = format!("SELECT 'yes' FROM pg_catalog.pg_class AS c WHERE c.oid {EQ} {object}");
    Ok(session.conn.text(&query).await?.is_some())
}

/// Whether a partition is half detached. `None` when it is none any more.
async fn is_pending(
    session: &mut Session<'_>,
    table: &ObjectName,
    partition: &ObjectName,
) -> Result<Option<String>, DbError> {
    let query = format!(
        "SELECT i.inhdetachpending::pg_catalog.text FROM pg_catalog.pg_inherits AS i WHERE \
         i.inhparent {EQ} {} AND i.inhrelid {EQ} {}",
        regclass(table),
        regclass(partition),
    );
    session.conn.text(&query).await
}

/// An index that no query uses.
#[derive(Deserialize)]
struct Invalid {
    oid: u32,
    name: String,
}

/// The indexes of the schema that is migrated which are invalid, but for those that are being built. That
/// of a partitioned table waits for those of its partitions and holds nothing.
async fn invalid(session: &mut Session<'_>) -> Result<Vec<Invalid>, StepCause> {
    let Some(schema) = session.tables.schema().map(literal) else { return Ok(Vec::new()) };
    let query = format!(
        "SELECT pg_catalog.json_build_object('oid', c.oid::pg_catalog.int8, 'name', \
         pg_catalog.format('%I.%I', n.nspname, c.relname)) FROM pg_catalog.pg_index AS x \
         JOIN pg_catalog.pg_class AS c ON c.oid {EQ} x.indexrelid \
         JOIN pg_catalog.pg_namespace AS n ON n.oid {EQ} c.relnamespace \
         WHERE NOT (x.indisvalid AND x.indisready) AND c.relkind {EQ} 'i' AND n.nspname {EQ} {schema} \
         AND {} IS NULL",
        builder("c.oid"),
    );
    let read = |text: &String| serde_json::from_str(text);
    let found: Result<Vec<_>, _> = session.conn.texts(&query).await?.iter().map(read).collect();
    found.map_err(|error| StepCause::Unfit(error.to_string()))
}

/// Before the script: what it does not answer for.
pub(super) async fn invalid_before(session: &mut Session<'_>) -> Result<Vec<u32>, StepCause> {
    Ok(invalid(session).await?.into_iter().map(|one| one.oid).collect())
}

/// After the script: it left no index that no query uses.
pub(super) async fn leaves_none(session: &mut Session<'_>, note: &Note) -> Result<(), StepCause> {
    let left = invalid(session).await?;
    match left.into_iter().find(|one| !note.invalid.contains(&one.oid)) {
        Some(Invalid { name: index, .. }) => Err(StepCause::IndexInvalid { index }),
        None => Ok(()),
    }
}

/// The code with which our own statement ends a transaction whose script took an invalid index for a
/// good one.
pub(crate) const INVALID: &str = "UI001";

/// PostgreSQL: the statement, for the session of the script, that ends a transaction in which
/// `IF NOT EXISTS` passed over an index that no query uses. `None` when no statement says so.
pub(crate) fn passed_over(step: &Step<'_>) -> Option<String> {
    let check = |index: CreateIndex| {
        let name = index.name.filter(|_| index.if_not_exists)?;
        Some(format!(
            "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) INTO broken \
             FROM pg_catalog.pg_class AS t \
             JOIN pg_catalog.pg_namespace AS n ON n.oid {EQ} t.relnamespace \
             JOIN pg_catalog.pg_class AS c ON c.relnamespace {EQ} t.relnamespace AND c.relname {EQ} {} \
             JOIN pg_catalog.pg_index AS x ON x.indexrelid {EQ} c.oid AND x.indrelid {EQ} t.oid \
             WHERE t.oid {EQ} {} AND c.relkind {EQ} 'i' AND NOT (x.indisvalid AND x.indisready); \
             IF FOUND THEN RAISE EXCEPTION USING MESSAGE = broken, ERRCODE = '{INVALID}'; END IF;",
            literal(&name),
            regclass(&index.table),
        ))
    };
    let statements = step.statements();
    let checks: Vec<_> =
        statements.iter().filter_map(|one| check(created_index(one.text)?)).collect();
    if checks.is_empty() {
        return None;
    }
    let body = format!("DECLARE broken pg_catalog.text; BEGIN {} END", checks.join(" "));
    Some(format!("DO {}", literal(&body)))
}
