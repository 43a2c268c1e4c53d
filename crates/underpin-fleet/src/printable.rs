//! Names as they can be shown: a terminal or a page obeys what a name holds, and one line stays one.

use std::borrow::Cow;

/// `text` on one line, with each character that a reader would not see, or that moves what he sees,
/// written as Rust writes it: `\\n`, `\\u{1b}`.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    escaped(text, is_unseen)
}

/// A message, whose lines stay.
pub(crate) fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c != '\n' && is_unseen(c))
}

fn escaped(text: &str, is_odd: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_odd) {
        return Cow::Borrowed(text);
    }
    let one = |c: char| {
        if is_odd(c) { c.escape_default().to_string() } else { c.to_string() }
    };
    Cow::Owned(text.chars().map(one).collect())
}

/// Controls, the ends of lines and paragraphs, and what turns the direction of the text around.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::{line, lines};

    #[test]
    fn what_is_not_seen_is_written_out() {
        for (text, shown) in [
            ("größe_7 ☃", "größe_7 ☃"),
            ("a\u{1b}[31mred", "a\\u{1b}[31mred"),
            ("a\nb\rc\td", "a\\nb\\rc\\td"),
            ("\u{9b}2J\u{7f}", "\\u{9b}2J\\u{7f}"),
            ("\u{202e}txt.exe\u{2028}", "\\u{202e}txt.exe\\u{2028}"),
        ] {
            assert_eq!(line(text), shown);
        }
        assert_eq!(lines("one\ntwo\u{1b}"), "one\ntwo\\u{1b}");
    }
}
