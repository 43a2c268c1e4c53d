//! The rows of the journal.

use diesel::prelude::*;
use serde::Serialize;

use super::tables::{runs, targets};

/// Declares an enum that the journal stores as text.
macro_rules! word {
    ($(#[$doc:meta])* $name:ident { $($(#[$about:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(rename_all = "lowercase")]
        pub enum $name { $($(#[$about])* $variant,)* }

        impl $name {
            /// Every value.
            pub const ALL: [Self; [$($text),*].len()] = [$(Self::$variant),*];

            /// The word in the journal and in reports.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                match text.as_str() {
                    $($text => Ok(Self::$variant),)*
                    _ => Err(format!("expected {}, found `{text}`", [$($text),*].join(", "))),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

word! {
    /// What came of a run.
    Outcome {
        /// It is at work, or was killed.
        Running = "running",
        /// Every target is where it should be.
        Done = "done",
        /// All were tried, and some failed.
        Failed = "failed",
        /// It ended before all were tried.
        Stopped = "stopped",
        /// It was killed, and another run began.
        Abandoned = "abandoned",
    }
}

word! {
    /// How far a target is.
    State {
        /// Nothing has happened to it.
        Waiting = "waiting",
        /// A worker is at it, or died over it.
        Running = "running",
        /// It is where it should be.
        Done = "done",
        /// It was there already.
        Unchanged = "unchanged",
        /// It is not where it should be.
        Failed = "failed",
        /// It fits the pattern and is no target.
        Skipped = "skipped",
    }
}

/// One run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Queryable, Selectable)]
#[diesel(table_name = runs)]
pub struct Run {
    /// From 1.
    pub number: i32,
    /// By chance, so that no other run of any journal has it; its copies are in `run-<id>`. `None` for a
    /// run of an older program, and so with the other three.
    pub id: Option<String>,
    /// The kind of its databases.
    pub dialect: Option<String>,
    /// The family of migrations.
    #[diesel(column_name = set_name)]
    pub set: String,
    /// The newest of the migrations then; `None` also when there was none.
    pub catalog_head: Option<String>,
    /// What these migrations come down to.
    #[serde(skip)]
    pub(crate) catalog: Option<String>,
    /// What the targets were looked for by.
    pub source: String,
    /// The command: `upgrade head`.
    pub action: String,
    /// Unix milliseconds.
    pub started_at: i64,
    /// Unix milliseconds; `None` while it is at work, and when it was killed.
    pub ended_at: Option<i64>,
    /// What came of it.
    #[diesel(deserialize_as = String)]
    pub outcome: Outcome,
    /// How it was to be done, as JSON.
    #[serde(skip)]
    pub(crate) options: String,
}

/// One target of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Queryable, Selectable)]
#[diesel(table_name = targets)]
pub struct TargetRow {
    /// Its place in the run, from 1.
    pub number: i32,
    /// What people call it.
    pub id: String,
    /// Path, schema with its database, or URL without a password.
    pub place: String,
    /// By which the target is found again.
    #[serde(skip)]
    pub(crate) key: Option<String>,
    /// What it was when the run began, beyond its name.
    pub identity: Option<String>,
    /// Which wave it was in, from 1; 0 for those that had nothing to do.
    pub wave: i32,
    /// How far it is.
    #[diesel(deserialize_as = String)]
    pub state: State,
    /// The newest applied version before the run.
    pub version_before: Option<String>,
    /// And now.
    pub version_after: Option<String>,
    /// Migrations that ran.
    pub steps: i32,
    /// Milliseconds, with the wait for its lock.
    pub duration_ms: Option<i64>,
    /// Why it failed or was skipped, or what people must know.
    pub message: Option<String>,
    /// Where it goes, in absolute terms.
    #[serde(skip)]
    pub(crate) goal: Option<String>,
}

/// A run that begins.
#[derive(Insertable)]
#[diesel(table_name = runs)]
pub(crate) struct NewRun {
    pub(crate) id: String,
    pub(crate) dialect: String,
    pub(crate) catalog: String,
    pub(crate) catalog_head: Option<String>,
    #[diesel(column_name = set_name)]
    pub(crate) set: String,
    pub(crate) source: String,
    pub(crate) action: String,
    pub(crate) options: String,
    pub(crate) started_at: i64,
    pub(crate) outcome: &'static str,
}

/// A target of a run that begins.
#[derive(Insertable)]
#[diesel(table_name = targets)]
pub(crate) struct NewTarget {
    pub(crate) number: i32,
    pub(crate) id: String,
    pub(crate) place: String,
    pub(crate) key: Option<String>,
    pub(crate) identity: Option<String>,
    pub(crate) wave: i32,
    pub(crate) goal: Option<String>,
    pub(crate) state: &'static str,
    pub(crate) version_before: Option<String>,
    pub(crate) version_after: Option<String>,
    pub(crate) steps: i32,
    pub(crate) message: Option<String>,
}

impl NewTarget {
    pub(crate) fn new(number: i32, id: &str, place: String, state: State) -> Self {
        Self {
            number,
            id: id.to_owned(),
            place,
            key: None,
            identity: None,
            wave: 0,
            goal: None,
            state: state.as_str(),
            version_before: None,
            version_after: None,
            steps: 0,
            message: None,
        }
    }
}

/// What came of a target.
#[derive(AsChangeset)]
#[diesel(table_name = targets)]
pub(crate) struct Done {
    pub(crate) state: &'static str,
    pub(crate) version_after: Option<String>,
    pub(crate) steps: i32,
    pub(crate) duration_ms: Option<i64>,
    pub(crate) message: Option<String>,
}
