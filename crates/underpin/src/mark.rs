//! The mark: what the header of an SQLite file tells of its history, so that nobody needs to open it.
//!
//! SQLite keeps a number for the application in the header, `user_version`, which changes with the
//! transaction that sets it. The engine keeps there a digest of what is applied, taken together with
//! SQLite's own count of schema changes: when anybody else changes the schema, the mark does not fit
//! any more, and the history is read instead. What it cannot notice is a history that other tools
//! changed without a change of the schema.
//!
//! Marks are negative. A number that is neither zero nor proven to be a mark is another program's, and stays.

use std::{
    fs,
    io::{self, Read as _},
    path::Path,
};

use underpin_catalog::{Catalog, Checksum, Dialect, Migration, Version};
use underpin_db::{DatabaseFile, DbError};

use crate::{Error, History, adopt, session::Session};

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
    pub fn history(&self, path: &Path) -> Result<Option<History>, Error> {
        let file = DatabaseFile::find(path)?;
        let failed = |error: io::Error| Error::Header { path: path.to_owned(), source: error };
        if fs::metadata(file.path()).map_err(failed)?.len() == 0 && !file.has_journal() {
            return Ok(Some(History::default()));
        }
        let Some(header) = Header::read(&file).map_err(failed)? else { return Ok(None) };
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
    fn read(file: &DatabaseFile) -> io::Result<Option<Self>> {
        let mut bytes = [0; 100];
        match file.open()?.read_exact(&mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            result => result?,
        }
        // Looked for afterwards: a change that was under way while the header was read is told by them.
        if file.has_journal() || !bytes.starts_with(b"SQLite format 3\0") {
            return Ok(None);
        }
        let number = |at: usize| u32::from_be_bytes([0, 1, 2, 3].map(|index| bytes[at + index]));
        let (schema_changes, user_version) = (number(40), number(60).cast_signed());
        Ok((user_version < 0).then_some(Self { schema_changes, user_version }))
    }
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

    /// Finds out whether the number in the header is a mark that the engine made, given the `history` that
    /// the file has. Any number below zero may be another program's, so a mark is believed by proof alone:
    /// it fits a history that the file has or had.
    pub(crate) async fn look_at_mark(&mut self, history: &History) -> Result<(), DbError> {
        if self.conn.dialect() != Dialect::Sqlite {
            return Ok(());
        }
        let user_version = self.number("PRAGMA user_version").await?;
        let last = self.number("PRAGMA schema_version").await?.cast_unsigned();
        self.marked = None;
        if user_version < 0 {
            let mut digests = Marks::new(self.catalog).digests;
            digests.reverse();
            digests.splice(0..0, prefixes(self.catalog.set(), history));
            // Others may have changed the schema since.
            let mut schemas = (last.saturating_sub(LOOK_BACK)..=last).rev();
            let ours = |schema| digests.iter().any(|digest| mark(*digest, schema) == user_version);
            self.marked = schemas.any(ours).then_some(user_version);
        }
        Ok(())
    }

    /// Says in the header what the history is. One that is not one set's alone, that has gaps or that must be
    /// looked at gets no mark, and a number of another program stays.
    async fn mark(&mut self, history: &History) -> Result<(), DbError> {
        let user_version = self.number("PRAGMA user_version").await?;
        if user_version != 0 && self.marked != Some(user_version) {
            return Ok(());
        }
        let schema_changes = self.number("PRAGMA schema_version").await?;
        // SQLite shows its unsigned number as a signed one.
        let digest = self.digest_of(history);
        let wanted = digest.map_or(0, |digest| mark(digest, schema_changes.cast_unsigned()));
        self.marked = Some(wanted);
        if wanted == user_version {
            return Ok(());
        }
        self.conn.batch(&format!("PRAGMA user_version = {wanted}")).await
    }

    /// The digest of a history. `None` for one that no catalog of this set alone would give, or that has gaps.
    fn digest_of(&mut self, history: &History) -> Option<u64> {
        let History { applied, interrupted, taken, others } = history;
        if applied.is_empty() || interrupted.is_some() || !taken.is_empty() || *others {
            return None;
        }
        let catalog = self.catalog.migrations();
        let same = |(one, (version, checksum)): (&Migration, (&Version, &Option<Checksum>))| {
            one.version == *version && Some(one.checksum) == *checksum
        };
        // This is asked at the end of each transaction.
        if catalog.len() >= applied.len() && catalog.iter().zip(applied).all(same) {
            let digests = self.digests.get_or_insert_with(|| Marks::new(self.catalog).digests);
            return digests.get(applied.len() - 1).copied();
        }
        let is_applied = |one: &&Migration| applied.contains_key(&one.version);
        if catalog.iter().skip_while(is_applied).any(|one| is_applied(&one)) {
            return None;
        }
        let mut digest = Digest::of(self.catalog.set());
        for (version, checksum) in applied {
            digest.add(version, (*checksum)?);
        }
        Some(digest.value())
    }

    /// A number of the header; these two have 32 bits.
    async fn number(&mut self, pragma: &str) -> Result<i32, DbError> {
        let text = self.conn.text(pragma).await?;
        Ok(text.and_then(|text| text.parse().ok()).unwrap_or_default())
    }
}

/// How many changes of the schema by others a mark is known after.
const LOOK_BACK: u32 = 256;

/// The digests of a history and of those before it, newest first.
fn prefixes(set: &str, history: &History) -> Vec<u64> {
    let mut digest = Digest::of(set);
    let known = history.applied.iter().map_while(|(version, sum)| Some((version, (*sum)?)));
    let mut digests: Vec<_> = known
        .map(|(version, checksum)| {
            digest.add(version, checksum);
            digest.value()
        })
        .collect();
    digests.reverse();
    digests
}
