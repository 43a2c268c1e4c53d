//! Reads an SQLite schema: what the pragmas tell, and from the texts what they do not.

use std::collections::BTreeMap;

use serde::Deserialize;
use underpin_catalog::{Dialect, statement};

use super::{Column, Schema, Table};

/// One JSON document with every table, index, foreign key, view and trigger.
pub(super) const QUERY: &str = r#"
SELECT json_object(
  'tables', (SELECT json_group_array(json_object(
      'name', t.name, 'sql', t.sql,
      'columns', (SELECT json_group_array(json_object('name', name, 'type', upper(type),
          'not_null', "notnull", 'default', dflt_value, 'pk', pk, 'hidden', hidden))
        FROM pragma_table_xinfo(t.name)),
      'foreign_keys', (SELECT json_group_array(json_object('id', id, 'seq', seq, 'table', "table",
          'from', "from", 'to', "to", 'on_update', on_update, 'on_delete', on_delete))
        FROM pragma_foreign_key_list(t.name)),
      'indexes', (SELECT json_group_array(json_object('name', i.name, 'unique', i."unique",
          'origin', i.origin, 'sql', s.sql,
          'columns', (SELECT json_group_array(coalesce(name, '?')) FROM pragma_index_info(i.name))))
        FROM pragma_index_list(t.name) i LEFT JOIN sqlite_schema s ON s.type = 'index' AND s.name = i.name)
    )) FROM sqlite_schema t WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite\_%' ESCAPE '\'
      AND t.name NOT IN ('__diesel_schema_migrations', 'underpin_history', 'underpin_lease',
      'alembic_version')),
  'others', (SELECT json_group_array(json_object('kind', type, 'name', name, 'sql', sql))
    FROM sqlite_schema WHERE type IN ('view', 'trigger')))
"#;

/// The texts that make what [`QUERY`] tells. An index that has none belongs to a table that does.
pub(super) const TEXTS: &str = r"
SELECT sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite\_%' ESCAPE '\' AND tbl_name NOT IN
  ('__diesel_schema_migrations', 'underpin_history', 'underpin_lease', 'alembic_version')";

#[derive(Deserialize)]
pub(super) struct Raw {
    tables: Vec<RawTable>,
    others: Vec<RawOther>,
}

#[derive(Deserialize)]
struct RawTable {
    name: String,
    sql: String,
    columns: Vec<RawColumn>,
    foreign_keys: Vec<RawForeignKey>,
    indexes: Vec<RawIndex>,
}

#[derive(Deserialize)]
struct RawColumn {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    not_null: u8,
    default: Option<String>,
    pk: usize,
    hidden: u8,
}

#[derive(Deserialize)]
struct RawForeignKey {
    id: i64,
    seq: i64,
    table: String,
    from: String,
    to: Option<String>,
    on_update: String,
    on_delete: String,
}

#[derive(Deserialize)]
struct RawIndex {
    name: String,
    unique: u8,
    origin: String,
    sql: Option<String>,
    columns: Vec<String>,
}

#[derive(Deserialize)]
struct RawOther {
    kind: String,
    name: String,
    sql: String,
}

pub(super) fn interpret(raw: Raw) -> Schema {
    let mut schema = Schema::default();
    for table in raw.tables {
        schema.tables.insert(table.name.clone(), interpret_table(table));
    }
    for RawOther { kind, name, sql } in raw.others {
        let objects = if kind == "view" { &mut schema.views } else { &mut schema.triggers };
        objects.insert(name, normalise(&sql));
    }
    schema
}

fn interpret_table(raw: RawTable) -> Table {
    let mut table = Table::default();
    let text = normalise(&raw.sql);
    let mut key: Vec<_> = raw.columns.iter().filter(|column| column.pk > 0).collect();
    key.sort_by_key(|column| column.pk);
    if !key.is_empty() {
        let names: Vec<_> = key.iter().map(|column| column.name.as_str()).collect();
        table.constraints.insert(format!("PRIMARY KEY ({})", names.join(", ")));
    }
    for column in raw.columns {
        let autoincrement =
            column.pk > 0 && text.split_whitespace().any(|word| word == "autoincrement");
        let generated = match (autoincrement, column.hidden) {
            (true, _) => Some("AUTOINCREMENT".to_owned()),
            (_, 2) => Some("GENERATED".to_owned()),
            (_, 3) => Some("GENERATED STORED".to_owned()),
            _ => None,
        };
        let read = Column {
            kind: column.kind,
            not_null: column.not_null != 0,
            default: column.default.map(|text| default(&text)),
            generated,
        };
        table.columns.insert(column.name, read);
    }
    for index in raw.indexes {
        match (index.origin.as_str(), index.sql) {
            ("u", _) => {
                table.constraints.insert(format!("UNIQUE ({})", index.columns.join(", ")));
            }
            (_, Some(sql)) => {
                let definition = normalise(&sql);
                let on = definition.find(" on ").map_or("", |at| &definition[at + 1..]);
                let unique = if index.unique == 1 { "unique " } else { "" };
                table.indexes.insert(index.name, format!("{unique}{on}"));
            }
            _ => {}
        }
    }
    table.constraints.extend(foreign_keys(raw.foreign_keys));
    table.constraints.extend(checks(&text));
    table.constraints.extend(words_that_count(&text));
    for (word, rule) in [("strict", "STRICT"), ("rowid", "WITHOUT ROWID")] {
        let end = text.rsplit(')').next().unwrap_or_default();
        if end.split([' ', ',']).any(|found| found == word) {
            table.constraints.insert(rule.to_owned());
        }
    }
    table
}

fn foreign_keys(raw: Vec<RawForeignKey>) -> Vec<String> {
    let mut keys: BTreeMap<i64, Vec<RawForeignKey>> = BTreeMap::new();
    for part in raw {
        keys.entry(part.id).or_default().push(part);
    }
    let show = |mut parts: Vec<RawForeignKey>| {
        parts.sort_by_key(|part| part.seq);
        let from: Vec<_> = parts.iter().map(|part| part.from.as_str()).collect();
        let to: Vec<_> = parts.iter().filter_map(|part| part.to.as_deref()).collect();
        let RawForeignKey { table, on_update, on_delete, .. } = &parts[0];
        format!(
            "FOREIGN KEY ({}) REFERENCES {table} ({}) ON UPDATE {on_update} ON DELETE {on_delete}",
            from.join(", "),
            to.join(", ")
        )
    };
    keys.into_values().map(show).collect()
}

/// `(CURRENT_TIMESTAMP)` and `CURRENT_TIMESTAMP` are one default.
fn default(text: &str) -> String {
    let text = normalise(text);
    text.strip_prefix('(')
        .and_then(|inner| inner.strip_suffix(')'))
        .unwrap_or(&text)
        .trim()
        .to_owned()
}

/// How often a normalised `CREATE TABLE` says what no pragma tells: how text is compared, and when
/// references are checked.
fn words_that_count(text: &str) -> Vec<String> {
    let words: Vec<_> = text.split([' ', ',', '(', ')']).filter(|word| !word.is_empty()).collect();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for pair in words.windows(2) {
        if pair[0] == "collate" {
            *counts.entry(format!("COLLATE {}", pair[1].to_uppercase())).or_default() += 1;
        }
        if pair == ["initially", "deferred"] {
            *counts.entry("DEFERRABLE INITIALLY DEFERRED".to_owned()).or_default() += 1;
        }
    }
    counts.into_iter().map(|(words, count)| format!("{words}, {count} times")).collect()
}

/// The checks of a normalised `CREATE TABLE`, wherever they stand in it.
fn checks(text: &str) -> Vec<String> {
    let mut checks = Vec::new();
    let mut rest = text;
    while let Some(start) = find_word(rest, "check") {
        let from = &rest[start..];
        let Some(length) = closing(from) else { break };
        checks.push(from[..length].replacen("check", "CHECK", 1));
        rest = &from[length..];
    }
    checks
}

/// Where the unquoted word `check` stands before a parenthesis.
fn find_word(text: &str, word: &str) -> Option<usize> {
    let mut quote = None;
    let mut previous = ' ';
    for (at, c) in text.char_indices() {
        match quote {
            Some(end) if c == end => quote = None,
            Some(_) => {}
            None if matches!(c, '\'' | '"' | '`') => quote = Some(c),
            None if c == '[' => quote = Some(']'),
            None => {
                let starts = !previous.is_alphanumeric() && previous != '_';
                if starts
                    && text[at..]
                        .strip_prefix(word)
                        .is_some_and(|rest| rest.trim_start().starts_with('('))
                {
                    return Some(at);
                }
            }
        }
        previous = c;
    }
    None
}

/// Length of `text` up to the parenthesis that closes its first one.
fn closing(text: &str) -> Option<usize> {
    let mut quote = None;
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(end), _) => quote = Some(end).filter(|end| *end != c),
            (None, '\'' | '"' | '`') => quote = Some(c),
            (None, '[') => quote = Some(']'),
            (None, '(') => depth += 1,
            (None, ')') => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

fn normalise(sql: &str) -> String {
    statement::normalise(sql, Dialect::Sqlite)
}
