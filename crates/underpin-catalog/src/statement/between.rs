//! Functions that speak of the statement before, which may be another's.

use super::words::{Word, Words};
use crate::Dialect;

/// The first function of the statement whose answer is about the statement that its session ran last.
///
/// What makes a trigger or a function calls nothing yet.
#[must_use]
pub fn asks_about_the_last(text: &str, dialect: Dialect) -> Option<&'static str> {
    let functions: &[&str] = match dialect {
        Dialect::Sqlite => &["last_insert_rowid", "changes", "total_changes"],
        Dialect::Postgres => &["lastval"],
    };
    let words = Words::of(text, dialect);
    let later = ["TRIGGER", "FUNCTION", "PROCEDURE"];
    let create = words.peek().is_some_and(|first| first.is("CREATE"));
    // `CREATE OR REPLACE FUNCTION`, `CREATE TEMP TRIGGER`
    if create && words.rest().iter().take(5).any(|word| word.is_any(&later)) {
        return None;
    }
    let calls = |name: &str| {
        words.rest().windows(2).any(|pair| match pair {
            [Word::Bare(word), Word::Sign('(')] => word.eq_ignore_ascii_case(name),
            [Word::Name(word), Word::Sign('(')] => word.eq_ignore_ascii_case(name),
            _ => false,
        })
    };
    functions.iter().copied().find(|name| calls(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_found_whatever_their_spelling() {
        use Dialect::{Postgres, Sqlite};
        for (dialect, text, found) in [
            (
                Sqlite,
                "INSERT INTO c VALUES (Last_Insert_Rowid /* */ ())",
                Some("last_insert_rowid"),
            ),
            (Sqlite, "SELECT \"changes\"()", Some("changes")),
            (Sqlite, "SELECT changes FROM t", None),
            (Sqlite, "SELECT 'changes()'", None),
            (Sqlite, "CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT changes(); END", None),
            (Postgres, "SELECT pg_catalog.lastval()", Some("lastval")),
            (Postgres, "SELECT currval('s'), changes()", None),
            (Postgres, "CREATE OR REPLACE FUNCTION f() RETURNS int RETURN lastval()", None),
        ] {
            assert_eq!(asks_about_the_last(text, dialect), found, "{text}");
        }
    }
}
