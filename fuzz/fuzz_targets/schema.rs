//! Run one by one, the statements make the schema that SQLite makes of the whole script.
//!
//! SQLite's C code defines a name twice on purpose, so run it with
//! `ASAN_OPTIONS=detect_odr_violation=0 cargo fuzz run schema`.

#![no_main]

use diesel::{Connection, SqliteConnection, connection::SimpleConnection, prelude::*, sql_query};
use libfuzzer_sys::{Corpus, fuzz_target};
use underpin_catalog::{Dialect, statement::split};

diesel::table! {
    sqlite_schema (name) {
        name -> Text,
    }
}

/// What would write files, never end or take all memory; and a NUL, which Diesel refuses.
const FORBIDDEN: [&str; 7] = ["attach", "vacuum", "pragma", "with", "blob", "printf", "\0"];

fn schema(conn: &mut SqliteConnection) -> Vec<String> {
    sqlite_schema::table.select(sqlite_schema::name).load(conn).expect("the schema")
}

fuzz_target!(|text: &str| -> Corpus {
    // To SQLite every other letter is part of a name, blanks of other alphabets and marks as well.
    if !text.trim_start_matches('\u{feff}').is_ascii() {
        return Corpus::Reject;
    }
    let lower = text.to_lowercase();
    if FORBIDDEN.iter().any(|word| lower.contains(word)) {
        return Corpus::Reject;
    }
    let Ok(found) = split(text, Dialect::Sqlite) else { return Corpus::Reject };
    let open = || SqliteConnection::establish(":memory:").expect("a database in memory");
    let (mut whole, mut pieces) = (open(), open());

    // Only what SQLite accepts has one meaning: it may read the rest of an error in any way.
    if whole.batch_execute(text).is_err() {
        return Corpus::Reject;
    }
    for one in &found {
        // Of two statements in one piece this runs the first, so that the schemas differ.
        let result = sql_query(one.text).execute(&mut pieces);
        assert!(result.is_ok(), "{result:?}: {one:?}");
    }

    assert_eq!(schema(&mut pieces), schema(&mut whole), "{found:#?}");
    Corpus::Keep
});
