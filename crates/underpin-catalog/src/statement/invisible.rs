//! Characters that nobody sees, and that a database takes for part of a name.

use super::{
    Lines,
    token::{Tokens, What},
};
use crate::Dialect;

/// An invisible character outside quotes and comments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{} stands in the SQL on line {line}, where nobody sees it: remove it{}", self.name(), self.cause())]
pub struct Invisible {
    /// Where it is, counted from 1.
    pub line: usize,
    /// The character.
    pub letter: char,
}

/// The first invisible character of `script` outside quotes and comments.
///
/// A blank of ASCII is a blank to both databases. Any other is part of a name, or an error that
/// shows nothing.
#[must_use]
pub fn invisible(script: &str, dialect: Dialect) -> Option<Invisible> {
    // Looking for tokens takes longer, and nearly every script has none of these.
    if !script.contains(is_invisible) {
        return None;
    }
    let tokens = Tokens::new(script, dialect).map_while(Result::ok);
    let outside = |part: &str, what: What| match what {
        What::Blank => !part.starts_with("--") && !part.starts_with("/*"),
        What::Quoted | What::Meta => false,
        _ => true,
    };
    for token in tokens {
        let part = &script[token.start..token.end];
        if outside(part, token.what)
            && let Some((at, letter)) =
                part.char_indices().find(|(_, letter)| is_invisible(*letter))
        {
            let line = Lines::new(script).at(token.start + at);
            return Some(Invisible { line, letter });
        }
    }
    None
}

/// Controls, blanks of other alphabets, and what has no width or turns the direction of writing.
fn is_invisible(letter: char) -> bool {
    match letter {
        '\t' | '\n' | '\r' | '\u{b}' | '\u{c}' => false,
        '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}'
        | '\u{feff}' => true,
        _ => letter.is_control() || letter.is_whitespace() && !letter.is_ascii(),
    }
}

impl Invisible {
    fn name(&self) -> String {
        let name = match self.letter {
            '\u{feff}' => "a byte order mark",
            '\u{a0}' => "a no-break space",
            letter if letter.is_whitespace() => "a blank that is none to the database",
            letter if letter.is_control() => "a control character",
            _ => "an invisible character",
        };
        format!("{name} (U+{:04X})", u32::from(self.letter))
    }

    fn cause(&self) -> &'static str {
        match self.letter {
            '\u{feff}' => ", it comes from putting files together",
            _ => "",
        }
    }
}
