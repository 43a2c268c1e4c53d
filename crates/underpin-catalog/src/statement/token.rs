//! Cuts SQL into tokens, as coarse as splitting needs.

use crate::Dialect;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// White space, a comment or a byte order mark.
    Blank,
    /// A keyword, name or number without quotes.
    Word,
    /// A string or a name in quotes of any kind.
    Quoted,
    /// PostgreSQL: a command of `psql`, to the end of its line.
    Meta,
    Semicolon,
    /// `(`
    Open,
    /// `)`
    Close,
    /// Any other single character.
    Other,
}

/// A piece of a script, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) what: What,
}

/// Something that begins and does not end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unclosed {
    pub(super) start: usize,
    pub(super) what: &'static str,
}

/// The tokens of a script; together they are the whole of it.
pub(super) struct Tokens<'a> {
    text: &'a str,
    at: usize,
    dialect: Dialect,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(text: &'a str, dialect: Dialect) -> Self {
        Self { text, at: 0, dialect }
    }

    /// The length of the token at the front of `rest`, and what it is.
    fn measure(&self, rest: &str, first: char) -> Result<(usize, What), &'static str> {
        let postgres = self.dialect == Dialect::Postgres;
        let one = first.len_utf8();
        Ok(match first {
            ';' => (one, What::Semicolon),
            '(' => (one, What::Open),
            ')' => (one, What::Close),
            '\0' => return Err("a NUL character: the rest of the script"),
            // PostgreSQL ends a line at a lone carriage return as well.
            '-' if rest.starts_with("--") => {
                let ends = |c| c == '\n' || (postgres && c == '\r');
                (rest.find(ends).unwrap_or(rest.len()), What::Blank)
            }
            '/' if rest.starts_with("/*") => (self.comment(rest)?, What::Blank),
            '\'' => (quoted(rest, '\'', false).ok_or("a string")?, What::Quoted),
            '"' => (quoted(rest, '"', false).ok_or("a quoted name")?, What::Quoted),
            '`' if !postgres => (quoted(rest, '`', false).ok_or("a quoted name")?, What::Quoted),
            '[' if !postgres => (rest.find(']').ok_or("a quoted name")? + 1, What::Quoted),
            'e' | 'E' if postgres && rest[1..].starts_with('\'') => {
                (1 + escaped(&rest[1..]).ok_or("a string")?, What::Quoted)
            }
            'u' | 'U' if postgres && rest[1..].starts_with("&'") => {
                (2 + quoted(&rest[2..], '\'', false).ok_or("a string")?, What::Quoted)
            }
            'u' | 'U' if postgres && rest[1..].starts_with("&\"") => {
                (2 + quoted(&rest[2..], '"', false).ok_or("a quoted name")?, What::Quoted)
            }
            // Outside quotes SQL has no backslash.
            '\\' if postgres => (rest.find(['\n', '\r']).unwrap_or(rest.len()), What::Meta),
            '$' if postgres => match dollar_tag(rest) {
                Some(tag) => {
                    let body = rest[tag.len()..].find(tag).ok_or("a dollar-quoted string")?;
                    (tag.len() + body + tag.len(), What::Quoted)
                }
                None => (one, What::Other),
            },
            '\u{feff}' => (one, What::Blank),
            _ if first.is_whitespace() => (length(rest, char::is_whitespace), What::Blank),
            _ if is_word(first) => (length(rest, |c| is_word(c) || c == '$'), What::Word),
            _ => (one, What::Other),
        })
    }

    /// PostgreSQL nests comments. SQLite does not, and lets the end of the script close one.
    fn comment(&self, rest: &str) -> Result<usize, &'static str> {
        if self.dialect == Dialect::Sqlite {
            return Ok(rest[2..].find("*/").map_or(rest.len(), |end| end + 4));
        }
        let bytes = rest.as_bytes();
        let (mut depth, mut at) = (0_usize, 0);
        while at + 1 < bytes.len() {
            match &bytes[at..at + 2] {
                b"/*" => (depth, at) = (depth + 1, at + 2),
                b"*/" => (depth, at) = (depth - 1, at + 2),
                _ => at += 1,
            }
            if depth == 0 {
                return Ok(at);
            }
        }
        Err("a comment")
    }
}

impl Iterator for Tokens<'_> {
    type Item = Result<Token, Unclosed>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = &self.text[self.at..];
        let first = rest.chars().next()?;
        let start = self.at;
        Some(match self.measure(rest, first) {
            Ok((length, what)) => {
                self.at += length;
                Ok(Token { start, end: self.at, what })
            }
            Err(what) => {
                self.at = self.text.len();
                Err(Unclosed { start, what })
            }
        })
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn length(rest: &str, belongs: impl Fn(char) -> bool) -> usize {
    rest.find(|c| !belongs(c)).unwrap_or(rest.len())
}

/// The length of what `quote` opens. A doubled quote stands for itself; so does what follows a
/// backslash, where `escapes` is set.
fn quoted(rest: &str, quote: char, escapes: bool) -> Option<usize> {
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == quote {
            if chars.peek().is_some_and(|(_, next)| *next == quote) {
                chars.next();
            } else {
                return Some(at + c.len_utf8());
            }
        } else if c == '\\' && escapes {
            chars.next();
        }
    }
    None
}

/// The length of a string with escapes, which goes on in the next line when that begins with a
/// quote: <https://www.postgresql.org/docs/16/sql-syntax-lexical.html#SQL-SYNTAX-STRINGS>.
fn escaped(rest: &str) -> Option<usize> {
    let mut end = quoted(rest, '\'', true)?;
    loop {
        let blank = length(&rest[end..], char::is_whitespace);
        let next = end + blank;
        if !rest[end..next].contains(['\n', '\r']) || !rest[next..].starts_with('\'') {
            return Some(end);
        }
        end = next + quoted(&rest[next..], '\'', true)?;
    }
}

/// `$$` or `$tag$` at the front of `rest`; a parameter (`$1`) is none.
fn dollar_tag(rest: &str) -> Option<&str> {
    let end = rest[1..].find('$')? + 1;
    let tag = &rest[1..end];
    let named = tag.chars().all(is_word) && !tag.starts_with(|c: char| c.is_ascii_digit());
    named.then(|| &rest[..=end])
}
