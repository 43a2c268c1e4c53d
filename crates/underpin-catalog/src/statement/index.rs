//! Indexes of PostgreSQL, and what it does to them without locking their table.

use super::{
    table::begins_with,
    token::{Tokens, What},
    words::{ObjectName, Word, Words},
};
use crate::Dialect;

/// `CREATE INDEX`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateIndex {
    /// Its name, if the statement gives it one. It goes into the schema of its table.
    pub name: Option<String>,
    /// The table, as it is named there.
    pub table: ObjectName,
    /// Whether an index of that name is left as it is.
    pub if_not_exists: bool,
    /// Whether it is built without locking the table.
    pub concurrently: bool,
}

/// What PostgreSQL does in several transactions of its own, so that it may stay half done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Concurrently {
    /// `CREATE INDEX CONCURRENTLY`.
    Create(CreateIndex),
    /// `DROP INDEX CONCURRENTLY`.
    Drop(ObjectName),
    /// `REINDEX … CONCURRENTLY`.
    Reindex,
    /// `ALTER TABLE … DETACH PARTITION … CONCURRENTLY`.
    Detach {
        /// The partitioned table.
        table: ObjectName,
        /// The partition.
        partition: ObjectName,
    },
}

/// The index that a statement of PostgreSQL creates.
#[must_use]
pub fn created_index(text: &str) -> Option<CreateIndex> {
    if !begins_with(text, "CREATE", Dialect::Postgres) {
        return None;
    }
    let mut words = Words::of(text, Dialect::Postgres);
    words.next();
    words.take(&["UNIQUE"]);
    if !words.take(&["INDEX"]) {
        return None;
    }
    let concurrently = words.take(&["CONCURRENTLY"]);
    let if_not_exists = words.take(&["IF", "NOT", "EXISTS"]);
    let name = match words.peek() {
        Some(word) if word.is("ON") => None,
        _ => Some(words.object()?.name),
    };
    if !words.take(&["ON"]) {
        return None;
    }
    words.take(&["ONLY"]);
    Some(CreateIndex { name, table: words.object()?, if_not_exists, concurrently })
}

/// What a statement of PostgreSQL does concurrently.
#[must_use]
pub fn concurrently(text: &str) -> Option<Concurrently> {
    if let Some(index) = created_index(text) {
        return index.concurrently.then_some(Concurrently::Create(index));
    }
    let mut words = Words::of(super::kind::short(text), Dialect::Postgres);
    if words.take(&["DROP", "INDEX", "CONCURRENTLY"]) {
        words.take(&["IF", "EXISTS"]);
        return Some(Concurrently::Drop(words.object()?));
    }
    if words.take(&["REINDEX"]) {
        let concurrently = words.rest().iter().any(|word| word.is("CONCURRENTLY"));
        return concurrently.then_some(Concurrently::Reindex);
    }
    if !words.take(&["ALTER", "TABLE"]) {
        return None;
    }
    words.take(&["IF", "EXISTS"]);
    words.take(&["ONLY"]);
    let table = words.object()?;
    words.take_sign('*');
    if !words.take(&["DETACH", "PARTITION"]) {
        return None;
    }
    let partition = words.object()?;
    let concurrently = matches!(words.rest(), [word @ Word::Bare(_)] if word.is("CONCURRENTLY"));
    concurrently.then_some(Concurrently::Detach { table, partition })
}

/// The statement that does in a transaction what `text` does concurrently, as far as it changes the
/// schema.
#[must_use]
pub fn at_once(text: &str) -> Option<String> {
    let tokens = Tokens::new(text, Dialect::Postgres).map_while(Result::ok);
    let mut words = tokens.filter(|token| {
        let word = &text[token.start..token.end];
        token.what == What::Word && word.eq_ignore_ascii_case("concurrently")
    });
    let word = match concurrently(text)? {
        Concurrently::Create(_) | Concurrently::Drop(_) => words.next(),
        Concurrently::Detach { .. } => words.last(),
        Concurrently::Reindex => None,
    }?;
    Some(format!("{} {}", &text[..word.start], &text[word.end..]))
}
