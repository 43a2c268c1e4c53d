//! What the newest row of a script under way says beside how many of its statements are done.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a script outside a transaction has done, for going on with it.
///
/// It stands as JSON where a row that is done has its reason, so that older programs read the history as
/// before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The checksum of the statements that are done.
    pub done: String,
    /// The statement after them has begun, and PostgreSQL may have left it half done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun: Option<Begun>,
    /// PostgreSQL: indexes that were invalid before the script began.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub invalid: Vec<u32>,
    /// SQLite: what dangled before the script began.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dangling: Vec<String>,
    /// SQLite: how many rows had each table that the script has dropped or renamed, until it did.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rows: BTreeMap<String, u64>,
    /// SQLite: the whole script ran, and this is wrong with what it left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// A statement that PostgreSQL runs in several transactions, and that has begun.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// What it takes away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<u32>,
}

impl Note {
    /// The note in the text of a row, `None` where an older program wrote it, or a person.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Whether a text is a note.
    pub(crate) fn is(text: &str) -> bool {
        Self::parse(text).is_some()
    }
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&serde_json::to_string(self).unwrap_or_default())
    }
}
