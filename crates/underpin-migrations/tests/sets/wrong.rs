//! Databases that are nothing we know: refused with what differs, and nothing changed.

use rstest::rstest;
use underpin::{Error, Goal, exit};
use underpin_testkit::{Dialect, TestDb};

use crate::{foreign, migrate};

/// Where a wrong database comes from.
#[derive(Clone, Copy)]
enum From {
    Empty,
    /// The first version of a set, without a history.
    First(&'static str),
    /// The head of a set, without a history.
    Head(&'static str),
}

fn build(dialect: Dialect, from: From) -> TestDb {
    match from {
        From::Empty => TestDb::new(dialect),
        From::First(set_name) => foreign(dialect, set_name),
        From::Head(set_name) => {
            let db = TestDb::new(dialect);
            migrate(&db, set_name, &Goal::Head).unwrap();
            db.batch("DROP TABLE underpin_history; DROP TABLE __diesel_schema_migrations");
            db
        }
    }
}

/// Each: where it comes from, what was done to it, the set that is asked for, and what the
/// refusal must name.
#[rstest]
#[case::a_table_is_gone(From::First("bot"), "DROP TABLE user_stats", "bot", "table `user_stats`")]
#[case::two_tables_are_gone(
    From::First("project"),
    "DROP TABLE approvals; DROP TABLE task_versions",
    "project",
    "table `approvals`"
)]
#[case::a_column_more(
    From::First("bot"),
    "ALTER TABLE user_stats ADD COLUMN extra TEXT",
    "bot",
    "`user_stats.extra`"
)]
#[case::a_column_less(
    From::First("bot"),
    "ALTER TABLE user_stats DROP COLUMN total_chat_lines",
    "bot",
    "`user_stats.total_chat_lines`"
)]
#[case::a_column_renamed(
    From::First("bot"),
    "ALTER TABLE user_stats RENAME COLUMN first_seen TO first",
    "bot",
    "`user_stats.first_seen`"
)]
#[case::a_table_renamed(
    From::First("bot"),
    "ALTER TABLE recent_chat RENAME TO chat",
    "bot",
    "table `chat`"
)]
#[case::a_table_more(
    From::First("project"),
    "CREATE TABLE notes (id INTEGER)",
    "project",
    "table `notes`"
)]
#[case::another_type(
    From::First("bot"),
    "ALTER TABLE recent_chat DROP COLUMN message; ALTER TABLE recent_chat ADD COLUMN message INTEGER",
    "bot",
    "`recent_chat.message`"
)]
#[case::another_nullability(
    From::First("bot"),
    "ALTER TABLE user_actions DROP COLUMN details; ALTER TABLE user_actions ADD COLUMN details TEXT NOT NULL DEFAULT ''",
    "bot",
    "`user_actions.details`"
)]
#[case::another_default(
    From::First("bot"),
    "ALTER TABLE outbound_messages DROP COLUMN retry_count; ALTER TABLE outbound_messages ADD COLUMN retry_count INTEGER DEFAULT 5",
    "bot",
    "`outbound_messages.retry_count`"
)]
#[case::a_view(
    From::First("bot"),
    "CREATE VIEW seen AS SELECT username FROM user_stats",
    "bot",
    "view `seen`"
)]
#[case::a_view_where_a_table_was(
    From::First("bot"),
    "DROP TABLE user_actions; CREATE VIEW user_actions AS SELECT 1 AS id",
    "bot",
    "user_actions"
)]
#[case::an_index_of_their_own(
    From::First("project"),
    "CREATE INDEX mine ON tasks (title)",
    "project",
    "index `mine`"
)]
#[case::only_one_table_of_ours(
    From::Empty,
    "CREATE TABLE user_stats (username TEXT)",
    "bot",
    "user_stats"
)]
#[case::only_foreign_tables(
    From::Empty,
    "CREATE TABLE auth_user (id INTEGER); CREATE TABLE auth_group (id INTEGER)",
    "project",
    "table `auth_group`"
)]
#[case::a_claim_that_is_not_true(
    From::Empty,
    "CREATE TABLE alembic_version (version_num VARCHAR(32)); INSERT INTO alembic_version VALUES ('e6e5369fb4d1'); CREATE TABLE tasks (id INTEGER)",
    "project",
    "tasks"
)]
#[case::the_other_set(From::First("project"), "SELECT 1", "bot", "table `projects`")]
#[case::the_other_set_again(From::First("bot"), "SELECT 1", "project", "table `user_stats`")]
#[case::half_of_the_head(From::Head("bot"), "DROP TABLE api_tokens", "bot", "api_tokens")]
#[case::a_head_without_a_column(
    From::Head("bot"),
    "ALTER TABLE api_tokens DROP COLUMN permissions",
    "bot",
    "api_tokens"
)]
#[case::a_head_with_a_trigger_less_index(
    From::Head("project"),
    "DROP INDEX ix_tasks_active_version_id; CREATE INDEX ix_tasks_active_version_id ON tasks (title)",
    "project",
    "ix_tasks_active_version_id"
)]
fn a_wrong_database_is_refused_and_left_as_it_was(
    #[values(Dialect::Sqlite, Dialect::Postgres)] dialect: Dialect,
    #[case] from: From,
    #[case] change: &str,
    #[case] set_name: &str,
    #[case] named: &str,
) {
    let db = build(dialect, from);
    db.batch(change);
    let look = || {
        let bytes = (dialect == Dialect::Sqlite).then(|| std::fs::read(db.file()).unwrap());
        (bytes, db.tables(), db.dump())
    };
    let before = look();

    let error = migrate(&db, set_name, &Goal::Head).unwrap_err();

    assert!(matches!(error, Error::Adopt(_)), "{error}");
    assert_eq!(exit::code(&error), exit::REFUSED);
    let text = error.to_string();
    assert!(text.starts_with("nothing was changed: "), "{text}");
    assert!(text.contains(named), "{text}");
    assert_eq!(look(), before);
}

/// Leftovers of a failed migration are dropped only when nothing is in them.
#[test]
fn a_leftover_with_rows_is_not_dropped() {
    let db = foreign(Dialect::Sqlite, "bot");
    db.batch(
        "CREATE TABLE _alembic_tmp_api_tokens (token TEXT);
         INSERT INTO _alembic_tmp_api_tokens VALUES ('precious')",
    );

    let error = migrate(&db, "bot", &Goal::Head).unwrap_err();

    assert!(error.to_string().contains("_alembic_tmp_api_tokens"), "{error}");
    assert_eq!(db.texts("SELECT token FROM _alembic_tmp_api_tokens"), ["precious"]);
}

/// The original's script stamped empty files without a look; what they claim is not believed.
#[rstest]
#[case::sqlite(Dialect::Sqlite)]
#[case::postgres(Dialect::Postgres)]
fn an_empty_database_with_a_claim_is_migrated(#[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    db.batch(
        "CREATE TABLE alembic_version (version_num VARCHAR(32));
         INSERT INTO alembic_version VALUES ('e6e5369fb4d1')",
    );

    let report = migrate(&db, "project", &Goal::Head).unwrap();

    assert_eq!((report.adopted, report.steps.len()), (None, 6));
}

/// Only what can be tried beside the live tables is tried.
#[test]
fn a_script_that_names_the_live_schema_is_not_tried() {
    let db = TestDb::new(Dialect::Postgres);
    db.batch("CREATE TABLE a (id BIGSERIAL PRIMARY KEY); SELECT setval('a_id_seq', 50000)");
    let up = "CREATE TABLE IF NOT EXISTS public.a (id BIGSERIAL PRIMARY KEY);
        SELECT setval('public.a_id_seq', 1000);";
    std::fs::create_dir_all(db.dir().join("1_a")).unwrap();
    std::fs::write(db.dir().join("1_a/up.sql"), up).unwrap();
    let url = db.database_url();
    let catalog = underpin::Catalog::read(db.dir(), "test", Dialect::Postgres).unwrap();

    let error = underpin_testkit::block_on(async || {
        let engine =
            underpin::Engine::new(&catalog, &[], &url, underpin::Options::default()).unwrap();
        engine.adopt_dry_run().await.unwrap_err()
    });

    assert_eq!(exit::code(&error), exit::REFUSED);
    assert!(error.to_string().contains("names the schema `public`"), "{error}");
    assert_eq!(db.texts("SELECT last_value FROM a_id_seq"), ["50000"]);
}

/// Two tables that only differ in how they compare text are not the same.
#[test]
fn a_collation_counts() {
    let db = TestDb::new(Dialect::Sqlite);
    db.batch("CREATE TABLE u (id INTEGER PRIMARY KEY, email TEXT UNIQUE)");
    std::fs::create_dir_all(db.dir().join("1_u")).unwrap();
    let up = "CREATE TABLE u (id INTEGER PRIMARY KEY, email TEXT COLLATE NOCASE UNIQUE)";
    std::fs::write(db.dir().join("1_u/up.sql"), up).unwrap();
    let url = db.database_url();
    let catalog = underpin::Catalog::read(db.dir(), "test", Dialect::Sqlite).unwrap();

    let error = underpin_testkit::block_on(async || {
        let engine =
            underpin::Engine::new(&catalog, &[], &url, underpin::Options::default()).unwrap();
        engine.adopt().await.unwrap_err()
    });

    assert!(error.to_string().contains("COLLATE NOCASE"), "{error}");
}
