//! The row structs fit what the migrations build.

#![expect(clippy::unwrap_used, reason = "a test ends where its ground is missing")]

use chrono::{NaiveDate, NaiveDateTime};
use diesel::prelude::{QueryDsl as _, SelectableHelper as _};
use diesel_async::RunQueryDsl as _;
use rstest::rstest;
use underpin::{Engine, Goal, Options};
use underpin_db::{Db, PoolOptions};
use underpin_migrations::{CODE, bot as bot_catalog, project as project_catalog};
use underpin_models::{
    bot::{
        ApiToken, ChannelStats, ChatLine, CurrentStatus, DeadLetter, DeadLetterOutcome,
        EventPosition, JobRun, OutboundMessage, PutAside, RecoveredValue, UserAction, UserCount,
        UserStats,
    },
    project::{
        Approval, Artifact, ArtifactType, ChangeRequest, ChangeRequestStatus, ControlState, Event,
        Phase, Project, Run, RunStatus, Task, TaskStatus, TaskVersion,
    },
};
use underpin_testkit::{Dialect, TestDb, block_on};

/// Writes a row of each type, reads its table, and expects the row there.
macro_rules! assert_round_trip {
    ($conn:expr, $($table:path, $row:ident = $value:expr;)+) => { $(
        let row: $row = $value;
        // Two tables of the bot hold one row from the start.
        diesel::delete($table.find(diesel::Identifiable::id(&row).clone())).execute($conn).await.unwrap();
        diesel::insert_into($table).values(row.clone()).execute($conn).await.unwrap();
        let read: Vec<$row> = $table.select($row::as_select()).load($conn).await.unwrap();
        assert!(read.contains(&row), "{}", stringify!($table));
    )+ };
}

macro_rules! assert_bot_rows {
    ($conn:expr) => {{
        use underpin_models::bot::schema as table;
        assert_round_trip!($conn,
            table::api_tokens::table, ApiToken = ApiToken {
                id: 1 << 40,
                token_hash: "sha256:%_".to_owned(),
                preview: "geheim%_".to_owned(),
                name: None,
                permissions: Some("say".to_owned()),
                description: Some("für Zoë".to_owned()),
                created_at: 1_750_000_000,
                last_used: Some(i64::MAX),
                is_active: false,
                revoked_at: Some(3),
            };
            table::outbound_messages::table, OutboundMessage = OutboundMessage {
                id: 7,
                timestamp: 1,
                message: "a 'quote'; --".to_owned(),
                sent: true,
                sent_timestamp: Some(2),
                retry_count: 3,
                error_message: Some(String::new()),
                last_attempt: Some(3),
                failed_at: None,
            };
            table::dead_letters::table, DeadLetter = DeadLetter {
                id: 9,
                event: PutAside {
                    stream: "ROSEY_DB".to_owned(),
                    sequence: i64::MAX,
                    subject: "message.log".to_owned(),
                    payload: r#"{"username":"Zoë"}"#.to_owned(),
                    happened_at: 1,
                    failed_at: 2,
                    code: Some("23514".to_owned()),
                    reason: String::new(),
                },
                outcome: Some(DeadLetterOutcome::Dropped),
                settled_at: Some(3),
                settled_by: Some("ada".to_owned()),
            };
            table::event_positions::table, EventPosition = EventPosition {
                stream: "BOT".to_owned(), incarnation: "2026".to_owned(), sequence: i64::MAX,
            };
            table::job_runs::table, JobRun = JobRun { job: "retention".to_owned(), last_run: 1 };
            table::recent_chat::table, ChatLine = ChatLine {
                id: 7, timestamp: -1, username: "x".repeat(64), message: "\u{1F642}".to_owned(),
            };
            table::user_actions::table, UserAction = UserAction {
                id: 7,
                timestamp: 1,
                username: "a".to_owned(),
                action_type: "pm_command".to_owned(),
                details: None,
            };
            table::user_count_history::table, UserCount = UserCount {
                id: 7, timestamp: 1, chat_users: 5, connected_users: 2,
            };
            table::user_stats::table, UserStats = UserStats {
                username: "Zoë".to_owned(),
                first_seen: 1,
                last_seen: 2,
                total_chat_lines: 3,
                total_time_connected: -4,
                current_session_start: Some(5),
            };
            table::bot_recovered_values::table, RecoveredValue = RecoveredValue {
                id: 7,
                table_name: "t".to_owned(),
                row_key: "k".to_owned(),
                column_name: "c".to_owned(),
                value: None,
                reason: "r".to_owned(),
            };
            table::channel_stats::table, ChannelStats = ChannelStats {
                id: 1,
                max_users: 9,
                max_users_timestamp: None,
                max_connected: 10,
                max_connected_timestamp: Some(1),
                last_updated: 0,
            };
            table::current_status::table, CurrentStatus = CurrentStatus {
                id: 1,
                status: "online".to_owned(),
                bot_name: Some("rosey".to_owned()),
                bot_rank: Some(2.5),
                bot_afk: None,
                channel_name: None,
                current_chat_users: 1,
                current_connected_users: 2,
                playlist_items: 3,
                current_media_title: None,
                current_media_duration: None,
                bot_start_time: Some(4),
                bot_connected: Some(true),
                current_users: 0,
                connected_users: 0,
                last_updated: 5,
            };
        );
    }};
}

/// To the microsecond, which is what PostgreSQL keeps.
fn moment() -> NaiveDateTime {
    let day = NaiveDate::from_ymd_opt(2026, 2, 28).unwrap();
    day.and_hms_micro_opt(23, 59, 59, 123_456).unwrap()
}

macro_rules! assert_project_rows {
    ($conn:expr) => {{
        use underpin_models::project::{RecoveredValue, schema as table};
        assert_round_trip!($conn,
            table::projects::table, Project = Project {
                id: 7,
                name: "P".to_owned(),
                description: None,
                db_path: "./data/project_7.db".to_owned(),
                root_path: None,
                current_phase: None,
                default_engine: Some("copilot_cli".to_owned()),
                spec_artifact_id: None,
                selected_arch_option_id: Some(404),
                created_at: moment(),
                updated_at: moment(),
                last_event: 1 << 40,
            };
            table::events::table, Event = Event {
                project_id: 7,
                number: 1 << 40,
                event_type: "task_deleted".to_owned(),
                task_id: None,
                data: "{}".to_owned(),
                created_at: moment(),
            };
        );
        for ((id, status), phase) in (1..).zip(TaskStatus::ALL).zip(Phase::ALL.iter().cycle()) {
            assert_round_trip!($conn, table::tasks::table, Task = Task {
                id,
                project_id: 7,
                title: "T".to_owned(),
                description: None,
                status: *status,
                current_phase: Some(*phase),
                version: 1,
                active_version_id: None,
                engine_override: None,
                extra_data: None,
                attempts: 0,
                priority: -1,
                created_at: moment(),
                updated_at: moment(),
            };);
        }
        for (id, status) in (1..).zip(ChangeRequestStatus::ALL) {
            assert_round_trip!($conn, table::change_requests::table, ChangeRequest = ChangeRequest {
                id,
                task_id: 1,
                phase: Phase::ReviewApproval,
                content: String::new(),
                status: *status,
                version: 1,
                created_at: moment(),
                updated_at: moment(),
            };);
        }
        for (id, status) in (1..).zip(RunStatus::ALL) {
            assert_round_trip!($conn, table::runs::table, Run = Run {
                id,
                task_id: 1,
                engine: "e".to_owned(),
                status: *status,
                log_path: None,
                gate_results: Some("[]".to_owned()),
                extra_data: None,
                start_time: moment(),
                end_time: Some(moment()),
            };);
        }
        for (id, kind) in (1..).zip(ArtifactType::ALL) {
            assert_round_trip!($conn, table::artifacts::table, Artifact = Artifact {
                id,
                project_id: 7,
                task_id: Some(1),
                run_id: Some(1),
                artifact_type: *kind,
                name: "a".to_owned(),
                file_path: "f".to_owned(),
                storage_path: None,
                sha256: None,
                file_size: Some(i32::MAX),
                extra_data: None,
                created_at: moment(),
            };);
        }
        assert_round_trip!($conn,
            table::task_versions::table, TaskVersion = TaskVersion {
                id: 7,
                task_id: 1,
                version_num: 1,
                title: "T".to_owned(),
                description: None,
                gates_json: None,
                deps_json: Some("[2]".to_owned()),
                extra_data: None,
                created_at: moment(),
            };
            table::approvals::table, Approval = Approval {
                id: 7,
                task_id: 1,
                change_request_id: Some(1),
                approver: "me".to_owned(),
                approved: false,
                comment: None,
                created_at: moment(),
            };
            table::control_state::table, ControlState = ControlState {
                id: 7,
                project_id: 7,
                paused: true,
                max_attempts: 3,
                timeout_seconds: 300,
                current_task_id: Some(1),
                extra_data: None,
                updated_at: moment(),
            };
            table::project_recovered_values::table, RecoveredValue = RecoveredValue {
                id: 7,
                table_name: "t".to_owned(),
                row_key: "k".to_owned(),
                column_name: "c".to_owned(),
                value: Some("v".to_owned()),
                reason: "r".to_owned(),
            };
        );
    }};
}

/// The pools of a database at the head of a set.
async fn at_head(db: &TestDb, catalog: &'static underpin::Catalog) -> Db {
    let url = db.database_url();
    let engine = Engine::new(catalog, CODE, &url, Options::default()).unwrap();
    engine.migrate(&Goal::Head).await.unwrap();
    Db::connect(&url, &PoolOptions::default()).await.unwrap()
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn bot_rows_read_back_as_they_were_written(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    block_on(async || match at_head(&db, bot_catalog(dialect)).await {
        Db::Sqlite { writer, .. } => assert_bot_rows!(&mut *writer.get().await.unwrap()),
        Db::Postgres { pool, .. } => assert_bot_rows!(&mut *pool.get().await.unwrap()),
    });
}

#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn project_rows_read_back_as_they_were_written(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    block_on(async || match at_head(&db, project_catalog(dialect)).await {
        Db::Sqlite { writer, .. } => assert_project_rows!(&mut *writer.get().await.unwrap()),
        Db::Postgres { pool, .. } => assert_project_rows!(&mut *pool.get().await.unwrap()),
    });
}

#[test]
fn a_name_that_an_enum_does_not_have_is_refused() {
    let error = "pending".parse::<TaskStatus>().unwrap_err();

    assert_eq!(
        error.to_string(),
        "`pending` is no TaskStatus: expected one of PENDING, IN_PROGRESS, AWAITING_APPROVAL, \
         APPROVED, REJECTED, COMPLETED, CANCELLED"
    );
}
