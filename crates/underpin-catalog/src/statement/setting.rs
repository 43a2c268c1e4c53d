//! PostgreSQL: the settings that a statement makes, in whichever way.

use super::{
    history::{contains, run_strings},
    kind::Kind,
    session::{run_now, updates_settings},
    words::{Word, Words},
};
use crate::Dialect;

/// What a setting is set to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    /// This text, in lower case.
    Text(String),
    /// What the session or the transaction began with.
    Default,
    /// What is worked out when it runs.
    WorkedOut,
}

/// A setting that a statement makes.
struct Setting {
    /// In lower case.
    name: String,
    value: Value,
}

const ENCODING: &str = "client_encoding";

/// The settings that are looked for where a function or a table sets them.
const LOOKED_FOR: [&str; 4] =
    [ENCODING, "transaction_isolation", "transaction_read_only", "transaction_deferrable"];

/// The kind of a statement that makes a setting of which a runner must know. `None` for any other.
///
/// `first` is its first word, in upper case.
pub(super) fn kind(first: &str, text: &str) -> Option<Kind> {
    let may_set = ["SET", "DO", "BEGIN", "START"].contains(&first)
        || ["set_config", "pg_settings", "u&\""].iter().any(|name| contains(text, name));
    if !may_set {
        return None;
    }
    let mut words = Words::of(text, Dialect::Postgres);
    match first {
        "BEGIN" | "START" => return writes_nothing(words.rest()).then_some(Kind::ReadOnly),
        "SET" => {
            words.next();
            words.take_any(&["SESSION", "LOCAL"]);
            if words.take(&["TRANSACTION"]) {
                return of_transaction(words.rest());
            }
        }
        _ => {}
    }
    if sets_encoding(text) {
        return Some(Kind::OtherEncoding);
    }
    // What code sets of its transaction is gone when the code has ended that, or fails without us.
    let made = if first == "DO" { Vec::new() } else { made(text) };
    made.iter().find_map(of_setting)
}

/// The kind of a `SET TRANSACTION` with these words behind it.
fn of_transaction(modes: &[Word<'_>]) -> Option<Kind> {
    let other_level = |three: &[Word<'_>]| {
        three[0].is("LEVEL") && !(three[1].is("READ") && three[2].is("COMMITTED"))
    };
    let alone = |word: &Word<'_>| word.is_any(&["SERIALIZABLE", "SNAPSHOT", "DEFERRABLE"]);
    if writes_nothing(modes) {
        Some(Kind::ReadOnly)
    } else if modes.iter().any(alone) || modes.windows(3).any(other_level) {
        Some(Kind::BeforeQueries)
    } else {
        None
    }
}

/// Whether these modes of a transaction keep it from writing.
fn writes_nothing(modes: &[Word<'_>]) -> bool {
    modes.windows(2).any(|pair| pair[0].is("READ") && pair[1].is("ONLY"))
}

fn of_setting(Setting { name, value }: &Setting) -> Option<Kind> {
    let is_off = |value: &str| {
        ["false", "no"].iter().any(|off| !value.is_empty() && off.starts_with(value))
            || ["of", "off", "0"].contains(&value)
    };
    match (name.as_str(), value) {
        ("standard_conforming_strings", value) if !conforms(value) => Some(Kind::StringsOff),
        ("transaction_isolation", Value::Text(level)) if level == "read committed" => None,
        ("transaction_isolation" | "transaction_deferrable", _) => Some(Kind::BeforeQueries),
        ("transaction_read_only", Value::Text(value)) if is_off(value) => None,
        ("transaction_read_only", Value::Text(_) | Value::WorkedOut) => Some(Kind::ReadOnly),
        _ => None,
    }
}

/// Whether strings end with this value of `standard_conforming_strings` where they are read to end.
fn conforms(value: &Value) -> bool {
    match value {
        Value::Default => true,
        Value::Text(value) => ["on", "true", "t", "yes", "y", "1"].contains(&value.as_str()),
        Value::WorkedOut => false,
    }
}

/// Whether it sets the encoding to another than UTF-8, or to what cannot be told, also in code that it runs.
fn sets_encoding(text: &str) -> bool {
    let is_other = |value: &Value| match value {
        Value::Default => false,
        Value::WorkedOut => true,
        // The server reads letters and digits of a name alone.
        Value::Text(name) => {
            let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
            !["utf8", "unicode"].contains(&name.as_str())
        }
    };
    made(text).iter().any(|one| one.name == ENCODING && is_other(&one.value))
        || run_strings(text, Dialect::Postgres).iter().any(|text| sets_encoding(text))
}

/// The settings that the words of `text` make, without its strings: by `SET` where a statement begins, by
/// `set_config`, and by writing to the view of the settings.
///
/// What a `CREATE` defines runs later.
fn made(text: &str) -> Vec<Setting> {
    let mut words = Words::of(text, Dialect::Postgres);
    if words.take(&["CREATE"]) {
        return called(run_now(words.rest()));
    }
    let mut settings = called(words.rest());
    let mut begins = true;
    while let Some(word) = words.next() {
        let sets = begins && word.is("SET");
        begins = *word == Word::Sign(';') || word.is_any(&["BEGIN", "THEN", "ELSE", "LOOP"]);
        if sets {
            settings.extend(set(&mut words));
        }
    }
    settings
}

/// The setting of a `SET` whose first word was read.
fn set(words: &mut Words<'_>) -> Option<Setting> {
    words.take_any(&["SESSION", "LOCAL"]);
    if words.take(&["NAMES"]) {
        let value = words.peek().map_or(Value::Default, value);
        return Some(Setting { name: ENCODING.to_owned(), value });
    }
    // What has a schema's dot is a setting that somebody made up.
    let name = words.object().filter(|one| one.schema.is_none())?.name.to_lowercase();
    if !words.take_sign('=') && !words.take(&["TO"]) {
        return None;
    }
    Some(Setting { name, value: value(words.peek()?) })
}

fn value(word: &Word<'_>) -> Value {
    match word {
        word if word.is("DEFAULT") => Value::Default,
        Word::Bare(text) => Value::Text(text.to_lowercase()),
        Word::Name(text) | Word::Text(text) => Value::Text(text.to_lowercase()),
        // `SET NAMES;`
        Word::Sign(';') => Value::Default,
        Word::Sign(_) | Word::Meta => Value::WorkedOut,
    }
}

/// The settings that functions and tables make which these words name.
fn called(words: &[Word<'_>]) -> Vec<Setting> {
    let is_call = |at: &usize| {
        let named = words[*at].name(Dialect::Postgres).is_some_and(|name| name == "set_config");
        named && words.get(at + 1) == Some(&Word::Sign('('))
    };
    let calls = (0..words.len()).filter(is_call);
    let mut settings: Vec<_> =
        calls.filter_map(|at| configured(&arguments(&words[at + 2..]))).collect();
    if updates_settings(words) {
        let named = |name: &&str| words.iter().any(|word| is_text(word, name));
        let written = LOOKED_FOR.into_iter().filter(named);
        settings
            .extend(written.map(|name| Setting { name: name.to_owned(), value: Value::WorkedOut }));
    }
    settings
}

fn is_text(word: &Word<'_>, text: &str) -> bool {
    matches!(word, Word::Text(found) if found.eq_ignore_ascii_case(text))
}

/// The arguments of a call, of which `words` are what follows its parenthesis.
fn arguments<'w, 'a>(words: &'w [Word<'a>]) -> Vec<&'w [Word<'a>]> {
    let mut arguments = Vec::new();
    let (mut start, mut depth) = (0, 0_usize);
    for (at, word) in words.iter().enumerate() {
        match word {
            Word::Sign('(') => depth += 1,
            Word::Sign(')') if depth == 0 => {
                arguments.push(&words[start..at]);
                return arguments;
            }
            Word::Sign(')') => depth -= 1,
            Word::Sign(',') if depth == 0 => {
                arguments.push(&words[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    arguments.push(&words[start..]);
    arguments
}

/// The setting of a call of `set_config`, whose arguments may come by name, in any order.
fn configured(arguments: &[&[Word<'_>]]) -> Option<Setting> {
    let by_name =
        |name: &str| arguments.iter().find(|one| one.first().is_some_and(|word| word.is(name)));
    let name = by_name("setting_name").or_else(|| arguments.first())?;
    let name = LOOKED_FOR.into_iter().find(|known| name.iter().any(|word| is_text(word, known)))?;
    let given = by_name("new_value").or_else(|| arguments.get(1));
    let texts: Vec<_> = given
        .into_iter()
        .flat_map(|words| words.iter())
        .filter_map(|word| match word {
            Word::Text(text) => Some(text.to_lowercase()),
            _ => None,
        })
        .collect();
    let is_null = given.is_some_and(|words| words.iter().any(|word| word.is("NULL")));
    let value = match texts.as_slice() {
        [text] => Value::Text(text.clone()),
        [] if is_null => Value::Default,
        _ => Value::WorkedOut,
    };
    Some(Setting { name: name.to_owned(), value })
}
