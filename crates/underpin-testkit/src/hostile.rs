//! What strangers can put in the way of a program on PostgreSQL: a schema full of things that stand in
//! for the server's own, and settings of the role or the database.

use crate::TestDb;

/// Settings that `ALTER ROLE … SET` and `ALTER DATABASE … SET` take, each with a value that changes how
/// the server reads, does or prints something.
pub const SETTINGS: [(&str, &str); 39] = [
    ("standard_conforming_strings", "off"),
    ("backslash_quote", "off"),
    ("escape_string_warning", "off"),
    ("DateStyle", "'German, DMY'"),
    ("IntervalStyle", "sql_standard"),
    ("TimeZone", "'Pacific/Kiritimati'"),
    ("bytea_output", "escape"),
    ("extra_float_digits", "-15"),
    ("quote_all_identifiers", "on"),
    ("xmlbinary", "hex"),
    ("xmloption", "document"),
    ("array_nulls", "off"),
    ("lc_messages", "'C'"),
    ("lc_numeric", "'C'"),
    ("client_encoding", "LATIN1"),
    ("client_min_messages", "error"),
    ("row_security", "off"),
    ("session_replication_role", "replica"),
    ("default_transaction_isolation", "serializable"),
    ("default_transaction_read_only", "on"),
    ("default_transaction_deferrable", "on"),
    ("statement_timeout", "100"),
    ("lock_timeout", "1"),
    ("idle_in_transaction_session_timeout", "1"),
    ("idle_session_timeout", "500"),
    ("tcp_user_timeout", "30000"),
    ("transform_null_equals", "on"),
    ("check_function_bodies", "off"),
    ("search_path", "public, pg_catalog"),
    ("role", "pg_database_owner"),
    ("default_table_access_method", "heap"),
    ("default_tablespace", "pg_default"),
    ("temp_tablespaces", "''"),
    ("default_text_search_config", "'pg_catalog.german'"),
    ("constraint_exclusion", "on"),
    ("plan_cache_mode", "force_generic_plan"),
    ("plpgsql.variable_conflict", "error"),
    ("plpgsql.extra_errors", "'all'"),
    ("synchronous_commit", "off"),
];

/// The one that a program cannot do without and an ordinary role cannot take back: foreign keys and triggers
/// are off.
pub const REFUSED: &str = "session_replication_role";

/// What `ALTER … SET` is said of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// The role that the program logs in as.
    Role,
    /// The whole database.
    Database,
}

impl TestDb {
    /// Lets sessions that begin from now on start with `value`, which is SQL.
    ///
    /// # Panics
    ///
    /// When the server refuses, or the database has no login of its own ([`TestDb::with_login`]).
    pub fn start_with(&self, level: Level, name: &str, value: &str) {
        let whose = match level {
            Level::Role => format!("ROLE {}", self.login().expect("a login of its own")),
            Level::Database => format!("DATABASE {}", self.name().expect("a database of its own")),
        };
        self.batch(&format!("ALTER {whose} SET {name} = {value}"));
    }

    /// Fills the schema `public` with functions, operators, types and tables that stand in for the
    /// server's own wherever `public` comes first in the path, or where they fit their arguments better.
    /// Each raises an error, and is counted.
    ///
    /// # Panics
    ///
    /// When the server refuses.
    pub fn poison_public(&self) {
        self.batch(include_str!("hostile.sql"));
    }

    /// How often something of [`TestDb::poison_public`] was used, also where the error came to nothing.
    ///
    /// # Panics
    ///
    /// When the database is not poisoned.
    #[must_use]
    pub fn poisonings(&self) -> u64 {
        let query = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM poison.count";
        self.texts(query).concat().parse().expect("a number")
    }
}
