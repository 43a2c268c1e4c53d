//! The mark: what the header of an SQLite file tells of its history, so that nobody needs to open it.
//!
//! SQLite keeps a number for the application in the header, `user_version`, which changes with the
//! transaction that sets it. The engine keeps there a digest of what is applied, taken together with
//! SQLite's own count of schema changes: when anybody else changes the schema, the mark does not fit
//! any more, and the history is read instead. What it cannot notice is a history that other tools
//! changed without a change of the schema.
//!
//! Marks are negative. A number above zero is somebody else's, and stays.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
};

use underpin_catalog::{Catalog, Checksum, Dialect, Version};
use underpin_db::DbError;

use crate::{History, adopt, session::Session};

/// The marks that the versions of a catalog leave in SQLite files.
#[derive(Debug)]
pub struct Marks<'a> {
    catalog: &'a Catalog,
    /// Digests of the history by how many migrations are applied, from one.
    digests: Vec<u64>,
}

impl<'a> Marks<'a> {
    /// The marks of `catalog`'s versions.
    #[must_use]
    pub fn new(catalog: &'a Catalog) -> Self {
        let mut digest = Digest::of(catalog.set());
        let migrations = catalog.migrations().iter();
        let digests = migrations
            .map(|one| {
                digest.add(&one.version, one.checksum);
                digest.value()
            })
            .collect();
        Self { catalog, digests }
    }

    /// The history of the SQLite file at `path`, as far as its header tells it.
    ///
    /// A file of no bytes, without a journal, is an empty database. `None` means that the history has to be read: the file was never marked, somebody else changed
    /// its schema since, a journal stands beside it, or it is no database.
    pub fn history(&self, path: &Path) -> io::Result<Option<History>> {
        if fs::metadata(path)?.len() == 0 && !has_journal(path) {
            return Ok(Some(History::default()));
        }
        let Some(header) = Header::read(path)? else { return Ok(None) };
        let fits = |digest: &u64| mark(*digest, header.schema_changes) == header.user_version;
        // Most files of a fleet are at head.
        let Some(index) = self.digests.iter().rposition(fits) else { return Ok(None) };
        let version = &self.catalog.migrations()[index].version;
        Ok(Some(adopt::history_of(self.catalog, version)))
    }
}

/// What the first hundred bytes of an SQLite file say; see <https://www.sqlite.org/fileformat.html>.
struct Header {
    schema_changes: u32,
    user_version: i32,
}

impl Header {
    /// `None` for what is no whole database without its journal.
    fn read(path: &Path) -> io::Result<Option<Self>> {
        let mut bytes = [0; 100];
        match File::open(path)?.read_exact(&mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            result => result?,
        }
        // Looked for afterwards: a change that was under way while the header was read is told by them.
        if has_journal(path) || !bytes.starts_with(b"SQLite format 3\0") {
            return Ok(None);
        }
        let number = |at: usize| u32::from_be_bytes([0, 1, 2, 3].map(|index| bytes[at + index]));
        let (schema_changes, user_version) = (number(40), number(60).cast_signed());
        Ok((user_version < 0).then_some(Self { schema_changes, user_version }))
    }
}

/// Whether the file at `path` is only a part of what is in the database.
fn has_journal(path: &Path) -> bool {
    ["-wal", "-journal"].iter().any(|end| {
        let mut journal = path.as_os_str().to_owned();
        journal.push(end);
        fs::metadata(journal).is_ok_and(|file| file.len() > 0)
    })
}

/// A digest of a history.
struct Digest(Checksum);

impl Digest {
    fn of(set: &str) -> Self {
        Self(Checksum::of(set))
    }

    fn add(&mut self, version: &Version, checksum: Checksum) {
        self.0 = Checksum::of(&format!("{}\n{version}\n{checksum}", self.0));
    }

    fn value(&self) -> u64 {
        self.0.0.iter().take(8).fold(0, |value, byte| value << 8 | u64::from(*byte))
    }
}

/// The mark of a history in a file whose schema has changed so often. Always below zero.
fn mark(digest: u64, schema_changes: u32) -> i32 {
    let [a, b, c, d, ..] = Checksum::of(&format!("{digest} {schema_changes}")).0;
    i32::from_be_bytes([a | 0x80, b, c, d])
}

impl Session<'_> {
    /// Ends the transaction that is open, which led to `history`. On SQLite the header says so, too.
    pub(crate) async fn commit(&mut self, history: &History) -> Result<(), DbError> {
        if self.conn.dialect() == Dialect::Sqlite {
            self.mark(history).await?;
        }
        let end = self.frame.end().collect::<Vec<_>>().join(";\n");
        self.conn.batch(&end).await
    }

    /// A history that is not one set's alone, or that must be looked at, gets no mark.
    async fn mark(&mut self, history: &History) -> Result<(), DbError> {
        let user_version = self.number("PRAGMA user_version").await?;
        if user_version > 0 {
            return Ok(());
        }
        let schema_changes = self.number("PRAGMA schema_version").await?;
        // SQLite shows its unsigned number as a signed one.
        let wanted = digest_of(self.catalog.set(), history)
            .map_or(0, |digest| mark(digest, schema_changes.cast_unsigned()));
        if wanted == user_version {
            return Ok(());
        }
        self.conn.batch(&format!("PRAGMA user_version = {wanted}")).await
    }

    /// A number of the header; these two have 32 bits.
    async fn number(&mut self, pragma: &str) -> Result<i32, DbError> {
        let text = self.conn.text(pragma).await?;
        Ok(text.and_then(|text| text.parse().ok()).unwrap_or_default())
    }
}

/// `None` for a history that no catalog of `set` alone would give.
fn digest_of(set: &str, history: &History) -> Option<u64> {
    let History { applied, interrupted, taken, others } = history;
    if applied.is_empty() || interrupted.is_some() || !taken.is_empty() || *others {
        return None;
    }
    let mut digest = Digest::of(set);
    for (version, checksum) in applied {
        digest.add(version, (*checksum)?);
    }
    Some(digest.value())
}
