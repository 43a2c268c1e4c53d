//! What a statement leaves in its connection for the statements after it.
//!
//! A script outside a transaction that goes on does so on a new connection. What a statement has set
//! can be set again; what it has made cannot be made again truthfully.

use super::{
    pragma,
    words::{Word, Words},
};
use crate::Dialect;

/// What a statement leaves in its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasting {
    /// Nothing that is known.
    Nothing,
    /// What the same statement gives a new connection as well.
    Repeatable,
    /// What a new connection does not have: "a temporary table".
    Lost(&'static str),
}

/// What `text`, outside a transaction, leaves in its connection.
///
/// What a function or procedure does that is only called here cannot be told.
#[must_use]
pub fn lasting(text: &str, dialect: Dialect) -> Lasting {
    let mut words = Words::of(text, dialect);
    if makes_temporary(&mut words, dialect) {
        return Lasting::Lost("a temporary object");
    }
    match dialect {
        Dialect::Sqlite => sqlite(text, &words),
        Dialect::Postgres => postgres(words),
    }
}

/// Pragmas that change the file and not the connection.
const OF_THE_FILE: [&str; 3] = ["user_version", "application_id", "schema_version"];

fn sqlite(text: &str, words: &Words<'_>) -> Lasting {
    if words.peek().is_some_and(|word| word.is_any(&["ATTACH", "DETACH"])) {
        return Lasting::Repeatable;
    }
    match pragma::of(text) {
        Some(pragma) if pragma.value.is_some() && !OF_THE_FILE.contains(&pragma.name.as_str()) => {
            Lasting::Repeatable
        }
        _ => Lasting::Nothing,
    }
}

fn postgres(mut words: Words<'_>) -> Lasting {
    if words.take(&["SET"]) {
        let passes = words.take_any(&["LOCAL", "TRANSACTION", "CONSTRAINTS"]);
        return if passes { Lasting::Nothing } else { Lasting::Repeatable };
    }
    if words.take_any(&["RESET", "DISCARD", "LOAD"]) {
        return Lasting::Repeatable;
    }
    if words.take(&["PREPARE"]) {
        return Lasting::Lost("a prepared statement");
    }
    if words.take(&["LISTEN"]) {
        return Lasting::Lost("a channel that it listens to");
    }
    if words.take(&["DECLARE"]) {
        let holds = words.rest().windows(2).any(|pair| pair[0].is("WITH") && pair[1].is("HOLD"));
        return if holds { Lasting::Lost("a cursor") } else { Lasting::Nothing };
    }
    let called = called(words.rest());
    if words.take(&["SELECT"]) && only_sets(&mut words) {
        return Lasting::Repeatable;
    }
    if words.take(&["DO"]) {
        return inside(words.rest(), 0);
    }
    // What it defines runs later, on whichever connection.
    if words.take(&["CREATE"]) {
        return Lasting::Nothing;
    }
    called
}

/// Whether it makes a table, a view or anything else that ends with the connection.
fn makes_temporary(words: &mut Words<'_>, dialect: Dialect) -> bool {
    let names = match dialect {
        Dialect::Sqlite => "temp",
        Dialect::Postgres => "pg_temp",
    };
    let is_temporary = |word: &Word<'_>| match word {
        Word::Bare(name) => name.eq_ignore_ascii_case(names),
        Word::Name(name) => name.eq_ignore_ascii_case(names),
        _ => false,
    };
    let rest = words.rest();
    let first = |keyword: &str| rest.first().is_some_and(|word| word.is(keyword));
    let head = rest.iter().take(4).any(|word| word.is_any(&["TEMP", "TEMPORARY"]));
    let into = rest.windows(2).any(|pair| {
        pair[0].is("INTO") && pair[1].is_any(&["TEMP", "TEMPORARY", "LOCAL", "GLOBAL"])
    });
    // A name with the schema of temporary objects before it.
    let prefixed = rest.windows(2).any(|pair| is_temporary(&pair[0]) && pair[1] == Word::Sign('.'));
    let ends = rest
        .windows(3)
        .any(|three| three[0].is("ON") && three[1].is("COMMIT") && three[2].is("DROP"));
    first("CREATE") && (head || prefixed) && !ends
        || dialect == Dialect::Postgres && (first("SELECT") || first("WITH")) && into
}

/// Functions whose effect lasts as long as the connection.
const LASTING: [&str; 6] = [
    "set_config",
    "pg_advisory_lock",
    "pg_advisory_lock_shared",
    "pg_try_advisory_lock",
    "pg_try_advisory_lock_shared",
    "dblink_connect",
];

/// Whether the rest of a `SELECT` calls `set_config` with what is written there, and nothing else.
fn only_sets(words: &mut Words<'_>) -> bool {
    loop {
        let Some(function) = words.object() else { return false };
        let literal = |word: &Word<'_>| {
            matches!(word, Word::Text(_) | Word::Sign(',')) || word.is_any(&["TRUE", "FALSE"])
        };
        if function.name != "set_config"
            || !words.parentheses().is_some_and(|arguments| arguments.iter().all(literal))
        {
            return false;
        }
        if words.take(&["AS"]) {
            words.next();
        }
        if !words.take_sign(',') {
            return words.rest().is_empty();
        }
    }
}

/// What the functions leave that these words call.
fn called(words: &[Word<'_>]) -> Lasting {
    let calls = |function: &str| {
        words.windows(2).any(|pair| {
            let named = match &pair[0] {
                Word::Bare(name) => name.eq_ignore_ascii_case(function),
                Word::Name(name) => name == function,
                _ => false,
            };
            named && pair[1] == Word::Sign('(')
        })
    };
    match LASTING.iter().position(|function| calls(function)) {
        None => Lasting::Nothing,
        Some(0) => Lasting::Lost("a setting that it has worked out"),
        Some(5) => Lasting::Lost("a connection of its own"),
        Some(_) => Lasting::Lost("an advisory lock"),
    }
}

/// How deep strings in strings are read: code may be built and executed in code.
const DEEPEST: usize = 4;

/// What code leaves that stands in the strings of `DO`.
fn inside(words: &[Word<'_>], depth: usize) -> Lasting {
    let begins = |word: Option<&Word<'_>>| {
        word.is_none_or(|word| {
            *word == Word::Sign(';') || word.is_any(&["BEGIN", "THEN", "ELSE", "LOOP"])
        })
    };
    for (at, word) in words.iter().enumerate() {
        let first = depth > 0 && begins(at.checked_sub(1).and_then(|at| words.get(at)));
        let next = words.get(at + 1);
        let sets = word.is("SET")
            && next.is_none_or(|next| !next.is_any(&["LOCAL", "TRANSACTION", "CONSTRAINTS"]))
            || word.is("RESET");
        if first && sets {
            return Lasting::Lost("a setting that is made inside `DO`");
        }
        if first && word.is("LISTEN") {
            return Lasting::Lost("a channel that it listens to");
        }
        if word.is_any(&["TEMP", "TEMPORARY", "PG_TEMP"]) {
            return Lasting::Lost("a temporary object");
        }
        if let Word::Text(text) = word
            && depth < DEEPEST
        {
            let within = inside(Words::of(text, Dialect::Postgres).rest(), depth + 1);
            if within != Lasting::Nothing {
                return within;
            }
        }
    }
    called(words)
}
