//! What a runner must know about a statement, told by its first words.

use crate::Dialect;

/// What a runner must know about a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Begins or ends a transaction or a savepoint.
    TransactionControl,
    /// SQLite: sets `PRAGMA foreign_keys`, which does nothing inside a transaction.
    ForeignKeysPragma,
    /// The database refuses it inside a transaction.
    NotInTransaction,
    /// PostgreSQL: adds a value to an enum, which cannot be used before it is committed.
    AddEnumValue,
    /// PostgreSQL: a command of `psql`, or `COPY … FROM STDIN` with its data.
    MetaCommand,
    /// Anything else.
    Other,
}

/// The kind of a statement with these first words, in upper case.
pub(super) fn of(words: &[String], text: &str, dialect: Dialect) -> Kind {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let first = words.first().copied().unwrap_or_default();
    let second = words.get(1).copied().unwrap_or_default();
    if is_transaction_control(first, second) {
        return Kind::TransactionControl;
    }
    match dialect {
        Dialect::Sqlite => sqlite(first, text),
        Dialect::Postgres => postgres(first, second, &words, text),
    }
}

fn is_transaction_control(first: &str, second: &str) -> bool {
    match first {
        "BEGIN" | "COMMIT" | "END" | "ROLLBACK" | "SAVEPOINT" | "RELEASE" | "ABORT" => true,
        "START" | "PREPARE" => second == "TRANSACTION",
        _ => false,
    }
}

fn sqlite(first: &str, text: &str) -> Kind {
    match (first, pragma_that_is_set(text).as_str()) {
        ("PRAGMA", "FOREIGN_KEYS") => Kind::ForeignKeysPragma,
        ("PRAGMA", "JOURNAL_MODE" | "SYNCHRONOUS") | ("VACUUM" | "ATTACH" | "DETACH", _) => {
            Kind::NotInTransaction
        }
        _ => Kind::Other,
    }
}

/// The name in `PRAGMA [schema.]name = value` or `PRAGMA [schema.]name(value)`, in upper case and
/// without quotes. Empty for any other statement.
fn pragma_that_is_set(text: &str) -> String {
    let Some((name, _)) = text.split_once(['=', '(']) else { return String::new() };
    let name = name.get("PRAGMA".len()..).unwrap_or_default();
    let name = name.rsplit('.').next().unwrap_or_default();
    name.trim().trim_matches(['"', '`', '\'', '[', ']']).to_uppercase()
}

fn postgres(first: &str, second: &str, words: &[&str], text: &str) -> Kind {
    let concurrently = words.contains(&"CONCURRENTLY");
    match (first, second) {
        ("CREATE" | "DROP", "DATABASE" | "TABLESPACE") | ("ALTER", "SYSTEM") | ("VACUUM", _) => {
            Kind::NotInTransaction
        }
        ("CREATE" | "DROP", "INDEX" | "UNIQUE") | ("REINDEX", _) if concurrently => {
            Kind::NotInTransaction
        }
        ("ALTER", "TABLE") if concurrently && words.contains(&"DETACH") => Kind::NotInTransaction,
        ("ALTER", "TYPE") if words.windows(2).any(|pair| pair == ["ADD", "VALUE"]) => {
            Kind::AddEnumValue
        }
        ("COPY", _) if words.contains(&"STDIN") => Kind::MetaCommand,
        _ if text.starts_with('\\') => Kind::MetaCommand,
        _ => Kind::Other,
    }
}
