//! How many schemas of one database stand, in a few queries.

use underpin_db::Conn;

use crate::{Error, error::Doing, sql::literal};

/// The schemas of the database whose names fit `pattern`, ascending, without those of the server.
///
/// `%` in the pattern is any text, and everything else is itself, `_` as well.
///
/// # Errors
///
/// When the database cannot be asked.
pub async fn schemas_like(conn: &mut Conn, pattern: &str) -> Result<Vec<String>, Error> {
    let pattern = pattern.replace('\\', "\\\\").replace('_', "\\_");
    let query = format!(
        "SELECT nspname::text FROM pg_namespace WHERE nspname LIKE {} AND nspname NOT LIKE 'pg\\_%' \
         AND nspname <> 'information_schema' ORDER BY nspname::text COLLATE \"C\"",
        literal(&pattern)
    );
    conn.texts(&query).await.doing("list the schemas")
}
