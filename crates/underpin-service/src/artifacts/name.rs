//! The names of files, which clients choose.

/// Bytes of a name at most, as usual file systems have it.
const LONGEST: usize = 255;
/// Bytes that an extension may have, its dot included; what is longer is not one.
const LONGEST_EXTENSION: usize = 32;
/// What Windows does not allow in a name, beside control characters and what parts directories.
const RESERVED: [char; 7] = ['<', '>', ':', '"', '|', '?', '*'];

/// The name under which a file that was sent as `sent` is kept: always one component of a path.
///
/// It is what follows the last `/` or `\`, without control characters, what Windows reserves, and
/// dots and blanks at its ends; at most 255 bytes, of which the extension is kept. `file` when
/// nothing is left.
#[must_use]
pub fn safe_name(sent: &str) -> String {
    let base = sent.rsplit(['/', '\\']).next().unwrap_or_default();
    let kept: String =
        base.chars().filter(|one| !one.is_control() && !RESERVED.contains(one)).collect();
    match kept.trim_matches(is_edge) {
        "" => "file".to_owned(),
        name if name.len() <= LONGEST => name.to_owned(),
        name => shortened(name),
    }
}

/// What no name begins or ends with: such files are hidden on Unix, and lose their ends on Windows.
fn is_edge(one: char) -> bool {
    one == '.' || one.is_whitespace()
}

fn shortened(name: &str) -> String {
    let (stem, extension) = match name.rfind('.') {
        Some(dot) if name.len() - dot <= LONGEST_EXTENSION => name.split_at(dot),
        _ => (name, ""),
    };
    let end = stem.floor_char_boundary(LONGEST - extension.len());
    format!("{}{extension}", stem[..end].trim_end_matches(is_edge))
}

#[cfg(test)]
mod tests {
    use std::path::{Component, Path};

    use proptest::{prelude::*, string::string_regex};

    use super::*;

    #[test]
    fn a_hostile_name_becomes_a_harmless_one() {
        for (sent, expected) in [
            ("report.txt", "report.txt"),
            ("räport 2.txt", "räport 2.txt"),
            ("archive.tar.gz", "archive.tar.gz"),
            ("../../etc/passwd", "passwd"),
            ("/etc/passwd", "passwd"),
            ("..\\..\\windows\\win.ini", "win.ini"),
            ("C:\\secret\\..", "file"),
            ("c:evil.exe", "cevil.exe"),
            ("..", "file"),
            (".", "file"),
            ("", "file"),
            ("dir/", "file"),
            (".htaccess", "htaccess"),
            ("\0../x", "x"),
            ("\0..", "file"),
            ("a\0b\r\nc\u{7f}\u{85}.txt", "abc.txt"),
            ("file.txt::$DATA", "file.txt$DATA"),
            ("<a>:\"|?*", "a"),
            (" . . a . ", "a"),
        ] {
            assert_eq!(safe_name(sent), expected, "{sent:?}");
        }
    }

    #[test]
    fn a_long_name_keeps_its_extension() {
        let name = safe_name(&format!("{}.tar.gz", "ä".repeat(300)));
        assert_eq!(name, format!("{}.gz", "ä".repeat(126)));

        let name = safe_name(&format!("a.{}", "b".repeat(300)));
        assert_eq!(name, format!("a.{}", "b".repeat(253)));
    }

    proptest! {
        #[test]
        fn a_name_is_one_component_whatever_was_sent(
            sent in prop_oneof![
                any::<String>(),
                string_regex(r#"([./\\:*?"<>| a\x00\x1f\x7fä😀]|\.\.|[a-zé]{80}){0,12}"#).unwrap(),
            ],
        ) {
            let name = safe_name(&sent);

            let parts: Vec<_> = Path::new(&name).components().collect();
            prop_assert_eq!(parts, [Component::Normal(name.as_ref())]);
            prop_assert!(name.len() <= LONGEST && !name.starts_with('.'));
            let harmless = |one: char| {
                !one.is_control() && !['/', '\\'].contains(&one) && !RESERVED.contains(&one)
            };
            prop_assert!(name.chars().all(harmless));
            prop_assert_eq!(safe_name(&name), name);
        }
    }
}
