//! Text of others on a terminal: names, reasons and messages may hold anything.

/// `text` without what a terminal would obey: escape sequences, and marks that turn the direction of
/// letters round. Lines and tabs stay.
#[must_use]
pub fn escaped(text: &str) -> String {
    replaced(text, |char| char.escape_unicode().to_string())
}

/// The same for a JSON document, where such a character can only be in a string.
#[must_use]
pub fn escaped_json(text: &str) -> String {
    replaced(text, |char| format!("\\u{:04x}", u32::from(char)))
}

/// `text` as a part of one line.
#[must_use]
pub fn line(text: &str) -> String {
    escaped(&text.replace('\n', "\\n").replace('\t', "\\t"))
}

fn replaced(text: &str, replace: impl Fn(char) -> String) -> String {
    if !text.contains(obeyed) {
        return text.to_owned();
    }
    let part = |char| if obeyed(char) { replace(char) } else { String::from(char) };
    text.chars().map(part).collect()
}

fn obeyed(char: char) -> bool {
    let turns = matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || (char.is_control() && char != '\n' && char != '\t')
}

#[cfg(test)]
mod tests {
    use super::{escaped, escaped_json, line};

    #[test]
    fn no_character_that_a_terminal_obeys_is_left() {
        let all = (0..0x3000).filter_map(char::from_u32).collect::<String>();

        for shown in [escaped(&all), escaped_json(&all), line(&all)] {
            for char in ['\u{0}', '\u{7}', '\u{8}', '\r', '\u{1b}', '\u{7f}', '\u{9b}', '\u{202e}']
            {
                assert!(!shown.contains(char), "{char:?}");
            }
            assert!(shown.contains("abc") && shown.contains("жзи"), "letters stay");
        }
        assert!(!line(&all).contains(['\n', '\t']));
    }

    #[test]
    fn what_is_replaced_can_be_read() {
        assert_eq!(escaped("a\u{1b}[31m\n\tb"), "a\\u{1b}[31m\n\tb");
        assert_eq!(escaped_json("\"\u{9b}\""), "\"\\u009b\"");
        assert_eq!(line("a\nb"), "a\\nb");
    }
}
