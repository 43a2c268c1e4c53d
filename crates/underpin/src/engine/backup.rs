//! Copies an SQLite database before it is changed.

use std::{
    fs, io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use underpin_db::{Access, Conn, ConnectOptions, DatabaseUrl, DbError};

use super::Engine;
use crate::{
    Error,
    checkpoint::checkpoint,
    error::Doing,
    session::Session,
    sql::{identifier, literal},
};

const DOING: &str = "back the database up";
/// How often a copy is begun again because another program wrote to the database meanwhile.
const TRIES: usize = 5;
/// How many tables one query counts: SQLite joins at most 500 queries to one.
const AT_ONCE: usize = 100;

impl Engine<'_> {
    /// Takes the copy that was asked for, under the lock that `session` works under.
    pub(super) async fn back_up(&self, session: &mut Session<'_>) -> Result<(), Error> {
        if let Some(to) = &self.backup {
            back_up(session, to).await?;
            checkpoint();
        }
        Ok(())
    }
}

/// Copies the database of `session` to a new file `to`, and proves the copy. Whatever is there already is
/// of somebody else, or from before: it stays, and nothing is done.
async fn back_up(session: &mut Session<'_>, to: &Path) -> Result<(), Error> {
    for _ in 0..TRIES {
        let half = Half::of(to)?;
        let seen = session.changes_by_others().await.doing(DOING)?;
        let target = literal(&half.path.display().to_string());
        // SQLite copies what is committed, also what is in the journal only.
        let copied = session.conn.batch(&format!("VACUUM INTO {target}")).await;
        match copied {
            Err(error) if error.is_busy() => Err(error).doing(DOING)?,
            copied => copied.map_err(|error| refused(to, error.to_string()))?,
        }
        checkpoint();
        let difference = difference(session, &half.path).await?;
        if session.changes_by_others().await.doing(DOING)? != seen {
            continue;
        }
        session.copied_at = seen;
        return match difference {
            None => half.keep(to),
            Some(difference) => Err(refused(to, difference)),
        };
    }
    Err(refused(to, format!("another program wrote to it during each of {TRIES} copies")))
}

fn refused(to: &Path, reason: String) -> Error {
    Error::Backup { path: to.to_owned(), reason }
}

/// A copy that nobody may take for one yet. It goes when it is dropped.
struct Half {
    path: PathBuf,
}

impl Half {
    /// An empty file beside `to`, which its owner alone may read: a copy holds what the database holds.
    fn of(to: &Path) -> Result<Self, Error> {
        if fs::symlink_metadata(to).is_ok() {
            let reason = "a file of that name is there, and is not taken for the copy of this run";
            return Err(refused(to, reason.to_owned()));
        }
        let mut path = to.as_os_str().to_owned();
        path.push(".new");
        let path = PathBuf::from(path);
        let made = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        match made {
            Ok(_) => Ok(Self { path }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let path = path.display();
                Err(refused(
                    to,
                    format!("`{path}` is there, half a copy of another run: remove it"),
                ))
            }
            Err(error) => Err(refused(to, error.to_string())),
        }
    }

    /// Gives it the name `to`, unless something took that meanwhile, and sees it to the disk.
    fn keep(self, to: &Path) -> Result<(), Error> {
        let kept = || {
            fs::File::open(&self.path)?.sync_all()?;
            match fs::hard_link(&self.path, to) {
                Ok(()) => fs::remove_file(&self.path)?,
                // Not every file system has links.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
                Err(_) => fs::rename(&self.path, to)?,
            }
            let dir = to.parent().filter(|dir| !dir.as_os_str().is_empty());
            fs::File::open(dir.unwrap_or(Path::new(".")))?.sync_all()
        };
        kept().map_err(|error: io::Error| refused(to, error.to_string()))
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "half a copy stays: `{}`", self.path.display());
        }
    }
}

impl Session<'_> {
    /// Whether another connection has written since the copy; from then on nobody can, in the transaction
    /// that is open.
    pub(crate) async fn changed_since_copy(&mut self) -> Result<bool, DbError> {
        if self.copied_at.is_none() {
            return Ok(false);
        }
        Ok(self.changes_by_others().await? != self.copied_at)
    }
}

/// In which way the copy is not what the database is: it must be sound, with the same objects, the same
/// history and as many rows in each table.
async fn difference(session: &mut Session<'_>, copy: &Path) -> Result<Option<String>, Error> {
    let options = ConnectOptions { access: Access::ReadOnly, ..ConnectOptions::default() };
    let mut conn = DatabaseUrl::file(copy).connect(&options).await?;
    let check = conn.text("PRAGMA integrity_check").await.doing(DOING)?.unwrap_or_default();
    if check != "ok" {
        return Ok(Some(check));
    }
    if objects(&mut conn).await? != objects(&mut session.conn).await? {
        return Ok(Some("the copy has other tables".to_owned()));
    }
    if rows(&mut conn).await? != rows(&mut session.conn).await? {
        return Ok(Some("the copy has other rows".to_owned()));
    }
    let history = session.history().await?;
    let copied = Session::new(conn, session.catalog).await?.history().await?;
    Ok((copied != history).then(|| "the copy has another history".to_owned()))
}

async fn objects(conn: &mut Conn) -> Result<Vec<String>, Error> {
    let query = "SELECT name || char(31) || coalesce(sql, '') FROM sqlite_schema ORDER BY name";
    conn.texts(query).await.doing(DOING)
}

/// How many rows each table has.
async fn rows(conn: &mut Conn) -> Result<Vec<String>, Error> {
    let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name";
    let tables = conn.texts(tables).await.doing(DOING)?;
    let count = |table: &String| format!("SELECT count(*) || '' FROM {}", identifier(table));
    let mut rows = Vec::with_capacity(tables.len());
    for tables in tables.chunks(AT_ONCE) {
        let query = tables.iter().map(count).collect::<Vec<_>>().join(" UNION ALL ");
        rows.extend(conn.texts(&query).await.doing(DOING)?);
    }
    Ok(rows)
}
