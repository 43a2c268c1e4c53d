//! Reads the words of one statement, without blanks and comments, whatever their spelling.
//!
//! Every recogniser of this crate reads these words, so that a comment, a quote, a bracket or a
//! schema's prefix changes nothing of what it recognises.

use super::{
    Statement,
    token::{Tokens, What},
};
use crate::Dialect;

/// A word of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word<'a> {
    /// A keyword, a name or a number without quotes.
    Bare(&'a str),
    /// A name in quotes, without them.
    Name(String),
    /// A string, without its quotes and escapes.
    Text(String),
    /// Any other character.
    Sign(char),
    /// PostgreSQL: a command of `psql`, to the end of its line.
    Meta,
}

impl Word<'_> {
    /// Whether it is this keyword, given in upper case.
    pub(super) fn is(&self, keyword: &str) -> bool {
        matches!(self, Self::Bare(word) if word.eq_ignore_ascii_case(keyword))
    }

    pub(super) fn is_any(&self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.is(keyword))
    }

    /// The name that it is, as the database stores it.
    pub(super) fn name(&self, dialect: Dialect) -> Option<String> {
        match (self, dialect) {
            (Self::Bare(word), Dialect::Postgres) => Some(word.to_ascii_lowercase()),
            (Self::Bare(word), Dialect::Sqlite) => Some((*word).to_owned()),
            (Self::Name(name), _) => Some(name.clone()),
            // SQLite takes a string for a name where only a name can be.
            (Self::Text(text), Dialect::Sqlite) => Some(text.clone()),
            _ => None,
        }
    }
}

/// A name with the schema that stands before it, both as the database stores them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectName {
    /// What stands before the dot.
    pub schema: Option<String>,
    /// The name itself.
    pub name: String,
}

impl ObjectName {
    /// The name as SQL, in quotes.
    #[must_use]
    pub fn to_sql(&self) -> String {
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        match &self.schema {
            Some(schema) => format!("{}.{}", quoted(schema), quoted(&self.name)),
            None => quoted(&self.name),
        }
    }
}

/// The words of a statement, and how far they were read.
pub(super) struct Words<'a> {
    all: Vec<Word<'a>>,
    at: usize,
    dialect: Dialect,
}

impl<'a> Words<'a> {
    /// The words of `text`, to the first that does not end.
    pub(super) fn of(text: &'a str, dialect: Dialect) -> Self {
        let mut words: Vec<Word<'a>> = Vec::new();
        let mut escaped = false;
        for token in Tokens::new(text, dialect).map_while(Result::ok) {
            let part = &text[token.start..token.end];
            let word = match token.what {
                What::Blank => continue,
                What::Word => Word::Bare(part),
                What::Meta => Word::Meta,
                What::Quoted => unquoted(part),
                _ => Word::Sign(part.chars().next().unwrap_or_default()),
            };
            // `U&"…" UESCAPE '!'` names the letter that escapes.
            let sign = match (&word, words.as_slice()) {
                (Word::Text(sign), [.., last]) if escaped && last.is("UESCAPE") => {
                    sign.chars().next()
                }
                _ => None,
            };
            if let (Some(sign), [.., before, _]) = (sign, words.as_mut_slice()) {
                if let Word::Name(text) | Word::Text(text) = before {
                    *text = unescaped(text, sign);
                }
                words.pop();
                escaped = false;
                continue;
            }
            // A string goes on in the next line.
            if let (Dialect::Postgres, Word::Text(more), Some(Word::Text(text))) =
                (dialect, &word, words.last_mut())
                && part.starts_with('\'')
            {
                text.push_str(more);
                continue;
            }
            if escaped && !word.is("UESCAPE") {
                unescape_last(&mut words, '\\');
                escaped = false;
            }
            escaped |= is_unicode(part) && token.what == What::Quoted;
            words.push(word);
        }
        if escaped {
            unescape_last(&mut words, '\\');
        }
        Self { all: words, at: 0, dialect }
    }

    pub(super) fn peek(&self) -> Option<&Word<'a>> {
        self.all.get(self.at)
    }

    /// What was not read yet.
    pub(super) fn rest(&self) -> &[Word<'a>] {
        self.all.get(self.at..).unwrap_or_default()
    }

    pub(super) fn next(&mut self) -> Option<&Word<'a>> {
        self.at += 1;
        self.all.get(self.at - 1)
    }

    /// Reads these keywords, or nothing.
    pub(super) fn take(&mut self, keywords: &[&str]) -> bool {
        let fits = keywords.len() <= self.rest().len()
            && self.rest().iter().zip(keywords).all(|(word, keyword)| word.is(keyword));
        if fits {
            self.at += keywords.len();
        }
        fits
    }

    /// Reads one of these keywords, if it comes next.
    pub(super) fn take_any(&mut self, keywords: &[&str]) -> bool {
        let fits = self.peek().is_some_and(|word| word.is_any(keywords));
        self.at += usize::from(fits);
        fits
    }

    pub(super) fn take_sign(&mut self, sign: char) -> bool {
        let fits = self.peek() == Some(&Word::Sign(sign));
        self.at += usize::from(fits);
        fits
    }

    /// Reads a name, with the schema before it. Of three names (`database.schema.table`) the first
    /// says nothing.
    pub(super) fn object(&mut self) -> Option<ObjectName> {
        let mut name = self.name()?;
        let mut schema = None;
        while self.take_sign('.') {
            schema = Some(std::mem::replace(&mut name, self.name()?));
        }
        Some(ObjectName { schema, name })
    }

    /// Reads names that commas part.
    pub(super) fn objects(&mut self) -> Vec<ObjectName> {
        let mut objects = Vec::new();
        loop {
            self.take(&["ONLY"]);
            objects.extend(self.object());
            self.take_sign('*');
            if !self.take_sign(',') {
                return objects;
            }
        }
    }

    fn name(&mut self) -> Option<String> {
        let name = self.peek()?.name(self.dialect)?;
        self.at += 1;
        Some(name)
    }

    /// Reads what parentheses enclose, if they come next.
    pub(super) fn parentheses(&mut self) -> Option<&[Word<'a>]> {
        if self.peek() != Some(&Word::Sign('(')) {
            return None;
        }
        let start = self.at + 1;
        let mut depth = 0_usize;
        while let Some(word) = self.all.get(self.at) {
            self.at += 1;
            match word {
                Word::Sign('(') => depth += 1,
                Word::Sign(')') => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Some(&self.all[start..self.at - 1]);
            }
        }
        Some(&self.all[start..])
    }
}

impl Statement<'_> {
    /// Its words in lower case, as the database reads them: without quotes, comments and signs. A string may
    /// be code that is run, so its own words stand in its place.
    #[must_use]
    pub fn words(&self, dialect: Dialect) -> Vec<String> {
        let mut words = Vec::new();
        read_within(self.text, dialect, 0, &mut words);
        words
    }
}

/// How deep strings in strings are read: code may be built and executed in code.
pub(super) const DEEPEST: usize = 4;

fn read_within(text: &str, dialect: Dialect, depth: usize, read: &mut Vec<String>) {
    for word in Words::of(text, dialect).all {
        match word {
            Word::Bare(word) => read.push(word.to_lowercase()),
            Word::Name(name) => read.push(name.to_lowercase()),
            Word::Text(text) if depth < DEEPEST => read_within(&text, dialect, depth + 1, read),
            Word::Text(_) | Word::Sign(_) | Word::Meta => {}
        }
    }
    // A piece of what is put together when it runs may begin or end within quotes.
    let open = Tokens::new(text, dialect).find_map(Result::err).filter(|_| depth > 0);
    if let Some(open) = open {
        let words = text[open.start..].split(|c: char| !c.is_alphanumeric() && c != '_');
        read.extend(words.filter(|word| !word.is_empty()).map(str::to_lowercase));
    }
}

fn is_unicode(quoted: &str) -> bool {
    quoted.starts_with("U&") || quoted.starts_with("u&")
}

/// A quoted token without its quotes.
fn unquoted(part: &str) -> Word<'_> {
    let inner = if is_unicode(part) { &part[2..] } else { part };
    let first = inner.chars().next().unwrap_or_default();
    let within = |text: &str| text.get(1..text.len() - 1).unwrap_or_default().to_owned();
    match first {
        '"' => Word::Name(within(inner).replace("\"\"", "\"")),
        '`' => Word::Name(within(inner).replace("``", "`")),
        '[' => Word::Name(within(inner)),
        '\'' => Word::Text(within(inner).replace("''", "'")),
        '$' => {
            let tag = inner[1..].find('$').map_or(1, |end| end + 2);
            Word::Text(inner.get(tag..inner.len() - tag).unwrap_or_default().to_owned())
        }
        // `E'…'`
        _ => Word::Text(without_backslashes(&within(&inner[1..]))),
    }
}

/// What stands between the quotes of `E'…'`, which goes on in the next line after a quote:
/// <https://www.postgresql.org/docs/16/sql-syntax-lexical.html>.
fn without_backslashes(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['\\', '\'']) {
        let escapes = rest[at..].starts_with('\\');
        result.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let Some(letter) = rest.chars().next() else { break };
        if !escapes && letter != '\'' {
            rest = rest.trim_start();
            rest = rest.strip_prefix('\'').unwrap_or(rest);
            continue;
        }
        let (letter, length) = if escapes { escaped(rest, letter) } else { (letter, 1) };
        result.push(letter);
        rest = &rest[length..];
    }
    result + rest
}

/// What a backslash before `rest`, which begins with `first`, means, and how much of it belongs to that.
fn escaped(rest: &str, first: char) -> (char, usize) {
    let (skipped, digits, radix) = match first {
        'x' => (1, 2, 16),
        'u' => (1, 4, 16),
        'U' => (1, 8, 16),
        '0'..='7' => (0, 3, 8),
        _ => (0, 0, 10),
    };
    let length = rest[skipped..].chars().take(digits).take_while(|one| one.is_digit(radix)).count();
    let number = &rest[skipped..skipped + length];
    if let Some(letter) = u32::from_str_radix(number, radix).ok().and_then(char::from_u32) {
        return (letter, skipped + length);
    }
    let letter = match first {
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        other => other,
    };
    (letter, first.len_utf8())
}

fn unescape_last(words: &mut [Word<'_>], sign: char) {
    if let Some(Word::Name(text) | Word::Text(text)) = words.last_mut() {
        *text = unescaped(text, sign);
    }
}

/// `\0061` and `\+000061` after this sign are letters by their number, and the sign twice is itself:
/// <https://www.postgresql.org/docs/16/sql-syntax-lexical.html>.
fn unescaped(text: &str, sign: char) -> String {
    let mut rest = text;
    let mut result = String::with_capacity(text.len());
    while let Some(at) = rest.find(sign) {
        result.push_str(&rest[..at]);
        rest = &rest[at + sign.len_utf8()..];
        let (digits, skipped) = if rest.starts_with('+') { (6, 1) } else { (4, 0) };
        let number = rest.get(skipped..skipped + digits);
        let letter =
            number.and_then(|number| u32::from_str_radix(number, 16).ok()).and_then(char::from_u32);
        if let Some(letter) = letter {
            result.push(letter);
            rest = &rest[skipped + digits..];
        } else {
            result.push(sign);
            rest = rest.strip_prefix(sign).unwrap_or(rest);
        }
    }
    result + rest
}
