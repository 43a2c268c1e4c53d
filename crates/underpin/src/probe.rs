//! How many schemas of one database stand, in a few queries.

use std::collections::BTreeMap;

use serde::Deserialize;
use underpin_catalog::{Catalog, Dialect};
use underpin_db::{Conn, DbError};

use crate::{
    Error, History, Standing,
    error::Doing,
    history::{DIESEL_TABLE, HISTORY_TABLE, Tables, unreadable},
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
    let found = find(conn, schemas).await?;
    let standing = |schema: &&str| match found.get(*schema) {
        None => Err(Error::NoSchema),
        Some(found) => Ok(Standing { history: History::default(), has_tables: found.others }),
    };
    let mut standings: Vec<_> = schemas.iter().map(standing).collect();
    let tables = |(index, schema): (usize, &&str)| {
        let found = found.get(*schema)?;
        let tables = Tables::of_schema(schema, found.diesel, found.own);
        Some(Wanted { index, query: tables.lines()? })
    };
    let wanted: Vec<_> = schemas.iter().enumerate().filter_map(tables).collect();
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

/// What there is in a schema.
#[derive(Deserialize)]
struct Found {
    schema: String,
    diesel: bool,
    own: bool,
    others: bool,
}

/// A schema whose history is to be read.
struct Wanted {
    /// Among those that were asked for.
    index: usize,
    query: String,
}

/// Those of `schemas` that exist.
async fn find(conn: &mut Conn, schemas: &[&str]) -> Result<BTreeMap<String, Found>, Error> {
    if schemas.is_empty() {
        return Ok(BTreeMap::new());
    }
    let names = schemas.iter().map(|schema| literal(schema)).collect::<Vec<_>>().join(", ");
    let query = format!(
        "SELECT json_build_object('schema', n.nspname, 'diesel', coalesce(c.diesel, false), 'own', \
         coalesce(c.own, false), 'others', coalesce(c.others, false)) FROM pg_namespace n LEFT JOIN \
         (SELECT relnamespace, bool_or(relname = '{DIESEL_TABLE}' AND relkind = 'r') AS diesel, \
         bool_or(relname = '{HISTORY_TABLE}' AND relkind = 'r') AS own, bool_or(relname NOT IN \
         ('{DIESEL_TABLE}', '{HISTORY_TABLE}', '{HISTORY_TABLE}_id_seq', '{LEASE_TABLE}')) AS others FROM pg_class \
         WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S') GROUP BY relnamespace) c \
         ON c.relnamespace = n.oid WHERE n.nspname IN ({names})"
    );
    let mut found = BTreeMap::new();
    for row in conn.texts(&query).await.doing("look for the history")? {
        let row: Found = serde_json::from_str(&row)
            .map_err(|error| Error::Answer { doing: DOING, reason: error.to_string() })?;
        found.insert(row.schema.clone(), row);
    }
    Ok(found)
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
