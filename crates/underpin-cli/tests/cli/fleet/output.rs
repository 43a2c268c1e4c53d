//! What each verb says, as text and as JSON, the same on both dialects.

use rstest::rstest;
use underpin_testkit::{Dialect, TestDb};

use super::{fleet, on_target, targets};
use crate::{assert_said_with, folder, settings};

/// Verbs in the order in which somebody would meet them, as long as all goes well.
const SMOOTH: [(&str, &[&str]); 8] = [
    ("status_base", &["status"]),
    ("plan", &["plan"]),
    ("upgrade_one", &["upgrade", "+1"]),
    ("status_behind", &["status"]),
    ("upgrade", &["upgrade", "--canary", "1"]),
    ("upgrade_again", &["upgrade"]),
    ("downgrade_dry_run", &["downgrade", "-1", "--dry-run"]),
    ("adopt", &["adopt"]),
];

/// And with a target that has a table of its own where a migration creates one.
const ROUGH: [(&str, &[&str]); 4] = [
    ("stopped", &["upgrade"]),
    ("resume", &["resume"]),
    ("status_failed", &["status"]),
    ("report_failed", &["report"]),
];

/// And when it is gone.
const MENDED: [(&str, &[&str]); 5] = [
    ("retry_failed", &["retry-failed"]),
    ("nothing_to_resume", &["resume"]),
    ("report_first", &["report", "1"]),
    ("base_unasked", &["downgrade", "base"]),
    ("base", &["downgrade", "base", "--yes"]),
];

/// Replaces what differs between dialects and from run to run.
fn alike(db: &TestDb) -> insta::Settings {
    let mut settings = settings(db);
    settings.add_filter(
        r"--sqlite 'data/project_\*\.db'|--postgres-schemas 'project_%'",
        "[SOURCE FLAGS]",
    );
    settings.add_filter(r"files `data/project_\*\.db`|schemas `project_%` of \[URL\]", "[SOURCE]");
    settings.add_filter(r"\[DIR\]/data/(project_\d+)\.db|(project_\d+) of \[URL\]", "$1$2");
    settings.add_filter(r#""id": "[0-9a-f]{16}""#, r#""id": "[ID]""#);
    settings.add_filter(r#""identity": "(the file|schema) [^\n]+""#, r#""identity": "[IDENTITY]""#);
    settings.add_filter(r"time +\d+ ms", "time [TIME]");
    settings.add_filter(r#""(started_at|ended_at)": \d+"#, r#""$1": "[TIME]""#);
    settings.add_filter(r"(?m)because: .*t2.*$", "because: [EXISTS]");
    settings.add_filter(r#"because: [^"\n]*t2[^"\n]*""#, r#"because: [EXISTS]""#);
    settings
}

fn session(db: &TestDb, form: &str, verbs: &[(&str, &[&str])]) {
    let json: &[&str] = if form == "json" { &["--json"] } else { &[] };
    for (name, args) in verbs {
        let command = fleet(db, &[*args, &["--jobs", "1"], json].concat());
        assert_said_with(&alike(db), &format!("fleet_{form}_{name}"), command);
    }
}

#[rstest]
fn every_verb(
    #[values(Dialect::Sqlite, Dialect::Postgres)] dialect: Dialect,
    #[values("text", "json")] form: &str,
) {
    let db = targets(dialect, 3);
    folder(&db, 3);

    session(&db, form, &SMOOTH);
}

#[rstest]
fn a_target_that_fails(
    #[values(Dialect::Sqlite, Dialect::Postgres)] dialect: Dialect,
    #[values("text", "json")] form: &str,
) {
    let db = targets(dialect, 3);
    folder(&db, 1);
    session(&db, "text", &[("upgrade_first", &["upgrade"])]);
    folder(&db, 2);
    on_target(&db, 2, "CREATE TABLE project_2.t2 (other INTEGER)");

    session(&db, form, &ROUGH);
    on_target(&db, 2, "DROP TABLE project_2.t2");
    session(&db, form, &MENDED);
}
