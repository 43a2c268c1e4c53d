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
        Dialect::Sqlite => sqlite(first, &words, text),
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

fn sqlite(first: &str, words: &[&str], text: &str) -> Kind {
    let sets = text.contains('=') || text.contains('(');
    match first {
        "VACUUM" | "ATTACH" | "DETACH" => Kind::NotInTransaction,
        "PRAGMA" if sets && words.contains(&"FOREIGN_KEYS") => Kind::ForeignKeysPragma,
        "PRAGMA" if sets && (words.contains(&"JOURNAL_MODE") || words.contains(&"SYNCHRONOUS")) => {
            Kind::NotInTransaction
        }
        _ => Kind::Other,
    }
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
