//! Reads the file of keys. No error quotes it, for each line may hold a password.

use std::{
    cell::Cell,
    collections::HashMap,
    io::{self, Read},
    path::Path,
    str::from_utf8,
};

/// The keys of a file; a file that nobody asked for may be missing.
pub(super) fn read_file(path: &Path, wanted: bool) -> Result<HashMap<String, String>, String> {
    if !wanted && !path.exists() {
        return Ok(HashMap::new());
    }
    let named = path.display();
    let bytes =
        underpin_db::read_file(path).map_err(|error| format!("cannot read `{named}`: {error}"))?;
    keys(&bytes).map_err(|wrong| format!("`{named}` {wrong}"))
}

/// The keys of what a file holds; the error goes on after the file's name.
fn keys(bytes: &[u8]) -> Result<HashMap<String, String>, String> {
    // Windows writes it with its mark or without; a zero stands in no text.
    if matches!(bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, _, ..] | [_, 0, ..]) {
        return Err("is UTF-16: save it as UTF-8".to_owned());
    }
    if let Err(error) = from_utf8(bytes) {
        let valid = &bytes[..error.valid_up_to()];
        let line = valid.split(|byte| *byte == b'\n').count();
        return Err(format!("is not UTF-8 (line {line}): save it as UTF-8"));
    }
    let given = Cell::new(0);
    // The mark that some editors put before a text is no part of it.
    let lines = Lines { rest: bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes), given: &given };
    dotenvy::from_read_iter(lines).collect::<Result<_, _>>().map_err(|error| {
        let length = match &error {
            dotenvy::Error::LineParse(text, _) => text.lines().count().max(1),
            _ => 1,
        };
        let line = (given.get() + 1).saturating_sub(length).max(1);
        format!("has no `KEY=value` in line {line}: quote values with spaces, and end each quote")
    })
}

/// Gives out one line at a time, so that whoever reads has come no further than the last one given: a bad
/// line is told without its number.
struct Lines<'a> {
    rest: &'a [u8],
    given: &'a Cell<usize>,
}

impl Read for Lines<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let line = self.rest.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
        let (now, rest) = self.rest.split_at(line.len().min(buffer.len()));
        buffer[..now.len()].copy_from_slice(now);
        self.rest = rest;
        let is_whole = now.ends_with(b"\n") || (rest.is_empty() && !now.is_empty());
        self.given.set(self.given.get() + usize::from(is_whole));
        Ok(now.len())
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, process::Command};

    use rstest::rstest;

    use super::*;

    /// What the file `.env` with these bytes gives, and its error without its directory.
    fn read(bytes: &[u8]) -> Result<HashMap<String, String>, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".env");
        fs::write(&path, bytes).unwrap();
        read_file(&path, true)
            .map_err(|error| error.replace(&dir.path().display().to_string(), "DIR"))
    }

    fn utf_16(text: &str, mark: bool, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        let mark = mark.then_some(0xfeff);
        mark.into_iter().chain(text.encode_utf16()).flat_map(bytes).collect()
    }

    #[rstest]
    #[case::plain(b"A=1\nB=two\n")]
    #[case::a_mark(b"\xef\xbb\xbfA=1\nB=two\n")]
    #[case::windows(b"\xef\xbb\xbfA=1\r\n# B=3\r\n\r\nB='two'\r\n")]
    #[case::without_an_end(b"export A=1\nB=\"two\"")]
    #[case::a_value_of_another(b"A=1\nC=two\nB=$C")]
    fn a_good_file_is_read(#[case] bytes: &[u8]) {
        let keys = read(bytes).unwrap();

        assert_eq!((keys["A"].as_str(), keys["B"].as_str()), ("1", "two"));
    }

    #[test]
    fn a_value_of_several_lines_and_of_many_letters_is_read() {
        let long = "x".repeat(100_000);

        let keys = read(format!("A='one\ntwo'\nB={long}\nC=3").as_bytes()).unwrap();

        assert_eq!((keys["A"].as_str(), keys["C"].as_str()), ("one\ntwo", "3"));
        assert_eq!(keys["B"], long);
    }

    #[rstest]
    #[case::the_first("SECRET\nB=2\n", 1)]
    #[case::after_a_mark("\u{feff}SECRET\nB=2\n", 1)]
    #[case::in_the_middle("A=1\n# more\n\nSECRET WORDS\nB=2\n", 4)]
    #[case::spaces_in_a_value("A=1\nB=SECRET WORDS\n", 2)]
    #[case::windows("A=1\r\nB=SECRET WORDS\r\nC=3\r\n", 2)]
    #[case::the_last_without_an_end("A=1\nSECRET", 2)]
    #[case::after_a_value_of_several_lines("A='1\n2\n3'\nSECRET\n", 4)]
    #[case::a_value_of_several_lines("A=1\nB='1\n2' SECRET\nC=3\n", 2)]
    #[case::a_quote_without_an_end("A=1\nB='SECRET\nC=3\nD=4\n", 2)]
    fn a_bad_line_is_told_by_its_number(#[case] text: &str, #[case] line: usize) {
        let error = read(text.as_bytes()).unwrap_err();

        let expected = format!("`DIR/.env` has no `KEY=value` in line {line}: quote");
        assert!(error.starts_with(&expected) && !error.contains("SECRET"), "{error}");
    }

    #[test]
    fn a_bad_line_behind_a_long_one_is_told_by_its_number() {
        let text = format!("A={}\nB=2\nSECRET\n", "x".repeat(100_000));

        let error = read(text.as_bytes()).unwrap_err();

        assert!(error.contains("in line 3: "), "{error}");
    }

    #[rstest]
    #[case::of_windows(utf_16("A=1\r\n", true, u16::to_le_bytes), "is UTF-16: save it as UTF-8")]
    #[case::the_other_way(utf_16("A=1\n", true, u16::to_be_bytes), "is UTF-16: save it as UTF-8")]
    #[case::without_a_mark(utf_16("A=1\n", false, u16::to_le_bytes), "is UTF-16: save it as UTF-8")]
    #[case::latin_1(b"A=1\nB=SECR\xe9T\n".to_vec(), "is not UTF-8 (line 2): save it as UTF-8")]
    fn another_encoding_is_named(#[case] bytes: Vec<u8>, #[case] expected: &str) {
        assert_eq!(read(&bytes).unwrap_err(), format!("`DIR/.env` {expected}"));
    }

    #[rstest]
    fn what_is_no_file_is_not_waited_for(
        #[values("a directory", "a named pipe", "a device")] what: &str,
        #[values(true, false)] wanted: bool,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".env");
        match what {
            "a directory" => fs::create_dir(&path).unwrap(),
            "a device" => std::os::unix::fs::symlink("/dev/zero", &path).unwrap(),
            _ => assert!(Command::new("mkfifo").arg(&path).status().unwrap().success()),
        }

        let error = read_file(&path, wanted).unwrap_err();

        let expected = format!("cannot read `{}`: it is {what}, expected a file", path.display());
        assert!(error.starts_with(&expected), "{error}");
    }

    #[test]
    fn a_file_that_is_missing_counts_when_somebody_asked_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".env");

        assert!(read_file(&path, false).unwrap().is_empty());
        assert!(read_file(&path, true).unwrap_err().contains("No such file"));
    }
}
