//! A migration's sortable identity.

use std::{borrow::Cow, cmp::Ordering, fmt, str::FromStr};

/// A migration's sortable identity: `20261121093000` for a folder `2026-11-21-093000_add_x`.
///
/// Compared as text, as Diesel does, so that both agree on the order of one folder.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(transparent)]
pub struct Version(Cow<'static, str>);

/// Diesel's history table holds 50 characters; PostgreSQL refuses more, SQLite does not.
const MAX_LENGTH: usize = 50;

impl Version {
    /// A version that is known when the program is built.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }

    /// Whether both are the same but for how they are written: zeros in front of a number, the case of
    /// letters, and parts at the end that are nothing or zero.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        self.plain() == other.plain()
    }

    /// The version without what only writing adds.
    pub(crate) fn plain(&self) -> String {
        let mut parts: Vec<_> = self.0.split('.').map(plain_part).collect();
        while parts.len() > 1 && parts.last().is_some_and(|part| part == "0") {
            parts.pop();
        }
        parts.join(".").to_ascii_lowercase()
    }

    /// Whether they sort one way as text and the other way by the numbers in them.
    #[must_use]
    pub fn is_misplaced_before(&self, other: &Self) -> bool {
        let by_number = self.numbers().zip(other.numbers()).map(|(one, two)| one.cmp(&two));
        by_number.is_some_and(|order| order != Ordering::Equal && order != self.cmp(other))
    }

    /// Its parts, when each of them is a number, letters, or letters and then a number. Numbers of any
    /// length compare as their length and then their digits do.
    fn numbers(&self) -> Option<Vec<(&str, usize, &str)>> {
        self.0.split('.').map(numbered).collect()
    }

    /// The version as it stands in the history tables.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A part of a version without the zeros in front of its numbers; `0` when nothing is left.
fn plain_part(part: &str) -> String {
    let mut text = String::new();
    let mut rest = part.trim_start_matches('0');
    while let Some(at) = rest.find(is_digit) {
        let (before, number) = rest.split_at(at);
        let (digits, after) =
            number.split_at(number.find(|c: char| !is_digit(c)).unwrap_or(number.len()));
        let digits = digits.trim_start_matches('0');
        text.push_str(before);
        text.push_str(if digits.is_empty() { "0" } else { digits });
        rest = after;
    }
    text.push_str(rest);
    if text.is_empty() { "0".to_owned() } else { text }
}

/// The letters of a part, how long its number is without zeros in front, and the number.
fn numbered(part: &str) -> Option<(&str, usize, &str)> {
    let (letters, digits) = part.split_at(part.find(is_digit).unwrap_or(part.len()));
    let digits = digits.trim_start_matches('0');
    digits.chars().all(is_digit).then_some((letters, digits.len(), digits))
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The text is no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a version of 1 to 50 letters, digits, dots and dashes, found `{0}`")]
pub struct VersionError(String);

impl FromStr for Version {
    type Err = VersionError;

    /// Takes a version with or without the dashes of its folder.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let version = text.replace('-', "");
        let known = |c: char| c.is_ascii_alphanumeric() || c == '.';
        if version.is_empty() || version.len() > MAX_LENGTH || !version.chars().all(known) {
            return Err(VersionError(text.to_owned()));
        }
        Ok(Self(Cow::Owned(version)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_do_not_count() {
        let version: Version = "2026-11-21-093000".parse().unwrap();

        assert_eq!(version, Version::from_static("20261121093000"));
    }

    #[test]
    fn versions_that_differ_in_writing_are_alike() {
        let version = |text: &str| text.parse::<Version>().unwrap();
        for (one, two, alike) in [
            ("1", "01", true),
            ("2026-01-01-000000", "20260101000000", true),
            ("0001", "1", true),
            ("0", "000", true),
            ("1.2", "01.002", true),
            ("1a", "1A", true),
            ("1", "10", false),
            ("1.2", "12", false),
            ("1.0", "1", true),
            ("1.", "1", true),
            ("1.0.00.", "01", true),
            ("0.0", "0", true),
            ("1..2", "1.0.2", true),
            ("a1", "a01", true),
            ("v1", "V01", true),
            ("v1.2", "V1.02.0", true),
            ("1a01b", "01A1B", true),
            ("a0", "a00", true),
            ("0a", "a", true),
            ("v1", "1", false),
            ("v1", "v10", false),
            ("a", "a0", false),
            ("10", "1", false),
            ("1.0.1", "1.1", false),
        ] {
            assert_eq!(version(one).is_like(&version(two)), alike, "{one} {two}");
            assert_eq!(version(two).is_like(&version(one)), alike, "{two} {one}");
        }
    }

    #[test]
    fn versions_that_sort_otherwise_as_numbers_are_told_in_every_form() {
        let version = |text: &str| text.parse::<Version>().unwrap();
        for (one, two, misplaced) in [
            ("10", "9", true),
            ("2", "10", true),
            ("v2", "v10", true),
            ("1.2", "1.10", true),
            ("1.2.1", "1.10", true),
            ("v1.2", "v1.10.3", true),
            ("release2", "release10", true),
            ("9", "100000000000000000000000000000000000000000000", true),
            ("09", "10", false),
            ("09", "9", false),
            ("v02", "v10", false),
            ("1.02", "1.10", false),
            ("1", "1.1", false),
            ("V10", "v2", false),
            ("a2", "b10", false),
            ("20260101000000", "20261121093000", false),
            // No numbers: Alembic's names of revisions are sixteenths.
            ("2f", "10a", false),
        ] {
            assert_eq!(version(one).is_misplaced_before(&version(two)), misplaced, "{one} {two}");
            assert_eq!(version(two).is_misplaced_before(&version(one)), misplaced, "{two} {one}");
        }
    }

    #[test]
    fn what_a_history_table_cannot_hold_is_refused() {
        for text in ["", "-", "a b", "x'y", &"9".repeat(51)] {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
    }
}
