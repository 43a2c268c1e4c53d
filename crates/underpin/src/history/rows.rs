//! Reads the rows of both tables, and keeps what is about one set.

use std::collections::{BTreeMap, btree_map::Entry};

use underpin_catalog::{Catalog, Version};

use super::{History, Interrupted, Note};
use crate::{Direction, Error};

/// What a database's two tables say, before it is known what of it is this set's.
#[derive(Default)]
pub(super) struct Rows {
    applied: Vec<String>,
    /// By set and version.
    ours: BTreeMap<(String, String), Ours>,
}

/// What our table says of one version.
struct Ours {
    latest: Row,
    /// Of the newest row that is done: the `up.sql` that made the version what it is.
    checksum: Option<(u64, String)>,
}

struct Row {
    id: u64,
    action: String,
    checksum: Option<String>,
    outcome: String,
    statement: Option<usize>,
    note: Option<Note>,
}

impl Row {
    fn is_running(&self) -> bool {
        self.outcome == "running"
    }

    fn done(&self) -> Option<(u64, String)> {
        if self.is_running() { None } else { Some((self.id, self.checksum.clone()?)) }
    }
}

/// Parts the fields of a row of ours, of which the set comes last: it may be any text.
pub(super) const SEPARATOR: char = '\u{1f}';

impl Rows {
    /// Reads the lines of [`Tables::read`]. `None` for what this engine does not write.
    pub(super) fn parse(lines: Vec<String>) -> Option<Self> {
        let mut rows = Self::default();
        for line in lines {
            let mut fields = line.splitn(8, SEPARATOR);
            let first = fields.next()?;
            let Some(version) = fields.next() else {
                rows.applied.push(line);
                continue;
            };
            let optional = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
            let row = Row {
                id: first.parse().ok()?,
                action: fields.next()?.to_owned(),
                checksum: optional(fields.next()?),
                outcome: fields.next()?.to_owned(),
                statement: optional(fields.next()?).map(|text| text.parse()).transpose().ok()?,
                note: Note::parse(fields.next()?),
            };
            let key = (fields.next()?.to_owned(), version.to_owned());
            let checksum = row.done();
            match rows.ours.entry(key) {
                Entry::Vacant(entry) => {
                    entry.insert(Ours { latest: row, checksum });
                }
                Entry::Occupied(mut entry) => {
                    let ours = entry.get_mut();
                    ours.checksum = ours.checksum.take().max(checksum);
                    if ours.latest.id < row.id {
                        ours.latest = row;
                    }
                }
            }
        }
        Some(rows)
    }
}

/// Keeps of a database's rows what is about this catalog's set.
///
/// Diesel's table has no column for the set: a version belongs to another set when our own table
/// says so and the catalog does not know it.
pub(super) fn interpret(rows: Rows, catalog: &Catalog) -> Result<History, Error> {
    let mut history = History::default();
    let wrong = |error: &dyn std::fmt::Display| Error::History(error.to_string());
    let mut ours = BTreeMap::new();
    let mut others = BTreeMap::new();
    for ((set, version), row) in rows.ours {
        if set == catalog.set() {
            ours.insert(version, row);
        } else {
            others.insert(version, (set, row.checksum.map(|(_, text)| text)));
        }
    }
    history.others = !others.is_empty();
    for text in rows.applied {
        let version: Version = text.parse().map_err(|error| wrong(&error))?;
        if let Some((set, script)) = others.get(&text).filter(|_| !ours.contains_key(&text)) {
            match catalog.get(&version) {
                // The same migration under another name of the set.
                Some(one) if script.as_ref() == Some(&one.checksum.to_string()) => {
                    history.applied.insert(version, Some(one.checksum));
                }
                Some(_) => drop(history.taken.insert(version, set.clone())),
                None => {}
            }
            continue;
        }
        let checksum = ours.get(&text).and_then(|row| row.checksum.as_ref());
        let checksum = checksum.map(|(_, text)| text);
        let checksum =
            checksum.map(|text| text.parse()).transpose().map_err(|error| wrong(&error))?;
        history.applied.insert(version, checksum);
    }
    if let Some((version, Ours { latest: row, .. })) =
        ours.into_iter().find(|(_, row)| row.latest.is_running())
    {
        history.interrupted = Some(Interrupted {
            version: version.parse().map_err(|error| wrong(&error))?,
            direction: if row.action == "downgrade" { Direction::Down } else { Direction::Up },
            done: row.statement.unwrap_or(0),
            note: row.note,
            checksum: row
                .checksum
                .map(|text| text.parse())
                .transpose()
                .map_err(|error| wrong(&error))?,
            runner: None,
        });
    }
    Ok(history)
}
