//! Files that are files: a pipe is waited for until somebody writes to it, and a device has no end.

use std::{
    fs::{self, FileType},
    io,
    os::unix::fs::FileTypeExt as _,
    path::Path,
};

use crate::CatalogError;

/// The byte order mark of UTF-8.
const MARK: char = '\u{feff}';

/// All bytes of the file at `path`, or of the one that links lead to.
///
/// # Errors
///
/// Those of the system, and when there is something else than a file, which the message names.
pub fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    match other_than_file(fs::metadata(path)?.file_type()) {
        None => fs::read(path),
        Some(what) => {
            let wrong = format!("it is {what}, expected a file: put one in its place");
            Err(io::Error::other(wrong))
        }
    }
}

/// What stands where a file should, for people.
#[must_use]
pub fn other_than_file(kind: FileType) -> Option<&'static str> {
    match kind {
        _ if kind.is_file() => None,
        _ if kind.is_dir() => Some("a directory"),
        _ if kind.is_fifo() => Some("a named pipe"),
        _ if kind.is_socket() => Some("a socket"),
        _ => Some("a device"),
    }
}

/// The text of a file, `None` when there is none. Whatever else has its name is not read: it might have no
/// end.
///
/// The mark that some editors put before a text is no part of it.
pub(crate) fn read_optional(path: &Path) -> Result<Option<String>, CatalogError> {
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) => return unread(path, error),
    };
    match other_than_file(found.file_type()) {
        None => read_text(path),
        Some(what) => Err(CatalogError::NoRegularFile { path: path.to_owned(), what }),
    }
}

/// The text of what is a file, `None` when it is gone.
pub(crate) fn read_text(path: &Path) -> Result<Option<String>, CatalogError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => return unread(path, error),
    };
    let mut text = String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.split(|byte| *byte == b'\n').count();
        let encoding = match error.as_bytes() {
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "UTF-16",
            _ => "another encoding, such as Latin-1",
        };
        CatalogError::Encoding { path: path.to_owned(), line, encoding }
    })?;
    if text.starts_with(MARK) {
        text.drain(..MARK.len_utf8());
    }
    Ok(Some(text))
}

fn unread(path: &Path, source: io::Error) -> Result<Option<String>, CatalogError> {
    match source.kind() {
        io::ErrorKind::NotFound => Ok(None),
        _ => Err(CatalogError::Read { path: path.to_owned(), source }),
    }
}
