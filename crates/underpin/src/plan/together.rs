//! Which steps share a transaction.
//!
//! Those that do must come to what they come to in one transaction each. What of a step lasts until its
//! transaction ends, or is the same in all of it, parts them.

use underpin_catalog::{Dialect, Version, statement};

use super::{Piece, Plan, Step};

/// How the steps of a plan share transactions.
///
/// Some steps cannot share one although each may run in one of its own; see [`Plan::transactions`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Grouping {
    /// An empty target is built in one transaction, where its steps can share one. Otherwise each step has
    /// its own: what ran before a failure stays.
    #[default]
    Automatic,
    /// A transaction for each step, also on an empty target.
    PerMigration,
    /// One transaction for all steps that can share one, else one for each.
    Together,
    /// One transaction for all: whole, or not at all and not even begun.
    Single,
}

impl Grouping {
    /// What it means for a target, which may be empty.
    pub(crate) fn of(self, empty: bool) -> Self {
        match self {
            Self::Automatic if empty => Self::Together,
            Self::Automatic => Self::PerMigration,
            chosen => chosen,
        }
    }

    /// Whether all steps share a transaction when they can.
    pub(crate) fn shares(self) -> bool {
        matches!(self, Self::Together | Self::Single)
    }
}

impl<'a> Plan<'a> {
    /// Cuts the plan into what runs in one transaction each.
    ///
    /// A step outside transactions is always alone, and so is, on PostgreSQL, a step of which something lasts
    /// until its transaction ends: a label of an enum, which cannot be used before, a lock, a notification.
    /// On SQLite a rebuild switches foreign keys off, on which another step may count. With any of these in
    /// the plan every step gets its own transaction.
    #[must_use]
    pub fn transactions(&self, grouping: Grouping) -> Vec<&[Step<'a>]> {
        if !grouping.shares() || !self.fits_one_transaction() {
            return self.steps.chunks(1).collect();
        }
        if self.steps.is_empty() { Vec::new() } else { vec![&self.steps] }
    }

    /// Whether there are steps, and all of them can share one transaction.
    pub(crate) fn shares_one_transaction(&self) -> bool {
        !self.steps.is_empty() && self.fits_one_transaction()
    }

    /// Whether all steps can share one transaction, as far as their scripts tell.
    #[must_use]
    pub fn fits_one_transaction(&self) -> bool {
        self.parted_by().is_none()
    }

    /// The first step that can share no transaction with the others, and why.
    pub(crate) fn parted_by(&self) -> Option<(&Version, &'static str)> {
        if self.steps.len() < 2 {
            return None;
        }
        let postgres = |step: &Step<'_>| match step.dialect {
            Dialect::Sqlite => None,
            Dialect::Postgres => lasts(step),
        };
        let reason = |step: &Step<'_>| {
            let adds_value = |one: &Piece| one.kind == statement::Kind::AddEnumValue;
            if !step.migration.metadata.run_in_transaction {
                Some("it runs outside a transaction")
            } else if step.pieces.iter().any(adds_value) {
                Some("the label that it adds to an enum can be used when it has ended")
            } else if let Some(reason) = postgres(step) {
                Some(reason)
            } else if !step.migration.metadata.foreign_keys && self.needs_enforcement() {
                Some("it switches foreign keys off, on which others may count")
            } else {
                None
            }
        };
        self.steps.iter().find_map(|step| Some((&step.migration.version, reason(step)?)))
    }

    /// SQLite: whether a step counts on foreign keys beside one that switches them off.
    fn needs_enforcement(&self) -> bool {
        let rebuilds = |step: &Step<'_>| {
            step.dialect == Dialect::Sqlite && !step.migration.metadata.foreign_keys
        };
        self.steps.iter().any(rebuilds)
            && self.steps.iter().any(|step| !rebuilds(step) && minds_foreign_keys(step))
    }
}

/// PostgreSQL: why what a script does lasts until its transaction ends, and nothing takes it back before.
///
/// The words may stand in a string that is run. What a function does that is only called cannot be told.
fn lasts(step: &Step<'_>) -> Option<&'static str> {
    let statements = step.statements();
    let words = words(&statements);
    let has = |wanted: &[&str]| words.iter().any(|word| wanted.contains(&word.as_str()));
    let notifies = |piece: &statement::Statement<'_>| {
        let text = statement::normalise(piece.text, Dialect::Postgres);
        text.starts_with("notify ") || text.starts_with("do") && has(&["notify"])
    };
    if pairs(&words, "set", "constraints") {
        Some("`SET CONSTRAINTS` in it would hold for those after it")
    } else if has(&["pg_notify"]) || statements.iter().any(notifies) {
        Some("what it notifies would be told once with the same of others")
    } else if has(&["lo_open"]) {
        Some("a large object that it opens stays open for those after it")
    } else if words.iter().any(|word| word.contains("advisory_xact_lock")) {
        Some("an advisory lock that it takes is held until those after it end")
    } else if has(&NUMBERS) {
        Some("the number of its transaction would be that of others")
    } else if statements.iter().any(compares_time) {
        Some("it compares with the time at which its transaction begins")
    } else {
        None
    }
}

/// What is the same in all of a transaction: its number, what it sees of others, and the time at which it
/// began. The functions are those of
/// <https://www.postgresql.org/docs/16/functions-info.html#FUNCTIONS-INFO-SNAPSHOT> and the
/// columns are those in which rows, tables and sessions keep what these give.
const NUMBERS: [&str; 30] = [
    "pg_current_xact_id",
    "pg_current_xact_id_if_assigned",
    "pg_xact_status",
    "pg_current_snapshot",
    "pg_snapshot_xip",
    "pg_snapshot_xmax",
    "pg_snapshot_xmin",
    "pg_visible_in_snapshot",
    "txid_current",
    "txid_current_if_assigned",
    "txid_status",
    "txid_current_snapshot",
    "txid_snapshot_xip",
    "txid_snapshot_xmax",
    "txid_snapshot_xmin",
    "txid_visible_in_snapshot",
    "pg_export_snapshot",
    "pg_xact_commit_timestamp",
    "pg_xact_commit_timestamp_origin",
    "pg_last_committed_xact",
    "mxid_age",
    "xmin",
    "xmax",
    // The number of a statement in its transaction.
    "cmin",
    "cmax",
    "backend_xid",
    "backend_xmin",
    "relfrozenxid",
    "relminmxid",
    "datfrozenxid",
];
const TIMES: [&str; 9] = [
    "xact_start",
    "now",
    "transaction_timestamp",
    "statement_timestamp",
    "current_timestamp",
    "current_time",
    "localtimestamp",
    "localtime",
    "current_date",
];

/// Whether rows are chosen by the time of the transaction. A definition is used later.
fn compares_time(statement: &statement::Statement<'_>) -> bool {
    let words = statement.words(Dialect::Postgres);
    let first = words.first().map_or("", String::as_str);
    let condition = words
        .iter()
        .position(|word| ["where", "on", "when", "having", "if"].contains(&word.as_str()));
    !["create", "alter", "comment"].contains(&first)
        && condition.is_some_and(|at| words[at..].iter().any(|word| TIMES.contains(&word.as_str())))
}

/// PostgreSQL: whether a value that is the same in all of a transaction is in the script, so that two steps
/// may write it twice.
pub(crate) fn counts_on_its_transaction(step: &Step<'_>) -> bool {
    let known = |word: &String| TIMES.iter().chain(&NUMBERS).any(|known| word == known);
    words(&step.statements()).iter().any(known)
}

/// PostgreSQL: whether a script goes back to where names are looked up by default. On a connection that was
/// opened for one schema that is its schema; where the schema is set for a transaction, it is another.
pub(crate) fn resets_path(script: &str) -> bool {
    // What cannot be split is not run.
    let words = words(&statement::split(script, Dialect::Postgres).unwrap_or_default());
    let default = |word: &str| pairs(&words, "search_path", word);
    let to_default = words
        .windows(3)
        .any(|three| three[0] == "search_path" && three[1] == "to" && three[2] == "default");
    pairs(&words, "reset", "all")
        || pairs(&words, "reset", "search_path")
        || default("default")
        || default("null")
        || to_default
        || sets_to_null(&words)
        || updates_settings(&words) && words.iter().any(|word| word == "search_path")
        // The view of the settings says what the default is.
        || words.iter().any(|word| word == "reset_val")
}

/// Whether `set_config` may be called with the path and nothing to set it to, in whichever order.
fn sets_to_null(words: &[String]) -> bool {
    const ARGUMENTS: usize = 6;
    let has =
        |words: &[String], wanted: &str| words.iter().take(ARGUMENTS).any(|word| word == wanted);
    let mut calls =
        (0..words.len()).filter(|at| words[*at] == "set_config").map(|at| &words[at + 1..]);
    calls.any(|after| has(after, "search_path") && has(after, "null"))
}

/// Whether the view of the settings is written to, which sets them, to whatever that is worked out to.
fn updates_settings(words: &[String]) -> bool {
    let mut tables = (0..words.len()).filter(|at| words[*at] == "update").map(|at| {
        let before = |word: &&String| word.as_str() == "only" || word.as_str() == "pg_catalog";
        words[at + 1..].iter().find(|word| !before(word))
    });
    tables.any(|table| table.is_some_and(|table| table == "pg_settings"))
}

/// The words of a script of PostgreSQL, those in its strings as well, which may be run.
fn words(statements: &[statement::Statement<'_>]) -> Vec<String> {
    statements.iter().flat_map(|one| one.words(Dialect::Postgres)).collect()
}

fn pairs(words: &[String], one: &str, next: &str) -> bool {
    words.windows(2).any(|pair| pair[0] == one && pair[1] == next)
}

/// Whether what a step does depends on foreign keys being enforced. To define a table, an index, a view or
/// a trigger does not, nor does a new column that refers to nothing. Rows do, also through triggers, and
/// what code does cannot be told.
fn minds_foreign_keys(step: &Step<'_>) -> bool {
    let same = |text: &str| {
        let text = statement::normalise(text, Dialect::Sqlite);
        match text.split_whitespace().next() {
            Some("create" | "select") => true,
            Some("alter") => !text.contains("references"),
            _ => false,
        }
    };
    step.code.is_some() || !step.statements().iter().all(|one| same(one.text))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("RESET ALL")]
    #[case("RESET /* our settings */ ALL")]
    #[case("RESET --x\n ALL")]
    #[case("reset search_path")]
    #[case("RESET U&\"search\\005fpath\"")]
    #[case("RESET U&\"search!005fpath\" UESCAPE '!'")]
    #[case("SET search_path TO DEFAULT")]
    #[case("SET search_path /* back */ TO DEFAULT")]
    #[case("SET search_path = /*x*/ default")]
    #[case("SET LOCAL \"search_path\" = DEFAULT")]
    #[case("SELECT set_config('search_path', /* none */ NULL, true)")]
    #[case("SELECT set_config(new_value => NULL, is_local => true, setting_name => 'search_path')")]
    #[case("SELECT set_config(E'search\\137path', CAST(NULL AS text), false)")]
    #[case("UPDATE pg_settings SET setting = reset_val WHERE name = 'search_path'")]
    #[case(
        "UPDATE ONLY pg_catalog /* x */ . pg_settings SET setting = NULL WHERE name = 'search_path'"
    )]
    #[case(
        "SELECT set_config('search_path', (SELECT reset_val FROM pg_settings WHERE name = 'search_path'), true)"
    )]
    #[case("DO $$ BEGIN RESET /* all of it */ ALL; END $$")]
    #[case("DO $$ BEGIN EXECUTE 'RESET ' || 'search_path'; END $$")]
    #[case("DO 'BEGIN EXECUTE ''SELECT '' || a || '' it''''s; RESET ALL''; END'")]
    fn what_goes_back_to_the_default_path_is_told_in_every_spelling(#[case] script: &str) {
        assert!(resets_path(script), "{script}");
        assert!(resets_path(&format!("CREATE TABLE t (a int); {script}; SELECT 1")), "{script}");
    }

    #[rstest]
    #[case("RESET work_mem; SELECT 'all'")]
    #[case("SET search_path TO app, public")]
    #[case("SELECT 1 -- RESET ALL")]
    #[case("UPDATE pg_settings SET setting = '1024' WHERE name = 'work_mem'")]
    #[case("SELECT 1 /* SET search_path TO DEFAULT */")]
    #[case("UPDATE t SET a = (SELECT setting FROM pg_settings WHERE name = 'search_path')")]
    #[case("SELECT set_config('search_path', 'app', false) WHERE 1 IS NOT NULL")]
    fn what_does_not_is_told_as_well(#[case] script: &str) {
        assert!(!resets_path(script), "{script}");
    }
}
