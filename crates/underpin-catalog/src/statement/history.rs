//! Statements that take away or rename what a table holds.

use super::words::{ObjectName, Word, Words};
use crate::Dialect;

/// The first of `tables` that the statement drops, empties, renames or takes rows out of, as it is
/// named there.
///
/// Triggers and functions written in SQL are read to their end, strings are not, but for those of a `DO`,
/// which runs them.
#[must_use]
pub fn changed_table(text: &str, dialect: Dialect, tables: &[&str]) -> Option<ObjectName> {
    let names = |text: &str| tables.iter().any(|table| contains(text, table));
    // A name may be spelled by the numbers of its letters.
    if !names(text) && !contains(text, "u&\"") {
        return None;
    }
    let mut words = Words::of(text, dialect);
    while !words.rest().is_empty() {
        let Some(changed) = changed(&mut words) else {
            words.next();
            continue;
        };
        let found = changed.into_iter().find(|object| {
            tables.iter().any(|table| match dialect {
                Dialect::Sqlite => object.name.eq_ignore_ascii_case(table),
                Dialect::Postgres => object.name == *table,
            })
        });
        if found.is_some() {
            return found;
        }
    }
    run_strings(text, dialect).iter().find_map(|text| changed_table(text, dialect, tables))
}

/// Whether the statement drops or renames the PostgreSQL schema `schema`.
#[must_use]
pub fn takes_schema(text: &str, schema: &str) -> bool {
    let dialect = Dialect::Postgres;
    let mut words = Words::of(text, dialect);
    while !words.rest().is_empty() {
        if words.take(&["DROP", "SCHEMA"]) {
            words.take(&["IF", "EXISTS"]);
            if words.objects().iter().any(|one| one.name == schema) {
                return true;
            }
        } else if words.take(&["ALTER", "SCHEMA"]) {
            let named = words.object().is_some_and(|one| one.name == schema);
            if named && words.take(&["RENAME"]) {
                return true;
            }
        } else {
            words.next();
        }
    }
    run_strings(text, dialect).iter().any(|text| takes_schema(text, schema))
}

/// The strings of a `DO` and of what it executes.
pub(super) fn run_strings(text: &str, dialect: Dialect) -> Vec<String> {
    let words = Words::of(text, dialect);
    // `EXECUTE` runs a string in the body of a `DO`; in a `CREATE TRIGGER` it names a function.
    let runs = match words.peek() {
        Some(first) if first.is("DO") => true,
        Some(first) if first.is("CREATE") => false,
        _ => words.rest().iter().any(|word| word.is("EXECUTE")),
    };
    if dialect == Dialect::Sqlite || !runs {
        return Vec::new();
    }
    let text = |word: &Word<'_>| match word {
        Word::Text(text) => Some(text.clone()),
        _ => None,
    };
    words.rest().iter().filter_map(text).collect()
}

/// Whether `text` has `name` in it, whatever the case of its letters.
pub(super) fn contains(text: &str, name: &str) -> bool {
    text.as_bytes().windows(name.len()).any(|part| part.eq_ignore_ascii_case(name.as_bytes()))
}

/// The tables that are changed by what begins here, if anything does.
fn changed(words: &mut Words<'_>) -> Option<Vec<ObjectName>> {
    if words.take(&["DROP", "TABLE"]) {
        words.take(&["IF", "EXISTS"]);
        return Some(words.objects());
    }
    if words.take(&["TRUNCATE"]) {
        words.take(&["TABLE"]);
        return Some(words.objects());
    }
    if words.take(&["DELETE", "FROM"]) {
        return Some(words.objects());
    }
    if words.take(&["UPDATE"]) {
        if words.take(&["OR"]) {
            words.next();
        }
        return Some(words.objects());
    }
    if words.take(&["ALTER", "TABLE"]) {
        words.take(&["IF", "EXISTS"]);
        words.take(&["ONLY"]);
        let table = words.object()?;
        let rest = words.rest().split(|word| *word == Word::Sign(';')).next().unwrap_or_default();
        let moves = rest.iter().any(|word| word.is_any(&["RENAME", "DROP", "SCHEMA"]));
        return Some(if moves { vec![table] } else { Vec::new() });
    }
    None
}
