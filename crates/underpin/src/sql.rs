//! The few ways in which the engine speaks SQL.

use serde::de::DeserializeOwned;
use underpin_db::Conn;

use crate::{Error, error::Doing};

/// Reads one JSON document, which the query builds, so that one type serves both dialects.
pub(crate) async fn json<T: DeserializeOwned>(
    conn: &mut Conn,
    doing: &'static str,
    query: &str,
) -> Result<T, Error> {
    let text = conn.text(query).await.doing(doing)?.unwrap_or_else(|| "null".to_owned());
    serde_json::from_str(&text).map_err(|error| Error::Answer { doing, reason: error.to_string() })
}

/// A text as a literal, valid in both dialects.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A name as a quoted identifier, valid in both dialects.
pub(crate) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Whether a text has `name` in it as a word of its own, in the same case.
pub(crate) fn has_word(text: &str, name: &str) -> bool {
    let within = |char: char| char.is_alphanumeric() || char == '_';
    text.match_indices(name).any(|(at, _)| {
        !text[..at].ends_with(within) && !text[at + name.len()..].starts_with(within)
    })
}

#[cfg(test)]
mod tests {
    use super::has_word;

    #[test]
    fn a_table_is_named_by_its_whole_name() {
        for (script, named) in [
            ("update task set a = 1", true),
            ("update \"task\" set a = 1", true),
            ("alter table main.task add b", true),
            ("update tasks set a = 1", false),
            ("update my_task set a = 1", false),
            ("", false),
        ] {
            assert_eq!(has_word(script, "task"), named, "{script}");
        }
    }
}
