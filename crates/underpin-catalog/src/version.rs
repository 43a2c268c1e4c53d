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
    fn what_a_history_table_cannot_hold_is_refused() {
        for text in ["", "-", "a b", "x'y", &"9".repeat(51)] {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
    }
}
