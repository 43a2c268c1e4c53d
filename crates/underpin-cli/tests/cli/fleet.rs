//! `underpin fleet`, on SQLite files and on PostgreSQL schemas.

mod crash;
mod dry_run;
mod files;
mod oddities;
mod output;
mod registry;
mod report;
mod signals;
mod usage;
mod values;

use std::{
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;
use underpin_testkit::{Dialect, TestDb};

use crate::{said, underpin};

/// Targets `project_1` to `project_<count>`, with nothing in them: files below `data`, or schemas.
fn targets(dialect: Dialect, count: usize) -> TestDb {
    let db = TestDb::new(dialect);
    fs::create_dir_all(db.dir().join("data")).unwrap();
    match dialect {
        Dialect::Sqlite => (1..=count).for_each(|n| fs::write(file(&db, n), []).unwrap()),
        Dialect::Postgres => {
            let create = |n| format!("CREATE SCHEMA project_{n};");
            db.batch(&(1..=count).map(create).collect::<String>());
        }
    }
    db
}

fn file(db: &TestDb, number: usize) -> PathBuf {
    db.dir().join(format!("data/project_{number}.db"))
}

/// The flags that name the targets.
fn source(dialect: Dialect) -> [&'static str; 2] {
    match dialect {
        Dialect::Sqlite => ["--sqlite", "data/project_*.db"],
        Dialect::Postgres => ["--postgres-schemas", "project_%"],
    }
}

/// `underpin fleet` on the targets of `db`, with the migrations of its folder.
fn fleet(db: &TestDb, args: &[&str]) -> Command {
    let folder = ["--migrations", "migrations"];
    underpin(db, &[&["fleet"], args, &source(db.dialect()), &folder].concat())
}

/// Runs it with `--json`, expects `code`, and gives the document.
fn json(mut command: Command, code: i32) -> Value {
    let output = command.arg("--json").output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{command:?}: {}", said(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Runs statements that call the tables of target `number` by `project_<number>.<table>`.
fn on_target(db: &TestDb, number: usize, statements: &str) {
    let attach = match db.dialect() {
        Dialect::Sqlite => {
            format!("ATTACH '{}' AS project_{number};", file(db, number).display())
        }
        Dialect::Postgres => String::new(),
    };
    db.batch(&format!("{attach}{statements}"));
}

/// The values of `key` in the targets of a document, by their order.
fn each(document: &Value, key: &str) -> Vec<String> {
    let text = |one: &Value| one[key].as_str().unwrap_or("-").to_owned();
    document["targets"].as_array().unwrap().iter().map(text).collect()
}

fn last_line(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    text.lines().last().unwrap_or_default().to_owned()
}

/// Every file below `dir`, with a hash of its content.
fn files(dir: &Path) -> Vec<(PathBuf, u64)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            let mut hash = DefaultHasher::new();
            fs::read(&path).unwrap().hash(&mut hash);
            all.push((path, hash.finish()));
        }
    }
    all.sort();
    all
}
