//! `PRAGMA` of SQLite.

use super::{
    kind::Kind,
    words::{Word, Words},
};
use crate::Dialect;

/// A pragma, in whatever spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pragma {
    /// In lower case.
    pub name: String,
    /// What it is set to or called with, as it is written.
    pub value: Option<String>,
}

/// Pragmas that a transaction makes fail, or that it takes the effect of.
const NOT_IN_TRANSACTION: [&str; 4] = ["journal_mode", "synchronous", "page_size", "auto_vacuum"];

/// The pragma that `text` is. `None` for any other statement.
#[must_use]
pub fn of(text: &str) -> Option<Pragma> {
    let mut words = Words::of(text, Dialect::Sqlite);
    if !words.take(&["PRAGMA"]) {
        return None;
    }
    let name = words.object()?.name.to_ascii_lowercase();
    let is_set = words.take_sign('=') || words.take_sign('(');
    let value = is_set.then(|| {
        words.take_sign('+');
        match words.peek() {
            Some(Word::Bare(value)) => (*value).to_owned(),
            Some(Word::Name(value) | Word::Text(value)) => value.clone(),
            Some(Word::Sign(sign)) => sign.to_string(),
            _ => String::new(),
        }
    });
    Some(Pragma { name, value })
}

impl Pragma {
    pub(super) fn kind(&self) -> Kind {
        let value = self.value.as_deref();
        match (self.name.as_str(), value) {
            ("wal_checkpoint", _) => Kind::NotInTransaction,
            (_, None) => Kind::Other,
            ("foreign_keys", _) => Kind::ForeignKeysPragma,
            // The only one that a new file has anyhow.
            ("encoding", Some(value)) if !value.eq_ignore_ascii_case("utf-8") => {
                Kind::NotInTransaction
            }
            (name, _) if NOT_IN_TRANSACTION.contains(&name) => Kind::NotInTransaction,
            _ => Kind::Other,
        }
    }
}
