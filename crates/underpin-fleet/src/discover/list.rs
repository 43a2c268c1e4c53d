//! Targets that a file names.

use std::{collections::HashSet, path::Path, sync::Arc};

use underpin_db::{DatabaseUrl, read_file};

use super::{Found, Skipped, copies::Copies};
use crate::{FleetError, Place, Target, printable};

/// One URL per line. No message shows a line, for it may hold a password.
pub(super) fn find(path: &Path) -> Result<Found, FleetError> {
    let text = text(path).map_err(|reason| FleetError::List { path: path.to_owned(), reason })?;
    let mut targets = Vec::new();
    let mut skipped = Vec::new();
    let (mut dialect, mut named, mut copies) = (None, HashSet::new(), Copies::default());
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
        let mut skip = |what: &str| {
            let reason = format!("line {} {what}", number + 1);
            skipped.push(Skipped { name: id.clone(), reason });
        };
        if !named.insert(name(&url)) {
            skip("names it again");
            continue;
        }
        let place = match url.sqlite_path() {
            Some(path) => {
                Place::File(std::path::absolute(path).unwrap_or_else(|_| path.to_owned()))
            }
            None => Place::Database(Arc::new(url)),
        };
        if let Place::File(path) = &place
            && copies.around(path).is_some()
        {
            skip("names a copy that a run made");
            continue;
        }
        targets.push(Target { id, place });
    }
    Ok(Found { source: format!("the list `{}`", path.display()), targets, skipped })
}

/// What the list says. Editors of some systems begin a text with a mark that nobody sees.
fn text(path: &Path) -> Result<String, String> {
    let bytes = read_file(path).map_err(|error| error.to_string())?;
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&bytes);
    String::from_utf8(bytes.to_vec()).map_err(|error| format!("expected UTF-8: {error}"))
}

/// By what two lines name the same: the schema of a database is one, whichever user comes to it. Where the
/// line names none, each user may be led to another.
fn name(url: &DatabaseUrl) -> String {
    let address = url.address();
    if address.contains('?') { address } else { url.to_string() }
}
