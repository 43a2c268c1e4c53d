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
