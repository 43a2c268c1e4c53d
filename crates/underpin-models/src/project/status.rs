//! The enums of the `project` set: checked text.

use std::{fmt, io::Write as _, str::FromStr};

use diesel::{
    deserialize::{self, FromSql, FromSqlRow},
    expression::AsExpression,
    pg::{Pg, PgValue},
    serialize::{self, IsNull, Output, ToSql},
    sql_types::Text,
    sqlite::{Sqlite, SqliteValue},
};

/// A name that an enum does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is no {kind}: expected one of {expected}")]
pub struct UnknownName {
    /// The enum.
    pub kind: &'static str,
    /// What was there instead.
    pub found: String,
    /// The names that it has.
    pub expected: String,
}

/// An enum whose names are stored in upper case, as the original program did.
macro_rules! db_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$about:meta])* $variant:ident = $text:literal $wire:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, AsExpression, FromSqlRow)]
        #[diesel(sql_type = Text)]
        pub enum $name { $($(#[$about])* $variant,)* }

        impl $name {
            /// Every value, in the order of the type in PostgreSQL.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name as it is stored.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The name as callers see it: in lower case.
            #[must_use]
            pub fn wire(self) -> &'static str {
                match self { $(Self::$variant => $wire,)* }
            }

            /// Reads the name that callers give.
            pub fn from_wire(text: &str) -> Result<Self, UnknownName> {
                match text {
                    $($wire => Ok(Self::$variant),)*
                    _ => Err(UnknownName {
                        kind: stringify!($name),
                        found: text.to_owned(),
                        expected: [$($wire),*].join(", "),
                    }),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownName;

            /// Reads the stored name.
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($text => Ok(Self::$variant),)*
                    _ => Err(UnknownName {
                        kind: stringify!($name),
                        found: text.to_owned(),
                        expected: [$($text),*].join(", "),
                    }),
                }
            }
        }

        impl ToSql<Text, Pg> for $name {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
                out.write_all(self.as_str().as_bytes())?;
                Ok(IsNull::No)
            }
        }

        impl FromSql<Text, Pg> for $name {
            fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
                Ok(std::str::from_utf8(value.as_bytes())?.parse()?)
            }
        }

        impl ToSql<Text, Sqlite> for $name {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
                out.set_value(self.as_str());
                Ok(IsNull::No)
            }
        }

        impl FromSql<Text, Sqlite> for $name {
            fn from_sql(value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
                Ok(<String as FromSql<Text, Sqlite>>::from_sql(value)?.parse()?)
            }
        }
    };
}

db_enum! {
    /// Which part of the work is being done.
    Phase {
        /// Breaks the work into tasks.
        Planner = "PLANNER" "planner",
        /// Chooses how it is built.
        Architect = "ARCHITECT" "architect",
        /// Waits for people.
        ReviewApproval = "REVIEW_APPROVAL" "review_approval",
        /// Builds it.
        Coder = "CODER" "coder",
    }
}

db_enum! {
    /// How far a task came.
    TaskStatus {
        /// Nobody has begun.
        Pending = "PENDING" "pending",
        /// Somebody is at it.
        InProgress = "IN_PROGRESS" "in_progress",
        /// People are asked.
        AwaitingApproval = "AWAITING_APPROVAL" "awaiting_approval",
        /// People said yes; it may run.
        Approved = "APPROVED" "approved",
        /// People said no.
        Rejected = "REJECTED" "rejected",
        /// Done.
        Completed = "COMPLETED" "completed",
        /// Given up.
        Cancelled = "CANCELLED" "cancelled",
    }
}

db_enum! {
    /// How far a change request came.
    ChangeRequestStatus {
        /// Being written.
        Draft = "DRAFT" "draft",
        /// People are asked.
        Submitted = "SUBMITTED" "submitted",
        /// People said yes.
        Approved = "APPROVED" "approved",
        /// People said no.
        Rejected = "REJECTED" "rejected",
        /// Done.
        Implemented = "IMPLEMENTED" "implemented",
    }
}

db_enum! {
    /// What kind of file an artifact is.
    ArtifactType {
        /// A specification.
        Spec = "SPEC" "spec",
        /// A plan.
        Plan = "PLAN" "plan",
        /// An architecture.
        Architecture = "ARCHITECTURE" "architecture",
        /// A record of a decision.
        Adr = "ADR" "adr",
        /// What an engine said.
        Transcript = "TRANSCRIPT" "transcript",
        /// A change to code.
        Diff = "DIFF" "diff",
        /// A log.
        Log = "LOG" "log",
        /// Anything else.
        Other = "OTHER" "other",
    }
}

db_enum! {
    /// How a run ended, or that it has not.
    RunStatus {
        /// It has not ended.
        Running = "RUNNING" "running",
        /// Every gate was passed.
        Success = "SUCCESS" "success",
        /// It failed.
        Failure = "FAILURE" "failure",
        /// It took too long.
        Timeout = "TIMEOUT" "timeout",
        /// Somebody stopped it.
        Cancelled = "CANCELLED" "cancelled",
    }
}
