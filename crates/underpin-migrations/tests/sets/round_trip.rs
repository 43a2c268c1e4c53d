//! Every migration up, down and up again: the same schema and the same rows.

use rstest::rstest;
use underpin::Goal;
use underpin_testkit::{Dialect, TestDb};

use crate::{fixture, migrate, schema, set, tokens::settled};

/// One step at a time from the rows of a real file: after up, down, up every version of the schema
/// is what it was before, and so is every row; but a token stays hashed.
#[rstest]
#[case::bot_sqlite("bot", Dialect::Sqlite, "rosey_v050.db")]
#[case::bot_postgres("bot", Dialect::Postgres, "rosey_v050.db")]
#[case::project_sqlite("project", Dialect::Sqlite, "cdd_project_1.db")]
#[case::project_postgres("project", Dialect::Postgres, "cdd_project_1.db")]
fn each_migration_goes_up_down_and_up(
    #[case] set_name: &str,
    #[case] dialect: Dialect,
    #[case] file: &str,
) {
    let db = fixture(dialect, set_name, file);
    // Adopts the first version and applies nothing more.
    migrate(&db, set_name, &crate::first(set_name)).unwrap();
    for migration in &set(set_name, dialect).migrations()[1..] {
        let before = (schema(&db, set_name), db.dump());
        migrate(&db, set_name, &Goal::Up(1)).unwrap();
        let after = (schema(&db, set_name), db.dump());
        // PostgreSQL follows SQLite in two, which have nothing to do there.
        let of_postgres = ["store_enums_as_text", "keep_any_digest"];
        let follows = dialect == Dialect::Sqlite && of_postgres.contains(&&*migration.name);
        assert_eq!(before.0 == after.0, follows, "{} changes the schema", migration.name);

        migrate(&db, set_name, &Goal::Down(1)).unwrap();
        assert_eq!(before.0.differences(&schema(&db, set_name)), [], "{}", migration.name);
        assert_eq!(settled(db.dump()), settled(before.1), "{}", migration.name);

        migrate(&db, set_name, &Goal::Up(1)).unwrap();
        assert_eq!(after.0.differences(&schema(&db, set_name)), [], "{}", migration.name);
        assert_eq!(settled(db.dump()), settled(after.1), "{}", migration.name);
    }
}

#[rstest]
#[case::bot_sqlite("bot", Dialect::Sqlite)]
#[case::bot_postgres("bot", Dialect::Postgres)]
#[case::project_sqlite("project", Dialect::Sqlite)]
#[case::project_postgres("project", Dialect::Postgres)]
#[case::registry_sqlite("registry", Dialect::Sqlite)]
#[case::registry_postgres("registry", Dialect::Postgres)]
fn base_leaves_nothing_behind(#[case] set_name: &str, #[case] dialect: Dialect) {
    let db = TestDb::new(dialect);
    migrate(&db, set_name, &Goal::Head).unwrap();
    let head = schema(&db, set_name);

    migrate(&db, set_name, &Goal::Base).unwrap();

    assert!(schema(&db, set_name).is_empty(), "{:?}", schema(&db, set_name));
    migrate(&db, set_name, &Goal::Head).unwrap();
    assert_eq!(head.differences(&schema(&db, set_name)), []);
}

/// Built in one transaction or step by step, the schema is the same.
#[rstest]
#[case::bot_sqlite("bot", Dialect::Sqlite)]
#[case::bot_postgres("bot", Dialect::Postgres)]
#[case::project_sqlite("project", Dialect::Sqlite)]
#[case::project_postgres("project", Dialect::Postgres)]
#[case::registry_sqlite("registry", Dialect::Sqlite)]
#[case::registry_postgres("registry", Dialect::Postgres)]
fn one_transaction_builds_what_many_build(#[case] set_name: &str, #[case] dialect: Dialect) {
    let (at_once, by_steps) = (TestDb::new(dialect), TestDb::new(dialect));

    let report = migrate(&at_once, set_name, &Goal::Head).unwrap();
    for _ in set(set_name, dialect).migrations() {
        migrate(&by_steps, set_name, &Goal::Up(1)).unwrap();
    }

    // On SQLite, a rebuild switches foreign keys off for its transaction, and a later step of the bot's
    // changes rows; so these have one each.
    let apart = (set_name, dialect) == ("bot", Dialect::Sqlite);
    assert_eq!(report.single_transaction, !apart);
    assert_eq!(schema(&at_once, set_name).differences(&schema(&by_steps, set_name)), []);
}

/// What the program wrote into integer columns and does not belong there is kept and reported.
#[test]
fn values_of_another_type_are_kept_reported_and_put_back() {
    let db = fixture(Dialect::Sqlite, "bot", "rosey_v050.db");
    db.batch(
        "UPDATE user_count_history SET chat_users = 'abc' WHERE id = 1;
         UPDATE user_count_history SET chat_users = 1.5 WHERE id = 2;
         UPDATE outbound_messages SET sent = NULL, retry_count = NULL WHERE id = 1;
         UPDATE current_status SET bot_rank = 2.5, bot_afk = 7;
         UPDATE user_stats SET total_chat_lines = NULL WHERE rowid = 1;",
    );
    let before = db.dump();

    let report = migrate(&db, "bot", &Goal::Head).unwrap();

    let notes = report.steps.iter().flat_map(|step| &step.notes).cloned().collect::<Vec<_>>();
    assert!(
        notes.iter().any(|note| note.contains("kept 'abc' of user_count_history.chat_users")),
        "{notes:?}"
    );
    assert!(notes.iter().any(|note| note.contains("kept '1.5'")), "{notes:?}");
    assert_eq!(db.texts("SELECT chat_users FROM user_count_history WHERE id < 3"), ["0", "1"]);
    assert_eq!(db.texts("SELECT bot_rank FROM current_status"), ["2.5"]);
    assert_eq!(
        db.texts("SELECT value FROM bot_recovered_values WHERE column_name = 'bot_afk'"),
        ["7"]
    );
    migrate(&db, "bot", &crate::back_to_first("bot")).unwrap();
    let mut restored = db.dump();
    restored.remove("bot_recovered_values");
    for table in ["user_count_history", "current_status"] {
        assert_eq!(restored[table], before[table], "{table}");
    }
}
