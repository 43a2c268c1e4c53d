//! What SQLite lets a script break without a word: views and triggers that do not compile any more, foreign
//! keys that lead nowhere, and numbers that would be given again.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use underpin_db::{Conn, DbError};

use crate::{
    StepCause,
    sql::{identifier, literal},
};

/// Everything in a schema that can break.
#[derive(Deserialize)]
struct Objects {
    tables: BTreeSet<String>,
    views: Vec<String>,
    /// Tables and views with their triggers: name and text.
    fired: BTreeMap<String, Vec<(String, String)>>,
    /// Tables with foreign keys.
    children: Vec<String>,
    /// Foreign keys whose table is not there: child and parent.
    nowhere: Vec<(String, String)>,
    numbers: bool,
}

const OBJECTS: &str = "
SELECT json_object(
  'tables', (SELECT json_group_array(lower(name)) FROM main.sqlite_schema WHERE type = 'table'),
  'views', (SELECT json_group_array(name) FROM main.sqlite_schema WHERE type = 'view'),
  'fired', (SELECT json_group_object(tbl_name, json(triggers)) FROM (
      SELECT tbl_name, json_group_array(json_array(name, sql)) AS triggers
      FROM main.sqlite_schema WHERE type = 'trigger' GROUP BY tbl_name)),
  'children', (SELECT json_group_array(name) FROM main.sqlite_schema
      WHERE type = 'table' AND sql LIKE '%references%'),
  'nowhere', (SELECT json_group_array(json_array(child.name, key.\"table\")) FROM main.sqlite_schema AS child,
      pragma_foreign_key_list(child.name) AS key WHERE child.type = 'table' AND child.sql LIKE '%references%'
      AND lower(key.\"table\") NOT IN (SELECT lower(name) FROM main.sqlite_schema)),
  'numbers', json(iif(EXISTS (SELECT * FROM main.sqlite_schema WHERE name = 'sqlite_sequence'), 'true', 'false')))";

/// What was broken at a moment, and how far the numbers of tables had come.
#[derive(Debug, Default)]
pub(crate) struct Dangling {
    /// In lower case.
    pub(crate) tables: BTreeSet<String>,
    /// What is broken, and why.
    broken: BTreeMap<String, String>,
    numbers: BTreeMap<String, i64>,
}

impl Dangling {
    /// Whether a script can break anything: no statement does without one of these words.
    pub(crate) fn can_come_of(script: &str) -> bool {
        let script = script.to_ascii_lowercase();
        ["alter", "create", "drop", "sqlite_sequence", "writable_schema"]
            .iter()
            .any(|word| script.contains(word))
    }

    pub(crate) async fn look(conn: &mut Conn) -> Result<Self, DbError> {
        let text = conn.text(OBJECTS).await?.unwrap_or_default();
        let objects: Objects = serde_json::from_str(&text).map_err(|error| DbError {
            message: format!("SQLite tells its schema in another way: {error}"),
            ..DbError::default()
        })?;
        let mut broken = BTreeMap::new();
        for view in &objects.views {
            let select = format!("SELECT * FROM main.{}", identifier(view));
            if let Some(why) = fault(conn, &select).await {
                broken.insert(format!("view `{view}`"), why);
            }
        }
        let mut adrift: BTreeSet<_> = objects.nowhere.iter().map(|(child, _)| child).collect();
        for (child, parent) in &objects.nowhere {
            broken.insert(reference(child, parent), NO_TABLE.to_owned());
        }
        for child in &objects.children {
            let check = format!("PRAGMA main.foreign_key_check({})", identifier(child));
            if let Some(why) = fault(conn, &check).await {
                broken.insert(format!("the foreign key of `{child}`"), why);
                adrift.insert(child);
            }
        }
        for (table, triggers) in &objects.fired {
            // A foreign key that leads nowhere breaks every change of its table, which it tells itself.
            if !adrift.contains(table) && !broken.contains_key(&format!("view `{table}`")) {
                broken.extend(broken_triggers(conn, table, triggers).await?);
            }
        }
        let numbers = if objects.numbers { numbers(conn).await? } else { BTreeMap::new() };
        Ok(Self { tables: objects.tables, broken, numbers })
    }

    /// Fails when something is broken now that was not before. A new table may refer to one that a later
    /// migration makes. Numbers may go back in a table that the script did not build `anew`: there it set
    /// them itself.
    pub(crate) fn compare(&self, now: &Self, anew: &BTreeSet<String>) -> Result<(), StepCause> {
        let is_new = |what: &String, why: &String| {
            let child = what.strip_prefix(REFERENCE).and_then(|rest| rest.split('`').next());
            why == NO_TABLE
                && child.is_some_and(|child| !self.tables.contains(&child.to_lowercase()))
        };
        let broken = now
            .broken
            .iter()
            .filter(|(what, why)| self.broken.get(*what) != Some(*why) && !is_new(what, why));
        let broken: Vec<_> = broken.map(|(what, why)| format!("  {what}: {why}")).collect();
        if !broken.is_empty() {
            return Err(StepCause::Dangling(broken.join("\n")));
        }
        for (table, before) in &self.numbers {
            match now.numbers.get(table) {
                Some(after) if after < before && anew.contains(table) => {
                    let (table, before, after) = (table.clone(), *before, *after);
                    return Err(StepCause::Numbers { table, before, after });
                }
                _ => {}
            }
        }
        Ok(())
    }
}

const REFERENCE: &str = "the foreign key of `";
const NO_TABLE: &str = "there is no such table";

fn reference(child: &str, parent: &str) -> String {
    format!("{REFERENCE}{child}` to `{parent}`")
}

/// Why SQLite cannot compile a statement, which does not run. What belongs to the program that uses the file
/// (functions, collations, modules) is not known here.
async fn fault(conn: &mut Conn, statement: &str) -> Option<String> {
    const NOT_OURS: [&str; 5] = [
        "no such function",
        "no such collation",
        "no such module",
        "cannot modify",
        "no such tokenizer",
    ];
    let error = conn.batch(&format!("EXPLAIN {statement}")).await.err()?;
    let known = !NOT_OURS.iter().any(|text| error.message.contains(text));
    known.then_some(error.message)
}

/// The triggers of a table, or of a view, that no change of it could fire.
async fn broken_triggers(
    conn: &mut Conn,
    table: &str,
    triggers: &[(String, String)],
) -> Result<BTreeMap<String, String>, DbError> {
    let columns =
        format!("SELECT name FROM pragma_table_xinfo({}) WHERE hidden = 0", literal(table));
    let columns = conn.texts(&columns).await?;
    let set: Vec<_> = columns.iter().map(|name| format!("{0} = {0}", identifier(name))).collect();
    let name = identifier(table);
    let changes = [
        format!("INSERT INTO main.{name} DEFAULT VALUES"),
        format!("UPDATE main.{name} SET {}", set.join(", ")),
        format!("DELETE FROM main.{name}"),
    ];
    let mut broken = BTreeMap::new();
    for change in changes {
        let Some(why) = fault(conn, &change).await else { continue };
        // SQLite does not say which trigger: it names what is missing.
        let missing = why.rsplit([' ', '.', ':']).next().unwrap_or_default().to_lowercase();
        let named = triggers.iter().filter(|(_, sql)| sql.to_lowercase().contains(&missing));
        let mut named: Vec<_> = named.map(|(name, _)| name).collect();
        if named.is_empty() {
            named = triggers.iter().map(|(name, _)| name).collect();
        }
        let named: Vec<_> = named.iter().map(|name| format!("`{name}`")).collect();
        broken.insert(format!("trigger {} of `{table}`", named.join(" or ")), why);
    }
    Ok(broken)
}

/// The highest number that each table with AUTOINCREMENT gave, by its name in lower case.
async fn numbers(conn: &mut Conn) -> Result<BTreeMap<String, i64>, DbError> {
    let query = "SELECT json_array(lower(t.name), coalesce((SELECT max(CAST(s.seq AS INTEGER)) \
                 FROM main.sqlite_sequence AS s WHERE s.name = t.name), 0)) \
                 FROM main.sqlite_schema AS t WHERE t.type = 'table' AND t.sql LIKE '%autoincrement%'";
    let rows = conn.texts(query).await?;
    Ok(rows.iter().filter_map(|row| serde_json::from_str(row).ok()).collect())
}
