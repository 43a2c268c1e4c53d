//! Each column of each table of the original project service's files gets each kind of value; at the head every
//! one is there or recorded, it comes back as ROLLBACK.md says, and going up again leads to the same head.

use std::collections::{BTreeMap, BTreeSet};

use rstest::rstest;
use underpin::{Goal, exit};
use underpin_testkit::{Dialect, TestDb};

use crate::{
    back_to_first, foreign, migrate,
    values::{ROUNDED, VALUES, exact},
};

/// A table, what its row number `<row>` needs, and its columns that name a row of another one.
struct Table {
    name: &'static str,
    base: &'static [(&'static str, &'static str)],
    references: &'static [&'static str],
}

const TABLES: [Table; 8] = [
    Table { name: "projects", base: &[("name", "'p'"), ("db_path", "''")], references: &[] },
    Table {
        name: "tasks",
        base: &[
            ("project_id", "1"),
            ("title", "'t'"),
            ("status", "'PENDING'"),
            ("version", "1"),
            ("attempts", "0"),
            ("priority", "0"),
        ],
        references: &["project_id"],
    },
    Table {
        name: "change_requests",
        base: &[
            ("task_id", "1"),
            ("phase", "'CODER'"),
            ("content", "'c'"),
            ("status", "'DRAFT'"),
            ("version", "1"),
        ],
        references: &["task_id"],
    },
    Table {
        name: "runs",
        base: &[("task_id", "1"), ("engine", "'e'"), ("status", "'RUNNING'")],
        references: &["task_id"],
    },
    Table {
        name: "task_versions",
        base: &[("task_id", "1"), ("version_num", "<row>"), ("title", "'v'")],
        references: &["task_id"],
    },
    Table {
        name: "approvals",
        base: &[("task_id", "1"), ("approver", "'a'"), ("approved", "1")],
        references: &["task_id", "change_request_id"],
    },
    Table {
        name: "artifacts",
        base: &[
            ("project_id", "1"),
            ("artifact_type", "'LOG'"),
            ("name", "'n'"),
            ("file_path", "'f'"),
        ],
        references: &["project_id", "task_id", "run_id"],
    },
    Table {
        name: "control_state",
        base: &[
            ("project_id", "<row>"),
            ("paused", "0"),
            ("max_attempts", "1"),
            ("timeout_seconds", "1"),
        ],
        references: &["project_id"],
    },
];

/// Names of enums, as they are and as people write them.
const NAMES: [&str; 8] = [
    "'PLANNER'",
    "' coder '",
    "'pending'",
    "'Draft'",
    "'SUCCESS'",
    "'failure '",
    "'log'",
    "'PLANNERS'",
];

/// A file as the original service made it, with one row of each table that others point to.
fn file() -> TestDb {
    let db = foreign(Dialect::Sqlite, "project");
    for table in &TABLES[..4] {
        insert(&db, table, 1, None);
    }
    db
}

/// A row, with one column of it given.
fn insert(db: &TestDb, table: &Table, row: usize, given: Option<(&str, &str)>) {
    let base = table.base.iter().filter(|(name, _)| given.is_none_or(|(given, _)| given != *name));
    let (mut names, mut values): (Vec<_>, Vec<_>) =
        base.map(|(name, value)| (*name, value.replace("<row>", &row.to_string()))).unzip();
    if let Some((name, value)) = given {
        names.push(name);
        values.push(value.to_owned());
    }
    let (names, values) = (names.join(", "), values.join(", "));
    // What the file itself does not take was never in one; the service did not look where rows point.
    db.batch(&format!(
        "PRAGMA foreign_keys = OFF; INSERT OR IGNORE INTO {} (id, {names}) VALUES ({row}, {values})",
        table.name
    ));
}

/// The columns that may hold anything.
fn columns(db: &TestDb, table: &Table) -> Vec<String> {
    let columns = db.texts(&format!("SELECT name FROM pragma_table_info('{}')", table.name));
    let free = |name: &String| name != "id" && !table.references.contains(&&**name);
    columns.into_iter().filter(free).collect()
}

/// Every cell of a table, by the number of its row and the column.
type Cells = BTreeMap<(String, String), String>;

fn cells(db: &TestDb, table: &Table, columns: &[String]) -> Cells {
    let of = |column: &String| {
        let query = format!("SELECT id || '|' || {} FROM {}", exact(column), table.name);
        let column = column.clone();
        db.texts(&query).into_iter().map(move |line| {
            let (row, cell) = line.split_once('|').unwrap();
            ((row.to_owned(), column.clone()), cell.to_owned())
        })
    };
    columns.iter().flat_map(of).collect()
}

/// Every cell of every table.
fn everything(db: &TestDb) -> Vec<Cells> {
    let of = |table: &Table| {
        let columns = format!("SELECT name FROM pragma_table_info('{}')", table.name);
        cells(db, table, &db.texts(&columns))
    };
    TABLES.iter().map(of).collect()
}

/// The value that ROLLBACK.md tells for one that does not come back as it was.
fn comes_back(column: &str, value: &str) -> Option<String> {
    let rounded = ROUNDED.iter().find(|(exact, _)| *exact == value);
    let is_pointer = ["spec_artifact_id", "active_version_id", "current_task_id"].contains(&column);
    // An integer column takes the text of a number for the number.
    let as_text = (is_pointer && value.starts_with('x')).then(|| {
        let text = format!("CAST({value} AS TEXT)");
        format!("iif({text} GLOB '[0-9]*', CAST({text} AS INTEGER), {text})")
    });
    rounded.map(|(_, rounded)| (*rounded).to_owned()).or(as_text)
}

/// Whether a cell of this text is one that the head writes as its enum does.
fn normalised(db: &TestDb, cell: &str) -> Option<String> {
    let text = NAMES.iter().find(|name| db.texts(&format!("SELECT {}", exact(name)))[0] == cell)?;
    Some(db.texts(&format!("SELECT {}", exact(&format!("upper(trim({text}))"))))[0].clone())
}

#[rstest]
fn every_value_of_a_column_is_kept_and_comes_back(#[values(0, 1, 2, 3, 4, 5, 6, 7)] table: usize) {
    let (db, table) = (file(), &TABLES[table]);
    let columns = columns(&db, table);
    let mut given = BTreeMap::new();
    for column in &columns {
        for value in VALUES.iter().chain(&NAMES) {
            let row = 1_000 + given.len();
            insert(&db, table, row, Some((column, value)));
            given.insert(row.to_string(), (column.clone(), *value));
        }
    }
    let before = cells(&db, table, &columns);
    assert!(before.len() / columns.len() > VALUES.len(), "many rows are taken");

    migrate(&db, "project", &Goal::Head).unwrap();

    let head = cells(&db, table, &columns);
    let recorded = db.texts(&format!(
        "SELECT row_key || ' ' || column_name FROM project_recovered_values WHERE table_name = '{}'",
        table.name
    ));
    for ((row, column), cell) in &before {
        let now = &head[&(row.clone(), column.clone())];
        assert!(
            now == cell
                || normalised(&db, cell).as_ref() == Some(now)
                || recorded.contains(&format!("{row} {column}")),
            "{}.{column}: {cell} became {now} without a record",
            table.name
        );
    }

    migrate(&db, "project", &back_to_first("project")).unwrap();

    let back = cells(&db, table, &columns);
    let mut other = BTreeSet::new();
    for (at @ (row, column), cell) in &before {
        let value = given.get(row).filter(|(given, _)| given == column).map(|(_, value)| *value);
        let as_told = value.and_then(|value| comes_back(column, value));
        let as_told = as_told.map(|value| db.texts(&format!("SELECT {}", exact(&value))).concat());
        let now = &back[at];
        assert!(
            now == cell
                || normalised(&db, cell).as_ref() == Some(now)
                || as_told.as_ref() == Some(now),
            "{}.{column}: {cell} came back as {now}",
            table.name
        );
        if as_told.as_ref() == Some(now) {
            other.insert(at.clone());
        }
    }

    migrate(&db, "project", &Goal::Head).unwrap();

    for (at, cell) in cells(&db, table, &columns) {
        assert!(cell == head[&at] || other.contains(&at), "{} {at:?}, up again", table.name);
    }
}

/// A row that points to nothing gets a parent; what is no number of a row is refused, and the file stays as
/// it was.
#[rstest]
fn every_value_of_a_reference_is_followed_or_refused(
    #[values(1, 2, 3, 4, 5, 6, 7)] table: usize,
    #[values(0, 1, 2)] reference: usize,
) {
    let table = &TABLES[table];
    let Some(column) = table.references.get(reference) else { return };
    for value in VALUES {
        let db = file();
        insert(&db, table, 1_000, Some((column, value)));
        let own = [(*column).to_owned()];
        let before = everything(&db);
        let cell = cells(&db, table, &own);
        let is_number = cell.values().all(|cell| cell.starts_with("integer") || cell == "null ");

        let done = migrate(&db, "project", &Goal::Head);

        let Err(error) = done else {
            assert!(is_number, "{}.{column} = {value} was taken", table.name);
            assert_eq!(cells(&db, table, &own), cell, "{}.{column} = {value}", table.name);
            let head = everything(&db);
            migrate(&db, "project", &back_to_first("project")).unwrap();
            assert_eq!(cells(&db, table, &own), cell, "{}.{column} = {value}", table.name);
            migrate(&db, "project", &Goal::Head).unwrap();
            assert_eq!(everything(&db), head, "{}.{column} = {value}", table.name);
            continue;
        };
        assert!(!is_number, "{}.{column} = {value}: {error}", table.name);
        let text = exit::explain(&error);
        assert!(text.contains("datatype mismatch"), "{}.{column} = {value}: {text}", table.name);
        assert_eq!(everything(&db), before, "{}.{column} = {value}", table.name);
    }
}
