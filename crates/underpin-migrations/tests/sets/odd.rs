//! SQLite keeps any value in any column. Each column of each table of the original bot's files gets each
//! kind of value; at the head every one is there or recorded, and it comes back as ROLLBACK.md says.

use std::collections::BTreeMap;

use rstest::rstest;
use underpin::Goal;
use underpin_testkit::{Dialect, TestDb};

use crate::{
    back_to_first, foreign, migrate,
    values::{ROUNDED, VALUES, exact},
};

/// A table: what a row needs, and the column by which a row is found, which gets `<row>` in the text.
struct Table {
    name: &'static str,
    base: &'static [(&'static str, &'static str)],
    /// With how each is called at the head.
    columns: &'static [(&'static str, &'static str)],
    /// Columns in which `NULL` becomes 0 and is not recorded in a file of v0.5.0.
    counters: &'static [&'static str],
}

const TABLES: [Table; 6] = [
    Table {
        name: "user_stats",
        base: &[("username", "'row <row>'"), ("first_seen", "1"), ("last_seen", "2")],
        columns: &[
            ("first_seen", "first_seen"),
            ("last_seen", "last_seen"),
            ("total_chat_lines", "total_chat_lines"),
            ("total_time_connected", "total_time_connected"),
            ("current_session_start", "current_session_start"),
        ],
        counters: &["total_chat_lines", "total_time_connected"],
    },
    Table {
        name: "user_actions",
        base: &[("id", "<row>"), ("timestamp", "1"), ("username", "'u'"), ("action_type", "'a'")],
        columns: &[
            ("timestamp", "timestamp"),
            ("username", "username"),
            ("action_type", "action_type"),
            ("details", "details"),
        ],
        counters: &[],
    },
    Table {
        name: "user_count_history",
        base: &[("id", "<row>"), ("timestamp", "1"), ("chat_users", "1"), ("connected_users", "1")],
        columns: &[
            ("timestamp", "timestamp"),
            ("chat_users", "chat_users"),
            ("connected_users", "connected_users"),
        ],
        counters: &[],
    },
    Table {
        name: "recent_chat",
        base: &[("id", "<row>"), ("timestamp", "1"), ("username", "'u'"), ("message", "'m'")],
        columns: &[("timestamp", "timestamp"), ("username", "username"), ("message", "message")],
        counters: &[],
    },
    Table {
        name: "outbound_messages",
        base: &[("id", "<row>"), ("timestamp", "1"), ("message", "'m'")],
        columns: &[
            ("timestamp", "timestamp"),
            ("message", "message"),
            ("sent", "sent"),
            ("sent_timestamp", "sent_timestamp"),
            ("retry_count", "retry_count"),
            ("last_error", "error_message"),
        ],
        counters: &["sent", "retry_count"],
    },
    Table {
        name: "api_tokens",
        base: &[("token", "'token <row>'"), ("created_at", "1"), ("description", "'row <row>'")],
        columns: &[
            ("created_at", "created_at"),
            ("last_used", "last_used"),
            ("revoked", "is_active"),
        ],
        counters: &["revoked"],
    },
];

const CHANNEL: Table = Table {
    name: "channel_stats",
    base: &[("id", "1"), ("last_updated", "1")],
    columns: &[
        ("max_users", "max_users"),
        ("max_users_timestamp", "max_users_timestamp"),
        ("max_connected", "max_connected"),
        ("max_connected_timestamp", "max_connected_timestamp"),
        ("last_updated", "last_updated"),
    ],
    counters: &["max_users", "max_connected", "last_updated"],
};
const STATUS: Table = Table {
    name: "current_status",
    base: &[("id", "1"), ("last_updated", "1")],
    columns: &[
        ("bot_name", "bot_name"),
        ("bot_rank", "bot_rank"),
        ("bot_afk", "bot_afk"),
        ("channel_name", "channel_name"),
        ("current_chat_users", "current_chat_users"),
        ("current_connected_users", "current_connected_users"),
        ("playlist_items", "playlist_items"),
        ("current_media_title", "current_media_title"),
        ("current_media_duration", "current_media_duration"),
        ("bot_start_time", "bot_start_time"),
        ("bot_connected", "bot_connected"),
        ("last_updated", "last_updated"),
    ],
    counters: &["current_chat_users", "current_connected_users", "playlist_items", "last_updated"],
};

/// Which program wrote the file.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Writer {
    V050,
    V060,
}

impl Writer {
    fn file(self) -> TestDb {
        match self {
            Self::V050 => foreign(Dialect::Sqlite, "bot"),
            Self::V060 => {
                let db = TestDb::new(Dialect::Sqlite);
                db.batch(include_str!(
                    "../../../../migrations/bot/adopt/sqlite/rosey_v060/schema.sql"
                ));
                db
            }
        }
    }

    /// What it calls a column of v0.5.0.
    fn column(self, column: &'static str) -> &'static str {
        match (self, column) {
            (Self::V060, "last_error") => "error_message",
            (Self::V060, "revoked") => "is_active",
            (_, column) => column,
        }
    }

    /// A value that comes back as another one, for the reason that ROLLBACK.md tells.
    fn comes_back(self, table: &Table, column: &str, value: &'static str) -> Option<&'static str> {
        if value == "NULL" && self == Self::V050 && table.counters.contains(&column) {
            return Some("0");
        }
        // The first version knows no activity of a token, but whether it is revoked.
        let rounded = ROUNDED.iter().find(|(exact, _)| *exact == value)?.1;
        (self == Self::V050).then_some(rounded)
    }
}

/// One row for each value of each column; gives what each row is about, and its value as it was stored.
fn fill(
    db: &TestDb,
    writer: Writer,
    table: &Table,
) -> BTreeMap<usize, (&'static str, &'static str)> {
    let mut rows = BTreeMap::new();
    let mut script = format!("DELETE FROM {};", table.name);
    for (column, _) in table.columns {
        for value in VALUES {
            let row = rows.len() + 1;
            rows.insert(row, (*column, value));
            let own = writer.column(column);
            let base = table.base.iter().filter(|(name, _)| *name != own);
            let (mut names, mut values): (Vec<_>, Vec<_>) =
                base.map(|(name, text)| (*name, text.replace("<row>", &row.to_string()))).unzip();
            names.push(own);
            values.push(value.to_owned());
            let (names, values) = (names.join(", "), values.join(", "));
            script.extend([
                "INSERT OR IGNORE INTO ",
                table.name,
                " (",
                &names,
                ") VALUES (",
                &values,
                ");",
            ]);
        }
    }
    db.batch(&script);
    rows
}

/// Of each row that is there, the value of a column.
fn cells(db: &TestDb, table: &Table, column: &str) -> BTreeMap<usize, String> {
    let key = match table.name {
        "user_stats" => "substr(username, 5)",
        "api_tokens" => "substr(description, 5)",
        _ => "id",
    };
    let query = format!("SELECT {key} || '|' || {} FROM {}", exact(column), table.name);
    let cell = |line: String| {
        let (row, cell) = line.split_once('|').unwrap();
        (row.parse().unwrap(), cell.to_owned())
    };
    db.texts(&query).into_iter().map(cell).collect()
}

/// Gives the one row of `table` this value in each column that takes it.
fn fill_alone(db: &TestDb, writer: Writer, table: &Table, value: &str) {
    let (names, values): (Vec<_>, Vec<_>) = table.base.iter().copied().unzip();
    let columns = table.columns.iter().map(|(column, _)| {
        let own = writer.column(column);
        format!("UPDATE OR IGNORE {} SET {own} = {value};", table.name)
    });
    db.batch(&format!(
        "DELETE FROM {name}; INSERT INTO {name} ({}) VALUES ({}); {}",
        names.join(", "),
        values.join(", "),
        columns.collect::<String>(),
        name = table.name
    ));
}

/// Every cell of `table`, by its column in v0.5.0 and its row.
type Cells = BTreeMap<(&'static str, usize), String>;

fn all_cells(
    db: &TestDb,
    table: &Table,
    name: impl Fn(&'static str, &'static str) -> &'static str,
) -> Cells {
    let of = |(column, head): &(&'static str, &'static str)| {
        let cells = cells(db, table, name(column, head));
        let column = *column;
        cells.into_iter().map(move |(row, cell)| ((column, row), cell))
    };
    table.columns.iter().flat_map(of).collect()
}

/// Which rows and columns of `table` have a record.
fn records(db: &TestDb, table: &Table) -> Vec<(usize, String)> {
    let keys = match table.name {
        "user_stats" => "substr(r.row_key, 5)".to_owned(),
        "api_tokens" => {
            "(SELECT substr(description, 5) FROM api_tokens WHERE token_hash = r.row_key)"
                .to_owned()
        }
        _ => "r.row_key".to_owned(),
    };
    let query = format!(
        "SELECT {keys} || '|' || column_name FROM bot_recovered_values AS r WHERE table_name = '{}'",
        table.name
    );
    let pair = |line: String| {
        let (row, column) = line.split_once('|').unwrap();
        (row.parse().unwrap(), column.to_owned())
    };
    db.texts(&query).into_iter().map(pair).collect()
}

/// Takes a file to the head and back to the first version, and looks at each of its values.
fn there_and_back(
    db: &TestDb,
    writer: Writer,
    table: &Table,
    value_of: impl Fn(&str, usize) -> Option<&'static str>,
) {
    let before = all_cells(db, table, |column, _| writer.column(column));

    migrate(db, "bot", &Goal::Head).unwrap();

    let at_head = all_cells(db, table, |_, head| head);
    assert_eq!(at_head.len(), before.len(), "{}: every row is there", table.name);
    let records = records(db, table);
    for ((column, row), cell) in &before {
        let own = writer.column(column).to_owned();
        let is_same = at_head[&(*column, *row)] == *cell;
        // The head says the opposite: whether a token is active.
        let is_flag = *column == "revoked" && ["integer 30", "integer 31"].contains(&cell.as_str());
        let untold = writer == Writer::V050 && cell == "null " && table.counters.contains(column);
        // Ranks had no fraction in v0.6.0.
        let is_rank = *column == "bot_rank" && cell.starts_with("integer");
        let is_recorded = records.contains(&(*row, own));
        assert!(
            is_same || is_flag || is_rank || untold || is_recorded,
            "{writer:?} {}.{column}: {cell} became {} without a record",
            table.name,
            at_head[&(*column, *row)]
        );
    }

    migrate(db, "bot", &back_to_first("bot")).unwrap();

    let back = all_cells(db, table, |column, _| column);
    for (at, cell) in &before {
        let (column, row) = *at;
        if writer == Writer::V060 && column == "revoked" {
            continue;
        }
        if column == "revoked" && ["null ", "integer 30", "integer 31"].contains(&cell.as_str()) {
            assert_eq!(back[at], "integer 31", "a token is locked on the way back");
            continue;
        }
        if column == "bot_rank" && cell.starts_with("integer") {
            let rank = format!("CAST({} AS REAL)", value_of(column, row).unwrap());
            assert_eq!(back[at], db.texts(&format!("SELECT {}", exact(&rank))).concat());
            continue;
        }
        let value = value_of(column, row).and_then(|value| writer.comes_back(table, column, value));
        let expected = value.map(|value| db.texts(&format!("SELECT {}", exact(value))).concat());
        assert!(
            back[at] == *cell || Some(&back[at]) == expected.as_ref(),
            "{writer:?} {}.{column}: {cell} came back as {}",
            table.name,
            back[at]
        );
    }

    migrate(db, "bot", &Goal::Head).unwrap();

    for (at, cell) in all_cells(db, table, |_, head| head) {
        // What came back as something else is taken for that.
        let (column, row) = at;
        let is_other = value_of(column, row)
            .is_some_and(|value| writer.comes_back(table, column, value).is_some());
        assert!(
            cell == at_head[&at] || is_other,
            "{writer:?} {}.{column}: {} is {cell}, up again",
            table.name,
            at_head[&at]
        );
    }
}

#[rstest]
fn every_value_of_a_table_is_kept_and_comes_back(
    #[values(Writer::V050, Writer::V060)] writer: Writer,
    #[values(0, 1, 2, 3, 4, 5)] table: usize,
) {
    let (db, table) = (writer.file(), &TABLES[table]);
    let rows = fill(&db, writer, table);
    assert!(cells(&db, table, "rowid").len() > VALUES.len(), "many rows are taken");

    there_and_back(&db, writer, table, |column, row| {
        rows.get(&row).filter(|(tested, _)| *tested == column).map(|(_, value)| *value)
    });
}

#[rstest]
fn every_value_of_a_single_row_is_kept_and_comes_back(
    #[values(Writer::V050, Writer::V060)] writer: Writer,
    #[values(CHANNEL, STATUS)] table: Table,
) {
    for value in VALUES {
        let db = writer.file();
        fill_alone(&db, writer, &table, value);

        there_and_back(&db, writer, &table, |_, _| Some(value));
    }
}
