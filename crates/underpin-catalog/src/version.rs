//! A migration's sortable identity.

use std::{borrow::Cow, fmt, str::FromStr};

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

    /// Whether both are the same but for how they are written: zeros in front of a number, and the
    /// case of letters.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        self.plain() == other.plain()
    }

    /// The version without what only writing adds.
    pub(crate) fn plain(&self) -> String {
        let parts = self.0.split('.').map(|part| match part.trim_start_matches('0') {
            "" if !part.is_empty() => "0",
            rest => rest,
        });
        parts.collect::<Vec<_>>().join(".").to_ascii_lowercase()
    }

    /// Whether it sorts before `other` as a number and after it as text.
    #[must_use]
    pub fn is_misplaced_before(&self, other: &Self) -> bool {
        let number = |version: &Self| version.0.parse::<u128>().ok();
        match (number(self), number(other)) {
            (Some(one), Some(two)) => (one < two) != (self < other),
            _ => false,
        }
    }

    /// The version as it stands in the history tables.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
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
            ("1.0", "1", false),
            ("a1", "a01", false),
        ] {
            assert_eq!(version(one).is_like(&version(two)), alike, "{one} {two}");
        }
        assert!(version("10").is_misplaced_before(&version("9")));
        assert!(!version("09").is_misplaced_before(&version("10")));
    }

    #[test]
    fn what_a_history_table_cannot_hold_is_refused() {
        for text in ["", "-", "a b", "x'y", &"9".repeat(51)] {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
    }
}
