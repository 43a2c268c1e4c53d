//! How many schemas of one database stand, in a few queries.

use std::collections::{BTreeMap, BTreeSet};

use underpin_catalog::{Catalog, Dialect};
use underpin_db::{Conn, DbError};

use crate::{
    Error, History, Standing,
    error::Doing,
    history::{DIESEL_TABLE, Found, HISTORY_TABLE, Tables, unreadable},
    lock::lease::LEASE_TABLE,
    sql::literal,
};

/// How many schemas one query reads.
///
/// A query locks the tables that it reads with their indexes until it ends, here four per schema.
/// With the default settings a server has room for 6,400 locks of all its sessions
/// (`max_locks_per_transaction` times `max_connections`); this takes 1,000.
const AT_ONCE: usize = 250;

const DOING: &str = "read the history";

/// Reads how each of `schemas` stands, in their order. PostgreSQL alone has schemas.
///
/// [`Error::NoSchema`] stands for a schema that is not there, and a history that cannot be read is an
/// error of its schema alone.
///
/// # Errors
///
/// When the database cannot be asked at all.
pub async fn probe_schemas(
    conn: &mut Conn,
    catalog: &Catalog,
    schemas: &[&str],
) -> Result<Vec<Result<Standing, Error>>, Error> {
    check_schemas(catalog.dialect(), conn.dialect())?;
    conn.own().await.doing(DOING)?;
    let (found, others) = find(conn, schemas).await?;
    let mut standings = Vec::with_capacity(schemas.len());
    let mut wanted = Vec::new();
    for (index, schema) in schemas.iter().enumerate() {
        standings.push(found.tables(Some(schema)).map(|tables| {
            wanted.extend(tables.lines().map(|query| Wanted { index, query }));
            Standing { history: History::default(), has_tables: others.contains(*schema) }
        }));
    }
    let mut chunks: Vec<_> = wanted.chunks(AT_ONCE).rev().collect();
    while let Some(chunk) = chunks.pop() {
        match (read(conn, chunk).await, chunk) {
            (Ok(mut lines), _) => {
                for Wanted { index, .. } in chunk {
                    let lines = lines.remove(index).unwrap_or_default();
                    match (History::parse(lines, catalog), &mut standings[*index]) {
                        (Ok(history), Ok(standing)) => standing.history = history,
                        (Ok(_), Err(_)) => {}
                        (Err(error), standing) => *standing = Err(error),
                    }
                }
            }
            // Without a connection there is no telling of any.
            (Err(source), _) if conn.is_closed() => {
                return Err(Error::Database { doing: DOING, source });
            }
            (Err(source), [one]) => {
                standings[one.index] = Err(unreadable(source));
            }
            // One of them is at fault.
            (Err(_), _) => {
                let (first, second) = chunk.split_at(chunk.len() / 2);
                chunks.extend([second, first]);
            }
        }
    }
    Ok(standings)
}

/// Whether what is for schemas is asked of a database that has some.
pub(crate) fn check_schemas(catalog: Dialect, url: Dialect) -> Result<(), Error> {
    match (catalog == url, url) {
        (_, Dialect::Sqlite) => Err(Error::NoSchemas),
        (false, _) => Err(Error::Dialect { catalog, url }),
        (true, _) => Ok(()),
    }
}

/// The schemas of the database whose names fit `pattern`, ascending, without those of the server.
///
/// `%` in the pattern is any text, and everything else is itself, `_` as well.
///
/// # Errors
///
/// When the database cannot be asked.
pub async fn schemas_like(conn: &mut Conn, pattern: &str) -> Result<Vec<String>, Error> {
    conn.own().await.doing("list the schemas")?;
    let pattern = pattern.replace('\\', "\\\\").replace('_', "\\_");
    let query = format!(
        "SELECT nspname::text FROM pg_namespace WHERE nspname LIKE {} AND nspname NOT LIKE 'pg\\_%' \
         AND nspname <> 'information_schema' ORDER BY nspname::text COLLATE \"C\"",
        literal(&pattern)
    );
    conn.texts(&query).await.doing("list the schemas")
}

/// A schema whose history is to be read.
struct Wanted {
    /// Among those that were asked for.
    index: usize,
    query: String,
}

/// What of a history is in those of `schemas` that exist, and which of them have anything else.
async fn find(conn: &mut Conn, schemas: &[&str]) -> Result<(Found, BTreeSet<String>), Error> {
    let names = schemas.iter().map(|schema| literal(schema)).collect::<Vec<_>>().join(", ");
    let histories = Tables::query(Dialect::Postgres, schemas);
    let others = format!(
        "SELECT DISTINCT n.nspname::text FROM pg_namespace AS n JOIN pg_class AS c ON c.relnamespace = n.oid \
         WHERE n.nspname = ANY (ARRAY[{names}]::name[]) AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND \
         c.relname NOT IN ('{DIESEL_TABLE}', '{HISTORY_TABLE}', '{HISTORY_TABLE}_id_seq', '{LEASE_TABLE}')"
    );
    let answers = conn.answers(&format!("{histories};\n{others}"), &[0, 1]).await;
    let (mut found, mut with_others) = (None, BTreeSet::new());
    for (statement, text) in answers.doing("look for the history")? {
        if statement == 0 {
            found = text;
        } else {
            with_others.extend(text);
        }
    }
    Ok((Found::parse(found.as_deref())?, with_others))
}

/// Stands between a schema's index and its line.
const SEPARATOR: char = '\u{1d}';

/// The lines of the histories, by index.
async fn read(conn: &mut Conn, wanted: &[Wanted]) -> Result<BTreeMap<usize, Vec<String>>, DbError> {
    let part = |Wanted { index, query }: &Wanted| {
        format!("SELECT '{index}' || chr(29) || line FROM ({query}) AS l (line)")
    };
    let query = wanted.iter().map(part).collect::<Vec<_>>().join(" UNION ALL ");
    let mut lines: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for text in conn.texts(&query).await? {
        if let Some((index, line)) = text.split_once(SEPARATOR)
            && let Ok(index) = index.parse()
        {
            lines.entry(index).or_default().push(line.to_owned());
        }
    }
    Ok(lines)
}
