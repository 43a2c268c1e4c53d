//! The file of a journal: made anew for its owner alone, or proven to be a journal.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use diesel::{SqliteConnection, connection::SimpleConnection as _};
use underpin_db::{Access, Conn, ConnectOptions, DatabaseUrl, with_causes};

use super::tables;

/// What the file's `user_version` says; the tables of another version are other ones.
const FORMAT: &str = "2";
/// What its `application_id` says.
const APPLICATION: &str = "1431325233";
/// Only the owner may read what a journal says of databases.
const MODE: u32 = 0o600;

/// Makes an empty file where there is none. What is there must be a file that can be looked into.
pub(super) fn make(path: &Path) -> Result<(), String> {
    let made = OpenOptions::new().write(true).create_new(true).mode(MODE).open(path);
    match made {
        Ok(file) => {
            let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
            let kept = file
                .sync_all()
                .and_then(|()| File::open(dir.unwrap_or(Path::new(".")))?.sync_all());
            kept.map_err(|error| error.to_string())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => check(path),
        Err(error) => Err(error.to_string()),
    }
}

/// A pipe would never be read to its end, and a link to nothing or to an empty file leads to a file that
/// nobody made for a journal.
pub(super) fn check(path: &Path) -> Result<(), String> {
    let found = fs::metadata(path).map_err(|error| error.to_string())?;
    let is_link = fs::symlink_metadata(path).is_ok_and(|link| link.is_symlink());
    if !found.is_file() {
        return Err("expected a file, found a directory, a pipe or a device".to_owned());
    }
    if is_link && found.len() == 0 {
        return Err("expected a journal, found a link to an empty file".to_owned());
    }
    Ok(())
}

/// Opens the journal at `path`, which is an empty file or a journal.
pub(super) fn open(path: &Path) -> Result<SqliteConnection, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let options = ConnectOptions { access: Access::ReadWrite, ..ConnectOptions::default() };
    let conn = runtime.block_on(DatabaseUrl::file(path).connect(&options));
    let mut conn = conn.map_err(|error| with_causes(&error))?;
    let query = "SELECT user_version || ' ' || application_id || ' ' || \
                 (SELECT count(*) FROM sqlite_schema) || ' ' || \
                 (SELECT count(*) FROM sqlite_schema WHERE name IN ('runs', 'targets')) \
                 FROM pragma_user_version, pragma_application_id";
    let found = runtime.block_on(conn.text(query)).map_err(|error| error.to_string())?;
    let found = found.unwrap_or_default();
    let change = match found.split(' ').collect::<Vec<_>>().as_slice() {
        ["0", "0", "0", "0"] => Some(tables::CREATE),
        ["1", "0", _, "2"] => Some(tables::SINCE_1),
        [FORMAT, APPLICATION, _, "2"] => None,
        _ => return Err(format!("expected a journal of format {FORMAT}, found something else")),
    };
    let mode = runtime.block_on(conn.text("PRAGMA journal_mode = WAL"));
    let mode = mode.map_err(|error| error.to_string())?;
    let Conn::Sqlite(mut conn) = conn else {
        return Err("expected an SQLite file".to_owned());
    };
    if let Some(change) = change {
        // Half a journal would be none, for good.
        let marks =
            format!("PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {FORMAT}");
        let change = format!("BEGIN IMMEDIATE; {change} {marks}; COMMIT");
        conn.batch_execute(&change).map_err(|error| error.to_string())?;
    }
    // What older programs made may be open to others.
    for end in ["", "-wal", "-shm"] {
        close(&beside(path, end));
    }
    // A commit does not wait for the disk: `sync` does, without the connection, which others use meanwhile.
    // Copying lines into the file waits for the disk, and all workers with it, so that is put off for 32 MiB.
    // Where the file system has no WAL, each commit waits.
    if mode.as_deref() == Some("wal") {
        let settings = "PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 8192";
        conn.batch_execute(settings).map_err(|error| error.to_string())?;
    }
    Ok(conn)
}

/// Waits until all that was committed is on the disk.
pub(super) fn sync(path: &Path) -> io::Result<()> {
    match File::open(beside(path, "-wal")) {
        Ok(wal) => wal.sync_data(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// A file of SQLite's beside the journal.
fn beside(path: &Path, end: &str) -> PathBuf {
    let mut file = path.as_os_str().to_owned();
    file.push(end);
    PathBuf::from(file)
}

/// Takes a file from everybody but its owner.
fn close(path: &Path) {
    let is_open = fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o077 != 0);
    if is_open && let Err(error) = fs::set_permissions(path, Permissions::from_mode(MODE)) {
        tracing::debug!(%error, "others may read the journal `{}`", path.display());
    }
}
