//! What a runner must know about a statement, told by its words.

use super::{
    copy, pragma, setting,
    words::{Word, Words},
};
use crate::Dialect;

/// What a runner must know about a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Begins or ends a transaction or a savepoint.
    TransactionControl,
    /// SQLite: sets `PRAGMA foreign_keys`, which does nothing inside a transaction.
    ForeignKeysPragma,
    /// The database refuses it inside a transaction, or ignores it there.
    NotInTransaction,
    /// PostgreSQL: adds a value to an enum, which cannot be used before it is committed.
    AddEnumValue,
    /// A command of `psql` or `sqlite3`.
    MetaCommand,
    /// PostgreSQL: `COPY … FROM STDIN`, which takes rows from the client.
    CopyIn,
    /// PostgreSQL: `COPY … TO STDOUT`, which sends rows to the client.
    CopyOut,
    /// PostgreSQL: lets a backslash escape in strings that say nothing about it, so that they end elsewhere.
    StringsOff,
    /// PostgreSQL: sets of its transaction what the server takes only before the first query in it.
    BeforeQueries,
    /// PostgreSQL: keeps the transaction that it is in, or that it begins, from writing.
    ReadOnly,
    /// PostgreSQL: sets another encoding than the driver's, which is UTF-8, or one that cannot be told.
    OtherEncoding,
    /// Anything else.
    Other,
}

/// What a statement does to a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// Begins one.
    Begin,
    /// Ends it, and what it did stays.
    Commit,
    /// Ends it, and what it did is undone.
    RollBack,
    /// PostgreSQL: ends it, what it did stays, and the next one with the same characteristics begins.
    CommitAndChain,
    /// PostgreSQL: ends it, what it did is undone, and the next one with the same characteristics begins.
    RollBackAndChain,
    /// Makes or forgets a savepoint.
    Savepoint,
    /// Undoes what was done since a savepoint.
    RollBackTo,
}

/// The kind of `text`, whose first word, in upper case, is `first`.
pub(super) fn of(first: &str, text: &str, dialect: Dialect) -> Kind {
    if dialect == Dialect::Postgres
        && let Some(kind) = setting::kind(first, text)
    {
        return kind;
    }
    if control_of(first, text, dialect).is_some() {
        return Kind::TransactionControl;
    }
    match dialect {
        Dialect::Sqlite if text.starts_with('.') => Kind::MetaCommand,
        Dialect::Sqlite => sqlite(first, text),
        Dialect::Postgres => postgres(first, text),
    }
}

/// What `text` does to a transaction. `None` for any other statement.
#[must_use]
pub fn control(text: &str, dialect: Dialect) -> Option<Control> {
    let words = Words::of(short(text), dialect);
    let Some(Word::Bare(first)) = words.peek() else { return None };
    control_of(&first.to_ascii_uppercase(), text, dialect)
}

fn control_of(first: &str, text: &str, dialect: Dialect) -> Option<Control> {
    const FIRST: [&str; 9] =
        ["BEGIN", "START", "COMMIT", "END", "PREPARE", "ABORT", "ROLLBACK", "SAVEPOINT", "RELEASE"];
    if !FIRST.contains(&first) {
        return None;
    }
    let mut words = Words::of(short(text), dialect);
    words.next();
    Some(match first {
        "BEGIN" => Control::Begin,
        "START" if words.take(&["TRANSACTION"]) => Control::Begin,
        "COMMIT" | "END" if chains(&mut words) => Control::CommitAndChain,
        "COMMIT" | "END" => Control::Commit,
        "PREPARE" if words.take(&["TRANSACTION"]) => Control::Commit,
        "ABORT" | "ROLLBACK" if chains(&mut words) => Control::RollBackAndChain,
        "ABORT" => Control::RollBack,
        "ROLLBACK" => {
            if words.take(&["TO"]) {
                Control::RollBackTo
            } else {
                Control::RollBack
            }
        }
        "SAVEPOINT" | "RELEASE" => Control::Savepoint,
        _ => return None,
    })
}

/// Whether the rest of what ends a transaction begins another one.
fn chains(words: &mut Words<'_>) -> bool {
    words.take_any(&["WORK", "TRANSACTION"]);
    words.take(&["AND", "CHAIN"])
}

/// As much of a statement as tells its kind by its first words.
pub(super) fn short(text: &str) -> &str {
    const ENOUGH: usize = 1000;
    &text[..text.floor_char_boundary(ENOUGH)]
}

fn sqlite(first: &str, text: &str) -> Kind {
    match first {
        "VACUUM" | "ATTACH" | "DETACH" => Kind::NotInTransaction,
        "PRAGMA" => pragma::of(text).map_or(Kind::Other, |pragma| pragma.kind()),
        _ => Kind::Other,
    }
}

fn postgres(first: &str, text: &str) -> Kind {
    let words = || {
        let mut words = Words::of(text, Dialect::Postgres);
        words.next();
        words
    };
    let alone = match first {
        "VACUUM" => true,
        "CREATE" | "DROP" | "ALTER" => return defines(first, words()),
        "REINDEX" => reindex_is_alone(words()),
        "CLUSTER" => {
            let mut words = words();
            words.take(&["VERBOSE"]);
            words.parentheses();
            words.rest().is_empty()
        }
        "DISCARD" => words().take(&["ALL"]),
        "COPY" => return copy::kind(words()),
        _ => false,
    };
    if alone { Kind::NotInTransaction } else { Kind::Other }
}

/// `CREATE`, `DROP` and `ALTER`.
fn defines(first: &str, mut words: Words<'_>) -> Kind {
    let alone = match first {
        "ALTER" if words.take(&["TYPE"]) => {
            words.object();
            return if words.take(&["ADD", "VALUE"]) { Kind::AddEnumValue } else { Kind::Other };
        }
        "ALTER" if words.take(&["SYSTEM"]) => true,
        "ALTER" if words.take(&["DATABASE"]) => {
            words.object();
            words.take(&["SET", "TABLESPACE"])
        }
        "ALTER" if words.take(&["TABLE"]) => {
            let mut rest = words.rest().iter();
            rest.any(|word| word.is("DETACH"))
                && rest.next_back().is_some_and(|word| word.is("CONCURRENTLY"))
        }
        "ALTER" => false,
        _ if words.take_any(&["DATABASE", "TABLESPACE"]) => true,
        "CREATE" if words.take(&["SUBSCRIPTION"]) => makes_slot(&words),
        _ => {
            words.take(&["UNIQUE"]);
            words.take(&["INDEX", "CONCURRENTLY"])
        }
    };
    if alone { Kind::NotInTransaction } else { Kind::Other }
}

/// A subscription makes its slot at the publisher, unless an option says that it does not.
fn makes_slot(words: &Words<'_>) -> bool {
    let off = |option: &&str| {
        words.rest().windows(3).any(|three| {
            let value = match &three[2] {
                Word::Bare(value) => (*value).to_owned(),
                Word::Text(value) => value.clone(),
                _ => String::new(),
            };
            three[0].is(option)
                && ["false", "off", "0", "no"].contains(&value.to_ascii_lowercase().as_str())
        })
    };
    !["CONNECT", "CREATE_SLOT"].iter().any(off)
}

fn reindex_is_alone(mut words: Words<'_>) -> bool {
    let concurrently = words.parentheses().is_some_and(|options| {
        let at = options.iter().position(|word| word.is("CONCURRENTLY"));
        at.is_some_and(|at| {
            options.get(at + 1).is_none_or(|word| !word.is_any(&["FALSE", "OFF", "0"]))
        })
    });
    let all = words.take_any(&["SCHEMA", "DATABASE", "SYSTEM"]);
    words.take_any(&["TABLE", "INDEX"]);
    concurrently || all || words.take(&["CONCURRENTLY"])
}
