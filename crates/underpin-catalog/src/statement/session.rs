//! What a statement leaves in its connection for the statements after it.
//!
//! A script outside a transaction that goes on does so on a new connection. What a statement has set
//! can be set again; what it has made cannot be made again truthfully.

use super::{
    pragma,
    words::{DEEPEST, Word, Words},
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
    // With `ANALYZE` it runs what it explains; without, to explain it again changes nothing.
    if dialect == Dialect::Postgres && words.take(&["EXPLAIN"]) {
        words.parentheses();
        words.take(&["ANALYZE"]);
        words.take(&["VERBOSE"]);
    }
    if makes_temporary(&words, dialect) {
        return Lasting::Lost("a temporary object");
    }
    match dialect {
        Dialect::Sqlite => sqlite(text, words),
        Dialect::Postgres => postgres(words),
    }
}

/// Pragmas that change the file and not the connection.
const OF_THE_FILE: [&str; 3] = ["user_version", "application_id", "schema_version"];

fn sqlite(text: &str, mut words: Words<'_>) -> Lasting {
    if words.take(&["ATTACH"]) {
        return attached(words);
    }
    if words.take(&["DETACH"]) {
        return Lasting::Repeatable;
    }
    match pragma::of(text) {
        Some(pragma) if pragma.value.is_some() && !OF_THE_FILE.contains(&pragma.name.as_str()) => {
            Lasting::Repeatable
        }
        _ => Lasting::Nothing,
    }
}

/// A database that is attached: the rest of `ATTACH`. A name is a string here.
fn attached(mut words: Words<'_>) -> Lasting {
    words.take(&["DATABASE"]);
    let file = match words.next() {
        Some(word) if word.is("NULL") => Some(String::new()),
        Some(word) => word.name(Dialect::Sqlite),
        None => None,
    };
    match file.filter(|_| words.take(&["AS"])) {
        Some(file) if is_kept(&file) => Lasting::Repeatable,
        Some(_) => Lasting::Lost("an attached database without a file"),
        None => Lasting::Lost("an attached database whose name it has worked out"),
    }
}

/// Whether SQLite keeps what it attaches under this name in a file, which is there for the next connection:
/// <https://www.sqlite.org/inmemorydb.html>, <https://www.sqlite.org/uri.html>.
fn is_kept(file: &str) -> bool {
    let Some(uri) = file.get(..5).filter(|scheme| scheme.eq_ignore_ascii_case("file:")) else {
        return !file.is_empty() && file != ":memory:";
    };
    let rest = &file[uri.len()..];
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let path = path.split('#').next().unwrap_or_default();
    // The name of a computer stands before the path, and is none or this one.
    let path =
        path.strip_prefix("//").map_or(path, |rest| rest.find('/').map_or("", |at| &rest[at..]));
    let path = decoded(path);
    let query = decoded(query).to_ascii_lowercase();
    let in_memory = ["mode=memory", "vfs=memdb"].iter().any(|option| query.contains(option));
    !path.is_empty() && path.trim_start_matches('/') != ":memory:" && !in_memory
}

/// A part of a URI with the letters that `%` and two digits stand for.
fn decoded(part: &str) -> String {
    let mut parts = part.split('%');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let number = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match number {
            Some(number) => {
                text.push(char::from(number));
                text.push_str(&part[2..]);
            }
            None => text.push_str(part),
        }
    }
    text
}

fn postgres(mut words: Words<'_>) -> Lasting {
    if words.take(&["SET"]) {
        // For a transaction alone, too: what is made meanwhile is as temporary after it.
        if sets_temporary_path(words.rest()) {
            return TEMPORARY_PATH;
        }
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
        return if holds { Lasting::Lost("a cursor") } else { called(words.rest()) };
    }
    if words.take(&["CREATE"]) {
        // What else it defines runs later, on whichever connection.
        return called(run_now(words.rest()));
    }
    let called = called(words.rest());
    if words.take(&["SELECT"]) {
        let sets =
            |word: &Word<'_>| word.is("set_config") || *word == Word::Name("set_config".into());
        if words.rest().split(sets).skip(1).any(sets_temporary_path) {
            return TEMPORARY_PATH;
        }
        return if only_sets(&mut words) { Lasting::Repeatable } else { called };
    }
    if words.take(&["DO"]) {
        return inside(words.rest(), 0);
    }
    called
}

const TEMPORARY_PATH: Lasting = Lasting::Lost("a path that makes what is created temporary");

/// Whether these words, all behind `SET` or a call, make a path that begins with temporary objects: what is
/// created then goes there.
///
/// The schema of the user's name, which may stand before, need not exist.
fn sets_temporary_path(words: &[Word<'_>]) -> bool {
    let mut schemas = Vec::new();
    let mut named = false;
    for word in words {
        match word {
            Word::Text(text) if named => schemas.extend(
                Words::of(text, Dialect::Postgres)
                    .rest()
                    .iter()
                    .filter_map(|word| word.name(Dialect::Postgres)),
            ),
            Word::Bare(_) | Word::Name(_) if named => schemas.extend(word.name(Dialect::Postgres)),
            Word::Bare(name) => named = is_path(name),
            Word::Name(name) | Word::Text(name) => named = is_path(name),
            Word::Sign(_) | Word::Meta => {}
        }
    }
    let before = |schema: &&String| ["to", "$user", "user"].contains(&schema.as_str());
    schemas.iter().find(|schema| !before(schema)).is_some_and(|schema| is_temporary_schema(schema))
}

/// Whether this is what `SET` calls the path; `SET SCHEMA` sets it as well.
fn is_path(name: &str) -> bool {
    name.eq_ignore_ascii_case("search_path") || name.eq_ignore_ascii_case("schema")
}

/// PostgreSQL: `pg_temp`, or the name that it has for this session.
fn is_temporary_schema(name: &str) -> bool {
    name.eq_ignore_ascii_case("pg_temp")
        || name.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("pg_temp_"))
}

fn is_temporary(word: &Word<'_>, dialect: Dialect) -> bool {
    word.name(dialect).is_some_and(|name| match dialect {
        Dialect::Sqlite => name.eq_ignore_ascii_case("temp"),
        Dialect::Postgres => is_temporary_schema(&name),
    })
}

/// What runs at once of the words behind `CREATE`: the query that fills what it makes.
pub(super) fn run_now<'w, 'a>(words: &'w [Word<'a>]) -> &'w [Word<'a>] {
    let fills = words.iter().take(4).any(|word| word.is_any(&["TABLE", "MATERIALIZED"]));
    let later =
        matches!(words, [.., with, no, data] if with.is("WITH") && no.is("NO") && data.is("DATA"));
    let mut depth = 0_usize;
    let query = words.iter().position(|word| {
        match word {
            Word::Sign('(') => depth += 1,
            Word::Sign(')') => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && word.is("AS")
    });
    query.filter(|_| fills && !later).map_or(&[], |at| &words[at..])
}

/// Whether it makes a table, a view or anything else that ends with the connection.
fn makes_temporary(words: &Words<'_>, dialect: Dialect) -> bool {
    let rest = words.rest();
    let first = |keyword: &str| rest.first().is_some_and(|word| word.is(keyword));
    let head = rest.iter().take(4).any(|word| word.is_any(&["TEMP", "TEMPORARY"]));
    // A name with the schema of temporary objects before it.
    let with_schema =
        |pair: &[Word<'_>]| is_temporary(&pair[0], dialect) && pair[1] == Word::Sign('.');
    let prefixed = rest.windows(2).any(with_schema);
    let into = rest.split(|word| word.is("INTO")).skip(1).any(|target| {
        let target =
            if target.first().is_some_and(|word| word.is("TABLE")) { &target[1..] } else { target };
        let keywords = ["TEMP", "TEMPORARY", "LOCAL", "GLOBAL"];
        target.first().is_some_and(|word| word.is_any(&keywords))
            || target.get(..2).is_some_and(with_schema)
    });
    let selects = first("SELECT") || first("WITH") || rest.first() == Some(&Word::Sign('('));
    let ends = rest
        .windows(3)
        .any(|three| three[0].is("ON") && three[1].is("COMMIT") && three[2].is("DROP"));
    first("CREATE") && (head || prefixed) && !ends
        || dialect == Dialect::Postgres && selects && into
}

const WORKED_OUT: Lasting = Lasting::Lost("a setting that it has worked out");

/// Functions whose effect lasts as long as the connection, and what that is.
const LASTING: [(&str, Lasting); 8] = [
    ("set_config", WORKED_OUT),
    ("setseed", Lasting::Lost("the seed of random numbers")),
    ("pg_advisory_lock", Lasting::Lost("an advisory lock")),
    ("pg_advisory_lock_shared", Lasting::Lost("an advisory lock")),
    ("pg_try_advisory_lock", Lasting::Lost("an advisory lock")),
    ("pg_try_advisory_lock_shared", Lasting::Lost("an advisory lock")),
    ("dblink_connect", Lasting::Lost("a connection of its own")),
    ("dblink_connect_u", Lasting::Lost("a connection of its own")),
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

/// What the functions leave that these words call. To write to the view of the settings calls one.
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
    let found = LASTING.iter().find(|(function, _)| calls(function)).map(|(_, left)| *left);
    found.unwrap_or(if updates_settings(words) { WORKED_OUT } else { Lasting::Nothing })
}

/// Whether `UPDATE pg_settings` is in these words, which sets what it writes.
pub(super) fn updates_settings(words: &[Word<'_>]) -> bool {
    words.split(|word| word.is("UPDATE")).skip(1).any(|rest| {
        // `ONLY pg_catalog.pg_settings`
        let mut table = rest.iter().take(4).take_while(|word| !word.is("SET"));
        table.any(|word| word.name(Dialect::Postgres).is_some_and(|name| name == "pg_settings"))
    })
}

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
        if word.is_any(&["TEMP", "TEMPORARY"]) || is_temporary(word, Dialect::Postgres) {
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
