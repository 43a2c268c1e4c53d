//! SQLite's result codes; see <https://www.sqlite.org/rescode.html>.
//!
//! Diesel hands on the kind of a constraint, and of anything else the text. SQLite has one text for each of
//! the codes below, in its own code, which is part of this program: no language changes it.

use diesel::result::{DatabaseErrorInformation, DatabaseErrorKind};

pub(crate) const CONSTRAINT: i32 = 19;
pub(crate) const MISMATCH: i32 = 20;
pub(crate) const TOO_BIG: i32 = 18;
/// A trigger raised it.
pub(crate) const CONSTRAINT_TRIGGER: i32 = 1811;
/// A value that a column of a `STRICT` table does not take.
const CONSTRAINT_DATATYPE: i32 = 3091;

const TEXTS: [(&str, i32); 18] = [
    ("access permission denied", 3),
    ("query aborted", 4),
    ("database is locked", 5),
    ("database table is locked", 6),
    ("out of memory", 7),
    ("attempt to write a readonly database", 8),
    ("interrupted", 9),
    ("disk I/O error", 10),
    ("database disk image is malformed", 11),
    ("database or disk is full", 13),
    ("unable to open database file", 14),
    ("locking protocol", 15),
    ("database schema has changed", 17),
    ("string or blob too big", TOO_BIG),
    ("constraint failed", CONSTRAINT),
    ("datatype mismatch", MISMATCH),
    ("authorization denied", 23),
    ("file is not a database", 26),
];

/// The code of a constraint that Diesel names. PostgreSQL's say which table they are of.
pub(crate) fn constraint(
    kind: DatabaseErrorKind,
    about: &(dyn DatabaseErrorInformation + Send + Sync),
) -> Option<i32> {
    if about.table_name().is_some() {
        return None;
    }
    match kind {
        DatabaseErrorKind::CheckViolation => Some(275),
        DatabaseErrorKind::ForeignKeyViolation => Some(787),
        DatabaseErrorKind::NotNullViolation => Some(1299),
        DatabaseErrorKind::UniqueViolation => Some(2067),
        _ => None,
    }
}

/// The code of any other error of SQLite, where its text tells.
pub(crate) fn of_text(text: &str) -> Option<i32> {
    if text.starts_with("cannot store ") && text.contains(" value in ") {
        return Some(CONSTRAINT_DATATYPE);
    }
    TEXTS.iter().find(|(known, _)| *known == text).map(|(_, code)| *code)
}
