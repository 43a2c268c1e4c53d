//! What a statement does to tables.

use super::words::{ObjectName, Word, Words};
use crate::Dialect;

/// The tables that `DROP TABLE` names; none for any other statement.
#[must_use]
pub fn dropped_tables(text: &str, dialect: Dialect) -> Vec<ObjectName> {
    // Most statements drop nothing, and reading them through takes longer.
    if !begins_with(text, "DROP", dialect) {
        return Vec::new();
    }
    let mut words = Words::of(text, dialect);
    if !words.take(&["DROP", "TABLE"]) {
        return Vec::new();
    }
    words.take(&["IF", "EXISTS"]);
    words.objects()
}

/// What a statement of SQLite does to a whole table of the database, which is not a temporary one. Names are in
/// lower case, as SQLite compares them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableChange {
    /// `DROP TABLE`
    Drops(String),
    /// `ALTER TABLE … RENAME TO`
    Renames {
        /// The name until then.
        from: String,
        /// The name from then on.
        to: String,
    },
    /// `DELETE FROM`, which takes rows away on purpose.
    Deletes(String),
}

impl TableChange {
    /// What `statement` does to a table; `None` for any other statement.
    #[must_use]
    pub fn of(statement: &str) -> Option<Self> {
        let mut words = Words::of(statement, Dialect::Sqlite);
        if words.take(&["DROP", "TABLE"]) {
            words.take(&["IF", "EXISTS"]);
            return Some(Self::Drops(table(&mut words)?));
        }
        if words.take(&["ALTER", "TABLE"]) {
            let from = table(&mut words)?;
            let renames = words.take(&["RENAME", "TO"]);
            return renames
                .then(|| table(&mut words))
                .flatten()
                .map(|to| Self::Renames { from, to });
        }
        if words.take(&["WITH"]) {
            while !words.peek()?.is("DELETE") {
                words.next();
            }
        }
        words.take(&["DELETE", "FROM"]).then(|| table(&mut words)).flatten().map(Self::Deletes)
    }
}

fn table(words: &mut Words<'_>) -> Option<String> {
    let ObjectName { schema, name } = words.object()?;
    // What is in another file, or in the temporary one, is nothing of this database.
    let own = schema.is_none_or(|schema| schema.eq_ignore_ascii_case("main"));
    own.then(|| name.to_ascii_lowercase())
}

/// Whether `keyword` is the first word of a statement, which comments and blanks do not precede.
pub(super) fn begins_with(text: &str, keyword: &str, dialect: Dialect) -> bool {
    let first = Words::of(&text[..text.floor_char_boundary(keyword.len() + 1)], dialect);
    first.peek().is_some_and(|word| match word {
        Word::Bare(_) => word.is(keyword),
        _ => false,
    })
}
