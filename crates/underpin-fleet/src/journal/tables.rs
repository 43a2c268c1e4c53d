//! The tables of the journal.

/// What a new journal is made of.
pub(super) const CREATE: &str = "
CREATE TABLE runs (
  number INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  id TEXT,
  dialect TEXT,
  catalog TEXT,
  catalog_head TEXT,
  set_name TEXT NOT NULL,
  source TEXT NOT NULL,
  action TEXT NOT NULL,
  options TEXT NOT NULL,
  started_at BIGINT NOT NULL,
  ended_at BIGINT,
  outcome TEXT NOT NULL
);
CREATE TABLE targets (
  run INTEGER NOT NULL REFERENCES runs (number),
  number INTEGER NOT NULL,
  id TEXT NOT NULL,
  place TEXT NOT NULL,
  key TEXT,
  identity TEXT,
  wave INTEGER NOT NULL,
  goal TEXT,
  state TEXT NOT NULL,
  version_before TEXT,
  version_after TEXT,
  steps INTEGER NOT NULL,
  duration_ms BIGINT,
  message TEXT,
  PRIMARY KEY (run, number)
) WITHOUT ROWID;
";

/// What a journal of format 1 is made a newer one of. What its runs were made for stays unknown.
pub(super) const SINCE_1: &str = "
ALTER TABLE runs ADD id TEXT;
ALTER TABLE runs ADD dialect TEXT;
ALTER TABLE runs ADD catalog TEXT;
ALTER TABLE runs ADD catalog_head TEXT;
ALTER TABLE targets ADD key TEXT;
ALTER TABLE targets ADD identity TEXT;
";

diesel::table! {
    /// One row per run.
    runs (number) {
        number -> Integer,
        /// By chance, so that no other run of any journal has it.
        id -> Nullable<Text>,
        dialect -> Nullable<Text>,
        /// What comes down to one line of the migrations up to `catalog_head`.
        catalog -> Nullable<Text>,
        catalog_head -> Nullable<Text>,
        set_name -> Text,
        /// What the targets were looked for by.
        source -> Text,
        /// The command: `upgrade head`.
        action -> Text,
        /// As JSON.
        options -> Text,
        /// Unix milliseconds.
        started_at -> BigInt,
        ended_at -> Nullable<BigInt>,
        outcome -> Text,
    }
}

diesel::table! {
    /// One row per target of a run.
    targets (run, number) {
        run -> Integer,
        /// The order of the run, from 1.
        number -> Integer,
        id -> Text,
        place -> Text,
        /// By which the target is found again.
        key -> Nullable<Text>,
        /// What it was when the run began.
        identity -> Nullable<Text>,
        /// 0 for those that had nothing to do.
        wave -> Integer,
        /// Where the target goes, in absolute terms: `up 20261121090000`, `base`, `adopt`.
        goal -> Nullable<Text>,
        state -> Text,
        version_before -> Nullable<Text>,
        version_after -> Nullable<Text>,
        /// Migrations that ran.
        steps -> Integer,
        duration_ms -> Nullable<BigInt>,
        /// Why it failed or was skipped, or what people must know.
        message -> Nullable<Text>,
    }
}

diesel::allow_tables_to_appear_in_same_query!(runs, targets);
