//! What a script's text comes down to.

use std::{fmt, str::FromStr};

use sha2::{Digest, Sha256};

/// SHA-256 of a script's normalised text, shown as 64 lower-case hexadecimal digits. Where code
/// runs after the script, the code's identity counts as well.
///
/// The kind of line endings and blanks at the end of the file do not count: version control and
/// editors change them without anybody changing the script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Checksum(pub [u8; 32]);

impl Checksum {
    /// The checksum of `script`.
    #[must_use]
    pub fn of(script: &str) -> Self {
        Self(normalised(script).finalize().into())
    }

    /// The checksum of `script` followed by the code of this identity, `hash_api_tokens/1`.
    #[must_use]
    pub fn with_code(script: &str, code: &str) -> Self {
        let mut hash = normalised(script);
        // Every script ends its hash with a line's end, so no script is mistaken for one with code.
        hash.update(b"\0");
        hash.update(code);
        Self(hash.finalize().into())
    }
}

/// The hash of a script's lines, each with its end.
fn normalised(script: &str) -> Sha256 {
    let mut hash = Sha256::new();
    add_lines(&mut hash, script.trim_end());
    hash
}

fn add_lines(hash: &mut Sha256, text: &str) {
    for line in text.split('\n') {
        hash.update(line.strip_suffix('\r').unwrap_or(line));
        hash.update(b"\n");
    }
}

/// The checksum of statements, one after the other: what stands between them does not count.
#[derive(Debug, Clone, Default)]
pub struct StatementsChecksum(Sha256);

impl StatementsChecksum {
    /// The checksum of these statements.
    pub fn of<'s>(statements: impl IntoIterator<Item = &'s str>) -> Self {
        let mut all = Self::default();
        statements.into_iter().for_each(|statement| all.push(statement));
        all
    }

    /// Adds the next statement.
    pub fn push(&mut self, statement: &str) {
        add_lines(&mut self.0, statement);
        // No statement has it, so none is mistaken for two.
        self.0.update(b"\0");
    }

    /// The checksum of what was added so far.
    #[must_use]
    pub fn checksum(&self) -> Checksum {
        Checksum(self.0.clone().finalize().into())
    }
}

impl fmt::Display for Checksum {
    /// A precision shortens the text: `{:.8}` prints what a person needs to tell two apart.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digit = |half: u8| char::from_digit(half.into(), 16).unwrap_or_default();
        let mut text = String::with_capacity(2 * self.0.len());
        for byte in self.0 {
            text.extend([byte >> 4, byte & 15].map(digit));
        }
        f.pad(&text)
    }
}

/// The text is no checksum.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a checksum of 64 hexadecimal digits, found `{0}`")]
pub struct ChecksumError(String);

impl FromStr for Checksum {
    type Err = ChecksumError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ChecksumError(text.to_owned());
        if text.len() != 64 || !text.is_ascii() {
            return Err(wrong());
        }
        let mut bytes = [0; 32];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[index * 2..index * 2 + 2], 16).map_err(|_| wrong())?;
        }
        Ok(Self(bytes))
    }
}

impl serde::Serialize for Checksum {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_a_file_was_saved_does_not_count() {
        let plain = Checksum::of("SELECT 1;\nSELECT 2;\n");

        for saved in ["SELECT 1;\r\nSELECT 2;\r\n", "SELECT 1;\nSELECT 2;\n\n "] {
            assert_eq!(Checksum::of(saved), plain, "{saved:?}");
        }
        assert_ne!(Checksum::of("SELECT 1;\n\nSELECT 2;\n"), plain);
        assert_ne!(Checksum::of(" SELECT 1;\nSELECT 2;\n"), plain);
    }

    #[test]
    fn statements_count_one_by_one() {
        let of = |texts: &[&str]| StatementsChecksum::of(texts.iter().copied()).checksum();

        assert_eq!(of(&["SELECT\r\n1", "SELECT 2"]), of(&["SELECT\n1", "SELECT 2"]));
        for other in [&["SELECT 1"][..], &["SELECT 2", "SELECT 1"], &["SELECT 1\nSELECT 2"], &[]] {
            assert_ne!(of(other), of(&["SELECT 1", "SELECT 2"]), "{other:?}");
        }
    }

    #[test]
    fn the_identity_of_the_code_counts() {
        let plain = Checksum::of("SELECT 1;\n");
        let first = Checksum::with_code("SELECT 1;\n", "a/1");

        assert_ne!(first, plain);
        assert_ne!(first, Checksum::with_code("SELECT 1;\n", "a/2"));
        assert_ne!(first, Checksum::of("SELECT 1;\n\0a/1"));
        assert_eq!(first, Checksum::with_code("SELECT 1;\r\n\n", "a/1"));
    }

    #[test]
    fn a_checksum_reads_back_from_its_text() {
        let checksum = Checksum::of("SELECT 1");

        assert_eq!(checksum.to_string().parse(), Ok(checksum));
        assert_eq!(format!("{checksum:.8}"), checksum.to_string()[..8]);
        assert!("zz".repeat(32).parse::<Checksum>().is_err());
        assert!("ab".parse::<Checksum>().is_err());
    }
}
