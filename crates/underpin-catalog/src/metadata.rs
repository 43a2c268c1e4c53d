//! How a migration wants to be run: `metadata.toml`.

use std::borrow::Cow;

use serde::Deserialize;

/// How a migration wants to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// `run_in_transaction`: the script and its history row commit together. Otherwise the script
    /// runs statement by statement, and the history says how far it came.
    pub run_in_transaction: bool,
    /// `underpin.foreign_keys`: enforced while the script runs. `false` is for a migration that
    /// rebuilds an SQLite table; the engine then proves by counting that no row was lost.
    pub foreign_keys: bool,
    /// `underpin.notes`: a query with one text column, `note`, run after the script; each row is
    /// something that people must know about their data.
    pub notes: Option<Cow<'static, str>>,
    /// `underpin.code`: what the program does in Rust after the script, `<name>/<number>`. The
    /// functions are not here: this crate knows no connection.
    pub code: Option<Cow<'static, str>>,
    /// `underpin.empty`: its scripts may be without a statement, for there is nothing to do in this
    /// dialect. Without it such a script is one that nobody has written yet.
    pub empty: bool,
}

impl Metadata {
    /// What holds for a migration without a `metadata.toml`.
    pub const DEFAULT: Self = Self {
        run_in_transaction: true,
        foreign_keys: true,
        notes: None,
        code: None,
        empty: false,
    };
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Not optional: Diesel takes a missing key for `false`, and nobody means that.
    run_in_transaction: bool,
    #[serde(default)]
    underpin: Section,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Section {
    foreign_keys: bool,
    notes: Option<String>,
    code: Option<String>,
    empty: bool,
}

impl Default for Section {
    fn default() -> Self {
        Self { foreign_keys: true, notes: None, code: None, empty: false }
    }
}

/// Reads the text of a `metadata.toml`; the error is a sentence for people.
pub(crate) fn parse(text: &str) -> Result<Metadata, String> {
    let file: File = toml::from_str(text).map_err(|error| error.message().to_owned())?;
    let metadata = Metadata {
        run_in_transaction: file.run_in_transaction,
        foreign_keys: file.underpin.foreign_keys,
        notes: file.underpin.notes.map(Cow::Owned),
        code: file.underpin.code.map(Cow::Owned),
        empty: file.underpin.empty,
    };
    if !metadata.foreign_keys && !metadata.run_in_transaction {
        return Err("`foreign_keys = false` needs `run_in_transaction = true`".to_owned());
    }
    if let Some(code) = &metadata.code {
        if !metadata.run_in_transaction {
            return Err("`code` needs `run_in_transaction = true`".to_owned());
        }
        if !is_identity(code) {
            return Err(format!("expected `code` like `hash_api_tokens/1`, found `{code}`"));
        }
    }
    Ok(metadata)
}

/// A function's name and the number of its edition.
fn is_identity(code: &str) -> bool {
    let name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let all = |text: &str, fits: fn(u8) -> bool| !text.is_empty() && text.bytes().all(fits);
    code.split_once('/').is_some_and(|(function, edition)| {
        all(function, name) && all(edition, |byte| byte.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_defaults_of_a_migration_without_the_file() {
        assert_eq!(parse("run_in_transaction = true"), Ok(Metadata::DEFAULT));
    }

    #[test]
    fn a_missing_or_misspelt_key_is_an_error() {
        assert!(parse("").is_err_and(|error| error.contains("run_in_transaction")));
        let misspelt = "run_in_transaction = true\n[underpin]\nforeign_key = false";
        assert!(parse(misspelt).is_err_and(|error| error.contains("foreign_key")));
        assert!(parse("run_in_transaction = ").is_err());
        assert!(parse("run_in_transaction = false\n[underpin]\nforeign_keys = false").is_err());
    }

    #[test]
    fn code_is_named_with_its_edition_and_needs_a_transaction() {
        let with = |transaction: bool, code: &str| {
            parse(&format!("run_in_transaction = {transaction}\n[underpin]\ncode = '{code}'"))
        };
        let code = Some(Cow::Borrowed("hash_api_tokens/1"));
        assert_eq!(with(true, "hash_api_tokens/1"), Ok(Metadata { code, ..Metadata::DEFAULT }));

        assert!(with(false, "a/1").is_err_and(|error| error.contains("run_in_transaction")));
        for wrong in ["", "a", "a/", "/1", "a/b", "A/1", "a b/1", "a/1/2", "a/-1", "a/+1"] {
            assert!(with(true, wrong).is_err_and(|error| error.contains("expected")), "{wrong}");
        }
    }
}
