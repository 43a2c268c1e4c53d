//! `COPY` of PostgreSQL: whether its rows come from the client, or go there.

use super::{
    kind::Kind,
    words::{Word, Words},
};

/// The kind of a `COPY` whose first word was read.
///
/// The other side is a file or a program of the server, in quotes, or `STDIN` or `STDOUT`, which mean the
/// same: <https://www.postgresql.org/docs/16/sql-copy.html>.
pub(super) fn kind(mut words: Words<'_>) -> Kind {
    if words.parentheses().is_none() {
        // Until version 7.3 it was `COPY BINARY t`, which servers still take.
        if let [first, second, ..] = words.rest()
            && first.is("BINARY")
            && !second.is_any(&["FROM", "TO"])
            && !matches!(second, Word::Sign(_))
        {
            words.next();
        }
        words.object();
        words.parentheses();
    }
    let comes = words.take(&["FROM"]);
    if !comes && !words.take(&["TO"]) {
        return Kind::Other;
    }
    match (comes, words.take_any(&["STDIN", "STDOUT"])) {
        (_, false) => Kind::Other,
        (true, true) => Kind::CopyIn,
        (false, true) => Kind::CopyOut,
    }
}
