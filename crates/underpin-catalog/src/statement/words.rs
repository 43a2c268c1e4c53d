//! Reads the words of one statement, without blanks and comments, whatever their spelling.
//!
//! Every recogniser of this crate reads these words, so that a comment, a quote, a bracket or a
//! schema's prefix changes nothing of what it recognises.

use super::token::{Tokens, What};
use crate::Dialect;

/// A word of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word<'a> {
    /// A keyword, a name or a number without quotes.
    Bare(&'a str),
    /// A name in quotes, without them.
    Name(String),
    /// A string, without its quotes; what its escapes mean is read for `U&''` alone.
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
    fn name(&self, dialect: Dialect) -> Option<String> {
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
        _ => Word::Text(within(&inner[1..]).replace("''", "'")),
    }
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
