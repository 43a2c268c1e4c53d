//! The migrations of the sets on real databases, and on the files that the original programs
//! wrote.

#![expect(clippy::unwrap_used, reason = "a test ends where its ground is missing")]

mod fixtures;
mod locked;
mod odd;
mod odd_projects;
mod round_trip;
mod together;
mod tokens;
mod traces;
mod v060;
mod values;
mod wrong;

use std::path::PathBuf;

use underpin::{Catalog, Engine, Error, Goal, Options, Report, Schema};
use underpin_migrations::{CODE, bot, project, registry};
use underpin_testkit::{Dialect, TestDb, block_on};

/// The catalog of a set by its name.
fn set(name: &str, dialect: Dialect) -> &'static Catalog {
    match name {
        "bot" => bot(dialect),
        "project" => project(dialect),
        "registry" => registry(dialect),
        other => panic!("no set `{other}`"),
    }
}

fn migrate(db: &TestDb, set_name: &str, goal: &Goal) -> Result<Report, Error> {
    let url = db.database_url();
    let catalog = set(set_name, db.dialect());
    block_on(async || Engine::new(catalog, CODE, &url, Options::default())?.migrate(goal).await)
}

fn schema(db: &TestDb, set_name: &str) -> Schema {
    let url = db.database_url();
    let catalog = set(set_name, db.dialect());
    block_on(async || {
        Engine::new(catalog, CODE, &url, Options::default()).unwrap().schema().await.unwrap()
    })
}

/// The first version of a set, as a goal.
fn first(set_name: &str) -> Goal {
    let catalog = set(set_name, Dialect::Sqlite);
    Goal::UpTo(catalog.migrations()[0].version.clone())
}

/// Takes everything back but the first version of a set.
fn back_to_first(set_name: &str) -> Goal {
    let catalog = set(set_name, Dialect::Sqlite);
    Goal::DownTo(catalog.migrations()[0].version.clone())
}

/// A database at the first version of a set, as a program would have made it: without a history.
fn foreign(dialect: Dialect, set_name: &str) -> TestDb {
    let db = TestDb::new(dialect);
    migrate(&db, set_name, &first(set_name)).unwrap();
    db.batch("DROP TABLE underpin_history; DROP TABLE __diesel_schema_migrations");
    db
}

/// A file that an original program wrote.
fn file(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/data", name].iter().collect()
}

/// The rows of such a file in a database of `dialect`, in the same tables.
fn fixture(dialect: Dialect, set_name: &str, name: &str) -> TestDb {
    let original = TestDb::copy_of(&file(name));
    if dialect == Dialect::Sqlite {
        return original;
    }
    let db = foreign(dialect, set_name);
    // Values travel as text, which PostgreSQL reads as what the column wants. References are not
    // checked on the way, because the tables come in the order of their names.
    let mut load = vec!["SET session_replication_role = replica".to_owned()];
    let theirs = original.tables().into_iter().filter(|table| table != "alembic_version");
    for table in theirs {
        let columns = original.texts(&format!("SELECT name FROM pragma_table_info('{table}')"));
        let values: Vec<_> = columns
            .iter()
            .map(|one| format!("coalesce('''' || replace({one}, '''', '''''') || '''', 'NULL')"))
            .collect();
        let (columns, values) = (columns.join(", "), values.join(" || ', ' || "));
        let rows = original.texts(&format!("SELECT '(' || {values} || ')' FROM {table}"));
        load.push(format!("DELETE FROM {table}"));
        if !rows.is_empty() {
            load.push(format!("INSERT INTO {table} ({columns}) VALUES {}", rows.join(", ")));
        }
    }
    db.batch(&load.join(";\n"));
    db
}
