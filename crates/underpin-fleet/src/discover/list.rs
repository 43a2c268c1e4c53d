//! Targets that a file names.

use std::{collections::HashSet, fs, path::Path, sync::Arc};

use underpin_db::DatabaseUrl;

use super::{Found, Skipped};
use crate::{FleetError, Place, Target, printable};

/// One URL per line. No message shows a line, for it may hold a password.
pub(super) fn find(path: &Path) -> Result<Found, FleetError> {
    let text = fs::read_to_string(path)
        .map_err(|source| FleetError::List { path: path.to_owned(), reason: source.to_string() })?;
    let mut targets = Vec::new();
    let mut skipped = Vec::new();
    let (mut dialect, mut named) = (None, HashSet::new());
    for (number, line) in text.lines().enumerate() {
        // Not every `#` begins a comment: a password may hold one.
        let line = line.split(" #").next().unwrap_or_default().trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |reason: String| FleetError::List {
            path: path.to_owned(),
            reason: format!("line {}: {reason}", number + 1),
        };
        let url: DatabaseUrl =
            line.parse().map_err(|error: underpin_db::UrlError| wrong(error.to_string()))?;
        if url.is_memory() {
            return Err(wrong("a database in memory is gone when the run ends".to_owned()));
        }
        let dialect = *dialect.get_or_insert(url.dialect());
        if dialect != url.dialect() {
            let found = url.dialect();
            return Err(wrong(format!("expected {dialect} like the first, found {found}")));
        }
        let id = printable::line(&url.to_string()).into_owned();
        if !named.insert(id.clone()) {
            skipped
                .push(Skipped { name: id, reason: format!("line {} names it again", number + 1) });
            continue;
        }
        let place = match url.sqlite_path() {
            Some(path) => {
                Place::File(std::path::absolute(path).unwrap_or_else(|_| path.to_owned()))
            }
            None => Place::Database(Arc::new(url)),
        };
        targets.push(Target { id, place });
    }
    Ok(Found { source: format!("the list `{}`", path.display()), targets, skipped })
}
