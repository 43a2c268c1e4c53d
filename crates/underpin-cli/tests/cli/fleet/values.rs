//! What a row holds is in no journal, report, page or error, unless a person asks for it.

use std::fs;

use rstest::rstest;
use underpin_testkit::Dialect;

use super::{fleet, on_target, targets};
use crate::{bare, said, write_migration};

/// Stands in two rows of the table `held`, from which a migration takes it to where it does not fit.
const SECRET: &str = "sk-live-SECRET-123";

#[rstest]
#[case::unique_index("CREATE UNIQUE INDEX held_token ON held (token)")]
#[case::unique_rows("CREATE TABLE new (token TEXT UNIQUE); INSERT INTO new SELECT token FROM held")]
#[case::a_check(
    "CREATE TABLE new (token TEXT CHECK (length(token) < 3)); INSERT INTO new SELECT token FROM held"
)]
#[case::not_null(
    "CREATE TABLE new (token TEXT, x INTEGER NOT NULL); INSERT INTO new SELECT token, NULL FROM held"
)]
#[case::a_foreign_key(
    "CREATE TABLE old (token TEXT PRIMARY KEY); CREATE TABLE new (token TEXT REFERENCES old (token)); \
     INSERT INTO new SELECT token FROM held"
)]
fn a_constraint_tells_no_value(
    #[values(Dialect::Sqlite, Dialect::Postgres)] dialect: Dialect,
    #[case] script: &str,
) {
    tells_no_value(dialect, script);
}

#[rstest]
#[case::strict_type_sqlite(
    Dialect::Sqlite,
    "CREATE TABLE new (n INTEGER) STRICT; INSERT INTO new SELECT token FROM held"
)]
#[case::raised_sqlite(
    Dialect::Sqlite,
    "CREATE TABLE new (token TEXT); CREATE TRIGGER no BEFORE INSERT ON new BEGIN SELECT raise(ABORT, 'no'); END; \
     INSERT INTO new SELECT token FROM held"
)]
#[case::integer_postgres(
    Dialect::Postgres,
    "ALTER TABLE held ALTER token TYPE INTEGER USING token::integer"
)]
#[case::range_postgres(
    Dialect::Postgres,
    "CREATE TABLE new AS SELECT ('9999999' || id || '999')::smallint FROM held"
)]
#[case::date_postgres(Dialect::Postgres, "CREATE TABLE new AS SELECT token::date FROM held")]
#[case::an_enum_postgres(
    Dialect::Postgres,
    "CREATE TYPE mood AS ENUM ('good'); ALTER TABLE held ALTER token TYPE mood USING token::mood"
)]
#[case::json_postgres(Dialect::Postgres, "CREATE TABLE new AS SELECT token::json FROM held")]
#[case::uuid_postgres(Dialect::Postgres, "CREATE TABLE new AS SELECT token::uuid FROM held")]
#[case::an_array_postgres(Dialect::Postgres, "CREATE TABLE new AS SELECT token::text[] FROM held")]
#[case::length_postgres(Dialect::Postgres, "ALTER TABLE held ALTER token TYPE VARCHAR(3)")]
#[case::exclusion_postgres(
    Dialect::Postgres,
    "CREATE TABLE new (token TEXT, EXCLUDE (token WITH =)); INSERT INTO new SELECT token FROM held"
)]
#[case::a_check_on_old_rows_postgres(
    Dialect::Postgres,
    "ALTER TABLE held ADD CHECK (length(token) < 3)"
)]
#[case::a_view_postgres(
    Dialect::Postgres,
    "CREATE VIEW short AS SELECT * FROM held WHERE length(token) < 3 WITH CHECK OPTION; \
     INSERT INTO short SELECT id + 10, token FROM held"
)]
#[case::a_partition_postgres(
    Dialect::Postgres,
    "CREATE TABLE new (token TEXT) PARTITION BY LIST (token); INSERT INTO new SELECT token FROM held"
)]
fn what_does_not_fit_is_not_told(#[case] dialect: Dialect, #[case] script: &str) {
    tells_no_value(dialect, script);
}

fn tells_no_value(dialect: Dialect, script: &str) {
    let db = targets(dialect, 1);
    let dir = db.dir().join("migrations");
    let held = "CREATE TABLE held (id INTEGER PRIMARY KEY, token TEXT)";
    write_migration(&dir, "0001_held", held, "DROP TABLE held");
    assert!(fleet(&db, &["upgrade"]).output().unwrap().status.success());
    let rows = format!("INSERT INTO project_1.held VALUES (1, '{SECRET}'), (2, '{SECRET}')");
    on_target(&db, 1, &rows);
    write_migration(&dir, "0002_new", script, "");

    let run = fleet(&db, &["upgrade", "--html", "report.html"]).output().unwrap();
    let report = fleet(&db, &["report", "--json"]).output().unwrap();
    let url = match dialect {
        Dialect::Sqlite => format!("sqlite:{}", super::file(&db, 1).display()),
        Dialect::Postgres => format!("{}?options=-csearch_path%3Dproject_1", db.url()),
    };
    let single = |args: &[&str]| {
        let mut command = bare(&[&["upgrade", "--migrations", "migrations"], args].concat());
        command.env("DATABASE_URL", &url).current_dir(db.dir()).output().unwrap()
    };

    assert_eq!(run.status.code(), Some(1), "{}", said(&run));
    let journal = match dialect {
        Dialect::Sqlite => db.dir().join("data/underpin-fleet.journal"),
        Dialect::Postgres => db.dir().join("underpin-fleet.journal"),
    };
    let wal = fs::read(journal.with_extension("journal-wal")).unwrap_or_default();
    let journal = [fs::read(journal).unwrap(), wal].concat();
    for (place, text) in [
        ("the run", said(&run)),
        ("the report", said(&report)),
        ("the page", fs::read_to_string(db.dir().join("report.html")).unwrap()),
        ("the journal", String::from_utf8_lossy(&journal).into_owned()),
        ("an upgrade", said(&single(&[]))),
        ("its document", said(&single(&["--json"]))),
    ] {
        assert!(text.contains("0002"), "{place}: {text}");
        for value in [SECRET, "99999"] {
            let told = text.replace("'9999999' || id", "").contains(value);
            assert!(!told, "{place}: {text}");
        }
    }
}

/// Who asks sees what a person at the database would see.
#[test]
fn postgres_a_person_who_asks_is_told() {
    let db = targets(Dialect::Postgres, 1);
    write_migration(
        &db.dir().join("migrations"),
        "0001_held",
        "CREATE TABLE held (token TEXT UNIQUE); INSERT INTO held VALUES ('twice'), ('twice')",
        "",
    );

    let told = |args: &[&str]| {
        let output =
            crate::underpin(&db, &[args, &["--migrations", "migrations", "upgrade"]].concat());
        said(&{ output }.output().unwrap())
    };

    let value = "Key (token)=(twice) already exists.";
    assert!(!told(&[]).contains(value) && told(&["-v"]).contains(value), "{}", told(&["-v"]));
    assert!(told(&["-v", "--json"]).contains(value));
}
