//! Copies an SQLite database before it is changed.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use underpin_db::{Access, Conn, ConnectOptions, DatabaseUrl};

use super::Engine;
use crate::{Error, checkpoint::checkpoint, error::Doing, session::Session, sql::literal};

const DOING: &str = "back the database up";

impl Engine<'_> {
    /// Takes the copy that somebody asked for, under the lock that `session` works under.
    pub(super) async fn back_up(&self, session: &mut Session<'_>) -> Result<(), Error> {
        if let Some(to) = &self.backup {
            back_up(session, to).await?;
            checkpoint();
        }
        Ok(())
    }
}

/// Copies the database of `session` to the file `to`, and proves the copy. What is there already is
/// the copy of an interrupted run, from before its migration, and stays.
async fn back_up(session: &mut Session<'_>, to: &Path) -> Result<(), Error> {
    if to.exists() {
        return Ok(());
    }
    let mut begun = to.as_os_str().to_owned();
    begun.push(".new");
    let begun = PathBuf::from(begun);
    let failed =
        |source: io::Error| Error::Backup { path: to.to_owned(), reason: source.to_string() };
    if begun.exists() {
        fs::remove_file(&begun).map_err(failed)?;
    }
    let target = literal(&begun.display().to_string());
    // SQLite copies what is committed, also what is in the journal only.
    let copied = session.conn.batch(&format!("VACUUM INTO {target}")).await;
    copied.map_err(|error| Error::Backup { path: to.to_owned(), reason: error.to_string() })?;
    prove(session, &begun).await.inspect_err(|_| drop(fs::remove_file(&begun)))?;
    fs::File::open(&begun).and_then(|file| file.sync_all()).map_err(failed)?;
    fs::rename(&begun, to).map_err(failed)?;
    let dir = to.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed)
}

/// The copy is sound, and has the same objects and the same history.
async fn prove(session: &mut Session<'_>, copy: &Path) -> Result<(), Error> {
    let options = ConnectOptions { access: Access::ReadOnly, ..ConnectOptions::default() };
    let mut conn = DatabaseUrl::file(copy).connect(&options).await?;
    let wrong = |reason: String| Error::Backup { path: copy.to_owned(), reason };
    let check = conn.text("PRAGMA integrity_check").await.doing(DOING)?.unwrap_or_default();
    if check != "ok" {
        return Err(wrong(check));
    }
    if objects(&mut conn).await? != objects(&mut session.conn).await? {
        return Err(wrong("the copy has other tables".to_owned()));
    }
    let history = session.history().await?;
    let copied = Session::new(conn, session.catalog).await?.history().await?;
    if copied == history { Ok(()) } else { Err(wrong("the copy has another history".to_owned())) }
}

async fn objects(conn: &mut Conn) -> Result<Vec<String>, Error> {
    let query = "SELECT name || char(31) || coalesce(sql, '') FROM sqlite_schema ORDER BY name";
    conn.texts(query).await.doing(DOING)
}
