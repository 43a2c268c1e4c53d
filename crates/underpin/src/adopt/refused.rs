//! Why a schema is not taken for what it should be.

use underpin_catalog::Version;

use crate::Difference;

/// Why a database was not adopted. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum AdoptRefused {
    /// It is nothing that the set knows.
    #[error(
        "nothing was changed: the database has tables and no history, and fits no version of set \
         `{set}`; compared with {closest}, the nearest:\n{}",
        list(differences)
    )]
    Unknown {
        /// The family of migrations.
        set: String,
        /// What it was compared with.
        closest: String,
        /// In which way it differs from that.
        differences: Vec<Difference>,
    },
    /// It is several versions at once, because they differ in data alone.
    #[error(
        "nothing was changed: the schema fits versions {}, which build the same one: say which it \
         is with `underpin stamp VERSION`", versions.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
    )]
    Ambiguous {
        /// All that fit.
        versions: Vec<Version>,
    },
    /// What a version builds cannot be found out beside the live schema.
    #[error(
        "nothing was changed: what version {version} builds cannot be compared with this database: \
         {reason}: if you know what the database is, record it with `underpin stamp VERSION --force`"
    )]
    Unprovable {
        /// The version whose script cannot be tried.
        version: Version,
        /// Why.
        reason: String,
    },
    /// The scripts build another schema now that one of them is edited.
    #[error(
        "nothing was changed: the schema is not what the scripts build now that {version} is edited:\n{}\n\
         restore the script and write a new migration for the change, or bring the schema to what the script \
         says; `--force` accepts the edit all the same",
        list(differences)
    )]
    Edited {
        /// The version whose script was edited.
        version: Version,
        /// In which way the database differs.
        differences: Vec<Difference>,
    },
    /// Whether an edit fits the schema cannot be found out.
    #[error(
        "nothing was changed: whether the schema is what the edited script of {version} builds cannot be \
         found out: {reason}: compare them, then accept the edit with `--force`"
    )]
    Unchecked {
        /// The version whose script was edited.
        version: Version,
        /// Why.
        reason: String,
    },
    /// The version to be stamped builds another schema.
    #[error(
        "nothing was changed: the schema is not what version {version} builds (`--force` stamps \
         all the same):\n{}",
        list(differences)
    )]
    Unfit {
        /// The version.
        version: String,
        /// In which way the database differs.
        differences: Vec<Difference>,
    },
}

/// One difference per line.
pub(crate) fn list(differences: &[Difference]) -> String {
    differences.iter().map(|one| format!("  {one}")).collect::<Vec<_>>().join("\n")
}
