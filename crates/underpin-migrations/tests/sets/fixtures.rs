//! The files that the original programs wrote reach the head with every row.

use rstest::rstest;
use underpin::Goal;
use underpin_testkit::{Dialect, TestDb};

use crate::{
    back_to_first, fixture, migrate, schema, set,
    tokens::{hashed_words, settled},
};

/// The rows of `table` as texts, the columns of each in one; a column may be an expression.
fn rows(db: &TestDb, table: &str, columns: &[&str]) -> Vec<String> {
    let texts: Vec<_> =
        columns.iter().map(|one| format!("coalesce(CAST({one} AS TEXT), 'NULL')")).collect();
    let mut rows = db.texts(&format!("SELECT {} FROM {table}", texts.join(" || '|' || ")));
    rows.sort();
    rows
}

/// What each table of the bot holds, in columns of the first version and of the head.
const BOT: [(&str, &[&str], &[&str]); 8] = [
    (
        "user_stats",
        &[
            "username",
            "first_seen",
            "last_seen",
            "coalesce(total_chat_lines, 0)",
            "coalesce(total_time_connected, 0)",
            "current_session_start",
        ],
        &[
            "username",
            "first_seen",
            "last_seen",
            "total_chat_lines",
            "total_time_connected",
            "current_session_start",
        ],
    ),
    (
        "user_actions",
        &["id", "timestamp", "username", "action_type", "details"],
        &["id", "timestamp", "username", "action_type", "details"],
    ),
    (
        "channel_stats",
        &["id", "max_users", "max_users_timestamp", "max_connected", "max_connected_timestamp"],
        &["id", "max_users", "max_users_timestamp", "max_connected", "max_connected_timestamp"],
    ),
    (
        "user_count_history",
        &["id", "timestamp", "chat_users", "connected_users"],
        &["id", "timestamp", "chat_users", "connected_users"],
    ),
    (
        "recent_chat",
        &["id", "timestamp", "username", "message"],
        &["id", "timestamp", "username", "message"],
    ),
    (
        "current_status",
        &[
            "id",
            "bot_name",
            "bot_rank",
            "bot_afk",
            "channel_name",
            "current_chat_users",
            "current_connected_users",
            "playlist_items",
            "current_media_title",
            "current_media_duration",
            "bot_start_time",
            "bot_connected",
            "last_updated",
        ],
        &[
            "id",
            "bot_name",
            "bot_rank",
            "CASE WHEN bot_afk THEN 1 WHEN NOT bot_afk THEN 0 END",
            "channel_name",
            "current_chat_users",
            "current_connected_users",
            "playlist_items",
            "current_media_title",
            "current_media_duration",
            "bot_start_time",
            "CASE WHEN bot_connected THEN 1 WHEN NOT bot_connected THEN 0 END",
            "last_updated",
        ],
    ),
    (
        "outbound_messages",
        &["id", "timestamp", "message", "sent", "sent_timestamp", "retry_count", "last_error"],
        &[
            "id",
            "timestamp",
            "message",
            "CASE WHEN sent THEN 1 ELSE 0 END",
            "sent_timestamp",
            "retry_count",
            "error_message",
        ],
    ),
    (
        "api_tokens",
        &["token", "description", "created_at", "last_used", "1 - revoked"],
        &[
            "token_hash",
            "description",
            "created_at",
            "last_used",
            "CASE WHEN is_active THEN 1 ELSE 0 END",
        ],
    ),
];

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn every_row_of_the_bot_is_there_at_the_head(#[case] dialect: Dialect) {
    let db = fixture(dialect, "bot", "rosey_v050.db");
    let original = db.dump();
    let mut before = BOT.map(|(table, columns, _)| rows(&db, table, columns));
    before[7] = before[7].iter().map(|row| hashed_words(row)).collect();
    before[7].sort();

    let report = migrate(&db, "bot", &Goal::Head).unwrap();

    let adopted = report.adopted.unwrap();
    assert_eq!(adopted.version, set("bot", dialect).migrations()[0].version);
    assert_eq!(BOT.map(|(table, _, columns)| rows(&db, table, columns)), before);
    assert_eq!(before[0].len(), 8, "the file has eight users");
    let tokens = db.texts("SELECT id || ' ' || preview FROM api_tokens ORDER BY id");
    let in_order = ["1 AAAAAAAA", "2 AAAAAAAA", "3 old_revo", "4 preXfixY", "5 pre_fix%"];
    assert_eq!(tokens, in_order, "as they were made");
    assert_eq!(db.texts("SELECT CAST(count(*) AS TEXT) FROM bot_recovered_values"), ["0"]);
    migrate(&db, "bot", &back_to_first("bot")).unwrap();
    assert_eq!(settled(db.dump()), settled(original));
}

/// What was completed on the way in is what a newer program would have added, and nothing else.
#[rstest]
#[case::no_attempts(&["ALTER TABLE outbound_messages DROP COLUMN retry_count",
                      "ALTER TABLE outbound_messages DROP COLUMN last_error"])]
#[case::no_maximum(&["ALTER TABLE channel_stats DROP COLUMN max_connected",
                     "ALTER TABLE channel_stats DROP COLUMN max_connected_timestamp"])]
#[case::older_still(&["ALTER TABLE outbound_messages DROP COLUMN sent_timestamp",
                      "ALTER TABLE channel_stats DROP COLUMN max_users_timestamp"])]
#[case::no_tokens_yet(&["DROP TABLE api_tokens", "DROP INDEX idx_outbound_sent"])]
#[case::after_the_failed_migration(&["CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)",
    "CREATE TABLE _alembic_tmp_api_tokens (token TEXT, id INTEGER NOT NULL, name TEXT NOT NULL)"])]
fn files_older_than_the_first_version_are_completed(#[case] changes: &[&str]) {
    let db = fixture(Dialect::Sqlite, "bot", "rosey_v050.db");
    let users = rows(&db, BOT[0].0, BOT[0].1);
    let chat = rows(&db, BOT[4].0, BOT[4].1);
    db.batch(&changes.join(";"));
    let messages = rows(&db, "outbound_messages", &["id", "timestamp", "message", "sent"]);

    let report = migrate(&db, "bot", &Goal::Head).unwrap();

    let adopted = report.adopted.unwrap();
    assert!(!adopted.changes.is_empty(), "{adopted:?}");
    assert_eq!(rows(&db, BOT[0].0, BOT[0].2), users);
    assert_eq!(rows(&db, BOT[4].0, BOT[4].2), chat);
    let sent = "CASE WHEN sent THEN 1 ELSE 0 END";
    assert_eq!(rows(&db, "outbound_messages", &["id", "timestamp", "message", sent]), messages);
    let fresh = TestDb::new(Dialect::Sqlite);
    migrate(&fresh, "bot", &Goal::Head).unwrap();
    assert_eq!(schema(&fresh, "bot").differences(&schema(&db, "bot")), []);
}

const PROJECT_TABLES: [(&str, &[&str]); 8] = [
    (
        "projects",
        &[
            "id",
            "name",
            "description",
            "db_path",
            "root_path",
            "current_phase",
            "default_engine",
            "spec_artifact_id",
            "selected_arch_option_id",
            "created_at",
            "updated_at",
        ],
    ),
    (
        "tasks",
        &[
            "id",
            "project_id",
            "title",
            "description",
            "status",
            "current_phase",
            "version",
            "active_version_id",
            "engine_override",
            "extra_data",
            "attempts",
            "priority",
            "created_at",
            "updated_at",
        ],
    ),
    (
        "change_requests",
        &["id", "task_id", "phase", "content", "status", "version", "created_at", "updated_at"],
    ),
    (
        "approvals",
        &["id", "task_id", "change_request_id", "approver", "approved", "comment", "created_at"],
    ),
    (
        "artifacts",
        &[
            "id",
            "project_id",
            "task_id",
            "run_id",
            "artifact_type",
            "name",
            "file_path",
            "storage_path",
            "sha256",
            "file_size",
            "extra_data",
            "created_at",
        ],
    ),
    (
        "task_versions",
        &[
            "id",
            "task_id",
            "version_num",
            "title",
            "description",
            "gates_json",
            "deps_json",
            "extra_data",
            "created_at",
        ],
    ),
    (
        "runs",
        &[
            "id",
            "task_id",
            "engine",
            "status",
            "log_path",
            "gate_results",
            "extra_data",
            "start_time",
            "end_time",
        ],
    ),
    (
        "control_state",
        &[
            "id",
            "project_id",
            "paused",
            "max_attempts",
            "timeout_seconds",
            "current_task_id",
            "extra_data",
            "updated_at",
        ],
    ),
];

#[rstest]
fn every_row_of_a_project_is_there_at_the_head(
    #[values(Dialect::Sqlite, Dialect::Postgres)] dialect: Dialect,
    #[values("cdd_project_1.db", "cdd_project_3.db", "cdd_project_4_stamped.db")] file: &str,
) {
    let db = fixture(dialect, "project", file);
    let before = PROJECT_TABLES.map(|(table, columns)| rows(&db, table, columns));

    let report = migrate(&db, "project", &Goal::Head).unwrap();

    assert_eq!(report.adopted.unwrap().version.as_str(), "20261121100000");
    assert_eq!(report.steps.len(), 5);
    assert_eq!(PROJECT_TABLES.map(|(table, columns)| rows(&db, table, columns)), before);
}

/// Rows without their project get one, named as recovered; PostgreSQL never let such rows in.
#[test]
fn orphans_are_kept_by_a_parent_that_says_what_it_is() {
    let db = fixture(Dialect::Sqlite, "project", "cdd_project_2.db");
    let before = PROJECT_TABLES.map(|(table, columns)| rows(&db, table, columns));

    let report = migrate(&db, "project", &Goal::Head).unwrap();

    for ((table, columns), rows_before) in PROJECT_TABLES.into_iter().zip(before) {
        let after = rows(&db, table, columns);
        assert!(rows_before.iter().all(|row| after.contains(row)), "{table}: {after:?}");
    }
    let recovered = db.texts("SELECT name FROM projects WHERE name LIKE 'recovered project %'");
    assert!(!recovered.is_empty());
    assert!(
        report.steps.iter().any(|step| step.notes.iter().any(|note| note.contains("recovered")))
    );
    let orphans = db.texts("SELECT \"table\" FROM pragma_foreign_key_check");
    assert!(orphans.is_empty(), "{orphans:?}");
}
