//! Splits a script into its statements, and says of each what a runner must know.
//!
//! A semicolon ends a statement only outside quotes, comments, parentheses and the bodies of
//! triggers and SQL functions, so its scanner knows those of both dialects.

use crate::Dialect;

mod between;
mod copy;
mod history;
mod index;
mod invisible;
mod kind;
mod pragma;
mod session;
mod setting;
mod table;
mod token;
mod words;

pub use between::asks_about_the_last;
pub use history::{changed_table, takes_schema};
pub use index::{Concurrently, CreateIndex, at_once, concurrently, created_index};
pub use invisible::{Invisible, invisible};
pub use kind::{Control, Kind, control};
pub use pragma::{Pragma, of as pragma};
pub use session::{Lasting, lasting};
pub use table::{TableChange, dropped_tables};
use token::{Token, Tokens, What};
pub use words::ObjectName;

/// One statement of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statement<'a> {
    /// Without the final semicolon, and without the blanks and comments around it.
    pub text: &'a str,
    /// Where it begins in the script, in bytes.
    pub offset: usize,
    /// The line where it begins, counted from 1.
    pub line: usize,
    /// What a runner must know about it.
    pub kind: Kind,
}

/// A script that cannot be split.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} that begins on line {line} does not end: close it")]
pub struct SplitError {
    /// The line where it begins, counted from 1.
    pub line: usize,
    /// What is open: "a string", "a comment".
    pub what: &'static str,
}

/// Splits `script` into its statements, leaving out empty ones.
pub fn split(script: &str, dialect: Dialect) -> Result<Vec<Statement<'_>>, SplitError> {
    let mut statements = Vec::new();
    let mut current = Current::default();
    let mut lines = Lines::new(script);
    for token in Tokens::new(script, dialect) {
        let token =
            token.map_err(|open| SplitError { line: lines.at(open.start), what: open.what })?;
        match token.what {
            What::Blank => {}
            What::Semicolon if current.body.is_outside() => {
                statements.extend(current.finish(script, dialect, &mut lines));
                // What follows are rows, in which quotes and semicolons mean nothing.
                if statements.last().is_some_and(|one| one.kind == Kind::CopyIn) {
                    return Ok(statements);
                }
            }
            What::Meta if current.start.is_none() => {
                current.push(&token, script, dialect);
                statements.extend(current.finish(script, dialect, &mut lines));
            }
            _ => current.push(&token, script, dialect),
        }
    }
    statements.extend(current.finish(script, dialect, &mut lines));
    Ok(statements)
}

/// `sql` without comments, with single blanks, in lower case but for what is quoted: two texts
/// that mean the same to a database mostly come out the same.
///
/// What cannot be read to its end is kept as it is.
#[must_use]
pub fn normalise(sql: &str, dialect: Dialect) -> String {
    let mut text = String::with_capacity(sql.len());
    let mut previous = What::Blank;
    for token in Tokens::new(sql, dialect) {
        let Ok(token) = token else { return sql.trim().to_owned() };
        let part = &sql[token.start..token.end];
        match token.what {
            What::Blank => continue,
            What::Word => {
                if matches!(previous, What::Word | What::Quoted | What::Close) {
                    text.push(' ');
                }
                text.push_str(&part.to_lowercase());
            }
            _ => {
                let spaced = matches!(token.what, What::Quoted | What::Open);
                if spaced && matches!(previous, What::Word | What::Quoted) {
                    text.push(' ');
                }
                text.push_str(part);
            }
        }
        previous = token.what;
    }
    text
}

/// The statement that is being read.
#[derive(Default)]
struct Current {
    start: Option<usize>,
    end: usize,
    /// The first words, in upper case; enough to tell where a body may begin.
    words: Vec<String>,
    /// A command of `psql` is in it.
    meta: bool,
    body: Body,
}

/// How many words tell whether a statement may have a body.
const TELLING_WORDS: usize = 3;

impl Current {
    fn push(&mut self, token: &Token, script: &str, dialect: Dialect) {
        self.start.get_or_insert(token.start);
        self.end = token.end;
        self.meta |= token.what == What::Meta;
        let word =
            (token.what == What::Word).then(|| script[token.start..token.end].to_uppercase());
        self.body.push(token, word.as_deref(), &self.words, dialect);
        if let Some(word) = word.filter(|_| self.words.len() < TELLING_WORDS) {
            self.words.push(word);
        }
    }

    fn finish<'a>(
        &mut self,
        script: &'a str,
        dialect: Dialect,
        lines: &mut Lines<'_>,
    ) -> Option<Statement<'a>> {
        let Self { start, end, words, meta, .. } = std::mem::take(self);
        let offset = start?;
        let text = &script[offset..end];
        let begins = text.starts_with(|c: char| c.is_alphabetic());
        let first = words.first().filter(|_| begins).map_or("", String::as_str);
        let kind = if meta { Kind::MetaCommand } else { kind::of(first, text, dialect) };
        Some(Statement { text, offset, line: lines.at(offset), kind })
    }
}

/// Where in a statement the scanner is: only outside everything does a semicolon end it.
#[derive(Default)]
struct Body {
    parentheses: usize,
    /// Inside a trigger's or function's body.
    open: bool,
    /// A statement of the body may begin here, or `END` close it. `begin`, `end` and `atomic` are
    /// names anywhere else.
    at_start: bool,
    /// The last token was `BEGIN`.
    after_begin: bool,
}

impl Body {
    fn is_outside(&self) -> bool {
        self.parentheses == 0 && !self.open
    }

    fn push(&mut self, token: &Token, word: Option<&str>, before: &[String], dialect: Dialect) {
        match token.what {
            What::Open => self.parentheses += 1,
            // A stray one is the database's to complain about.
            What::Close => self.parentheses = self.parentheses.saturating_sub(1),
            _ => {}
        }
        let opens = !self.open
            && match dialect {
                Dialect::Sqlite => word == Some("BEGIN") && is_trigger(before),
                Dialect::Postgres => {
                    word == Some("ATOMIC")
                        && self.after_begin
                        && before.first().is_some_and(|word| word == "CREATE")
                }
            };
        let closes = self.at_start && word == Some("END");
        self.open = opens || self.open && !closes;
        self.at_start = self.open && (opens || token.what == What::Semicolon);
        self.after_begin = word == Some("BEGIN");
    }
}

/// `CREATE [TEMP|TEMPORARY] TRIGGER`.
fn is_trigger(words: &[String]) -> bool {
    let words: Vec<_> = words.iter().take(3).map(String::as_str).collect();
    matches!(words[..], ["CREATE", "TRIGGER", ..] | ["CREATE", "TEMP" | "TEMPORARY", "TRIGGER"])
}

/// Line numbers of ascending offsets.
struct Lines<'a> {
    script: &'a str,
    offset: usize,
    line: usize,
}

impl<'a> Lines<'a> {
    fn new(script: &'a str) -> Self {
        Self { script, offset: 0, line: 1 }
    }

    fn at(&mut self, offset: usize) -> usize {
        let passed = &self.script.as_bytes()[self.offset.min(offset)..offset];
        self.line += passed.split(|byte| *byte == b'\n').count() - 1;
        self.offset = offset.max(self.offset);
        self.line
    }
}
