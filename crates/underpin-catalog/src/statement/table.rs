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

/// Whether `keyword` is the first word of a statement, which comments and blanks do not precede.
pub(super) fn begins_with(text: &str, keyword: &str, dialect: Dialect) -> bool {
    let first = Words::of(&text[..text.floor_char_boundary(keyword.len() + 1)], dialect);
    first.peek().is_some_and(|word| match word {
        Word::Bare(_) => word.is(keyword),
        _ => false,
    })
}
